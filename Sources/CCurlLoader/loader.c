// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
// Disables curl's argument checks, which are macros with the names of the functions that are defined here.
#define CURL_DISABLE_TYPECHECK
#include "CCurlLoader.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#define FUNCTIONS(use)                                                                                                       \
    use(curl_easy_cleanup) use(curl_easy_getinfo) use(curl_easy_init) use(curl_easy_pause) use(curl_easy_perform)            \
    use(curl_easy_recv) use(curl_easy_send) use(curl_easy_setopt) use(curl_easy_strerror) use(curl_global_init)              \
    use(curl_multi_add_handle) use(curl_multi_cleanup) use(curl_multi_info_read) use(curl_multi_init)                        \
    use(curl_multi_perform) use(curl_multi_poll) use(curl_multi_remove_handle) use(curl_multi_setopt)                        \
    use(curl_multi_wakeup) use(curl_slist_append) use(curl_slist_free_all)

#define DECLARE(name) __typeof__(&name) name;
static struct {
    FUNCTIONS(DECLARE)
} library;

static const char *failure;

static void load(void) {
    void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        failure = dlerror();
        if (failure == NULL) failure = "libcurl.so.4 can't be loaded";
        return;
    }
#define FIND(name)                                                                                                           \
    if ((library.name = (__typeof__(&name))dlsym(handle, #name)) == NULL) failure = "libcurl.so.4 is too old: it has no " #name;
    FUNCTIONS(FIND)
}

const char *berth_load_curl(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return failure;
}

void curl_easy_cleanup(CURL *easy) { library.curl_easy_cleanup(easy); }
CURL *curl_easy_init(void) { return library.curl_easy_init(); }
CURLcode curl_easy_pause(CURL *easy, int mask) { return library.curl_easy_pause(easy, mask); }
CURLcode curl_easy_perform(CURL *easy) { return library.curl_easy_perform(easy); }
CURLcode curl_easy_recv(CURL *easy, void *room, size_t size, size_t *count) {
    return library.curl_easy_recv(easy, room, size, count);
}
CURLcode curl_easy_send(CURL *easy, const void *bytes, size_t size, size_t *count) {
    return library.curl_easy_send(easy, bytes, size, count);
}
const char *curl_easy_strerror(CURLcode code) { return library.curl_easy_strerror(code); }
CURLcode curl_global_init(long flags) { return library.curl_global_init(flags); }
CURLMcode curl_multi_add_handle(CURLM *multi, CURL *easy) { return library.curl_multi_add_handle(multi, easy); }
CURLMcode curl_multi_cleanup(CURLM *multi) { return library.curl_multi_cleanup(multi); }
CURLMsg *curl_multi_info_read(CURLM *multi, int *left) { return library.curl_multi_info_read(multi, left); }
CURLM *curl_multi_init(void) { return library.curl_multi_init(); }
CURLMcode curl_multi_perform(CURLM *multi, int *running) { return library.curl_multi_perform(multi, running); }
CURLMcode curl_multi_poll(CURLM *multi, struct curl_waitfd *more, unsigned int count, int timeout, int *ready) {
    return library.curl_multi_poll(multi, more, count, timeout, ready);
}
CURLMcode curl_multi_remove_handle(CURLM *multi, CURL *easy) { return library.curl_multi_remove_handle(multi, easy); }
CURLMcode curl_multi_wakeup(CURLM *multi) { return library.curl_multi_wakeup(multi); }
struct curl_slist *curl_slist_append(struct curl_slist *list, const char *text) {
    return library.curl_slist_append(list, text);
}
void curl_slist_free_all(struct curl_slist *list) { library.curl_slist_free_all(list); }

// Each takes one value: a long, a pointer or a curl_off_t, which are passed in the same way on all platforms of Berth.
_Static_assert(sizeof(long) == sizeof(void *) && sizeof(curl_off_t) == sizeof(void *), "values of one size");

CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...) {
    va_list values;
    va_start(values, option);
    void *value = va_arg(values, void *);
    va_end(values);
    return library.curl_easy_setopt(easy, option, value);
}

CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...) {
    va_list values;
    va_start(values, info);
    void *value = va_arg(values, void *);
    va_end(values);
    return library.curl_easy_getinfo(easy, info, value);
}

CURLMcode curl_multi_setopt(CURLM *multi, CURLMoption option, ...) {
    va_list values;
    va_start(values, option);
    void *value = va_arg(values, void *);
    va_end(values);
    return library.curl_multi_setopt(multi, option, value);
}
