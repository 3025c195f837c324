/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The start: rkt prepare, then rkt run-prepared as the unit of the pod. systemd has started that
 * when its process is there; whether rkt comes to run the pod is looked for until it does, or the
 * unit is gone.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/node.h"
#include "daemon/own/pods.h"
#include "daemon/own/sight.h"
#include "daemon/own/steps.h"
#include "daemon/own/units.h"
#include "daemon/own/words.h"
#include "daemon/rktdir.h"

/* Looked for after a quarter of the time that has passed, and within these bounds. */
#define POLL_MIN_USEC (20 * USEC_MSEC)
#define POLL_MAX_USEC USEC_SEC

/* rkt prepare. */

/* Also those of prepares that were under way when gantryd was killed, or systemd out of reach: this
 * one may have failed. Return: false if rkt has printed no UUID. */
static bool keep_rktpods(struct ownpod *ownpod, const struct oneshot_result *result)
{
    if (adopt_uuids(result->out, ownpod->rktpods) == 0)
        return false;
    ownrun_tell_step(ownpod, "prepared as %s", ownpod_uuid(ownpod));
    return true;
}

static void prepared(void *userdata, const struct oneshot_result *result)
{
    struct ownpod *ownpod = userdata;
    bool is_known = keep_rktpods(ownpod, result);

    if (result->result == BUS_E_FAILED)
        ownrun_doubt_images(ownpod);
    ownrun_step_over(ownpod, result, "prepare", is_known ? NULL : "rkt has printed no UUID");
}

/* It may have failed, or there was none. */
static void taken_over(void *userdata, const struct oneshot_result *result)
{
    struct ownpod *ownpod = userdata;

    keep_rktpods(ownpod, result);
    ownrun_step_over(ownpod, result, "prepare", NULL);
}

void ownrun_take_over_prepare(struct ownpod *ownpod)
{
    ownunits_take_over_prepare(ownpod, taken_over);
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
        r = manifest ? adopt_manifest(manifest, &identity, ownpod->life.n_starts) : -ENOMEM;
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
        ownrun_set_failure(ownpod, "prepare", r > 0 ? error_message(&error) : strerror(ENOMEM));
        ownrun_feed(ownpod, OWNLIFE_ON_FAILED);
        return;
    }
    ownpod->limits = adopt_limits(manifest);
    ownrun_tell_step(ownpod, "preparing");
    ownunits_prepare(ownpod, text, prepared);
}

/* The unit. */

static void noted(struct ownpod *ownpod)
{
    ownrun_feed(ownpod, OWNLIFE_ON_DONE);
}

void ownrun_note(struct ownpod *ownpod)
{
    ownpods_save(ownpod->node->ownpods, ownpod, noted);
}

static void started(void *userdata, int result, const char *reason)
{
    struct ownpod *ownpod = userdata;

    if (result != 0)
        ownrun_set_failure(ownpod, "run-prepared", reason);
    ownrun_feed(ownpod, result == 0            ? OWNLIFE_ON_DONE
                        : result == BUS_E_LOST ? OWNLIFE_ON_LOST
                                               : OWNLIFE_ON_FAILED);
}

void ownrun_start(struct ownpod *ownpod)
{
    char unit[OWNUNITS_NAME_MAX];

    ownpod->started_at = usec_now();
    ownrun_tell_step(ownpod, "starting %s", ownunits_name(unit, ownpod));
    ownunits_start(ownpod, &ownpod->limits, started);
}

/* The look. The pod may be gone by its end. */

struct look {
    uv_work_t work;
    struct ownpods *ownpods;
    char uid[POD_UID_MAX + 1];
    char uuid[RKT_UUID_SIZE];
    char unit[OWNUNITS_NAME_MAX];
    char *data_dir;
    enum ownlife_state state; /* that it is for */
    wall_t since;             /* its unit was started */
    int status;               /* of the run that has ended */
    /* found */
    bool runs;
    char *words; /* why it has not run; NULL: not known */
};

static void look_freep(struct look **lookp)
{
    if (*lookp) {
        free((*lookp)->data_dir);
        free((*lookp)->words);
    }
    free(*lookp);
}

static void look_blocking(uv_work_t *work)
{
    struct look *look = container_of(work, struct look, work);

    look->runs = look->state == OWNLIFE_STARTED
                     ? sight_runs(look->data_dir, look->uuid)
                     : sight_has_run(look->data_dir, look->uuid, look->status);
    if (look->state == OWNLIFE_MISSED && !look->runs)
        look->words = words_of_unit(look->unit, look->since);
}

static void set_failure(struct ownpod *ownpod, const struct look *look)
{
    CLEANUP(freep) char *words = words_of_end(look->status, look->words);

    ownrun_set_failure(ownpod, "run-prepared", words ? words : strerror(ENOMEM));
}

static void looked(uv_work_t *work, int status)
{
    CLEANUP(look_freep) struct look *look = container_of(work, struct look, work);
    struct ownpod *ownpod = ownpods_find_uid(look->ownpods, look->uid);

    (void)status;
    /* That it did not run then is no news of another state, or of another run. */
    bool is_news = ownpod && strcmp(ownpod_uuid(ownpod), look->uuid) == 0 &&
                   (look->runs || look->state == ownpod->life.state);
    if (is_news && look->runs) {
        ownrun_feed(ownpod, OWNLIFE_ON_RUNS);
        /* If it has ended since, that is what follows. */
        ownpod = ownpods_find_uid(look->ownpods, look->uid);
        if (ownpod)
            ownrun_feed(ownpod, OWNLIFE_ON_CHANGED);
    } else if (is_news) {
        if (look->state == OWNLIFE_MISSED)
            set_failure(ownpod, look);
        ownrun_feed(ownpod, OWNLIFE_ON_RUNS_NOT);
    }
}

void ownrun_look(struct ownpod *ownpod)
{
    const struct rktpod *rktpod = ownrun_rktpod(ownpod);
    struct node *node = ownpod->node;
    bool is_over = ownpod->life.state != OWNLIFE_STARTED;

    /* It is told when all is known. */
    if (is_over && !ownrun_has_ended(ownpod))
        return;
    CLEANUP(look_freep) struct look *look = calloc(1, sizeof(*look));
    if (look)
        look->data_dir = strdup(node->config->rkt.data_dir);
    if (!look || !look->data_dir) {
        ownrun_poll(ownpod);
        return;
    }
    look->ownpods = node->ownpods;
    look->state = ownpod->life.state;
    look->status = rktpod ? rktpod->status : STATUS_UNKNOWN;
    snprintf(look->uid, sizeof(look->uid), "%s", ownpod->uid);
    snprintf(look->uuid, sizeof(look->uuid), "%s", ownpod_uuid(ownpod));
    look->since.usec = usec_sub(wall_now().usec, usec_sub(usec_now(), ownpod->started_at));
    ownunits_name(look->unit, ownpod);
    uv_queue_work(node->loop, &look->work, look_blocking, looked);
    look = NULL;
}

void ownrun_poll(struct ownpod *ownpod)
{
    usec_t delay = usec_sub(usec_now(), ownpod->started_at) / 4;

    delay = delay > POLL_MIN_USEC ? delay : POLL_MIN_USEC;
    ownrun_set_timer(ownpod, delay < POLL_MAX_USEC ? delay : POLL_MAX_USEC);
}
