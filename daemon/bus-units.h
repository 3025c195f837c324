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
struct errand;

enum {
    BUS_E_FAILED = 1, /* systemd could not; `reason` says why */
    BUS_E_NO_UNIT,    /* there is no such unit, or it has ended */
    BUS_E_LOST,       /* the connection was lost, or there was none: nobody knows */
    BUS_E_LATE,       /* systemd has ended it: its start took longer than it may */
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
    const char *stdout_path, *stderr_path; /* what is there stays, and comes first */
    const char *environment;               /* "NAME=value" */
    usec_t start_timeout;
    usec_t stop_timeout;
    uint64_t memory_max; /* bytes */
    usec_t cpu_quota;    /* of CPU time in a second */
};

/* Told once what came of it; `reason` is never NULL. From the loop, or before the call returns. */
typedef void bus_done_fn(void *userdata, int result, const char *reason);

/* Starts it in gantry.slice, with KillMode=mixed; nothing is left of it once it has ended. If there
 * still is a unit of that name, its end is waited for: half a minute, or as long as a oneshot of
 * this kind may run. Result: 0, BUS_E_FAILED, BUS_E_LATE, BUS_E_LOST. Return: the errand, until
 * `done` is called; NULL if it was already. */
struct errand *bus_start_unit(struct bus *bus, const struct transient *unit, bus_done_fn *done,
                              void *userdata);

/* Nobody wants it any more: a unit of that name is stopped, and no other one is started. `done` is
 * called as ever, perhaps before this returns. */
void bus_cancel_start(struct errand *errand);

/* Result: 0, BUS_E_NO_UNIT, BUS_E_FAILED, BUS_E_LOST. */
void bus_stop_unit(struct bus *bus, const char *name, bus_done_fn *done, void *userdata);

/* Asks whether the unit is at work, or on its way there or back. One that has ended is not, though
 * systemd may keep it loaded: for as long as another unit names it. Result: 0, BUS_E_NO_UNIT,
 * BUS_E_FAILED, BUS_E_LOST. */
void bus_ask_unit(struct bus *bus, const char *name, bus_done_fn *done, void *userdata);

/* Has `changed` told when something of a watched unit has changed; with NULL when the connection
 * was lost, so that some changes may have been missed. */
typedef void bus_changed_fn(void *userdata, const char *unit);
void bus_on_change(struct bus *bus, bus_changed_fn *changed, void *userdata);
void bus_watch_unit(struct bus *bus, const char *unit);
void bus_unwatch_unit(struct bus *bus, const char *unit);
