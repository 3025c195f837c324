/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The rooms that a launch walks through, in the order of daemon/amend/rooms.c. Each closes one gap
 * of the rktnetes notes, is one file here, and does nothing else.
 */

struct launch;

/* Holds back the pods that keep failing. */
int amend_backoff(struct launch *launch);

/* Has the kubelet asked for the pod's spec. */
int amend_kubelet(struct launch *launch);

/* Refuses a pod that has more of something than gantry is made for. */
int amend_size(struct launch *launch);

/* Gives each volume a name of its own, and each mount of the pod spec its volume. */
int amend_volumes(struct launch *launch);

/* Sees that a hostPath is what its type says. */
int amend_hosttype(struct launch *launch);

/* Makes the host directories that a pod's volumes name and that do not exist. */
int amend_hostpath(struct launch *launch);

/* Has an app see the part of a volume that its subPath names, and nothing else. */
int amend_subpath(struct launch *launch);
void undo_subpath(struct launch *launch);

/* Writes capabilities as rkt takes them. */
int amend_capabilities(struct launch *launch);

/* Gives each app the OOM score of its QoS class. */
int amend_oomscore(struct launch *launch);

/* Gives the pod the namespaces of the host that it asks for, where rkt can. */
int amend_namespaces(struct launch *launch);

/* Gives out the node's GPUs. */
int amend_gpus(struct launch *launch);
void undo_gpus(struct launch *launch);

/* Writes out the amended manifest. */
int amend_forward(struct launch *launch);
