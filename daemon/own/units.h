/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The units of a pod of gantry's own: how rkt is called for it. Each call but run-prepared's is a
 * oneshot.
 */

#include "daemon/own/oneshot.h"
#include "daemon/own/pod.h"
#include "lib/kubepod.h"

/* Where the folders of emptyDirs are, one below that for each pod. */
#define OWNUNITS_VOLUMES "/var/lib/gantry/volumes"

/* "gantry-web.service". No pod can have the name of another one's oneshot: '@' is in no DNS label.
 */
#define OWNUNITS_NAME_MAX 128
const char *ownunits_name(char name[static OWNUNITS_NAME_MAX], const struct ownpod *ownpod);

/* The pod's name in the name of its unit. Return: borrowed from `buffer`, NULL if it is no pod's.
 */
const char *ownunits_pod_of(char buffer[static OWNUNITS_NAME_MAX], const char *unit);

/* rkt fetch; it prints the ID. Return: as oneshot_run(). */
struct oneshot *ownunits_fetch(struct ownpod *ownpod, const struct kubepod_image *image,
                               oneshot_done_fn *done);
/* rkt image cat-manifest. Return: as oneshot_run(). */
struct oneshot *ownunits_inspect(struct ownpod *ownpod, const char *id, oneshot_done_fn *done);
/* Stops a unit of these two that somebody else has begun. */
void ownunits_stop_fetch(struct ownpod *ownpod, bus_done_fn *done);
/* rkt prepare, of the text of a pod manifest; it prints the UUID, after those of prepares whose end
 * nobody has seen. */
void ownunits_prepare(struct ownpod *ownpod, const char *manifest, oneshot_done_fn *done);
/* Waits for one that somebody else has begun, and has only such UUIDs printed. */
void ownunits_take_over_prepare(struct ownpod *ownpod, oneshot_done_fn *done);
/* rkt run-prepared of the newest rkt pod, as the pod's unit. */
void ownunits_start(struct ownpod *ownpod, const struct adopt_limits *limits, bus_done_fn *done);
/* rkt rm of all but the newest `n_kept` rkt pods; if none is kept, the folders of emptyDirs go,
 * too.
 */
void ownunits_remove(struct ownpod *ownpod, size_t n_kept, oneshot_done_fn *done);

/* Removes the files of steps whose end nobody has seen. Waits for the file system; the pod is only
 * read. */
void ownunits_clear_files(int folder_fd, const struct ownpod *ownpod);

/* The folder of its emptyDirs. Return: to free(), NULL without memory. */
char *ownunits_volumes(const struct ownpod *ownpod);
