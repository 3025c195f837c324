/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ownrun.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/bus.h"
#include "daemon/node.h"
#include "daemon/ownpods.h"
#include "daemon/ownunits.h"
#include "daemon/rktdir.h"

/* The run before the one that runs is kept, so that one can look at what it left. */
#define RKTPODS_KEPT 2

/* systemd could not be asked: it is asked again after that long. */
#define ASK_AGAIN_USEC (2 * USEC_SEC)

static struct pod *pod_of(const struct ownpod *ownpod)
{
    return pods_find(&ownpod->node->pods, ownpod->uid);
}

static bool is_closed(const struct ownpod *ownpod)
{
    return ownpods_is_closed(ownpod->node->ownpods);
}

static void save(struct ownpod *ownpod)
{
    ownpods_save(ownpod->node->ownpods, ownpod, NULL);
}

/* What is told. */

static void PRINTF(2, 3) tell_step(struct ownpod *ownpod, const char *format, ...)
{
    CLEANUP(freep) char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    /* One that does not read is cut off, and gone. */
    for (struct ownpod_waiter *waiter = ownpod->waiters, *next; text && waiter; waiter = next) {
        next = waiter->next;
        waiter->step(waiter, text);
    }
}

static void tell_done(struct ownpod *ownpod, enum ownpod_wish wish, const char *failure)
{
    for (struct ownpod_waiter **slot = &ownpod->waiters; *slot;) {
        struct ownpod_waiter *waiter = *slot;
        if (waiter->wish != wish) {
            slot = &waiter->next;
            continue;
        }
        *slot = waiter->next;
        waiter->done(waiter, failure);
    }
}

