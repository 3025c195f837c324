/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The life of a pod of gantry's own, which gantryctl run started (lib/life.h is the life of any
 * pod, as its launches show it): what is being done about it, what may happen meanwhile, and what
 * follows. One table of state x event; one thing is done at a time.
 *
 *   stopped
 *      | wanted
 *   sweeping - waiting - fetching - preparing - noting - starting - started - running
 *      |                                                                         | its unit is gone
 *      +------------------------------ ending -----------------------------------+
 *
 * Whenever nothing is under way, its wish says what begins, ownlife_rest().
 *
 * The state is what a gantryd that was killed leaves to the next one: each change of it is written
 * down, and noting waits until that is done, for from there on systemd may run a unit. What the
 * next one begins with, ownlife_resume() says. Nothing is lost by doing a step again, and whether a
 * unit is there is asked of systemd.
 */

#include <stdbool.h>

#include "lib/backoff.h"

/* What somebody wants of it. */
enum ownlife_wish {
    OWNLIFE_TRY,  /* to run, but if this start fails, that is the end of it: somebody waits */
    OWNLIFE_RUN,  /* to run, and to be started again and again */
    OWNLIFE_STOP, /* by gantryctl stop; or it has ended, and its policy leaves it at that */
    OWNLIFE_REMOVE,
    N_OWNLIFE_WISHES,
};

enum ownlife_state {
    OWNLIFE_STAY, /* only in a cell: the same state */
    OWNLIFE_REST, /* only in a cell: what the wish says */

    OWNLIFE_STOPPED,
    OWNLIFE_SWEEPING,   /* rkt rm of old runs */
    OWNLIFE_WAITING,    /* until a start is due */
    OWNLIFE_FETCHING,   /* rkt fetch, rkt image cat-manifest; or systemd is waited for, to do it */
    OWNLIFE_PREPARING,  /* rkt prepare */
    OWNLIFE_NOTING,     /* it is written down that its unit may be started */
    OWNLIFE_STARTING,   /* systemd is asked to */
    OWNLIFE_UNSURE,     /* systemd may have started its unit, or not */
    OWNLIFE_STARTED,    /* its unit is there; rkt has yet to run it */
    OWNLIFE_MISSED,     /* its unit has ended before rkt was seen to run it */
    OWNLIFE_RUNNING,    /* rkt runs it */
    OWNLIFE_STOPPING,   /* systemd is told to stop its unit */
    OWNLIFE_ENDING,     /* its unit is gone; what its end has left is looked for */
    OWNLIFE_CANCELLING, /* of a step before its start that nobody wants any more, the end is waited
                           for */
    OWNLIFE_ABORTING,   /* the same of the start of its unit */
    OWNLIFE_REMOVING,   /* rkt rm of all runs */
    OWNLIFE_ERASING,    /* its file goes */
    N_OWNLIFE_STATES,
};

enum ownlife_event {
    OWNLIFE_ON_WANTED,   /* somebody wants it to run */
    OWNLIFE_ON_UNWANTED, /* somebody wants it stopped, or removed */
    OWNLIFE_ON_DUE,      /* the time has come that an action has set */
    OWNLIFE_ON_CHANGED,  /* something may be otherwise: its unit, its run, its back-off */
    OWNLIFE_ON_CUT,      /* systemd was out of reach for a while: changes may have been missed */
    OWNLIFE_ON_DONE,     /* what was begun is done */
    OWNLIFE_ON_FAILED,   /* it has failed */
    OWNLIFE_ON_LOST,     /* systemd is out of reach, and what became of it nobody knows;
                            ownlife_lose() picks it or "failed" */
    OWNLIFE_ON_THERE,    /* systemd has its unit */
    OWNLIFE_ON_GONE,     /* it has not, or that has ended */
    OWNLIFE_ON_RUNS,     /* rkt runs it or, if the unit is gone, has run it */
    OWNLIFE_ON_RUNS_NOT, /* not yet, or not at all */
    OWNLIFE_ON_ENDED,    /* all is known of its end; ownlife_end() picks one of these two */
    OWNLIFE_ON_STAYED,   /* its policy leaves it at that */
    N_OWNLIFE_EVENTS,
};

