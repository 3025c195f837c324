/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/own/run.h"

#include <stdio.h>
#include <string.h>

#include "daemon/bus.h"
#include "daemon/node.h"
#include "daemon/own/pods.h"
#include "daemon/own/steps.h"
#include "daemon/own/units.h"

/* systemd could not be asked: it is asked again after that long. */
#define LATER_USEC (2 * USEC_SEC)

struct pod *ownrun_pod(const struct ownpod *ownpod)
{
    return pods_find(&ownpod->node->pods, ownpod->uid);
}

const struct rktpod *ownrun_rktpod(const struct ownpod *ownpod)
{
    return pods_find_rktpod(&ownpod->node->pods, ownpod_uuid(ownpod));
}

bool ownrun_has_ended(const struct ownpod *ownpod)
{
    const struct rktpod *rktpod = ownrun_rktpod(ownpod);

    return !rktpod || (rktpod->ended && !rktpod->watch);
}

void ownrun_set_failure(struct ownpod *ownpod, const char *what, const char *words)
{
    size_t length = strlen(words);

    /* What is cancelled has not failed. */
    if (!ownlife_is_wanted(&ownpod->life))
        return;

    while (length > 0 && words[length - 1] == '\n')
        length--;
    free(ownpod->failure);
    if (asprintf(&ownpod->failure, "%s: %.*s", what, (int)length, words) < 0)
        ownpod->failure = NULL;
}

void ownrun_step_over(struct ownpod *ownpod, const struct oneshot_result *result, const char *what,
                      const char *nonsense)
{
    enum ownlife_event event = result->result == BUS_E_LOST       ? ownlife_lose(&ownpod->life)
                               : result->result == 0 && !nonsense ? OWNLIFE_ON_DONE
                                                                  : OWNLIFE_ON_FAILED;

    if (event == OWNLIFE_ON_LOST)
        ownrun_tell_step(ownpod, "waiting for systemd, which cannot be asked over D-Bus");
    else if (event == OWNLIFE_ON_FAILED)
        ownrun_set_failure(ownpod, what, oneshot_words(result, nonsense));
    ownrun_feed(ownpod, event);
}

/* The timer: one is enough, for a state waits for one thing. */

static void timer_fired(uv_timer_t *timer)
{
    ownrun_feed(timer->data, OWNLIFE_ON_DUE);
}

void ownrun_set_timer(struct ownpod *ownpod, usec_t delay)
{
    if (!ownpod->timer) {
        ownpod->timer = calloc(1, sizeof(*ownpod->timer));
        if (!ownpod->timer)
            return;
        uv_timer_init(ownpod->node->loop, ownpod->timer);
        ownpod->timer->data = ownpod;
    }
    uv_timer_start(ownpod->timer, timer_fired, delay / USEC_MSEC + 1, 0);
}

static void come_later(struct ownpod *ownpod)
{
    ownrun_set_timer(ownpod, LATER_USEC);
}

static void wait_until_due(struct ownpod *ownpod)
{
    const struct pod *pod = ownrun_pod(ownpod);
    usec_t due = pod ? life_due(&pod->life, &ownpod->node->config->backoff) : 0, now = usec_now();

    ownrun_tell_nothing(ownpod);
    if (due < ownpod->life.retry_at)
        due = ownpod->life.retry_at;
    if (now < due)
        ownrun_set_timer(ownpod, due - now);
    else
        ownrun_feed(ownpod, OWNLIFE_ON_DUE);
}

/* What systemd says of its unit. The pod may be gone by then. */

struct asking {
    struct ownpods *ownpods;
    char uid[POD_UID_MAX + 1];
};

static void asked(void *userdata, int result, const char *reason)
{
    struct asking *asking = userdata;
    struct ownpod *ownpod = ownpods_find_uid(asking->ownpods, asking->uid);

    (void)reason;
    free(asking);
    if (!ownpod)
        return;
    ownrun_feed(ownpod, result == 0               ? OWNLIFE_ON_THERE
                        : result == BUS_E_NO_UNIT ? OWNLIFE_ON_GONE
                                                  : OWNLIFE_ON_LOST);
}

static void ask(struct ownpod *ownpod)
{
    char unit[OWNUNITS_NAME_MAX];
    struct asking *asking = calloc(1, sizeof(*asking));

    if (!asking) {
        ownrun_feed(ownpod, OWNLIFE_ON_LOST);
        return;
    }
    asking->ownpods = ownpod->node->ownpods;
    snprintf(asking->uid, sizeof(asking->uid), "%s", ownpod->uid);
    bus_ask_unit(ownpod->node->bus, ownunits_name(unit, ownpod), asked, asking);
}

/* The end. */

static void stopped(void *userdata, int result, const char *reason)
{
    (void)reason;
    ownrun_feed(userdata, result == 0 || result == BUS_E_NO_UNIT ? OWNLIFE_ON_DONE
                          : result == BUS_E_LOST                 ? OWNLIFE_ON_LOST
                                                                 : OWNLIFE_ON_FAILED);
}

