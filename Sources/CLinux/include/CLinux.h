#ifndef BERTH_CLINUX_H
#define BERTH_CLINUX_H
#endif
