// SPDX-License-Identifier: Apache-2.0

#include "test.h"

#include <signal.h>
#include <unistd.h>

/* tests [--without-servers] */
int main(int argc, char **argv) {
    const test *const suites[] = {wire_tests, client_tests, stream_tests, context_tests, use_tests, tls_tests, live_tests};
    size_t count = sizeof suites / sizeof *suites;
    unsigned passed = 0;
    if (argc > 1 && strcmp(argv[1], "--without-servers") == 0) count--;
    signal(SIGPIPE, SIG_DFL); /* so that a write that would raise it is noticed */
    for (size_t i = 0; i < count; i++) {
        for (const test *t = suites[i]; t->sentence; t++) {
            fprintf(stderr, "%s\n", t->sentence);
            alarm(120);
            t->run();
            passed++;
        }
    }
    printf("%u passed, 0 failed\n", passed);
    return 0;
}
