// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_CCURL_SHIM_H
#define BERTH_CCURL_SHIM_H
#include <curl/curl.h>

// Swift does not import C's variadic functions: one function for each type of argument.

static inline CURLcode berth_setopt_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode berth_setopt_string(CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode berth_setopt_pointer(CURL *easy, CURLoption option, void *value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode berth_setopt_list(CURL *easy, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(easy, option, value);
}

typedef size_t (*berth_receive)(char *bytes, size_t size, size_t count, void *context);

static inline CURLcode berth_setopt_receive(CURL *easy, CURLoption option, berth_receive value) {
    return curl_easy_setopt(easy, option, value);
}
static inline CURLcode berth_getinfo_long(CURL *easy, CURLINFO info, long *value) {
    return curl_easy_getinfo(easy, info, value);
}
static inline CURLcode berth_getinfo_pointer(CURL *easy, CURLINFO info, void *value) {
    return curl_easy_getinfo(easy, info, (char **)value);
}
static inline CURLMcode berth_multi_setopt_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}
static inline CURLcode berth_setopt_open_socket(CURL *easy, curl_opensocket_callback value) {
    return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, value);
}
static inline CURLcode berth_setopt_close_socket(CURL *easy, curl_closesocket_callback value) {
    return curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, value);
}
static inline CURLcode berth_getinfo_socket(CURL *easy, curl_socket_t *value) {
    return curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, value);
}
/// The result that a message about a finished transfer carries.
static inline CURLcode berth_result(const CURLMsg *message) { return message->data.result; }

enum { berth_receive_pause = CURL_WRITEFUNC_PAUSE, berth_error_size = CURL_ERROR_SIZE };
#endif
