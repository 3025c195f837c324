/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The connection to D-Bus, for the files that speak over it: bus.c, which makes it, bus-units.c and
 * bus-transient.c.
 */

#include <dbus/dbus.h>

#include "daemon/bus-units.h"
#include "daemon/bus.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE SYSTEMD ".Manager"

struct bus {
    uv_loop_t *loop;
    struct events *events;
    DBusConnection *connection; /* NULL: not connected */
    uv_poll_t *poll;            /* on its socket */
    DBusWatch *writing;         /* its watch for writing, or NULL */
    bool closed;
    bool in_turn; /* libdbus hands out: it must not be made to do so again within */
    struct question *questions;

    /* daemon/bus-units.c */
    bool has_matches;    /* this connection has our filter and its rules */
    bool has_subscribed; /* on this connection */
    struct errand *errands;
    char *systemd; /* its name on the bus, once it has answered */
    struct bus_watch *watches;
    bus_changed_fn *changed;
    void *changed_userdata;
};

/* Return: true if there is a connection, perhaps one that is not through with its handshake. */
bool bus_connect(struct bus *bus);

/* Reads, writes and hands out what is there. The connection may be gone after it. */
void bus_turn(struct bus *bus);

/* Tells that something could not be done. */
void bus_report(struct bus *bus, const char *reason);

/* Return: a call of a method of systemd's manager, to unref, or NULL without memory. */
DBusMessage *bus_new_call(const char *method);
void bus_message_unrefp(DBusMessage **messagep);

/* Return: a call of that method with the name of a unit and a job's mode, to unref; NULL without
 * memory. */
DBusMessage *bus_new_unit_call(const char *method, const char *name, const char *mode);
/* StartTransientUnit(). */
DBusMessage *bus_new_transient(const struct transient *unit);

/* The connection is gone: ends the errands that are under way. */
void bus_units_lost(struct bus *bus);
void bus_units_free(struct bus *bus);
