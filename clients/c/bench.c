// SPDX-License-Identifier: Apache-2.0

/* What running a program costs: N runs of true, one after another, in a lease. bench [-n N] [hello] */
#include <berth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    enum { WARM_UP = 20 };
    int count = 200;
    bool hello = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-n") == 0 && i + 1 < argc) count = atoi(argv[++i]);
        if (strcmp(argv[i], "hello") == 0) hello = true;
    }
    berth_error error;
    berth_lease lease;
    berth_client *client = berth_client_new(NULL, NULL, &error);
    double *times = calloc((size_t)(count > 0 ? count : 1), sizeof *times);
    if (count < 1 || !times || !client || berth_acquire(client, NULL, &lease, &error) != 0) {
        fprintf(stderr, "bench: %s\n", client ? error.message : "no client");
        return 1;
    }
    for (int i = 0; i < count + WARM_UP; i++) {
        double began = now();
        int code;
        if (hello) {
            Berth__V1__HelloResponse *response;
            code = berth_hello(client, &response, &error);
            if (code == 0) berth__v1__hello_response__free_unpacked(response, NULL);
        } else {
            const char *program[] = {"true", NULL};
            berth_result result;
            code = berth_run(client, lease.token, &(berth_command){.argv = program}, &result, &error);
            if (code == 0) berth_result_clear(&result);
        }
        if (code != 0) {
            fprintf(stderr, "bench: %s: %s\n", berth_code_name(code), error.message);
            return 1;
        }
        if (i >= WARM_UP) times[i - WARM_UP] = now() - began;
    }
    qsort(times, (size_t)count, sizeof *times, by_size);
    printf("%s n=%d p50=%.0fus p99=%.0fus\n", hello ? "hello" : "run", count, times[count / 2],
           times[count * 99 / 100]);
    berth_release(client, lease.token, NULL);
    berth_lease_clear(&lease);
    berth_client_free(client);
    free(times);
    return 0;
}
