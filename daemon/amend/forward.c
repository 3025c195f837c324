/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The last room: what the others have made of the manifest is written out, as the drop-in is to
 * hand it to rkt. What is so long that the drop-in would not take it goes nowhere: without an
 * answer the launch would go to rkt as it was called, and a pod's author decides how long its
 * manifest becomes.
 */

#include <errno.h>
#include <string.h>

#include "daemon/amend/rooms.h"
#include "daemon/launch.h"
#include "lib/varlink.h"

int amend_forward(struct launch *launch)
{
    if (!launch->manifest || !manifest_is_edited(launch->manifest))
        return 0;
    if (launch->is_long && !launch->may_wait)
        return LAUNCH_E_WAIT;
    launch->amended = manifest_to_text(launch->manifest);
    if (!launch->amended)
        return -ENOMEM;
    size_t length = strlen(launch->amended);
    if (length <= VARLINK_MANIFEST_MAX)
        return 0;
    return error_set(&launch->error, LAUNCH_E_REFUSED,
                     "its manifest would have %zu bytes with what is amended, and may have %zu",
                     length, VARLINK_MANIFEST_MAX);
}
