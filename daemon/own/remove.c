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

/* Before a run begins, the one before it is kept, so that one can look at what it left. */
#define RKTPODS_KEPT 1

struct sweep {
    uv_work_t work;
    struct ownpod *ownpod;
    char *data_dir;
    json_t *rktpods; /* those that are left */
    int result;      /* of rkt rm, as bus_start_unit() has it */
    char *words;     /* what it said */
};

static void sweep_freep(struct sweep **sweepp)
{
    struct sweep *sweep = *sweepp;

    if (!sweep)
        return;
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

/* It is removed when nothing is left of it. That of old runs something is left is no failure. */
static void not_removed(struct ownpod *ownpod, int result, const char *words)
{
    free(ownpod->remains);
    ownpod->remains = strdup(words && words[0] ? words : "rkt rm has left something");
    ownrun_feed(ownpod, result == BUS_E_LOST ? OWNLIFE_ON_LOST : OWNLIFE_ON_FAILED);
}

static void swept(uv_work_t *work, int status)
{
    CLEANUP(sweep_freep) struct sweep *sweep = container_of(work, struct sweep, work);
    struct ownpod *ownpod = sweep->ownpod;

    (void)status;
    json_decref(ownpod->rktpods);
    ownpod->rktpods = json_incref(sweep->rktpods);
    if (ownpod->life.state == OWNLIFE_REMOVING && json_array_size(ownpod->rktpods) > 0)
        not_removed(ownpod, sweep->result, sweep->words);
    else
        ownrun_feed(ownpod, OWNLIFE_ON_DONE);
}

static void rkt_rm_done(void *userdata, const struct oneshot_result *result)
{
    struct ownpod *ownpod = userdata;
    CLEANUP(sweep_freep) struct sweep *sweep = calloc(1, sizeof(*sweep));

    if (sweep) {
        sweep->ownpod = ownpod;
        sweep->data_dir = strdup(ownpod->node->config->rkt.data_dir);
        sweep->rktpods = json_deep_copy(ownpod->rktpods);
        sweep->result = result->result;
        sweep->words = strdup(oneshot_words(result, ""));
    }
    if (!sweep || !sweep->data_dir || !sweep->rktpods) {
        not_removed(ownpod, BUS_E_FAILED, strerror(ENOMEM));
        return;
    }
    uv_queue_work(ownpod->node->loop, &sweep->work, see_what_is_left, swept);
    sweep = NULL;
}

void ownrun_sweep(struct ownpod *ownpod)
{
    if (json_array_size(ownpod->rktpods) <= RKTPODS_KEPT) {
        ownrun_feed(ownpod, OWNLIFE_ON_DONE);
        return;
    }
    ownrun_tell_step(ownpod, "removing what older runs have left");
    ownunits_remove(ownpod, RKTPODS_KEPT, rkt_rm_done);
}

void ownrun_remove(struct ownpod *ownpod)
{
    ownrun_tell_step(ownpod, "removing what its runs have left");
    ownunits_remove(ownpod, 0, rkt_rm_done);
}

static void erased(struct ownpod *ownpod)
{
    ownrun_feed(ownpod, OWNLIFE_ON_DONE);
}

void ownrun_erase(struct ownpod *ownpod)
{
    ownpods_save(ownpod->node->ownpods, ownpod, erased);
}
