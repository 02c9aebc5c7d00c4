// SPDX-License-Identifier: Apache-2.0

/* Sample: run a snippet, and show what it prints while it runs. */
#include <berth.h>
#include <stdio.h>

static const char snippet[] = "import time\n"
                              "for i in range(3):\n"
                              "    print('step', i, flush=True)\n"
                              "    time.sleep(0.1)\n";

static void on_output(berth_execution *execution, berth_stream stream, uint64_t offset, const void *bytes, size_t size,
                      void *data) {
    (void)execution, (void)offset, (void)data;
    fwrite(bytes, 1, size, stream == BERTH_STDERR ? stderr : stdout);
    fflush(stdout);
}

int main(void) {
    berth_error error;
    const Berth__V1__Ended *ended = NULL;
    berth_client *client = berth_client_new(NULL, NULL, &error);
    berth_command command = {.language = "python", .code = snippet};
    berth_execution *execution =
        client ? berth_execute(client, NULL, &command, &(berth_handlers){.output = on_output}, NULL, &error) : NULL;
    if (!execution || berth_wait(execution, &ended, &error) != 0) {
        fprintf(stderr, "%s: %s\n", berth_code_name(error.code), error.message);
    } else {
        fprintf(stderr, "exit code %d after %llu us\n", ended->exit_code,
                ended->usage ? (unsigned long long)ended->usage->wall_us : 0);
    }
    int code = ended ? ended->exit_code : 1;
    berth_execution_free(execution);
    berth_client_free(client);
    return code;
}
