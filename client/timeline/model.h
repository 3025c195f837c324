/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A pod's life as it is drawn: from what the journal tells of it, to one row for each of its rkt
 * pods and one for its back-offs, each with spans of time and marks at points in time. Pure: it
 * reads neither the journal nor a clock. Times are microseconds since 1970.
 *
 * The wall clock may have been set meanwhile. Within a boot the monotonic clock says how far apart
 * two entries are, so each is placed as the newest of its boot would have dated it. One boot comes
 * after the other, whatever the clock said: an earlier one is moved back where it has to be.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/message.h"

/* Rows of rkt pods that are shown; the oldest are left out. */
#define TIMELINE_RUNS_MAX 20

#define STATUS_NONE (-1)

/* In the place of a message: now, on the node that the journal is of. */
#define TIMELINE_NOW N_MESSAGES

/* An entry of the journal. Its strings are its own, NULL if the entry has no such field. */
struct timeline_event {
    enum message message;
    uint64_t at;
    uint64_t monotonic;
    char boot[33]; /* "" if it is not known */
    char *uuid;
    char *container;
    char *text;
    int status; /* or STATUS_NONE */
    uint64_t ran_usec;
    uint64_t backoff_usec;
    unsigned n_times; /* in a row, this one included */
    /* timeline_place() */
    size_t order;       /* in the journal */
    size_t boot_order;  /* that of the first of its boot */
    int64_t jump_usec;  /* how far the clock was set since the one before it */
    bool jump_is_least; /* or farther: the node was booted meanwhile */
};

struct timeline_events {
    struct timeline_event *list;
    size_t n;
};

enum timeline_kind {
    TIMELINE_STARTING,
    TIMELINE_RUNNING,
    TIMELINE_HELD,
    TIMELINE_UNKNOWN, /* it may have run, or may not: the node went down meanwhile */
    N_TIMELINE_KINDS,
};

struct timeline_span {
    enum timeline_kind kind;
    uint64_t begin;
    uint64_t end;
    bool begin_unknown; /* it began earlier: the journal does not reach back to it */
    bool end_unknown;   /* the journal does not tell its end */
    bool goes_on;       /* it has not ended yet */
};

struct timeline_mark {
    const struct timeline_event *event; /* borrowed */
    uint64_t at;
    bool is_jump; /* the clock was set: not what the event itself says */
};

struct timeline_row {
    const char *uuid; /* borrowed; NULL: none is known */
    unsigned number;  /* from 1; 0 is the row of back-offs */
    struct timeline_span *spans;
    size_t n_spans;
    struct timeline_mark *marks;
    size_t n_marks;
};

struct timeline {
    uint64_t begin;
    uint64_t end;
    struct timeline_row *rows; /* the first is that of the back-offs; it may be empty */
    size_t n_rows;
    size_t n_left_out;
};

#define TIMELINE_NULL ((struct timeline){0})

void timeline_events_deinit(struct timeline_events *events);

/* Puts the events, which are in the journal's order, on one axis, in the order of time. */
void timeline_place(struct timeline_events *events);

/* Makes the rows from placed events, which it borrows from then on. The picture ends with the last.
 * Return: 0, -ENOMEM. */
int timeline_make(struct timeline *timeline, const struct timeline_events *events);

void timeline_deinit(struct timeline *timeline);
