/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Launches for the tests of the room `volumes`. Manifests and pod specs are written in short here,
 * and so is what becomes of them:
 *
 *   mount points   "web: data /srv ro, tmp /tmp | log: data /data"
 *   volumes        "data /host/data ro, tmp /host/tmp"
 *   spec mounts    "web: data /srv ro, tmp /tmp sub=a/b"
 *   spec volumes   "data hostPath=/host/data, tmp emptyDir"
 */

#include "daemon/launch.h"

/* Where the kubelet keeps what is the pod's. */
#define POD_FOLDER "/var/lib/kubelet/pods/1234/"

/* A prepare of a pod of the kubelet's, with these mount points and volumes. */
struct launch *launch_of(struct config *config, const char *points, const char *volumes);

/* The kubelet has told of it: mounts and volumes of its spec. */
void tell(struct launch *launch, const char *mounts, const char *volumes);

/* What the manifest has now. */
void becomes(const struct launch *launch, const char *points, const char *volumes);

/* The part of a volume that the room `subpath` is to see to. */
void is_for_part(const struct launch *launch, size_t index, const char *volume, const char *path);

/* The room is entered, and does nothing; or refuses. */
void is_untouched(struct launch *launch);
void is_refused(struct launch *launch, const char *message);

/* Declares `config` and `launch`. */
#define LAUNCH(points, volumes)                                     \
    CLEANUP(config_unrefp) struct config *config = make_config(""); \
    CLEANUP(launch_freep)                                           \
    struct launch *launch = launch_of(config, points, volumes)
