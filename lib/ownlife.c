/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ownlife.h"

#include <assert.h>
#include <string.h>

#include "lib/def.h"

/* A failed start is tried again after that long, where back-off is switched off. */
#define RETRY_USEC (10 * USEC_SEC)

/* So often may systemd be out of reach in a start. */
#define LOSSES_MAX 2

/* A cell that is not written is {OWNLIFE_STAY, OWNLIFE_DO_NOTHING}. */
static const struct ownlife_step table[N_OWNLIFE_STATES][N_OWNLIFE_EVENTS] =
    {
        [OWNLIFE_STOPPED] =
            {
                [OWNLIFE_ON_WANTED] = {OWNLIFE_REST, OWNLIFE_DO_NOTHING},
                [OWNLIFE_ON_UNWANTED] = {OWNLIFE_REST, OWNLIFE_DO_NOTHING},
            },
        [OWNLIFE_SWEEPING] =
            {
                [OWNLIFE_ON_UNWANTED] = {OWNLIFE_CANCELLING, OWNLIFE_DO_WAIT},
                /* What is left is swept the next time. */
                [OWNLIFE_ON_DONE] = {OWNLIFE_WAITING, OWNLIFE_DO_ARM},
                [OWNLIFE_ON_FAILED] = {OWNLIFE_WAITING, OWNLIFE_DO_ARM},
                [OWNLIFE_ON_LOST] = {OWNLIFE_WAITING, OWNLIFE_DO_ARM},
            },
        [OWNLIFE_WAITING] =
            {
                [OWNLIFE_ON_UNWANTED] = {OWNLIFE_REST, OWNLIFE_DO_TELL_END},
                [OWNLIFE_ON_DUE] = {OWNLIFE_FETCHING, OWNLIFE_DO_FETCH},
                [OWNLIFE_ON_CHANGED] = {OWNLIFE_STAY, OWNLIFE_DO_ARM},
            },
        [OWNLIFE_FETCHING] =
            {
                [OWNLIFE_ON_UNWANTED] = {OWNLIFE_CANCELLING, OWNLIFE_DO_CANCEL},
                [OWNLIFE_ON_DONE] = {OWNLIFE_PREPARING, OWNLIFE_DO_PREPARE},
                [OWNLIFE_ON_FAILED] = {OWNLIFE_REST, OWNLIFE_DO_TELL_FAIL},
                /* What goes on without us is waited for, and done again. */
                [OWNLIFE_ON_LOST] = {OWNLIFE_STAY, OWNLIFE_DO_LATER},
                [OWNLIFE_ON_DUE] = {OWNLIFE_STAY, OWNLIFE_DO_FETCH},
            },
        [OWNLIFE_PREPARING] =
            {
                /* One that is ended half-way leaves half a rkt pod. */
                [OWNLIFE_ON_UNWANTED] = {OWNLIFE_CANCELLING, OWNLIFE_DO_WAIT},
                [OWNLIFE_ON_DONE] = {OWNLIFE_NOTING, OWNLIFE_DO_NOTE},
                [OWNLIFE_ON_FAILED] = {OWNLIFE_REST, OWNLIFE_DO_TELL_FAIL},
                [OWNLIFE_ON_LOST] = {OWNLIFE_FETCHING, OWNLIFE_DO_LATER},
            },
        [OWNLIFE_NOTING] =
            {
                [OWNLIFE_ON_UNWANTED] = {OWNLIFE_CANCELLING, OWNLIFE_DO_WAIT},
                [OWNLIFE_ON_DONE] = {OWNLIFE_STARTING, OWNLIFE_DO_START},
            },
        [OWNLIFE_STARTING] =
            {
                [OWNLIFE_ON_UNWANTED] = {OWNLIFE_ABORTING, OWNLIFE_DO_WAIT},
                [OWNLIFE_ON_DONE] = {OWNLIFE_STARTED, OWNLIFE_DO_LOOK},
                [OWNLIFE_ON_FAILED] = {OWNLIFE_REST, OWNLIFE_DO_TELL_FAIL},
                [OWNLIFE_ON_LOST] = {OWNLIFE_UNSURE, OWNLIFE_DO_LATER},
            },
        [OWNLIFE_UNSURE] =
            {
                [OWNLIFE_ON_UNWANTED] = {OWNLIFE_STOPPING, OWNLIFE_DO_STOP},
                [OWNLIFE_ON_DUE] = {OWNLIFE_STAY, OWNLIFE_DO_ASK},
                [OWNLIFE_ON_CHANGED] = {OWNLIFE_STAY, OWNLIFE_DO_ASK},
                [OWNLIFE_ON_CUT] = {OWNLIFE_STAY, OWNLIFE_DO_LATER},
                [OWNLIFE_ON_LOST] = {OWNLIFE_STAY, OWNLIFE_DO_LATER},
                [OWNLIFE_ON_THERE] = {OWNLIFE_STARTED, OWNLIFE_DO_LOOK},
                [OWNLIFE_ON_GONE] = {OWNLIFE_STAY, OWNLIFE_DO_LOOK},
                [OWNLIFE_ON_RUNS] = {OWNLIFE_ENDING, OWNLIFE_DO_TELL_START},
                /* Nobody has run it, so this is no failure, and no end. */
                [OWNLIFE_ON_RUNS_NOT] = {OWNLIFE_REST, OWNLIFE_DO_NOTHING},
            },
        [OWNLIFE_STARTED] =
            {
                [OWNLIFE_ON_UNWANTED] = {OWNLIFE_STOPPING, OWNLIFE_DO_STOP},
                /* Looked, asked, and so on, until the one or the other has an answer. */
                [OWNLIFE_ON_DUE] = {OWNLIFE_STAY, OWNLIFE_DO_LOOK},
                [OWNLIFE_ON_RUNS_NOT] = {OWNLIFE_STAY, OWNLIFE_DO_ASK},
                [OWNLIFE_ON_CHANGED] = {OWNLIFE_STAY, OWNLIFE_DO_ASK},
                [OWNLIFE_ON_THERE] = {OWNLIFE_STAY, OWNLIFE_DO_POLL},
                [OWNLIFE_ON_CUT] = {OWNLIFE_STAY, OWNLIFE_DO_LATER},
                [OWNLIFE_ON_LOST] = {OWNLIFE_STAY, OWNLIFE_DO_LATER},
                [OWNLIFE_ON_RUNS] = {OWNLIFE_RUNNING, OWNLIFE_DO_TELL_START},
                [OWNLIFE_ON_GONE] = {OWNLIFE_MISSED, OWNLIFE_DO_LOOK},
            },
        [OWNLIFE_MISSED] =
            {
                [OWNLIFE_ON_UNWANTED] = {OWNLIFE_ENDING, OWNLIFE_DO_LOOK_AT_END},
                [OWNLIFE_ON_DUE] = {OWNLIFE_STAY, OWNLIFE_DO_LOOK},
                [OWNLIFE_ON_CHANGED] = {OWNLIFE_STAY, OWNLIFE_DO_LOOK},
                [OWNLIFE_ON_RUNS] = {OWNLIFE_ENDING, OWNLIFE_DO_TELL_START},
                [OWNLIFE_ON_RUNS_NOT] = {OWNLIFE_REST, OWNLIFE_DO_TELL_FAIL},
            },
        [OWNLIFE_RUNNING] =
            {
                [OWNLIFE_ON_UNWANTED] = {OWNLIFE_STOPPING, OWNLIFE_DO_STOP},
                [OWNLIFE_ON_DUE] = {OWNLIFE_STAY, OWNLIFE_DO_ASK},
                [OWNLIFE_ON_CHANGED] = {OWNLIFE_STAY, OWNLIFE_DO_ASK},
                [OWNLIFE_ON_CUT] = {OWNLIFE_STAY, OWNLIFE_DO_LATER},
                [OWNLIFE_ON_LOST] = {OWNLIFE_STAY, OWNLIFE_DO_LATER},
                [OWNLIFE_ON_GONE] = {OWNLIFE_ENDING, OWNLIFE_DO_LOOK_AT_END},
            },
        [OWNLIFE_STOPPING] =
            {
                [OWNLIFE_ON_DUE] = {OWNLIFE_STAY, OWNLIFE_DO_STOP},
                [OWNLIFE_ON_DONE] = {OWNLIFE_ENDING, OWNLIFE_DO_LOOK_AT_END},
                [OWNLIFE_ON_FAILED] = {OWNLIFE_STAY, OWNLIFE_DO_LATER},
                [OWNLIFE_ON_LOST] = {OWNLIFE_STAY, OWNLIFE_DO_LATER},
            },
        [OWNLIFE_ENDING] =
            {
                [OWNLIFE_ON_CHANGED] = {OWNLIFE_STAY, OWNLIFE_DO_LOOK_AT_END},
                [OWNLIFE_ON_ENDED] = {OWNLIFE_REST, OWNLIFE_DO_TELL_END},
                [OWNLIFE_ON_STAYED] = {OWNLIFE_REST, OWNLIFE_DO_TELL_STAY},
            },
        [OWNLIFE_CANCELLING] =
            {
                [OWNLIFE_ON_DUE] = {OWNLIFE_STAY, OWNLIFE_DO_CANCEL},
                [OWNLIFE_ON_DONE] = {OWNLIFE_REST, OWNLIFE_DO_TELL_END},
                [OWNLIFE_ON_FAILED] = {OWNLIFE_REST, OWNLIFE_DO_TELL_END},
                [OWNLIFE_ON_LOST] = {OWNLIFE_STAY, OWNLIFE_DO_LATER},
            },
        [OWNLIFE_ABORTING] =
            {
                [OWNLIFE_ON_DONE] = {OWNLIFE_STOPPING, OWNLIFE_DO_STOP},
                [OWNLIFE_ON_FAILED] = {OWNLIFE_REST, OWNLIFE_DO_TELL_END},
                [OWNLIFE_ON_LOST] = {OWNLIFE_STOPPING, OWNLIFE_DO_LATER},
            },
        [OWNLIFE_REMOVING] =
            {
                [OWNLIFE_ON_DONE] = {OWNLIFE_ERASING, OWNLIFE_DO_ERASE},
                /* It can be tried again. */
                [OWNLIFE_ON_FAILED] = {OWNLIFE_REST, OWNLIFE_DO_TELL_KEEP},
                [OWNLIFE_ON_LOST] = {OWNLIFE_REST, OWNLIFE_DO_TELL_KEEP},
            },
        [OWNLIFE_ERASING] =
            {
                [OWNLIFE_ON_DONE] = {OWNLIFE_STAY, OWNLIFE_DO_DROP},
            },
};

