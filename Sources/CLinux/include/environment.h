// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_ENVIRONMENT_H
#define BERTH_ENVIRONMENT_H

// Nullability is an extension of Clang, which tells Swift what can be NULL.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-extension"

// The environment of this process, which ends with NULL. Swift can't read `environ`, which C may change at any time.
char *_Nullable *_Nonnull berth_environment(void);

#pragma clang diagnostic pop

#endif