enum ownlife_action {
    OWNLIFE_DO_NOTHING,
    /* What ends with done, failed or lost. */
    OWNLIFE_DO_SWEEP,
    OWNLIFE_DO_FETCH,
    OWNLIFE_DO_PREPARE,
    OWNLIFE_DO_NOTE,
    OWNLIFE_DO_START,
    OWNLIFE_DO_STOP,
    OWNLIFE_DO_CANCEL, /* a fetch is not waited for: it may take long; but a prepare is, if the
                          gantryd before this one was at it */
    OWNLIFE_DO_WAIT,   /* what is under way takes no time, and is best left to its end */
    OWNLIFE_DO_REMOVE,
    OWNLIFE_DO_ERASE,
    /* What ends with another event. */
    OWNLIFE_DO_ARM,         /* due, when a start is */
    OWNLIFE_DO_POLL,        /* due, soon */
    OWNLIFE_DO_LATER,       /* due, when systemd may be there again */
    OWNLIFE_DO_ASK,         /* there, gone or lost */
    OWNLIFE_DO_LOOK,        /* runs, or runs not; of one whose unit is gone, when that is known */
    OWNLIFE_DO_LOOK_AT_END, /* ended or stayed, when all is known */
    /* What is told. */
    OWNLIFE_DO_TELL_START, /* a run has begun */
    OWNLIFE_DO_TELL_FAIL,  /* a start has failed */
    OWNLIFE_DO_TELL_STAY,  /* it has ended, and is not restarted */
    OWNLIFE_DO_TELL_END,   /* nothing of it is up any more; it was stopped, if that was the wish */
    OWNLIFE_DO_TELL_KEEP,  /* it could not be removed */
    OWNLIFE_DO_TELL_REST,  /* it is stopped; whoever waits is told */
    OWNLIFE_DO_DROP,       /* it is removed; whoever waits is told */
    N_OWNLIFE_ACTIONS,
};

struct ownlife_step {
    enum ownlife_state next;
    enum ownlife_action action;
};

/* Return: the cell of the table. Both arguments must be of their enums. */
struct ownlife_step ownlife_step(enum ownlife_state state, enum ownlife_event event);
/* Return: what begins with that wish when nothing is under way. */
struct ownlife_step ownlife_rest(enum ownlife_wish wish);
/* Return: what the gantryd after the one that was killed in that state begins with. */
struct ownlife_step ownlife_resume(enum ownlife_state state);

/* The words for them, as the state file has them. Return: static; true and the value, or false if
 * there is no such word. */
const char *ownlife_state_name(enum ownlife_state state);
bool ownlife_state_from_name(const char *name, enum ownlife_state *statep);
const char *ownlife_wish_name(enum ownlife_wish wish);
bool ownlife_wish_from_name(const char *name, enum ownlife_wish *wishp);

/* When a run that has ended is followed by another one. */
enum ownlife_policy {
    OWNLIFE_ALWAYS,
    OWNLIFE_ON_FAILURE,
    OWNLIFE_NEVER,
};

/* "Always", ... */
const char *ownlife_policy_name(enum ownlife_policy policy);
bool ownlife_policy_from_name(const char *name, enum ownlife_policy *policyp);

struct ownlife {
    enum ownlife_state state;
    enum ownlife_wish wish;
    unsigned n_starts;   /* that came about */
    unsigned n_failures; /* starts that failed in a row */
    usec_t retry_at;     /* a start is not due before; 0: at any time */
    unsigned n_losses;   /* of systemd, in this start; not kept */
};

#define OWNLIFE_NEW ((struct ownlife){.state = OWNLIFE_STOPPED, .wish = OWNLIFE_STOP})

/* What is to be done, in this order. The life is as it will be before it is done. */
struct ownlife_doing {
    enum ownlife_action first, then;
};

struct ownlife_doing ownlife_feed(struct ownlife *life, enum ownlife_event event,
                                  const struct backoff_limits *limits, usec_t now);

/* Takes up one that was read from its file. */
struct ownlife_doing ownlife_take_up(struct ownlife *life, const struct backoff_limits *limits,
                                     usec_t now);

/* Somebody wants it to run: only to be asked of one that is stopped. */
struct ownlife_doing ownlife_want(struct ownlife *life, const struct backoff_limits *limits,
                                  usec_t now);
/* Somebody wants it stopped or, for good, removed: one that is to be removed takes no other wish.
 */
struct ownlife_doing ownlife_unwant(struct ownlife *life, enum ownlife_wish wish,
                                    const struct backoff_limits *limits, usec_t now);

/* Return: whether it is to run. */
bool ownlife_is_wanted(const struct ownlife *life);

/* Return: the event of an end. */
enum ownlife_event ownlife_end(const struct ownlife *life, enum ownlife_policy policy,
                               bool is_success);

/* systemd was lost in a step. One before the start is done again; but if systemd stays away,
 * whoever waits is told. Return: the event. */
enum ownlife_event ownlife_lose(struct ownlife *life);

/* The limits may be other ones by now: a failed start waits no longer than they have it.
 * Return: whether it would have; then OWNLIFE_ON_CHANGED is to follow. */
bool ownlife_bound(struct ownlife *life, const struct backoff_limits *limits, usec_t now);

/* The row of failures begins anew; OWNLIFE_ON_CHANGED is to follow. */
void ownlife_reset(struct ownlife *life);
