// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_ENVIRONMENT_H
#define BERTH_ENVIRONMENT_H

// What Clang adds to C, so that Swift sees what can be NULL.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-extension"

// This process's environment, ended by NULL: Swift does not read `environ`, which C may change at any time.
char *_Nullable *_Nonnull berth_environment(void);

#pragma clang diagnostic pop

#endif
