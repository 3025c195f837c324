/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How a pod of gantry's own runs: what happens is fed to its life (lib/ownlife.h), and what that
 * says is done. When a restart is due, the pod's other life says (lib/life.h), as for all pods; a
 * start that failed is tried again after the same row of times.
 *
 * A run has ended when both its unit is gone, so that another of that name can be started, and what
 * its end left is known (daemon/exits.h).
 */

#include "daemon/own/pod.h"

/* Takes up a pod that was read from its file. */
void ownrun_attach(struct ownpod *ownpod);

/* Something has happened. The pod may be gone after it. */
void ownrun_feed(struct ownpod *ownpod, enum ownlife_event event);

/* Somebody wants it run, which is only to be asked of one that is stopped (OWNLIFE_TRY), stopped,
 * or removed. The waiter is lent until waiter->done is called. */
void ownrun_wish(struct ownpod *ownpod, enum ownlife_wish wish, struct ownpod_waiter *waiter);

/* The waiter has gone: it is not told any more. */
void ownrun_leave(struct ownpod_waiter *waiter);
