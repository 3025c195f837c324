/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A Kubernetes Pod becomes an appc pod manifest, as the kubelet would write it for rkt (contract
 * section 2): for pods that are run without a kubelet.
 *
 * What rkt can honour is on a list, lib/kubepod-check.c. Everything else is a fault that is named
 * by its path, and a pod with a fault is not converted: a pod that runs is a pod that is as it
 * says.
 */

#include <jansson.h>
#include <stdbool.h>

#include "lib/error.h"

enum {
    KUBEPOD_E_FAULTS = 1, /* there are faults; they are listed */
    KUBEPOD_E_IMAGE,      /* the pod does not go with its image; the error says why */
};

/* Whether it says of itself that it is a Pod. */
bool kubepod_is_pod(const json_t *json);

/* Whether a name is a DNS label: 1 to 63 lower-case letters, digits and '-', not at its ends. */
bool kubepod_is_label(const char *name);

/* A quantity that is written as a number becomes the string that it stands for.
 * Return: 0; KUBEPOD_E_FAULTS and a new reference to a list of strings, each "PATH: what is wrong"
 * as in "spec.containers[0].livenessProbe: rkt cannot honour it"; -ENOMEM. */
int kubepod_check(json_t *pod, json_t **faultsp);

/* What follows takes a pod that passed kubepod_check(). Strings are borrowed. */

const char *kubepod_name(const json_t *pod);
const char *kubepod_namespace(const json_t *pod);
/* Return: "Always", "OnFailure", "Never". */
const char *kubepod_restart_policy(const json_t *pod);
/* In seconds; 30 if the pod does not say. */
json_int_t kubepod_grace_seconds(const json_t *pod);
bool kubepod_has_host_network(const json_t *pod);
bool kubepod_is_privileged(const json_t *pod);
/* The pod's name, if it has no hostname of its own. */
const char *kubepod_hostname(const json_t *pod);

/* A container's image. Return: false after the last. */
struct kubepod_image {
    const char *name;
    const char *pull_policy; /* rkt's word for it: "new", "update", "never" */
};
bool kubepod_image(const json_t *pod, size_t index, struct kubepod_image *image);

/* Where the folder of the pod's n-th emptyDir is. Return: to free(), NULL after the last, or
 * without memory. */
char *kubepod_empty_dir(const json_t *pod, size_t index, const char *dir);

/* Makes the pod manifest. `images` has a member for each image, {"id":, "manifest":}, with rkt's ID
 * and the image's manifest; the folders of emptyDirs are in `dir`.
 * Return: 0 and a new reference, KUBEPOD_E_IMAGE, -ENOMEM. */
int kubepod_to_manifest(json_t **manifestp, const json_t *pod, const json_t *images,
                        const char *dir, struct error *error);
