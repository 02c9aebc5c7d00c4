// SPDX-License-Identifier: Apache-2.0

/* Sample: an interactive session. What is written to the program's standard input is answered on its standard output.
 */
#include <berth.h>
#include <stdio.h>
#include <string.h>

static void on_output(berth_execution *execution, berth_stream stream, uint64_t offset, const void *bytes, size_t size,
                      void *data) {
    (void)execution, (void)stream, (void)offset;
    fwrite(bytes, 1, size, stdout);
    for (const char *c = bytes; size > 0; size--) *(int *)data += *c++ == '\n';
}

static int fails(const berth_error *error) {
    fprintf(stderr, "%s: %s\n", berth_code_name(error->code), error->message);
    return 1;
}

int main(void) {
    static const char *const lines[] = {"hello\n", "how are you\n"};
    int answers = 0;
    berth_error error;
    berth_client *client = berth_client_new(NULL, NULL, &error);
    if (!client) return fails(&error);
    berth_command command = {.shell = "while read -r line; do echo \"you said: $line\"; done; echo bye",
                             .keep_stdin_open = true};
    berth_execution *execution =
        berth_execute(client, NULL, &command, &(berth_handlers){.output = on_output}, &answers, &error);
    if (!execution || berth_wait_started(execution, &error) != 0) return fails(&error);
    for (int i = 0; i < 2; i++) {
        if (berth_input(execution, lines[i], strlen(lines[i]), false, &error) != 0) return fails(&error);
        while (answers <= i && !berth_has_ended(execution)) berth_poll(client, -1);
    }
    if (berth_input(execution, NULL, 0, true, &error) != 0) return fails(&error);
    if (berth_wait(execution, NULL, &error) != 0) return fails(&error);
    berth_execution_free(execution);
    berth_client_free(client);
    return 0;
}
