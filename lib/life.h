/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The life of a pod, as gantry sees it from its launches: one table of state x event, and the few
 * facts that it goes by.
 *
 * A pod's apps share its fate under rkt (contract section 3), so the pod is the unit. Its life is
 * that of its newest rkt pod; older ones that still end are noted with the pod but do not touch its
 * life.
 *
 *           prepare             run-prepared  exit          due    removed  long untouched
 * new       starting | held     running                            forget   forget
 * starting  starting | held     running                                     forget
 * running   starting | running  running       ended | held
 * held      starting | held     running                     ended  forget   forget
 * ended     starting | held     running                            forget   forget
 *
 * One of gantry's own that is starting may be withdrawn, and has ended with that.
 *
 * The second word is for a back-off that is not over, or begins: such a prepare is refused. Where
 * there is none, nothing happens. lib/life.c has it whole, one cell for each pair; a test walks
 * every cell.
 *
 * What is kept is kept for one key, the hashes of the pod's containers (contract section 4): a pod
 * whose spec was changed starts its row of back-offs anew.
 */

#include <stdbool.h>

#include "lib/backoff.h"

enum life_state {
    LIFE_NEW,      /* just met: nothing of it has been launched through here */
    LIFE_STARTING, /* a prepare was let through; its run-prepared has not come yet */
    LIFE_RUNNING,  /* its newest rkt pod runs */
    LIFE_HELD,     /* its newest rkt pod has ended, and a restart is held back */
    LIFE_ENDED,    /* its newest rkt pod has ended; a restart would go at once */
    N_LIFE_STATES,
};

/* Whether back-off holds a restart back right now is arithmetic (lib/backoff.h), done before the
 * table is asked: it picks one of the two events of each pair. */
enum life_event {
    LIFE_PREPARE,      /* rkt prepare, or the prepare that is in rkt run; nothing holds it back */
    LIFE_PREPARE_HELD, /* the same, before the back-off is over */
    LIFE_RUN,          /* rkt run-prepared, or the run that is in rkt run */
    LIFE_EXIT,         /* the newest rkt pod has ended, and a restart may follow at once */
    LIFE_EXIT_HELD,    /* it has ended, and a back-off begins */
    LIFE_DUE,          /* the back-off is over */
    LIFE_REMOVED,      /* the last of its rkt pods was removed (rkt rm, rkt gc) */
    LIFE_WITHDRAWN,    /* nobody wants it to run any more */
    LIFE_IDLE,         /* nothing of the above for twice the cap */
    N_LIFE_EVENTS,
};

/* What is to be done when the event is met. */
enum life_action {
    LIFE_NOTHING,
    LIFE_ALLOW,           /* let the prepare through; it is counted, if it is a restart */
    LIFE_REFUSE,          /* answer it with the back-off message */
    LIFE_START,           /* a rkt pod of an allowed prepare begins to run */
    LIFE_ALLOW_AND_START, /* one begins whose prepare never came by here: it is counted now */
    LIFE_FINISH,          /* the newest rkt pod has ended */
    LIFE_RELEASE,         /* say that the back-off is over */
    LIFE_FORGET,          /* drop the pod */
};

struct life_step {
    enum life_state next;
    enum life_action action;
};

/* Return: the cell of the table. Both arguments must be of their enums. */
struct life_step life_step(enum life_state state, enum life_event event);

/* Return: the word for a state, as the Varlink interface and the state files write it. */
const char *life_state_name(enum life_state state);

/* Return: true and the state, or false if `name` is none. */
bool life_state_from_name(const char *name, enum life_state *statep);

/* The longest launch identifier that is kept; see life_prepare(). */
#define LIFE_LAUNCH_MAX 40

/* All-zero is a pod that was just met. */
struct life {
    enum life_state state;
    struct backoff backoff;
    char *hashes;      /* the key of what follows and of the back-off; NULL: none yet */
    bool has_finished; /* a rkt pod of this key has ended, at: */
    usec_t finished_at;
    char *ended_by;                   /* the container that ended it; NULL: not known */
    char launch[LIFE_LAUNCH_MAX + 1]; /* the prepare that was allowed last */
    usec_t touched_at;                /* when the last event came */
};

void life_deinit(struct life *life);

/*
 * The events. Each takes the time and changes `life` as the table says.
 */

/* A prepare asks to go. `hashes` is the key of its manifest; `launch` names the asker: a drop-in
 * that lost the daemon before it had the answer asks again under the same name, and a restart must
 * not be counted twice for that. Return: LIFE_ALLOW, LIFE_REFUSE, or -ENOMEM. */
int life_prepare(struct life *life, const struct backoff_limits *limits, const char *hashes,
                 const char *launch, usec_t now);

/* A rkt pod of this key begins to run. Return: 0 or -ENOMEM. */
int life_run(struct life *life, const struct backoff_limits *limits, const char *hashes,
             usec_t now);

/* The newest rkt pod ended at `finished_at`, which is not after `now`. */
void life_exit(struct life *life, const struct backoff_limits *limits, usec_t finished_at,
               usec_t now);

/* Which container ended it, if that is known only later. Return: 0 or -ENOMEM. */
int life_set_ended_by(struct life *life, const char *container);

/* The time has come that life_next() named. Return: LIFE_NOTHING, LIFE_RELEASE or LIFE_FORGET. */
enum life_action life_wake(struct life *life, const struct backoff_limits *limits, usec_t now);

/* Its last rkt pod was removed. Return: LIFE_NOTHING or LIFE_FORGET. */
enum life_action life_removed(struct life *life, usec_t now);

/* Nobody wants it to run any more: what was prepared is not run. */
void life_withdraw(struct life *life, usec_t now);

/* The operator ends the back-off: the row starts anew. */
void life_reset(struct life *life, usec_t now);

/* Return: the time before which a restart is refused, 0 if none is. */
usec_t life_due(const struct life *life, const struct backoff_limits *limits);

/* Return: when life_wake() is to be called next; USEC_MAX for never. */
usec_t life_next(const struct life *life, const struct backoff_limits *limits);
