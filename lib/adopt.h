/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Pods of gantry's own: pods that gantryctl run started, and no kubelet knows. Their manifests bear
 * the annotations that the kubelet writes, so that all the rest of gantry treats them alike, but
 * for rkt.kubernetes.io/managed-by-kubelet: a kubelet of the same node would take such a pod for
 * one that it was told to delete, and kill it.
 */

#include <jansson.h>
#include <stdint.h>

#include "lib/manifest.h"

/* "true" for a pod of gantry's own. */
#define ADOPT_ANNOTATION "gantry.io/pod"

/* Writes who the pod is into its manifest, and for each app its container's name and hash; what of
 * that stood there is replaced. Return: 0 or -ENOMEM. */
int adopt_manifest(json_t *manifest, const struct pod_identity *identity, unsigned restarts);

/* The sum of what the apps may have, for the whole of the pod: cpu in thousandths, memory in bytes.
 * 0: an app has no limit, so the pod has none. */
struct adopt_limits {
    int64_t cpu, memory;
};
struct adopt_limits adopt_limits(const json_t *manifest);

/* Reads the ID that rkt fetch has printed last: one line. Return: to free(); NULL
 * if it printed none, or without memory. */
char *adopt_last_line(const char *output);

/* Appends the UUIDs that runs of rkt prepare have printed, one after the other, a line each; of one
 * that was cut off there is none. Return: how many. */
size_t adopt_uuids(const char *output, json_t *uuids);
