/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Transient units: systemd is asked, over D-Bus, to run a program for us, in none of our sandbox.
 *
 * What is asked of systemd becomes a job, and is done when that job is: for a oneshot unit that is
 * when its program has ended, for another one when it has begun.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/usec.h"

struct bus;

enum {
    BUS_E_FAILED = 1, /* systemd could not; `reason` says why */
    BUS_E_NO_UNIT,    /* there is no such unit */
    BUS_E_LOST,       /* the connection was lost, or there was none: nobody knows */
};

/* A program, and whether its failure is one of the unit's. */
struct transient_command {
    const char *const *argv; /* ended by NULL; argv[0] is an absolute path */
    bool may_fail;
};

#define TRANSIENT_COMMANDS_MAX 3

/* What is NULL or 0 is not set. */
struct transient {
    const char *name; /* "gantry-web.service" */
    const char *description;
    const char *identifier; /* SyslogIdentifier= */
    bool is_oneshot;
    struct transient_command commands[TRANSIENT_COMMANDS_MAX]; /* only a oneshot has several */
    const char *stdout_path, *stderr_path;
    const char *environment; /* "NAME=value" */
    usec_t start_timeout;
    usec_t stop_timeout;
    uint64_t memory_max; /* bytes */
    usec_t cpu_quota;    /* of CPU time in a second */
};

/* Told once what came of it; `reason` is never NULL. From the loop, or before the call returns. */
typedef void bus_done_fn(void *userdata, int result, const char *reason);

/* Starts it in gantry.slice, with KillMode=mixed; nothing is left of it once it has ended. If there
 * still is a unit of that name, its end is waited for, a while. Result: 0, BUS_E_FAILED,
 * BUS_E_LOST.
 */
void bus_start_unit(struct bus *bus, const struct transient *unit, bus_done_fn *done,
                    void *userdata);

/* Result: 0, BUS_E_NO_UNIT, BUS_E_FAILED, BUS_E_LOST. */
void bus_stop_unit(struct bus *bus, const char *name, bus_done_fn *done, void *userdata);

/* Asks whether systemd has such a unit. Result: 0, BUS_E_NO_UNIT, BUS_E_FAILED, BUS_E_LOST. */
void bus_ask_unit(struct bus *bus, const char *name, bus_done_fn *done, void *userdata);

/* Has `watch` told of each unit that systemd has dropped; with NULL when the connection was lost,
 * so that some may have been missed. */
typedef void bus_watch_fn(void *userdata, const char *unit);
void bus_watch_units(struct bus *bus, bus_watch_fn *watch, void *userdata);
