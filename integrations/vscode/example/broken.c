// SPDX-License-Identifier: Apache-2.0

// Does not compile: run the task "compile", and look at the panel Problems.

int main(void) {
    int unused = 1;
    return missing;
}
