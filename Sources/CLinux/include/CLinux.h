#ifndef BERTH_CLINUX_H
#define BERTH_CLINUX_H

// C that Swift cannot say.

#include "runc_spawn.h"

#endif