struct ownlife_step ownlife_step(enum ownlife_state state, enum ownlife_event event)
{
    assert(state < N_OWNLIFE_STATES && event < N_OWNLIFE_EVENTS);

    return table[state][event];
}

static const struct ownlife_step rests[N_OWNLIFE_WISHES] = {
    [OWNLIFE_TRY] = {OWNLIFE_SWEEPING, OWNLIFE_DO_SWEEP},
    [OWNLIFE_RUN] = {OWNLIFE_SWEEPING, OWNLIFE_DO_SWEEP},
    [OWNLIFE_STOP] = {OWNLIFE_STOPPED, OWNLIFE_DO_TELL_REST},
    [OWNLIFE_REMOVE] = {OWNLIFE_REMOVING, OWNLIFE_DO_REMOVE},
};

struct ownlife_step ownlife_rest(enum ownlife_wish wish)
{
    assert(wish < N_OWNLIFE_WISHES);

    return rests[wish];
}

static const struct ownlife_step resumes[N_OWNLIFE_STATES] = {
    [OWNLIFE_STOPPED] = {OWNLIFE_STAY, OWNLIFE_DO_NOTHING},
    [OWNLIFE_SWEEPING] = {OWNLIFE_STAY, OWNLIFE_DO_SWEEP},
    [OWNLIFE_WAITING] = {OWNLIFE_STAY, OWNLIFE_DO_ARM},
    [OWNLIFE_FETCHING] = {OWNLIFE_STAY, OWNLIFE_DO_FETCH},
    [OWNLIFE_PREPARING] = {OWNLIFE_STAY, OWNLIFE_DO_PREPARE},
    [OWNLIFE_NOTING] = {OWNLIFE_UNSURE, OWNLIFE_DO_ASK},
    [OWNLIFE_STARTING] = {OWNLIFE_UNSURE, OWNLIFE_DO_ASK},
    [OWNLIFE_UNSURE] = {OWNLIFE_STAY, OWNLIFE_DO_ASK},
    [OWNLIFE_STARTED] = {OWNLIFE_UNSURE, OWNLIFE_DO_ASK},
    [OWNLIFE_MISSED] = {OWNLIFE_UNSURE, OWNLIFE_DO_ASK},
    [OWNLIFE_RUNNING] = {OWNLIFE_STAY, OWNLIFE_DO_ASK},
    [OWNLIFE_STOPPING] = {OWNLIFE_STAY, OWNLIFE_DO_STOP},
    [OWNLIFE_ENDING] = {OWNLIFE_STAY, OWNLIFE_DO_LOOK_AT_END},
    [OWNLIFE_CANCELLING] = {OWNLIFE_STAY, OWNLIFE_DO_CANCEL},
    [OWNLIFE_ABORTING] = {OWNLIFE_STOPPING, OWNLIFE_DO_STOP},
    [OWNLIFE_REMOVING] = {OWNLIFE_STAY, OWNLIFE_DO_REMOVE},
    [OWNLIFE_ERASING] = {OWNLIFE_REMOVING, OWNLIFE_DO_REMOVE},
};

