// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// An item of a message, and where the next one begins.
struct item {
    uint32_t tag;
    unsigned char *bytes;
    size_t count;
};

// Returns 1 for an item, 0 at the end, -1 if the message is cut.
static int next_item(unsigned char **at, const unsigned char *end, struct item *item) {
    struct berth_launcher_item head;
    if (*at == end) return 0;
    if ((size_t)(end - *at) < sizeof head) return -1;
    memcpy(&head, *at, sizeof head);
    *at += sizeof head;
    if (head.length > (size_t)(end - *at)) return -1;
    *item = (struct item){.tag = head.tag, .bytes = *at, .count = head.length};
    *at += head.length;
    return 1;
}

static int take(struct item *item, void *value, size_t size) {
    if (item->count < size) return -1;
    memcpy(value, item->bytes, size);
    item->bytes += size;
    item->count -= size;
    return 0;
}

// The next string of an item, up to its NUL; NULL if there is none.
static const char *string(struct item *item) {
    if (item->count == 0) return NULL;
    unsigned char *end = memchr(item->bytes, 0, item->count);
    if (!end) return NULL;
    const char *text = (const char *)item->bytes;
    item->count -= (size_t)(end - item->bytes) + 1;
    item->bytes = end + 1;
    return text;
}

static int read_filter(struct template *template, const struct item *item) {
    if (item->count == 0 || item->count % sizeof(struct sock_filter) != 0) return -1;
    // Aligned, unlike the message.
    void *copy = malloc(item->count);
    if (!copy) return -1;
    memcpy(copy, item->bytes, item->count);
    template->filter.filter = copy;
    template->filter.len = (unsigned short)(item->count / sizeof(struct sock_filter));
    return item->count / sizeof(struct sock_filter) > BPF_MAXINSNS ? -1 : 0;
}

static int read_step(struct template *template, struct item *item) {
    if (template->step_count == MAX_STEPS) return -1;
    struct step *step = &template->steps[template->step_count++];
    if (take(item, &step->head, sizeof step->head) < 0) return -1;
    step->target = string(item);
    step->source = string(item);
    step->type = string(item);
    step->data = string(item);
    return step->data && (step->target[0] == '/' || step->head.kind == BERTH_STEP_ENTER) ? 0 : -1;
}

// Adds the item's string to an array with a bound.
#define ADD(array, number, maximum) \
    do { \
        if ((number) == (maximum)) return -1; \
        const char *text = string(item); \
        if (!text) return -1; \
        (array)[(number)++] = (void *)(uintptr_t)text; \
        return 0; \
    } while (0)

static int read_item(struct template *template, struct item *item) {
    switch (item->tag) {
    case BERTH_ITEM_TREE: return (template->tree = string(item)) ? 0 : -1;
    case BERTH_ITEM_SOURCE: ADD(template->sources, template->source_count, MAX_SOURCES);
    case BERTH_ITEM_LAYER: ADD(template->layers, template->layer_count, MAX_LAYERS);
    case BERTH_ITEM_ARGUMENT: ADD(template->arguments, template->argument_count, MAX_ARGUMENTS);
    case BERTH_ITEM_VARIABLE: ADD(template->variables, template->variable_count, MAX_VARIABLES);
    case BERTH_ITEM_STEP: return read_step(template, item);
    case BERTH_ITEM_FILTER: return read_filter(template, item);
    case BERTH_ITEM_CAPABILITIES: return take(item, &template->capabilities, sizeof template->capabilities);
    case BERTH_ITEM_NETWORK: template->has_network = 1; return 0;
    case BERTH_ITEM_ROOTLESS: template->is_rootless = 1; return 0;
    case BERTH_ITEM_CGROUP: {
        struct berth_launcher_cgroup head;
        if (template->cgroup_count == BERTH_LAUNCHER_MAX_CGROUPS || take(item, &head, sizeof head) < 0) return -1;
        size_t index = template->cgroup_count++;
        template->cgroups[index].kind = head.kind;
        template->cgroups[index].parent = -1;
        return (template->cgroups[index].path = string(item)) ? 0 : -1;
    }
    case BERTH_ITEM_LIMIT: {
        if (template->limit_count == MAX_LIMITS) return -1;
        struct limit *limit = &template->limits[template->limit_count++];
        if (take(item, &limit->head, sizeof limit->head) < 0 || limit->head.cgroup >= template->cgroup_count) return -1;
        limit->file = string(item);
        limit->value = string(item);
        return limit->value ? 0 : -1;
    }
    case BERTH_ITEM_RLIMIT:
        if (template->rlimit_count == MAX_RLIMITS) return -1;
        return take(item, &template->rlimits[template->rlimit_count++], sizeof template->rlimits[0]);
    // What an older launcher would leave out might be a limit.
    default: return -1;
    }
}

int read_template(unsigned char *bytes, size_t count, struct template *template, struct report *report) {
    unsigned char *at = bytes + sizeof(struct berth_launcher_header);
    const unsigned char *end = bytes + count;
    struct item item;
    int result;
    report->doing = "read the set-up";
    while ((result = next_item(&at, end, &item)) > 0)
        if (read_item(template, &item) < 0) return failed(report, EINVAL, "read the set-up", NULL);
    if (result < 0 || !template->tree || template->argument_count == 0 || template->filter.len == 0
        || template->capabilities == 0)
        return failed(report, EINVAL, "read the set-up", "it is not complete");
    return 0;
}

// A name is the last part of paths, so it is checked here too.
static int read_name(struct request *request, const struct item *item) {
    if (item->count == 0 || item->count > MAX_NAME || item->bytes[0] == '-') return -1;
    for (size_t i = 0; i < item->count; i++) {
        unsigned char c = item->bytes[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return -1;
    }
    memcpy(request->name, item->bytes, item->count);
    request->name[item->count] = 0;
    return 0;
}

int read_request(const unsigned char *bytes, size_t count, struct request *request, struct report *report) {
    unsigned char *at = (unsigned char *)(uintptr_t)bytes + sizeof(struct berth_launcher_header);
    const unsigned char *end = bytes + count;
    struct item item;
    int result;
    report->doing = "read the request";
    while ((result = next_item(&at, end, &item)) > 0) {
        int wrong = 0;
        switch (item.tag) {
        case BERTH_ITEM_NAME: wrong = read_name(request, &item); break;
        case BERTH_ITEM_USER: wrong = take(&item, &request->user, sizeof request->user); break;
        case BERTH_ITEM_FILE:
            if (request->file_count == MAX_LAYERS) return failed(report, EINVAL, "read the request", "files");
            request->files[request->file_count].bytes = item.bytes;
            request->files[request->file_count++].count = item.count;
            break;
        default: wrong = -1;
        }
        if (wrong) return failed(report, EINVAL, "read the request", NULL);
    }
    if (result < 0 || !request->name[0] || request->stream < 0 || request->errors < 0)
        return failed(report, EINVAL, "read the request", "it is not complete");
    return 0;
}
