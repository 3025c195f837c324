/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who is told of a pod of gantry's own: those who wait, and the journal.
 */

#include <stdarg.h>
#include <stdio.h>

#include "daemon/node.h"
#include "daemon/own/pods.h"
#include "daemon/own/steps.h"
#include "daemon/own/units.h"

static void clear(char **slot)
{
    free(*slot);
    *slot = NULL;
}

void ownrun_tell_step(struct ownpod *ownpod, const char *format, ...)
{
    va_list args;

    free(ownpod->doing);
    va_start(args, format);
    if (vasprintf(&ownpod->doing, format, args) < 0)
        ownpod->doing = NULL;
    va_end(args);
    /* One that does not read is cut off, and gone. */
    for (struct ownpod_waiter *waiter = ownpod->waiters, *next; ownpod->doing && waiter;
         waiter = next) {
        next = waiter->next;
        waiter->step(waiter, ownpod->doing);
    }
}

void ownrun_tell_nothing(struct ownpod *ownpod)
{
    clear(&ownpod->doing);
}

static void PRINTF(3, 4)
    tell_journal(struct ownpod *ownpod, enum message message, const char *format, ...)
{
    CLEANUP(event_deinit) struct event event = {0};
    CLEANUP(freep) char *text = NULL;
    struct pod *pod = ownrun_pod(ownpod);
    char unit[OWNUNITS_NAME_MAX];
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (!pod || !text)
        return;
    pod_event(&event, pod, message, "%s", text);
    event_add(&event, "OBJECT_SYSTEMD_UNIT", "%s", ownunits_name(unit, ownpod));
    if (message == MESSAGE_NO_START)
        event_add(&event, "GANTRY_REASON", "%s", ownpod->failure ? ownpod->failure : "");
    else if (ownpod_uuid(ownpod)[0])
        event_add(&event, "GANTRY_RKT_UUID", "%s", ownpod_uuid(ownpod));
    events_emit(&ownpod->node->events, &event, &pod->repeat, usec_now());
}

/* Those who wait: each is told what concerns its wish. */

static void mark(const struct ownpod *ownpod, bool (*concerns)(enum ownlife_wish wish))
{
    for (struct ownpod_waiter *waiter = ownpod->waiters; waiter; waiter = waiter->next)
        waiter->is_due = concerns(waiter->wish);
}

static struct ownpod_waiter *next_due(const struct ownpod *ownpod)
{
    struct ownpod_waiter *waiter = ownpod->waiters;

    while (waiter && !waiter->is_due)
        waiter = waiter->next;
    return waiter;
}

static bool is_try(enum ownlife_wish wish)
{
    return wish == OWNLIFE_TRY;
}

static bool is_any(enum ownlife_wish wish)
{
    (void)wish;
    return true;
}

/* An answer may well bring the next call, and with it one who waits for that. */
static void tell_all(struct ownpod *ownpod, const char *const failures[N_OWNLIFE_WISHES])
{
    for (struct ownpod_waiter *waiter; (waiter = next_due(ownpod));) {
        ownrun_leave(waiter);
        waiter->done(waiter, failures[waiter->wish]);
    }
}

void ownrun_tell_start(struct ownpod *ownpod)
{
    static const char *const none[N_OWNLIFE_WISHES] = {NULL};
    char unit[OWNUNITS_NAME_MAX];

    tell_journal(ownpod, MESSAGE_RUN, "runs as %s", ownunits_name(unit, ownpod));
    ownrun_tell_step(ownpod, "started as %s", ownunits_name(unit, ownpod));
    clear(&ownpod->doing);
    clear(&ownpod->failure);
    mark(ownpod, is_try);
    tell_all(ownpod, none);
}

void ownrun_tell_fail(struct ownpod *ownpod)
{
    tell_journal(ownpod, MESSAGE_NO_START, "cannot be started: %s",
                 ownpod->failure ? ownpod->failure : "out of memory");
    /* Nobody waits for it. */
    if (ownlife_is_wanted(&ownpod->life))
        clear(&ownpod->failure);
}

void ownrun_tell_stay(struct ownpod *ownpod)
{
    tell_journal(ownpod, MESSAGE_STOP, "stays as it ended: its restart policy is %s",
                 ownlife_policy_name(ownpod->policy));
}

void ownrun_tell_end(struct ownpod *ownpod)
{
    if (ownpod->life.wish == OWNLIFE_STOP)
        tell_journal(ownpod, MESSAGE_STOP, "stopped");
}

/* What is stopped is held back by nothing: the next run is somebody's wish. */
static void end_backoff(struct ownpod *ownpod)
{
    struct pod *pod = ownrun_pod(ownpod);

    if (!pod)
        return;
    life_withdraw(&pod->life, usec_now());
    life_reset(&pod->life, usec_now());
    pod->n_refused = 0;
    pods_settle(ownpod->node, pod, NULL, NULL);
}

static char *take(char **slot)
{
    char *text = *slot;

    *slot = NULL;
    return text;
}

void ownrun_tell_rest(struct ownpod *ownpod)
{
    CLEANUP(freep) char *failure = take(&ownpod->failure);
    CLEANUP(freep) char *remains = take(&ownpod->remains);
    const char *const failures[N_OWNLIFE_WISHES] = {
        [OWNLIFE_TRY] = failure ? failure : "it was stopped meanwhile",
        [OWNLIFE_REMOVE] = remains,
    };

    clear(&ownpod->doing);
    end_backoff(ownpod);
    mark(ownpod, is_any);
    tell_all(ownpod, failures);
}

void ownrun_drop(struct ownpod *ownpod)
{
    const char *const failures[N_OWNLIFE_WISHES] = {
        [OWNLIFE_TRY] = ownpod->failure ? ownpod->failure : "it was removed meanwhile",
    };

    tell_journal(ownpod, MESSAGE_REMOVE, "removed");
    ownpods_take_out(ownpod->node->ownpods, ownpod);
    mark(ownpod, is_any);
    tell_all(ownpod, failures);
    ownpod_free(ownpod);
}
