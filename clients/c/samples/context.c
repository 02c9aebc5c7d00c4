// SPDX-License-Identifier: Apache-2.0

/* Sample: pieces of code in an interpreter that keeps its variables. */
#include <berth.h>
#include <stdio.h>

int main(void) {
    static const char *const pieces[] = {"x = 6", "print('so:'); x * 7", "x / 0", NULL};
    berth_error error = {0};
    berth_lease lease = {0};
    berth_context context = {0};
    berth_client *client = berth_client_new(NULL, NULL, &error);
    if (client && berth_acquire(client, NULL, &lease, &error) == 0 &&
        berth_open_context(client, lease.token, &(berth_context_options){.language = "python"}, &context, &error) == 0) {
        for (int i = 0; pieces[i]; i++) {
            berth_result result;
            berth_command piece = {.context = context.id, .code = pieces[i]};
            if (berth_run(client, lease.token, &piece, &result, &error) != 0) break;
            fputs((char *)result.out, stdout);
            if (result.value) puts(result.value);
            if (result.failure) printf("%s: %s\n", result.failure->name, result.failure->message);
            berth_result_clear(&result);
        }
        berth_close_context(client, lease.token, context.id, NULL);
    }
    if (error.code) fprintf(stderr, "%s: %s\n", berth_code_name(error.code), error.message);
    berth_context_clear(&context);
    if (lease.token) berth_release(client, lease.token, NULL);
    berth_lease_clear(&lease);
    berth_client_free(client);
    return error.code != 0;
}
