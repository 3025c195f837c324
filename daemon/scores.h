/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The OOM scores of running apps. The oomscore room writes them into the manifest, and rkt 1.19 and
 * later starts nspawn's apps with them. For an older rkt, and for fly, they are set here once more,
 * on the running processes: the apps' scores are looked at some times after a pod has begun to run,
 * with growing distance, until each was seen once as it should be. What an app changes later is its
 * own affair.
 *
 * An app's processes are those of the pod that are in the cgroup of the unit APP.service; under
 * fly, the pod's own process and all that are below it.
 */

struct node;
struct rktpod;

/* Sees to the scores of a rkt pod that runs, unless it has been running for a minute. */
void scores_begin(struct node *node, const struct rktpod *rktpod);

/* Lets go of the loop. */
void scores_close(struct node *node);
