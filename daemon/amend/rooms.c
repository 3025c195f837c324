/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/amend/rooms.h"

#include "daemon/launch.h"

/* What happens to a launch, in order. Gates may refuse it; amendments may edit it, and refuse what
 * they cannot do. After the last one it is forwarded: the drop-in becomes rkt. */
const struct room rooms[] = {
    /* gates */
    {"backoff", LAUNCH_PREPARES, MESSAGE_BACKOFF, amend_backoff},

    /* amendments */
    {"hostpath", LAUNCH_PREPARES, MESSAGE_REFUSAL, amend_hostpath},

    {NULL, 0, 0, NULL},
};
