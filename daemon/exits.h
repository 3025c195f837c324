/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How and when rkt pods end.
 *
 * The process that became rkt is the pod's main process under every stage1 (contract section 1), so
 * its pidfd tells the end, to the moment. What it ended with comes after that: from rkt's status
 * files, and where there are none (fly) from systemd.
 *
 * One that ended while gantryd was not there is found when its state is read. Its time is then
 * taken from what its end left behind: systemd's own note, the file that the kubelet's unit
 * touches, rkt's status files; only if none of them is there, it is now.
 */

#include "daemon/pod.h"

struct node;

/* Watches a rkt pod that begins to run. The pidfd is consumed. */
void exits_watch(struct node *node, struct rktpod *rktpod, int pidfd);

/* Takes up a rkt pod that was read from its state: watches it if it still runs, else finds out how
 * it ended. node->n_attaching counts those that are not through with that. */
void exits_attach(struct node *node, struct rktpod *rktpod);

/* Whether it has ended is found out now, not at the loop's next turn: for a launch that follows at
 * once. */
void exits_look(struct rktpod *rktpod);

/* Stops watching, if it runs still; a search for what its end left goes on. */
void exits_leave(struct rktpod *rktpod);
