// SPDX-License-Identifier: Apache-2.0

/* Sample: a byte stream to what listens in the container. */
#include <berth.h>
#include <stdio.h>

static const char server[] = "import socket\n"
                             "with socket.create_server(('127.0.0.1', 8000)) as listener:\n"
                             "    connection = listener.accept()[0]\n"
                             "    connection.sendall(connection.makefile('rb').read().upper())\n";

static void on_output(berth_execution *connection, berth_stream stream, uint64_t offset, const void *bytes, size_t size,
                      void *data) {
    (void)connection, (void)stream, (void)offset, (void)data;
    fwrite(bytes, 1, size, stdout);
}

int main(void) {
    berth_error error = {0};
    berth_lease lease = {0};
    const Berth__V1__Ended *ended;
    berth_client *client = berth_client_new(NULL, NULL, &error);
    if (client && berth_acquire(client, NULL, &lease, &error) == 0) {
        berth_command command = {.language = "python", .code = server};
        berth_connect_options options = {.port = 8000, .wait_ms = 10000};
        berth_handlers handlers = {.output = on_output};
        berth_execution *program = berth_execute(client, lease.token, &command, NULL, NULL, &error);
        berth_execution *connection = berth_connect(client, lease.token, &options, &handlers, NULL, &error);
        if (connection && berth_wait_started(connection, &error) == 0 &&
            berth_input(connection, "hello", 5, true, &error) == 0 && berth_wait(connection, &ended, &error) == 0) {
            printf("\n%s\n", ended->cause == BERTH__V1__END_CAUSE__EXITED ? "both sides have ended" : "broken off");
        }
        berth_execution_free(connection);
        berth_execution_free(program);
    }
    if (error.code) fprintf(stderr, "%s: %s\n", berth_code_name(error.code), error.message);
    if (lease.token) berth_release(client, lease.token, NULL);
    berth_lease_clear(&lease);
    berth_client_free(client);
    return error.code != 0;
}
