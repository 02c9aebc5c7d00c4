// SPDX-License-Identifier: Apache-2.0

/* Sample: ten programs at once in one container, over one connection, from one thread. */
#include <berth.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    char text[64];
    size_t size;
} output;

static void on_output(berth_execution *execution, berth_stream stream, uint64_t offset, const void *bytes, size_t size,
                      void *data) {
    output *o = data;
    (void)execution, (void)stream, (void)offset;
    if (size > sizeof o->text - o->size) size = sizeof o->text - o->size;
    memcpy(o->text + o->size, bytes, size);
    o->size += size;
}

int main(void) {
    enum { COUNT = 10 };
    output outputs[COUNT] = {0};
    berth_execution *executions[COUNT] = {0};
    berth_lease lease = {0};
    berth_error error = {0};
    berth_client *client = berth_client_new(NULL, NULL, &error);
    if (client && berth_acquire(client, NULL, &lease, &error) == 0) {
        for (int i = 0; i < COUNT; i++) {
            char line[64];
            snprintf(line, sizeof line, "sleep 0.1; echo program %d", i);
            executions[i] = berth_execute(client, lease.token, &(berth_command){.shell = line},
                                          &(berth_handlers){.output = on_output}, &outputs[i], &error);
        }
        for (int i = 0; i < COUNT; i++) {
            if (executions[i] && berth_wait(executions[i], NULL, &error) == 0) {
                fwrite(outputs[i].text, 1, outputs[i].size, stdout);
            }
            berth_execution_free(executions[i]);
        }
        berth_release(client, lease.token, NULL);
        berth_lease_clear(&lease);
    }
    if (error.code) fprintf(stderr, "%s: %s\n", berth_code_name(error.code), error.message);
    berth_client_free(client);
    return error.code != 0;
}
