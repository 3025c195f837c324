/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/life.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/def.h"

/* A cell that is not written would be {LIFE_NEW, LIFE_NOTHING}: tests/unit/test-life.c holds the
 * table against a second one, so none is missing by chance. */
static const struct life_step table[N_LIFE_STATES][N_LIFE_EVENTS] = {
    [LIFE_NEW] =
        {
            [LIFE_PREPARE] = {LIFE_STARTING, LIFE_ALLOW},
            [LIFE_PREPARE_HELD] = {LIFE_HELD, LIFE_REFUSE},
            [LIFE_RUN] = {LIFE_RUNNING, LIFE_ALLOW_AND_START},
            [LIFE_EXIT] = {LIFE_NEW, LIFE_NOTHING},
            [LIFE_EXIT_HELD] = {LIFE_NEW, LIFE_NOTHING},
            [LIFE_DUE] = {LIFE_NEW, LIFE_NOTHING},
            [LIFE_REMOVED] = {LIFE_NEW, LIFE_FORGET},
            [LIFE_WITHDRAWN] = {LIFE_NEW, LIFE_NOTHING},
            [LIFE_IDLE] = {LIFE_NEW, LIFE_FORGET},
        },
    [LIFE_STARTING] =
        {
            /* The prepare before has failed: the kubelet comes again, under the same rule. */
            [LIFE_PREPARE] = {LIFE_STARTING, LIFE_ALLOW},
            [LIFE_PREPARE_HELD] = {LIFE_HELD, LIFE_REFUSE},
            [LIFE_RUN] = {LIFE_RUNNING, LIFE_START},
            [LIFE_EXIT] = {LIFE_STARTING, LIFE_NOTHING},
            [LIFE_EXIT_HELD] = {LIFE_STARTING, LIFE_NOTHING},
            [LIFE_DUE] = {LIFE_STARTING, LIFE_NOTHING},
            /* The kubelet may clear the old rkt pods away while the new one is being prepared. */
            [LIFE_REMOVED] = {LIFE_STARTING, LIFE_NOTHING},
            [LIFE_WITHDRAWN] = {LIFE_ENDED, LIFE_NOTHING},
            [LIFE_IDLE] = {LIFE_STARTING, LIFE_FORGET},
        },
    [LIFE_RUNNING] =
        {
            [LIFE_PREPARE] = {LIFE_STARTING, LIFE_ALLOW},
            [LIFE_PREPARE_HELD] = {LIFE_RUNNING, LIFE_REFUSE},
            [LIFE_RUN] = {LIFE_RUNNING, LIFE_ALLOW_AND_START},
            [LIFE_EXIT] = {LIFE_ENDED, LIFE_FINISH},
            [LIFE_EXIT_HELD] = {LIFE_HELD, LIFE_FINISH},
            [LIFE_DUE] = {LIFE_RUNNING, LIFE_NOTHING},
            [LIFE_REMOVED] = {LIFE_RUNNING, LIFE_NOTHING},
            [LIFE_WITHDRAWN] = {LIFE_RUNNING, LIFE_NOTHING},
            [LIFE_IDLE] = {LIFE_RUNNING, LIFE_NOTHING},
        },
    [LIFE_HELD] =
        {
            [LIFE_PREPARE] = {LIFE_STARTING, LIFE_ALLOW},
            [LIFE_PREPARE_HELD] = {LIFE_HELD, LIFE_REFUSE},
            /* run-prepared is never delayed (contract section 4). */
            [LIFE_RUN] = {LIFE_RUNNING, LIFE_ALLOW_AND_START},
            [LIFE_EXIT] = {LIFE_HELD, LIFE_NOTHING},
            [LIFE_EXIT_HELD] = {LIFE_HELD, LIFE_NOTHING},
            [LIFE_DUE] = {LIFE_ENDED, LIFE_RELEASE},
            [LIFE_REMOVED] = {LIFE_HELD, LIFE_FORGET},
            [LIFE_WITHDRAWN] = {LIFE_HELD, LIFE_NOTHING},
            [LIFE_IDLE] = {LIFE_HELD, LIFE_FORGET},
        },
    [LIFE_ENDED] =
        {
            [LIFE_PREPARE] = {LIFE_STARTING, LIFE_ALLOW},
            [LIFE_PREPARE_HELD] = {LIFE_HELD, LIFE_REFUSE},
            [LIFE_RUN] = {LIFE_RUNNING, LIFE_ALLOW_AND_START},
            [LIFE_EXIT] = {LIFE_ENDED, LIFE_NOTHING},
            [LIFE_EXIT_HELD] = {LIFE_ENDED, LIFE_NOTHING},
            [LIFE_DUE] = {LIFE_ENDED, LIFE_NOTHING},
            [LIFE_REMOVED] = {LIFE_ENDED, LIFE_FORGET},
            [LIFE_WITHDRAWN] = {LIFE_ENDED, LIFE_NOTHING},
            [LIFE_IDLE] = {LIFE_ENDED, LIFE_FORGET},
        },
};

