/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Gap 7 of the rktnetes notes: the rkt runtime restarts a pod that fails every few seconds for ever
 * (contract section 3), where Kubernetes means it to back off (section 4).
 *
 * The answer is given to prepare, at once. run-prepared must never be delayed: a pod that stays
 * prepared has apps of unknown state, which the kubelet always restarts, with a new rkt pod each
 * time.
 *
 * Pods that the kubelet did not make are never held back.
 */

#include "daemon/amend/rooms.h"
#include "daemon/launch.h"

/* The words are the docker runtime's: people and tools know them from its events. */
static int refuse(struct launch *launch)
{
    const struct life *life = &launch->pod->life;
    const struct pod_identity *who = &launch->identity;
    const char *container = life->ended_by;
    char delay[USEC_GO_MAX];

    if (!container)
        container = manifest_app(launch->manifest, 0).container;
    return error_set(&launch->error, LAUNCH_E_REFUSED,
                     "Back-off %s restarting failed container=%s pod=%s_%s(%s)",
                     usec_format_go(delay, life->backoff.delay), container ? container : "",
                     who->name, who->namespace, who->uid);
}

int amend_backoff(struct launch *launch)
{
    char delay[USEC_GO_MAX];

    if (!launch->pod)
        return 0;

    struct life *life = &launch->pod->life;
    usec_t allowed_before = life->backoff.allowed_at;
    int action =
        life_prepare(life, &launch->config->backoff, launch->hashes, launch->id, launch->now);
    if (action < 0)
        return action;
    if (action == LIFE_REFUSE)
        return refuse(launch);
    if (life->backoff.delay == 0 || life->backoff.allowed_at == allowed_before)
        return 0;
    launch->is_binding = true;
    return launch_note(launch, "a restart; the next one has to wait %s",
                       usec_format_go(delay, life->backoff.delay));
}
