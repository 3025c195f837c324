/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How a pod of gantry's own runs:
 *
 *   look - (fetch - inspect, for each image) - prepare - start - ... its unit is gone - look - ...
 *
 * ownrun_look() sees what is wanted and what there is, and begins the next step, if none is under
 * way; each step looks again when it is done. So it may be called at any time, and is, whenever
 * something has changed. When a restart is due, the pod's life says (lib/life.h), as for all pods;
 * a start that failed is tried again after the same row of times.
 *
 * A run has ended when both its unit is gone, so that another of that name can be started, and what
 * its end left is known (daemon/exits.h).
 */

#include "daemon/own/pod.h"

/* Takes up a pod that was read from its file. */
void ownrun_attach(struct ownpod *ownpod);

/* Does what is due. */
void ownrun_look(struct ownpod *ownpod);

/* Somebody wishes something of it. The waiter is lent until waiter->done is called; it may be NULL.
 * A pod that is to be removed takes no other wish. */
void ownrun_wish(struct ownpod *ownpod, enum ownpod_wish wish, struct ownpod_waiter *waiter);

/* The waiter has gone: it is not told any more. */
void ownrun_leave(struct ownpod_waiter *waiter);

/* Something of the pod's unit has changed. */
void ownrun_unit_changed(struct ownpod *ownpod);
/* systemd was out of reach for a while. */
void ownrun_bus_lost(struct ownpod *ownpod);
