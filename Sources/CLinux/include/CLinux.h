#ifndef BERTH_CLINUX_H
#define BERTH_CLINUX_H

// C that Swift cannot say.

#include "descendants.h"
#include "events.h"
#include "files.h"
#include "process.h"
#include "reset.h"
#include "runc_probe.h"
#include "runc_spawn.h"
#include "supervisor.h"
#include "terminal.h"
#include "timers.h"

#endif