struct ownlife_step ownlife_resume(enum ownlife_state state)
{
    assert(state < N_OWNLIFE_STATES);

    return resumes[state];
}

/* Words. */

static const char *const state_names[N_OWNLIFE_STATES] = {
    [OWNLIFE_STAY] = "",
    [OWNLIFE_REST] = "",
    [OWNLIFE_STOPPED] = "stopped",
    [OWNLIFE_SWEEPING] = "sweeping",
    [OWNLIFE_WAITING] = "waiting",
    [OWNLIFE_FETCHING] = "fetching",
    [OWNLIFE_PREPARING] = "preparing",
    [OWNLIFE_NOTING] = "noting",
    [OWNLIFE_STARTING] = "starting",
    [OWNLIFE_UNSURE] = "unsure",
    [OWNLIFE_STARTED] = "started",
    [OWNLIFE_MISSED] = "missed",
    [OWNLIFE_RUNNING] = "running",
    [OWNLIFE_STOPPING] = "stopping",
    [OWNLIFE_ENDING] = "ending",
    [OWNLIFE_CANCELLING] = "cancelling",
    [OWNLIFE_ABORTING] = "aborting",
    [OWNLIFE_REMOVING] = "removing",
    [OWNLIFE_ERASING] = "erasing",
};

static const char *const wish_names[N_OWNLIFE_WISHES] = {
    [OWNLIFE_TRY] = "try",
    [OWNLIFE_RUN] = "run",
    [OWNLIFE_STOP] = "stop",
    [OWNLIFE_REMOVE] = "remove",
};

