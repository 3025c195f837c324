/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/bus.h"
#include "daemon/node.h"
#include "daemon/own/pods.h"
#include "daemon/own/steps.h"
#include "daemon/own/units.h"
#include "daemon/rktdir.h"

/* systemd could not be asked: it is asked again after that long. */
#define ASK_AGAIN_USEC (2 * USEC_SEC)

struct pod *ownrun_pod(const struct ownpod *ownpod)
{
    return pods_find(&ownpod->node->pods, ownpod->uid);
}

bool ownrun_is_closed(const struct ownpod *ownpod)
{
    return ownpods_is_closed(ownpod->node->ownpods);
}

void ownrun_save(struct ownpod *ownpod)
{
    ownpods_save(ownpod->node->ownpods, ownpod, NULL);
}

/* The timer. */

static void timer_fired(uv_timer_t *timer);

static void set_timer(struct ownpod *ownpod, usec_t delay)
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

/* A start that did not come about. `what` and the words say why. */
void ownrun_fail(struct ownpod *ownpod, const char *what, const char *words)
{
    const struct backoff_limits *limits = &ownpod->node->config->backoff;
    CLEANUP(freep) char *failure = NULL;

    ownpod->step = OWNPOD_IDLE;
    if (ownrun_is_closed(ownpod))
        return;
    if (ownpod->wish != OWNPOD_RUN) {
        ownrun_look(ownpod);
        return;
    }
    int length = (int)strlen(words);
    while (length > 0 && words[length - 1] == '\n')
        length--;
    if (asprintf(&failure, "%s: %.*s", what, length, words) < 0)
        failure = NULL;
    ownrun_tell_journal(ownpod, MESSAGE_NO_START, "cannot be started: %s",
                        failure ? failure : what);
    if (ownpod->is_wished) {
        ownrun_tell_done(ownpod, OWNPOD_RUN, failure ? failure : what);
        ownpod->is_wished = false;
        ownpod->wish = ownpod->has_run ? OWNPOD_STOP : OWNPOD_REMOVE;
    } else {
        usec_t delay = limits->initial;
        for (unsigned i = 0; i < ownpod->n_failures && delay < limits->max; i++)
            delay *= 2;
        ownpod->n_failures++;
        ownpod->retry_at = usec_now() + (delay < limits->max ? delay : limits->max);
    }
    ownrun_save(ownpod);
    ownrun_look(ownpod);
}

/* The start. */

static void not_started(struct ownpod *ownpod, const char *reason)
{
    ownpod->is_up = false;
    ownrun_fail(ownpod, "run-prepared", reason);
}

static void has_started(struct ownpod *ownpod)
{
    char unit[OWNUNITS_NAME_MAX];

    ownpod->step = OWNPOD_IDLE;
    ownpod->restarts += ownpod->has_run;
    ownpod->has_run = true;
    ownpod->is_wished = false;
    ownpod->n_failures = 0;
    ownpod->retry_at = 0;
    ownpod->has_swept = false;
    ownrun_save(ownpod);
    ownrun_tell_journal(ownpod, MESSAGE_RUN, "runs as %s", ownunits_name(unit, ownpod));
    ownrun_tell_step(ownpod, "started as %s", ownunits_name(unit, ownpod));
    ownrun_tell_done(ownpod, OWNPOD_RUN, NULL);
    ownrun_look(ownpod);
}

static void started(void *userdata, int result, const char *reason)
{
    struct ownpod *ownpod = userdata;

    if (ownrun_is_closed(ownpod))
        return;
    if (result == 0) {
        has_started(ownpod);
    } else if (result == BUS_E_LOST) {
        /* It may run: systemd is asked as soon as it can be. */
        ownpod->step = OWNPOD_IDLE;
        ownpod->is_unsure = true;
        ownrun_bus_lost(ownpod);
    } else {
        not_started(ownpod, reason);
    }
}

/* That it is up is written down before it is: else a gantryd that is killed here would start it
 * twice. */
static void start(struct ownpod *ownpod)
{
    if (!ownrun_is_closed(ownpod))
        ownunits_start(ownpod, &ownpod->limits, started);
}

static void prepared(void *userdata, const struct oneshot_result *result)
{
    struct ownpod *ownpod = userdata;
    CLEANUP(freep) char *uuid = adopt_last_line(result->out);

    if (ownrun_is_closed(ownpod))
        return;
    if (result->result != 0 || !uuid || strlen(uuid) != RKT_UUID_SIZE - 1) {
        ownrun_fail(ownpod, "prepare", oneshot_words(result));
        return;
    }
    json_array_append_new(ownpod->rktpods, json_string(uuid));
    if (ownpod->wish != OWNPOD_RUN) {
        ownrun_fail(ownpod, "prepare", "not wanted any more");
        return;
    }
    ownrun_tell_step(ownpod, "prepared as %s", uuid);
    ownpod->step = OWNPOD_STARTING;
    ownpod->is_up = true;
    ownpod->unit_is_gone = false;
    ownpod->is_stopping = false;
    ownpods_save(ownpod->node->ownpods, ownpod, start);
}

