/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a pod manifest does not say, the rooms behind this one read of the pod's spec, and that the
 * kubelet has. It is asked when a pod is prepared: run-prepared must not be delayed (contract,
 * section 4), and what was prepared must not be stopped by a kubelet that is just restarting.
 *
 * Without the spec those rooms do nothing. Whoever cannot have that says Required=yes. A spec that
 * is there and cannot be read is no reason to do nothing: who writes a pod could bring that about.
 */

#include "daemon/amend/rooms.h"
#include "daemon/launch.h"

int amend_kubelet(struct launch *launch)
{
    if (launch->consult && !launch->was_consulted)
        return LAUNCH_E_CONSULT;
    if (!launch->unknown)
        return 0;
    if (launch->is_unreadable)
        return error_set(&launch->error, LAUNCH_E_REFUSED,
                         "what the kubelet tells of the pod cannot be read: %s", launch->unknown);
    if (launch->config->kubelet.required)
        return error_set(&launch->error, LAUNCH_E_REFUSED,
                         "the kubelet has to be asked (Required=yes): %s", launch->unknown);
    return launch_note(launch, "warning: what needs the pod's spec is not done: %s",
                       launch->unknown);
}