struct life_step life_step(enum life_state state, enum life_event event)
{
    assert(state < N_LIFE_STATES && event < N_LIFE_EVENTS);

    return table[state][event];
}

static const char *const state_names[N_LIFE_STATES] = {
    [LIFE_NEW] = "new",   [LIFE_STARTING] = "starting", [LIFE_RUNNING] = "running",
    [LIFE_HELD] = "held", [LIFE_ENDED] = "ended",
};

const char *life_state_name(enum life_state state)
{
    assert(state < N_LIFE_STATES);

    return state_names[state];
}

bool life_state_from_name(const char *name, enum life_state *statep)
{
    for (size_t i = 0; i < N_LIFE_STATES; i++) {
        if (strcmp(state_names[i], name) == 0) {
            *statep = (enum life_state)i;
            return true;
        }
    }
    return false;
}

void life_deinit(struct life *life)
{
    free(life->hashes);
    free(life->ended_by);
    *life = (struct life){.state = LIFE_NEW};
}

static enum life_action feed(struct life *life, enum life_event event, usec_t now)
{
    struct life_step step = life_step(life->state, event);

    life->state = step.next;
    life->touched_at = now;
    return step.action;
}

/* Goes over to another key, if it is another. */
static int set_hashes(struct life *life, const char *hashes)
{
    if (life->hashes && strcmp(life->hashes, hashes) == 0)
        return 0;
    char *copy = strdup(hashes);
    if (!copy)
        return -ENOMEM;
    free(life->hashes);
    free(life->ended_by);
    life->hashes = copy;
    life->ended_by = NULL;
    life->backoff = (struct backoff){0};
    life->has_finished = false;
    return 0;
}

/* The first launch of a key is no restart, so it sets no back-off. */
static void allow(struct life *life, const struct backoff_limits *limits, usec_t now)
{
    if (life->has_finished)
        backoff_allow(&life->backoff, limits, life->finished_at, now);
}

usec_t life_due(const struct life *life, const struct backoff_limits *limits)
{
    return life->has_finished ? backoff_due(&life->backoff, limits, life->finished_at) : 0;
}

int life_prepare(struct life *life, const struct backoff_limits *limits, const char *hashes,
                 const char *launch, usec_t now)
{
    if (life->state == LIFE_STARTING && launch[0] && strcmp(life->launch, launch) == 0)
        return LIFE_ALLOW;

    int r = set_hashes(life, hashes);
    if (r < 0)
        return r;

    bool held = now < life_due(life, limits);
    enum life_action action = feed(life, held ? LIFE_PREPARE_HELD : LIFE_PREPARE, now);
    if (action == LIFE_ALLOW) {
        allow(life, limits, now);
        snprintf(life->launch, sizeof(life->launch), "%s", launch);
    }
    return (int)action;
}

int life_run(struct life *life, const struct backoff_limits *limits, const char *hashes, usec_t now)
{
    int r = set_hashes(life, hashes);
    if (r < 0)
        return r;
    if (feed(life, LIFE_RUN, now) == LIFE_ALLOW_AND_START)
        allow(life, limits, now);
    return 0;
}

void life_exit(struct life *life, const struct backoff_limits *limits, usec_t finished_at,
               usec_t now)
{
    bool held = now < backoff_due(&life->backoff, limits, finished_at);

    if (feed(life, held ? LIFE_EXIT_HELD : LIFE_EXIT, now) != LIFE_FINISH)
        return;
    life->has_finished = true;
    life->finished_at = finished_at;
    free(life->ended_by);
    life->ended_by = NULL;
}

int life_set_ended_by(struct life *life, const char *container)
{
    char *copy = strdup(container);

    if (!copy)
        return -ENOMEM;
    free(life->ended_by);
    life->ended_by = copy;
    return 0;
}

static usec_t idle_at(const struct life *life, const struct backoff_limits *limits)
{
    return usec_add(life->touched_at, backoff_lifetime(limits));
}

enum life_action life_wake(struct life *life, const struct backoff_limits *limits, usec_t now)
{
    if (life->state == LIFE_HELD && now >= life_due(life, limits))
        return feed(life, LIFE_DUE, now);
    if (now >= idle_at(life, limits))
        return feed(life, LIFE_IDLE, now);
    return LIFE_NOTHING;
}

enum life_action life_removed(struct life *life, usec_t now)
{
    return feed(life, LIFE_REMOVED, now);
}

void life_withdraw(struct life *life, usec_t now)
{
    feed(life, LIFE_WITHDRAWN, now);
}

void life_reset(struct life *life, usec_t now)
{
    life->backoff = (struct backoff){0};
    feed(life, LIFE_DUE, now);
}

usec_t life_next(const struct life *life, const struct backoff_limits *limits)
{
    if (life->state == LIFE_HELD)
        return life_due(life, limits);
    if (life_step(life->state, LIFE_IDLE).action == LIFE_FORGET)
        return idle_at(life, limits);
    return USEC_MAX;
}