static void PRINTF(3, 4)
    tell_journal(struct ownpod *ownpod, enum message message, const char *format, ...)
{
    CLEANUP(event_deinit) struct event event = {0};
    CLEANUP(freep) char *text = NULL;
    struct pod *pod = pod_of(ownpod);
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
        event_add(&event, "GANTRY_REASON", "%s", text);
    else if (ownpod_uuid(ownpod)[0])
        event_add(&event, "GANTRY_RKT_UUID", "%s", ownpod_uuid(ownpod));
    events_emit(&ownpod->node->events, &event, &pod->repeat, usec_now());
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
static void fail(struct ownpod *ownpod, const char *what, const char *words)
{
    const struct backoff_limits *limits = &ownpod->node->config->backoff;
    CLEANUP(freep) char *failure = NULL;

    ownpod->step = OWNPOD_IDLE;
    if (is_closed(ownpod))
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
    tell_journal(ownpod, MESSAGE_NO_START, "cannot be started: %s", failure ? failure : what);
    if (ownpod->is_wished) {
        tell_done(ownpod, OWNPOD_RUN, failure ? failure : what);
        ownpod->is_wished = false;
        ownpod->wish = ownpod->has_run ? OWNPOD_STOP : OWNPOD_REMOVE;
    } else {
        usec_t delay = limits->initial;
        for (unsigned i = 0; i < ownpod->n_failures && delay < limits->max; i++)
            delay *= 2;
        ownpod->n_failures++;
        ownpod->retry_at = usec_now() + (delay < limits->max ? delay : limits->max);
    }
    save(ownpod);
    ownrun_look(ownpod);
}

/* Clearing away: rkt rm, and then it is looked which are gone. */

struct sweep {
    uv_work_t work;
    struct ownpod *ownpod;
    char *data_dir;
    json_t *rktpods; /* those that are left */
    char *words;     /* what rkt rm said */
};

static void see_what_is_left(uv_work_t *work)
{
    struct sweep *sweep = container_of(work, struct sweep, work);

    for (size_t i = json_array_size(sweep->rktpods); i-- > 0;) {
        const char *uuid = json_string_value(json_array_get(sweep->rktpods, i));
        if (!uuid || !rktdir_exists(sweep->data_dir, uuid))
            json_array_remove(sweep->rktpods, i);
    }
}

static void file_removed(struct ownpod *ownpod)
{
    tell_journal(ownpod, MESSAGE_REMOVE, "removed");
    tell_done(ownpod, OWNPOD_REMOVE, NULL);
    ownpods_drop(ownpod->node->ownpods, ownpod);
}

static void removed(struct ownpod *ownpod, const char *words)
{
    if (json_array_size(ownpod->rktpods) > 0) {
        /* It can be tried again. */
        ownpod->wish = OWNPOD_STOP;
        save(ownpod);
        tell_done(ownpod, OWNPOD_REMOVE, words && words[0] ? words : "rkt rm has left something");
        ownrun_look(ownpod);
        return;
    }
    ownpod->step = OWNPOD_REMOVING;
    ownpod->is_removed = true;
    ownpods_save(ownpod->node->ownpods, ownpod, file_removed);
}

static void swept(uv_work_t *work, int status)
{
    struct sweep *sweep = container_of(work, struct sweep, work);
    struct ownpod *ownpod = sweep->ownpod;

    (void)status;
    json_decref(ownpod->rktpods);
    ownpod->rktpods = sweep->rktpods;
    bool was_all = ownpod->step == OWNPOD_REMOVING;
    ownpod->step = OWNPOD_IDLE;
    if (was_all && !is_closed(ownpod)) {
        removed(ownpod, sweep->words);
    } else {
        save(ownpod);
        ownrun_look(ownpod);
    }
    free(sweep->data_dir);
    free(sweep->words);
    free(sweep);
}

static void rkt_rm_done(void *userdata, const struct oneshot_result *result)
{
    struct ownpod *ownpod = userdata;
    struct sweep *sweep = calloc(1, sizeof(*sweep));

    if (sweep) {
        sweep->ownpod = ownpod;
        sweep->data_dir = strdup(ownpod->node->config->rkt.data_dir);
        sweep->rktpods = json_deep_copy(ownpod->rktpods);
        sweep->words = strdup(oneshot_words(result));
    }
    if (!sweep || !sweep->data_dir || !sweep->rktpods) {
        ownpod->step = OWNPOD_IDLE;
        free(sweep);
        return;
    }
    uv_queue_work(ownpod->node->loop, &sweep->work, see_what_is_left, swept);
}

static void remove_all(struct ownpod *ownpod)
{
    ownpod->step = OWNPOD_REMOVING;
    tell_step(ownpod, "removing what its runs have left");
    ownunits_remove(ownpod, 0, rkt_rm_done);
}

/* Return: true if there is something to clear away, and that is under way. */
static bool remove_old(struct ownpod *ownpod)
{
    if (json_array_size(ownpod->rktpods) <= RKTPODS_KEPT || ownpod->has_swept)
        return false;
    ownpod->has_swept = true;
    ownpod->step = OWNPOD_SWEEPING;
    ownunits_remove(ownpod, RKTPODS_KEPT, rkt_rm_done);
    return true;
}

/* The start. */

static void started(void *userdata, int result, const char *reason)
{
    struct ownpod *ownpod = userdata;
    char unit[OWNUNITS_NAME_MAX];

    if (is_closed(ownpod))
        return;
    if (result != 0) {
        ownpod->is_up = false;
        fail(ownpod, "run-prepared", reason);
        return;
    }
    ownpod->step = OWNPOD_IDLE;
    ownpod->restarts += ownpod->has_run;
    ownpod->has_run = true;
    ownpod->is_wished = false;
    ownpod->n_failures = 0;
    ownpod->retry_at = 0;
    ownpod->has_swept = false;
    save(ownpod);
    tell_journal(ownpod, MESSAGE_RUN, "runs as %s", ownunits_name(unit, ownpod));
    tell_step(ownpod, "started as %s", ownunits_name(unit, ownpod));
    tell_done(ownpod, OWNPOD_RUN, NULL);
    ownrun_look(ownpod);
}

/* That it is up is written down before it is: else a gantryd that is killed here would start it
 * twice. */
static void start(struct ownpod *ownpod)
{
    if (!is_closed(ownpod))
        ownunits_start(ownpod, &ownpod->limits, started);
}

static void prepared(void *userdata, const struct oneshot_result *result)
{
    struct ownpod *ownpod = userdata;
    CLEANUP(freep) char *uuid = adopt_last_line(result->out);

    if (is_closed(ownpod))
        return;
    if (result->result != 0 || !uuid || strlen(uuid) != RKT_UUID_SIZE - 1) {
        fail(ownpod, "prepare", oneshot_words(result));
        return;
    }
    json_array_append_new(ownpod->rktpods, json_string(uuid));
    if (ownpod->wish != OWNPOD_RUN) {
        fail(ownpod, "prepare", "not wanted any more");
        return;
    }
    tell_step(ownpod, "prepared as %s", uuid);
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

static void prepare(struct ownpod *ownpod)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    json_auto_t *manifest = NULL;

    int r = make_manifest(ownpod, &manifest, &error);
    CLEANUP(freep) char *text = r == 0 ? json_dumps(manifest, JSON_INDENT(2)) : NULL;
    if (!text) {
        fail(ownpod, "prepare", r > 0 ? error_message(&error) : strerror(ENOMEM));
        return;
    }
    ownpod->step = OWNPOD_PREPARING;
    ownpod->limits = adopt_limits(manifest);
    ownunits_prepare(ownpod, text, prepared);
}

/* The images of a Kubernetes Pod: rkt's ID of each, and what its manifest says. */

static void see_to_images(struct ownpod *ownpod);

static void fail_image(struct ownpod *ownpod, const struct oneshot_result *result)
{
    struct kubepod_image image;
    CLEANUP(freep) char *what = NULL;

    kubepod_image(ownpod->source, ownpod->image, &image);
    if (asprintf(&what, "image %s", image.name) < 0)
        what = NULL;
    fail(ownpod, what ? what : "image", oneshot_words(result));
}

/* Of the image's manifest only what is needed is kept. */
static int keep_manifest(struct ownpod *ownpod, const char *text)
{
    json_auto_t *manifest = json_loads(text, 0, NULL);
    json_t *app = json_object_get(manifest, "app");
    json_t *annotations = json_object_get(manifest, "annotations");
    struct kubepod_image image;

    if (!json_is_object(manifest))
        return -EINVAL;
    kubepod_image(ownpod->source, ownpod->image, &image);
    json_t *kept = json_object();
    if (json_is_object(app))
        json_object_set(kept, "app", app);
    if (json_is_array(annotations))
        json_object_set(kept, "annotations", annotations);
    return json_object_set_new(json_object_get(ownpod->images, image.name), "manifest", kept);
}

static void inspected(void *userdata, const struct oneshot_result *result)
{
    struct ownpod *ownpod = userdata;

    if (is_closed(ownpod))
        return;
    if (result->result != 0 || keep_manifest(ownpod, result->out) < 0)
        fail_image(ownpod, result);
    else
        see_to_images(ownpod);
}

static int keep_id(struct ownpod *ownpod, const char *image, const char *id)
{
    return json_object_set_new(ownpod->images, image, json_pack("{s:s}", "id", id));
}

static void fetched(void *userdata, const struct oneshot_result *result)
{
    struct ownpod *ownpod = userdata;
    CLEANUP(freep) char *id = adopt_last_line(result->out);
    struct kubepod_image image;

    if (is_closed(ownpod))
        return;
    kubepod_image(ownpod->source, ownpod->image, &image);
    if (result->result != 0 || !id || strncmp(id, "sha512-", strlen("sha512-")) != 0 ||
        keep_id(ownpod, image.name, id) < 0) {
        fail_image(ownpod, result);
        return;
    }
    tell_step(ownpod, "image %s: %s", image.name, id);
    see_to_images(ownpod);
}

static void see_to_images(struct ownpod *ownpod)
{
    struct kubepod_image image;

    if (ownpod->wish != OWNPOD_RUN) {
        fail(ownpod, "image", "not wanted any more");
        return;
    }
    ownpod->step = OWNPOD_FETCHING;
    while (kubepod_image(ownpod->source, ownpod->image, &image)) {
        const json_t *known = json_object_get(ownpod->images, image.name);
        if (!known && strncmp(image.name, "sha512-", strlen("sha512-")) == 0 &&
            keep_id(ownpod, image.name, image.name) == 0)
            continue;
        if (!known) {
            tell_step(ownpod, "image %s: fetching", image.name);
            ownunits_fetch(ownpod, &image, fetched);
            return;
        }
        if (!json_object_get(known, "manifest")) {
            ownunits_inspect(ownpod, json_string_value(json_object_get(known, "id")), inspected);
            return;
        }
        ownpod->image++;
    }
    prepare(ownpod);
}

static void begin_run(struct ownpod *ownpod)
{
    ownpod->image = 0;
    if (ownpod_is_kubernetes(ownpod))
        see_to_images(ownpod);
    else
        prepare(ownpod);
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
        tell_journal(ownpod, MESSAGE_STOP, "stays as it ended: its restart policy is %s",
                     ownpod_policy_name(ownpod->policy));
    } else if (ownpod->wish == OWNPOD_RUN && !rktpod) {
        fail(ownpod, "run-prepared", "its unit ended before rkt began to run the pod");
        return true;
    } else if (ownpod->wish == OWNPOD_STOP) {
        tell_journal(ownpod, MESSAGE_STOP, "stopped");
    }
    save(ownpod);
    return true;
}

