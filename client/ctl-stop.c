/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods without a kubelet: gantryctl stop and rm.
 */

#include "client/ctl.h"

int ctl_stop(const struct ctl *ctl)
{
    return ctl_call_steps(ctl, "io.gantry.Node.Stop", json_pack("{s:s}", "pod", ctl->argument));
}

int ctl_rm(const struct ctl *ctl)
{
    return ctl_call_steps(ctl, "io.gantry.Node.Remove", json_pack("{s:s}", "pod", ctl->argument));
}
