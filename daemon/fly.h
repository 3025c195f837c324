/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What stage1-fly makes of an app's mounts; for the rooms that choose it, and that add mounts.
 *
 * It mounts in the mount namespace that it is started in, which is the host's, and in an order that
 * changes from run to run. So of two mounts of which one lies below the other, either the one is
 * covered, or it is mounted in the source of the other, on the host, and stays there when the pod
 * is gone. The app's /dev, /proc and /sys are the host's, and mounts below them are of that kind:
 * the kubelet's /dev/termination-log is mounted on the host's, where all fly pods write to it, and
 * once the pod's file is deleted no other pod can start.
 *
 * A mount namespace of its own would not help such a pod: rkt enter, which the kubelet's probes and
 * hooks are, goes to the path of the app's root in the namespace that it is called in.
 *
 * Only the paths are known here, not what the image makes a link: but /var/run is /run in most.
 */

#include "daemon/launch.h"

enum {
    FLY_E_CANNOT = 1,
};

/* Whether the pod is to run under fly: the kubelet says so, or gantry has chosen it. */
bool fly_is_chosen(const struct launch *launch);

/* Whether fly can mount what the first app mounts; its termination message does not count.
 * Return: 0; FLY_E_CANNOT, and the error says why; -ENOMEM. */
int fly_check_mounts(const struct launch *launch, struct error *error);

/* Takes the mount of the termination message away, with a note, if fly cannot have it beside the
 * others. Return: 0 or -ENOMEM. */
int fly_drop_message(struct launch *launch);

/* Return: true if the app mounts nothing at the path, above or below it; -ENOMEM as false. */
bool fly_can_mount_at(const struct launch *launch, size_t app, const char *path);
