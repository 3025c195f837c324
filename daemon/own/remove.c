/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Clearing away: rkt rm, and then it is looked which rkt pods are gone, for rkt gc may have been
 * faster.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/node.h"
#include "daemon/own/pods.h"
#include "daemon/own/steps.h"
#include "daemon/own/units.h"
#include "daemon/rktdir.h"

/* The run before the one that runs is kept, so that one can look at what it left. */
#define RKTPODS_KEPT 2

struct sweep {
    uv_work_t work;
    struct ownpod *ownpod;
    char *data_dir;
    json_t *rktpods; /* those that are left */
    char *words;     /* what rkt rm said */
};

static void sweep_free(struct sweep *sweep)
{
    free(sweep->data_dir);
    json_decref(sweep->rktpods);
    free(sweep->words);
    free(sweep);
}

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
    ownrun_tell_journal(ownpod, MESSAGE_REMOVE, "removed");
    ownrun_tell_done(ownpod, OWNPOD_REMOVE, NULL);
    ownpods_drop(ownpod->node->ownpods, ownpod);
}

/* It can be tried again. */
static void not_removed(struct ownpod *ownpod, const char *words)
{
    ownpod->wish = OWNPOD_STOP;
    ownrun_save(ownpod);
    ownrun_tell_done(ownpod, OWNPOD_REMOVE, words);
    ownrun_look(ownpod);
}

static void removed(struct ownpod *ownpod, const char *words)
{
    if (json_array_size(ownpod->rktpods) > 0) {
        not_removed(ownpod, words && words[0] ? words : "rkt rm has left something");
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
    if (was_all && !ownrun_is_closed(ownpod)) {
        removed(ownpod, sweep->words);
    } else {
        ownrun_save(ownpod);
        ownrun_look(ownpod);
    }
    sweep->rktpods = NULL;
    sweep_free(sweep);
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
        if (sweep)
            sweep_free(sweep);
        bool was_all = ownpod->step == OWNPOD_REMOVING;
        ownpod->step = OWNPOD_IDLE;
        if (was_all && !ownrun_is_closed(ownpod))
            not_removed(ownpod, strerror(ENOMEM));
        return;
    }
    uv_queue_work(ownpod->node->loop, &sweep->work, see_what_is_left, swept);
}

void ownrun_remove_all(struct ownpod *ownpod)
{
    ownpod->step = OWNPOD_REMOVING;
    ownrun_tell_step(ownpod, "removing what its runs have left");
    ownunits_remove(ownpod, 0, rkt_rm_done);
}

void ownrun_remove_old(struct ownpod *ownpod)
{
    if (json_array_size(ownpod->rktpods) <= RKTPODS_KEPT || ownpod->has_swept)
        return;
    ownpod->has_swept = true;
    ownpod->step = OWNPOD_SWEEPING;
    ownunits_remove(ownpod, RKTPODS_KEPT, rkt_rm_done);
}
