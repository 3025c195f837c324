/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/amend/rooms.h"

#include "daemon/launch.h"

/* What happens to a launch, in order. Gates may refuse it; amendments may edit it, and refuse what
 * they cannot do. Behind the last one it is forwarded: the drop-in becomes rkt. */
const struct room rooms[] = {
    /* gates; behind the second one the pod's spec is known, if it can be */
    {"backoff", LAUNCH_PREPARES, MESSAGE_BACKOFF, amend_backoff, NULL},
    {"kubelet", LAUNCH_PREPARES, MESSAGE_REFUSAL, amend_kubelet, NULL},
    {"size", LAUNCH_PREPARES, MESSAGE_REFUSAL, amend_size, NULL},

    /* amendments */
    {"volumes", LAUNCH_PREPARES, MESSAGE_REFUSAL, amend_volumes, NULL},
    {"hosttype", LAUNCH_PREPARES, MESSAGE_REFUSAL, amend_hosttype, NULL},
    {"hostpath", LAUNCH_PREPARES, MESSAGE_REFUSAL, amend_hostpath, NULL},
    {"subpath", LAUNCH_PREPARES, MESSAGE_REFUSAL, amend_subpath, undo_subpath},
    {"capabilities", LAUNCH_PREPARES, MESSAGE_REFUSAL, amend_capabilities, NULL},
    {"oomscore", LAUNCH_PREPARES, MESSAGE_REFUSAL, amend_oomscore, NULL},
    {"namespaces", LAUNCH_PREPARES | LAUNCH_RUNS, MESSAGE_REFUSAL, amend_namespaces, NULL},
    {"gpus", LAUNCH_PREPARES | LAUNCH_RUNS, MESSAGE_REFUSAL, amend_gpus, undo_gpus},

    {"forward", LAUNCH_PREPARES, MESSAGE_REFUSAL, amend_forward, NULL},

    {NULL, 0, 0, NULL, NULL},
};