/* Return: 0 and a new reference, KUBEPOD_E_IMAGE, -ENOMEM. */
static int make_manifest(struct ownpod *ownpod, json_t **manifestp, struct error *error)
{
    struct pod_identity identity = ownpod_identity(ownpod);
    CLEANUP(freep) char *volumes = ownunits_volumes(ownpod);
    json_auto_t *manifest = NULL;
    int r = 0;

    if (!volumes)
        return -ENOMEM;
    if (ownpod_is_kubernetes(ownpod))
        r = kubepod_to_manifest(&manifest, ownpod->source, ownpod->images, volumes, error);
    else
        manifest = json_deep_copy(ownpod->source);
    if (r == 0)
        r = manifest ? adopt_manifest(manifest, &identity, ownpod->restarts + ownpod->has_run)
                     : -ENOMEM;
    if (r == 0)
        *manifestp = json_incref(manifest);
    return r;
}

void ownrun_prepare(struct ownpod *ownpod)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    json_auto_t *manifest = NULL;

    int r = make_manifest(ownpod, &manifest, &error);
    CLEANUP(freep) char *text = r == 0 ? json_dumps(manifest, JSON_INDENT(2)) : NULL;
    if (!text) {
        ownrun_fail(ownpod, "prepare", r > 0 ? error_message(&error) : strerror(ENOMEM));
        return;
    }
    ownpod->step = OWNPOD_PREPARING;
    ownpod->limits = adopt_limits(manifest);
    ownunits_prepare(ownpod, text, prepared);
}

static void begin_run(struct ownpod *ownpod)
{
    ownpod->image = 0;
    if (ownpod_is_kubernetes(ownpod))
        ownrun_see_to_images(ownpod);
    else
        ownrun_prepare(ownpod);
}

/* The end. */

static bool restarts(const struct ownpod *ownpod, const struct rktpod *rktpod)
{
    bool is_success = rktpod && rktpod->status == 0;

    return ownpod->policy == OWNPOD_ALWAYS || (ownpod->policy == OWNPOD_ON_FAILURE && !is_success);
}

/* Return: true if the run has ended. */
static bool see_to_end(struct ownpod *ownpod)
{
    const struct rktpod *rktpod = pods_find_rktpod(&ownpod->node->pods, ownpod_uuid(ownpod));

    if (!ownpod->unit_is_gone || (rktpod && (!rktpod->ended || rktpod->watch)))
        return false;
    ownpod->is_up = false;
    ownpod->is_stopping = false;
    if (ownpod->wish == OWNPOD_RUN && !restarts(ownpod, rktpod)) {
        ownpod->wish = OWNPOD_STOP;
        ownrun_tell_done(ownpod, OWNPOD_RUN, NULL);
        ownrun_tell_journal(ownpod, MESSAGE_STOP, "stays as it ended: its restart policy is %s",
                            ownpod_policy_name(ownpod->policy));
    } else if (ownpod->wish == OWNPOD_RUN && !rktpod) {
        ownrun_fail(ownpod, "run-prepared", "its unit ended before rkt began to run the pod");
        return true;
    } else if (ownpod->wish == OWNPOD_STOP) {
        ownrun_tell_journal(ownpod, MESSAGE_STOP, "stopped");
    }
    ownrun_save(ownpod);
    return true;
}

static void stopped(void *userdata, int result, const char *reason)
{
    struct ownpod *ownpod = userdata;

    (void)reason;
    if (ownrun_is_closed(ownpod))
        return;
    ownpod->step = OWNPOD_IDLE;
    if (result == BUS_E_NO_UNIT)
        ownpod->unit_is_gone = true;
    if (result == BUS_E_FAILED || result == BUS_E_LOST) {
        ownpod->is_stopping = false;
        set_timer(ownpod, ASK_AGAIN_USEC);
        return;
    }
    ownrun_look(ownpod);
}

static void stop(struct ownpod *ownpod)
{
    char unit[OWNUNITS_NAME_MAX];

    ownpod->step = OWNPOD_STOPPING;
    ownpod->is_stopping = true;
    ownrun_tell_step(ownpod, "stopping %s", ownunits_name(unit, ownpod));
    bus_stop_unit(ownpod->node->bus, ownunits_name(unit, ownpod), stopped, ownpod);
}

/* What systemd says of the unit. The pod may be gone by then. */

struct asking {
    struct ownpods *ownpods;
    char uid[POD_UID_MAX + 1];
};

static void see_unit(struct ownpod *ownpod, int result)
{
    if (result == BUS_E_NO_UNIT)
        ownpod->unit_is_gone = true;
    ownrun_look(ownpod);
}

