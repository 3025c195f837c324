/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What systemd knows of the units that rkt pods run in, asked over D-Bus. Only bus.c, bus-units.c
 * and bus-transient.c know D-Bus.
 *
 * The connection is made at the first question, and again after it was lost. Nothing here waits:
 * the loop serves libdbus's watches and timeouts.
 */

#include <stdbool.h>
#include <uv.h>

#include "daemon/event.h"
#include "lib/usec.h"

struct bus;

/* How a unit's main process ended. */
struct unit_exit {
    bool known;
    int status; /* its exit status; 128 + the signal if it was killed, as a shell has it */
    wall_t at;
};

/* `loop` and `events` must outlive it. Return: NULL without memory. */
struct bus *bus_new(uv_loop_t *loop, struct events *events);
/* Disconnects for good: questions that are open, and those that still come, are answered "not
 * known". */
void bus_close(struct bus *bus);
/* After the loop has ended. Return: NULL. */
struct bus *bus_free(struct bus *bus);

/* Asks systemd to remember the unit after it has ended, RefUnit(); for as long as we are connected.
 */
void bus_hold_unit(struct bus *bus, const char *unit);
/* The opposite. */
void bus_drop_unit(struct bus *bus, const char *unit);

/* Asks how the unit's main process, which had that pid and is gone, ended. systemd may take a
 * moment to notice the end, so it is asked a few times. `done` is called from the loop, or before
 * this returns. */
void bus_ask_exit(struct bus *bus, const char *unit, pid_t pid,
                  void (*done)(void *userdata, const struct unit_exit *exit), void *userdata);
