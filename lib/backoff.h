/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The arithmetic of Kubernetes' restart back-off, as the docker runtime of the same kubelets has it
 * and the rkt runtime has not (contract section 4; client-go's util/flowcontrol Backoff):
 *
 *   - the first restart goes at once; the next ones wait `initial`, twice that, four times that,
 * ..., never more than `max`;
 *   - the wait is counted from the finish of the last instance;
 *   - each restart that is allowed doubles the wait of the next;
 *   - an instance that finished later than twice `max` after the restart that brought it starts the
 *     row anew.
 *
 * One struct backoff is one key of the row (for gantry: a pod's UID with its containers' hashes).
 * All-zero is a key that has had no restart. Every time is a usec_t of one clock, passed in.
 */

#include <stdbool.h>

#include "lib/usec.h"

struct backoff_limits {
    usec_t initial; /* 0 switches back-off off */
    usec_t max;     /* not below initial */
};

struct backoff {
    usec_t delay;      /* what the next restart has to wait; 0: no restart was allowed yet */
    usec_t allowed_at; /* when the last restart was allowed; meaningless while delay is 0 */
};

/* How long an untouched row is worth keeping: twice the cap. */
usec_t backoff_lifetime(const struct backoff_limits *limits);

/* Return: the time before which a restart is refused, 0 if none is. */
usec_t backoff_due(const struct backoff *backoff, const struct backoff_limits *limits,
                   usec_t finished_at);

/* Notes that a restart is allowed at `now`, after an instance that finished at `finished_at`: the
 * wait of the next one is set. */
void backoff_allow(struct backoff *backoff, const struct backoff_limits *limits, usec_t finished_at,
                   usec_t now);

/* To be called when the limits have become others: the wait is no longer than the new `max`. */
void backoff_bound(struct backoff *backoff, const struct backoff_limits *limits);