static const char *const policy_names[] = {
    [OWNLIFE_ALWAYS] = "Always",
    [OWNLIFE_ON_FAILURE] = "OnFailure",
    [OWNLIFE_NEVER] = "Never",
};

static bool find_word(const char *const *words, size_t n, const char *word, size_t *indexp)
{
    for (size_t i = 0; i < n; i++) {
        if (word[0] != '\0' && strcmp(words[i], word) == 0) {
            *indexp = i;
            return true;
        }
    }
    return false;
}

const char *ownlife_state_name(enum ownlife_state state)
{
    assert(state < N_OWNLIFE_STATES);

    return state_names[state];
}

bool ownlife_state_from_name(const char *name, enum ownlife_state *statep)
{
    size_t i;

    if (!find_word(state_names, N_OWNLIFE_STATES, name, &i))
        return false;
    *statep = (enum ownlife_state)i;
    return true;
}

const char *ownlife_wish_name(enum ownlife_wish wish)
{
    assert(wish < N_OWNLIFE_WISHES);

    return wish_names[wish];
}

bool ownlife_wish_from_name(const char *name, enum ownlife_wish *wishp)
{
    size_t i;

    if (!find_word(wish_names, N_OWNLIFE_WISHES, name, &i))
        return false;
    *wishp = (enum ownlife_wish)i;
    return true;
}

const char *ownlife_policy_name(enum ownlife_policy policy)
{
    return policy_names[policy];
}

bool ownlife_policy_from_name(const char *name, enum ownlife_policy *policyp)
{
    size_t i;

    if (!find_word(policy_names, N_ELEMENTS(policy_names), name, &i))
        return false;
    *policyp = (enum ownlife_policy)i;
    return true;
}

/* The facts. */

bool ownlife_is_wanted(const struct ownlife *life)
{
    return life->wish == OWNLIFE_TRY || life->wish == OWNLIFE_RUN;
}