static void stopped(void *userdata, int result, const char *reason)
{
    struct ownpod *ownpod = userdata;

    (void)reason;
    if (is_closed(ownpod))
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
    tell_step(ownpod, "stopping %s", ownunits_name(unit, ownpod));
    bus_stop_unit(ownpod->node->bus, ownunits_name(unit, ownpod), stopped, ownpod);
}

/* What systemd says of the unit. The pod may be gone by then. */

struct asking {
    struct ownpods *ownpods;
    char uid[POD_UID_MAX + 1];
};

static void unit_asked(void *userdata, int result, const char *reason)
{
    struct asking *asking = userdata;
    struct ownpod *ownpod = ownpods_find_uid(asking->ownpods, asking->uid);

    (void)reason;
    if (ownpod && ownpod->is_up && !is_closed(ownpod)) {
        ownpod->must_ask = result == BUS_E_LOST || result == BUS_E_FAILED;
        if (result == BUS_E_NO_UNIT)
            ownpod->unit_is_gone = true;
        if (ownpod->must_ask)
            set_timer(ownpod, ASK_AGAIN_USEC);
        else
            ownrun_look(ownpod);
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

void ownrun_unit_gone(struct ownpod *ownpod)
{
    /* While one is being started it can only be its predecessor. */
    if (!ownpod->is_up || ownpod->step == OWNPOD_STARTING)
        return;
    ownpod->unit_is_gone = true;
    ownrun_look(ownpod);
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
    const struct pod *pod = pod_of(ownpod);
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
    if (ownpod->step != OWNPOD_IDLE || ownpod->is_removed || is_closed(ownpod))
        return;
    if (ownpod->is_up && !see_to_end(ownpod)) {
        if (ownpod->wish != OWNPOD_RUN && !ownpod->is_stopping)
            stop(ownpod);
        else if (!ownpod->is_stopping)
            remove_old(ownpod);
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
        tell_done(ownpod, OWNPOD_STOP, NULL);
        break;
    case OWNPOD_REMOVE:
        remove_all(ownpod);
        break;
    }
}

void ownrun_wish(struct ownpod *ownpod, enum ownpod_wish wish, struct ownpod_waiter *waiter)
{
    if (waiter) {
        waiter->wish = wish;
        waiter->ownpod = ownpod;
        waiter->next = ownpod->waiters;
        ownpod->waiters = waiter;
    }
    if (ownpod->wish != OWNPOD_REMOVE)
        ownpod->wish = wish;
    ownpod->is_wished = wish == OWNPOD_RUN;
    if (wish == OWNPOD_RUN) {
        ownpod->n_failures = 0;
        ownpod->retry_at = 0;
    } else {
        tell_done(ownpod, OWNPOD_RUN, "it was stopped meanwhile");
    }
    if (wish == OWNPOD_REMOVE)
        tell_done(ownpod, OWNPOD_STOP, NULL);
    /* A fetch may take long. A prepare does not, and would leave half a rkt pod behind. */
    if (wish != OWNPOD_RUN && ownpod->step == OWNPOD_FETCHING)
        ownunits_cancel_fetch(ownpod);
    save(ownpod);
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
    ownpod->is_wished = !ownpod->has_run && !ownpod->is_up;
    if (ownpod->is_up)
        ask_unit(ownpod);
    else
        ownrun_look(ownpod);
}