static void stop(struct ownpod *ownpod)
{
    char unit[OWNUNITS_NAME_MAX];

    ownrun_tell_step(ownpod, "stopping %s", ownunits_name(unit, ownpod));
    bus_stop_unit(ownpod->node->bus, ownunits_name(unit, ownpod), stopped, ownpod);
}

static void look_at_end(struct ownpod *ownpod)
{
    const struct rktpod *rktpod = ownrun_rktpod(ownpod);

    if (ownrun_has_ended(ownpod))
        ownrun_feed(ownpod,
                    ownlife_end(&ownpod->life, ownpod->policy, rktpod && rktpod->status == 0));
}

static void wait_for_step(struct ownpod *ownpod)
{
    ownrun_tell_step(ownpod, "waiting for what is under way");
}

static void do_nothing(struct ownpod *ownpod)
{
    (void)ownpod;
}

static void (*const actions[N_OWNLIFE_ACTIONS])(struct ownpod *ownpod) = {
    [OWNLIFE_DO_NOTHING] = do_nothing,
    [OWNLIFE_DO_SWEEP] = ownrun_sweep,
    [OWNLIFE_DO_FETCH] = ownrun_fetch,
    [OWNLIFE_DO_PREPARE] = ownrun_prepare,
    [OWNLIFE_DO_NOTE] = ownrun_note,
    [OWNLIFE_DO_START] = ownrun_start,
    [OWNLIFE_DO_STOP] = stop,
    [OWNLIFE_DO_CANCEL] = ownrun_cancel,
    [OWNLIFE_DO_WAIT] = wait_for_step,
    [OWNLIFE_DO_REMOVE] = ownrun_remove,
    [OWNLIFE_DO_ERASE] = ownrun_erase,
    [OWNLIFE_DO_ARM] = wait_until_due,
    [OWNLIFE_DO_POLL] = ownrun_poll,
    [OWNLIFE_DO_LATER] = come_later,
    [OWNLIFE_DO_ASK] = ask,
    [OWNLIFE_DO_LOOK] = ownrun_look,
    [OWNLIFE_DO_LOOK_AT_END] = look_at_end,
    [OWNLIFE_DO_TELL_START] = ownrun_tell_start,
    [OWNLIFE_DO_TELL_FAIL] = ownrun_tell_fail,
    [OWNLIFE_DO_TELL_STAY] = ownrun_tell_stay,
    [OWNLIFE_DO_TELL_END] = ownrun_tell_end,
    [OWNLIFE_DO_TELL_KEEP] = do_nothing,
    [OWNLIFE_DO_TELL_REST] = ownrun_tell_rest,
    [OWNLIFE_DO_DROP] = ownrun_drop,
};

/* Its life was like `before`. What has changed is on its way into the file before anything is done;
 * where that has to be waited for, the action writes it. */
static void act(struct ownpod *ownpod, const struct ownlife *before, struct ownlife_doing doing)
{
    const struct ownlife *life = &ownpod->life;

    if (before->state != life->state && ownpod->timer)
        uv_timer_stop(ownpod->timer);
    if ((before->state != life->state || before->wish != life->wish) &&
        life->state != OWNLIFE_NOTING && life->state != OWNLIFE_ERASING)
        ownpods_save(ownpod->node->ownpods, ownpod, NULL);
    actions[doing.first](ownpod);
    if (doing.then != OWNLIFE_DO_NOTHING)
        actions[doing.then](ownpod);
}

void ownrun_feed(struct ownpod *ownpod, enum ownlife_event event)
{
    struct ownlife before = ownpod->life;

    if (ownpods_is_closed(ownpod->node->ownpods))
        return;
    act(ownpod, &before,
        ownlife_feed(&ownpod->life, event, &ownpod->node->config->backoff, usec_now()));
}

void ownrun_attach(struct ownpod *ownpod)
{
    struct ownlife before = ownpod->life;

    ownpod->started_at = usec_now();
    act(ownpod, &before,
        ownlife_take_up(&ownpod->life, &ownpod->node->config->backoff, ownpod->started_at));
}

void ownrun_wish(struct ownpod *ownpod, enum ownlife_wish wish, struct ownpod_waiter *waiter)
{
    const struct backoff_limits *limits = &ownpod->node->config->backoff;
    struct ownlife before = ownpod->life;

    waiter->wish = wish == OWNLIFE_TRY || before.wish != OWNLIFE_REMOVE ? wish : OWNLIFE_REMOVE;
    waiter->ownpod = ownpod;
    waiter->next = ownpod->waiters;
    ownpod->waiters = waiter;
    if (wish == OWNLIFE_TRY)
        ownrun_doubt_images(ownpod);
    /* Whoever comes in the middle hears what is going on; and may be gone by that. */
    if (ownpod->doing)
        waiter->step(waiter, ownpod->doing);
    act(ownpod, &before,
        wish == OWNLIFE_TRY ? ownlife_want(&ownpod->life, limits, usec_now())
                            : ownlife_unwant(&ownpod->life, wish, limits, usec_now()));
}

void ownrun_leave(struct ownpod_waiter *waiter)
{
    for (struct ownpod_waiter **slot = &waiter->ownpod->waiters; *slot; slot = &(*slot)->next) {
        if (*slot == waiter) {
            *slot = waiter->next;
            break;
        }
    }
}