enum ownlife_event ownlife_end(const struct ownlife *life, enum ownlife_policy policy,
                               bool is_success)
{
    bool restarts = policy == OWNLIFE_ALWAYS || (policy == OWNLIFE_ON_FAILURE && !is_success);

    return ownlife_is_wanted(life) && !restarts ? OWNLIFE_ON_STAYED : OWNLIFE_ON_ENDED;
}

enum ownlife_event ownlife_lose(struct ownlife *life)
{
    bool is_before = life->state == OWNLIFE_FETCHING || life->state == OWNLIFE_PREPARING;

    return is_before && ++life->n_losses > LOSSES_MAX ? OWNLIFE_ON_FAILED : OWNLIFE_ON_LOST;
}

void ownlife_reset(struct ownlife *life)
{
    life->n_failures = 0;
    life->retry_at = 0;
}

/* What the n-th failure in a row has to wait: the row of restarts, from its second on. */
static usec_t retry_delay(const struct backoff_limits *limits, unsigned n_failures)
{
    usec_t delay = limits->initial > 0 ? limits->initial : RETRY_USEC;
    usec_t max = limits->max > delay ? limits->max : delay;

    for (unsigned i = 1; i < n_failures && delay < max; i++)
        delay *= 2;
    return delay < max ? delay : max;
}

static void fail(struct ownlife *life, const struct backoff_limits *limits, usec_t now)
{
    if (life->wish == OWNLIFE_TRY) {
        life->wish = life->n_starts > 0 ? OWNLIFE_STOP : OWNLIFE_REMOVE;
    } else if (life->wish == OWNLIFE_RUN) {
        life->n_failures++;
        life->retry_at = usec_add(now, retry_delay(limits, life->n_failures));
    }
}

static void note(struct ownlife *life, enum ownlife_action action,
                 const struct backoff_limits *limits, usec_t now)
{
    switch (action) {
    case OWNLIFE_DO_TELL_START:
        life->n_starts++;
        life->n_losses = 0;
        ownlife_reset(life);
        if (life->wish == OWNLIFE_TRY)
            life->wish = OWNLIFE_RUN;
        break;
    case OWNLIFE_DO_TELL_FAIL:
        life->n_losses = 0;
        fail(life, limits, now);
        break;
    case OWNLIFE_DO_TELL_STAY:
    case OWNLIFE_DO_TELL_KEEP:
        life->wish = OWNLIFE_STOP;
        break;
    default:
        break;
    }
}

static struct ownlife_doing go(struct ownlife *life, struct ownlife_step step)
{
    struct ownlife_doing doing = {step.action, OWNLIFE_DO_NOTHING};

    if (step.next == OWNLIFE_REST) {
        step = ownlife_rest(life->wish);
        doing.then = step.action;
    }
    if (step.next != OWNLIFE_STAY)
        life->state = step.next;
    return doing;
}

struct ownlife_doing ownlife_feed(struct ownlife *life, enum ownlife_event event,
                                  const struct backoff_limits *limits, usec_t now)
{
    struct ownlife_step step = ownlife_step(life->state, event);

    note(life, step.action, limits, now);
    return go(life, step);
}

bool ownlife_bound(struct ownlife *life, const struct backoff_limits *limits, usec_t now)
{
    usec_t latest = usec_add(now, retry_delay(limits, life->n_failures));

    if (life->retry_at <= latest)
        return false;
    life->retry_at = latest;
    return true;
}

struct ownlife_doing ownlife_take_up(struct ownlife *life, const struct backoff_limits *limits,
                                     usec_t now)
{
    ownlife_bound(life, limits, now);
    return go(life, ownlife_resume(life->state));
}

struct ownlife_doing ownlife_want(struct ownlife *life, const struct backoff_limits *limits,
                                  usec_t now)
{
    life->wish = OWNLIFE_TRY;
    life->n_losses = 0;
    ownlife_reset(life);
    return ownlife_feed(life, OWNLIFE_ON_WANTED, limits, now);
}

struct ownlife_doing ownlife_unwant(struct ownlife *life, enum ownlife_wish wish,
                                    const struct backoff_limits *limits, usec_t now)
{
    if (life->wish == OWNLIFE_REMOVE)
        return (struct ownlife_doing){OWNLIFE_DO_NOTHING, OWNLIFE_DO_NOTHING};
    life->wish = wish;
    return ownlife_feed(life, OWNLIFE_ON_UNWANTED, limits, now);
}
