/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An event: one thing that happened, told once, to the journal and to whoever watches (gantryctl
 * monitor). It is a message of lib/message.h with fields, built up and then emitted:
 *
 *   CLEANUP(event_deinit) struct event event;
 *   event_init(&event, MESSAGE_EXIT, "container \"%s\" ended pod %s/%s", ...);
 *   event_add(&event, "GANTRY_EXIT_STATUS", "%d", status);
 *   events_emit(events, &event, repeat);
 *
 * What happens again and again is told the first time, the second, the fourth, the eighth, ... with
 * the count, and anew when something else was to be told of the same subject in between, or after
 * ten quiet minutes. The subject's struct repeat remembers that.
 */

#include <stdbool.h>

#include "daemon/journal.h"
#include "lib/message.h"
#include "lib/usec.h"

struct event {
    enum message message;
    char **fields; /* "NAME=value"; the first three are MESSAGE=, MESSAGE_ID= and PRIORITY= */
    size_t n_fields;
    bool incomplete; /* there was no memory for all of it */
};

/* Begins an event with the words for it, which stand in MESSAGE=. event_deinit() is due. */
void event_init(struct event *event, enum message message, const char *format, ...) PRINTF(3, 4);

/* Adds a field, of any name that the journal takes. */
void event_add(struct event *event, const char *name, const char *format, ...) PRINTF(3, 4);

void event_deinit(struct event *event);

/* Return: the words. */
const char *event_text(const struct event *event);

/* What one subject was told about last. All-zero: nothing. */
struct repeat {
    enum message message;
    uint32_t text_hash;
    unsigned n_times;
    usec_t at;
};

struct events {
    struct journal *journal;
    struct repeat repeats[N_MESSAGES]; /* of what has no subject: each kind by itself */
    void (*watch)(void *userdata, const struct event *event); /* told of every event; may be NULL */
    void *userdata;
};

/* Tells it. `repeat` is the subject's, or NULL: then only the kind counts, not the words.
 * Adds GANTRY_REPEATED= to an event that stands for several. */
void events_emit(struct events *events, struct event *event, struct repeat *repeat, usec_t now);