static void unit_asked(void *userdata, int result, const char *reason)
{
    struct asking *asking = userdata;
    struct ownpod *ownpod = ownpods_find_uid(asking->ownpods, asking->uid);

    (void)reason;
    if (ownpod && ownpod->is_up && !ownrun_is_closed(ownpod)) {
        bool was_unsure = ownpod->is_unsure;
        ownpod->must_ask = result == BUS_E_LOST || result == BUS_E_FAILED;
        ownpod->is_unsure = was_unsure && ownpod->must_ask;
        if (ownpod->must_ask)
            set_timer(ownpod, ASK_AGAIN_USEC);
        else if (was_unsure && result == BUS_E_NO_UNIT)
            not_started(ownpod, "systemd was out of reach");
        else if (was_unsure)
            has_started(ownpod);
        else
            see_unit(ownpod, result);
    }
    free(asking);
}

static void ask_unit(struct ownpod *ownpod)
{
    char unit[OWNUNITS_NAME_MAX];
    struct asking *asking = calloc(1, sizeof(*asking));

    if (!asking)
        return;
    asking->ownpods = ownpod->node->ownpods;
    snprintf(asking->uid, sizeof(asking->uid), "%s", ownpod->uid);
    bus_ask_unit(ownpod->node->bus, ownunits_name(unit, ownpod), unit_asked, asking);
}

static void timer_fired(uv_timer_t *timer)
{
    struct ownpod *ownpod = timer->data;

    if (ownpod->must_ask && ownpod->is_up)
        ask_unit(ownpod);
    else
        ownrun_look(ownpod);
}

void ownrun_unit_changed(struct ownpod *ownpod)
{
    /* While one is being started it can only be its predecessor. */
    if (ownpod->is_up && ownpod->step != OWNPOD_STARTING)
        ask_unit(ownpod);
}

void ownrun_bus_lost(struct ownpod *ownpod)
{
    if (!ownpod->is_up)
        return;
    ownpod->must_ask = true;
    set_timer(ownpod, ASK_AGAIN_USEC);
}

/* What is due. */

static void run_when_due(struct ownpod *ownpod)
{
    const struct pod *pod = ownrun_pod(ownpod);
    usec_t due = pod ? life_due(&pod->life, &ownpod->node->config->backoff) : 0, now = usec_now();

    if (due < ownpod->retry_at)
        due = ownpod->retry_at;
    if (now < due)
        set_timer(ownpod, due - now);
    else
        begin_run(ownpod);
}

void ownrun_look(struct ownpod *ownpod)
{
    if (ownpod->step != OWNPOD_IDLE || ownpod->is_removed || ownrun_is_closed(ownpod))
        return;
    if (ownpod->is_unsure)
        return;
    if (ownpod->is_up && !see_to_end(ownpod)) {
        if (ownpod->wish != OWNPOD_RUN && !ownpod->is_stopping)
            stop(ownpod);
        else if (!ownpod->is_stopping)
            ownrun_remove_old(ownpod);
        return;
    }
    /* What was done about the end may have led here before. */
    if (ownpod->step != OWNPOD_IDLE || ownpod->is_up)
        return;
    switch (ownpod->wish) {
    case OWNPOD_RUN:
        run_when_due(ownpod);
        break;
    case OWNPOD_STOP:
        ownrun_tell_done(ownpod, OWNPOD_STOP, NULL);
        break;
    case OWNPOD_REMOVE:
        ownrun_remove_all(ownpod);
        break;
    }
}

void ownrun_wish(struct ownpod *ownpod, enum ownpod_wish wish, struct ownpod_waiter *waiter)
{
    bool is_leaving = ownpod->wish == OWNPOD_REMOVE;

    if (waiter) {
        waiter->wish = is_leaving ? OWNPOD_REMOVE : wish;
        waiter->ownpod = ownpod;
        waiter->next = ownpod->waiters;
        ownpod->waiters = waiter;
    }
    if (is_leaving)
        return;
    ownpod->wish = wish;
    ownpod->is_wished = wish == OWNPOD_RUN;
    if (wish == OWNPOD_RUN) {
        ownpod->n_failures = 0;
        ownpod->retry_at = 0;
    } else {
        ownrun_tell_done(ownpod, OWNPOD_RUN, "it was stopped meanwhile");
    }
    if (wish == OWNPOD_REMOVE)
        ownrun_tell_done(ownpod, OWNPOD_STOP, NULL);
    /* A fetch may take long. A prepare does not, and would leave half a rkt pod behind. */
    if (wish != OWNPOD_RUN && ownpod->fetch)
        oneshot_cancel(ownpod->fetch);
    ownrun_save(ownpod);
    ownrun_look(ownpod);
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

void ownrun_attach(struct ownpod *ownpod)
{
    if (ownpod->is_up)
        ask_unit(ownpod);
    else
        ownrun_look(ownpod);
}
