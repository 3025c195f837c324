/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The pod as Kubernetes means it: what the kubelet's /pods says of it, and the pod manifest does
 * not. The only file that knows the names of Kubernetes' API members, in their places of kubelet
 * 1.3 to 1.9, but for lib/podlist.h, which takes the list apart, and lib/podstrip.h.
 *
 * It is read for what gantry needs and kept small, for one is kept for each pod of the node.
 * Nothing else is judged: what is missing or of another type than the API says is treated as
 * absent. But a list that is longer than lib/bounds.h has it is not: the pod is not read.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

enum {
    /* The pod is larger than gantry takes; the error says which list of it. */
    PODSPEC_E_TOO_LARGE = 1,
};

struct podspec_mount {
    char *volume;  /* name of a volume of the pod */
    char *path;    /* where the container sees it, as it is written, but absolute */
    char *subpath; /* "" if there is none */
    bool read_only;
};

/* A resource that a container asks for: cpu in thousandths, memory in bytes. */
struct podspec_resource {
    bool has_request, has_limit;
    int64_t request, limit;
};

struct podspec_container {
    char *name;
    bool privileged;
    bool sets_gpus; /* NVIDIA_VISIBLE_DEVICES stands in its env, not only in its image's */
    bool has_env_from;
    struct podspec_resource cpu, memory;
    struct podspec_mount *mounts;
    size_t n_mounts;
};

enum podspec_volume_type {
    PODSPEC_VOLUME_OTHER,
    PODSPEC_VOLUME_HOST_PATH,
    PODSPEC_VOLUME_EMPTY_DIR,
    PODSPEC_VOLUME_SECRET,
    PODSPEC_VOLUME_CONFIG_MAP,
    PODSPEC_VOLUME_DOWNWARD_API,
    PODSPEC_VOLUME_PROJECTED,
};

struct podspec_volume {
    char *name;
    enum podspec_volume_type type;
    char *host_path;      /* PODSPEC_VOLUME_HOST_PATH: its path; else NULL */
    char *host_path_type; /* "" if it has none (before 1.8 it never has) */
};

struct podspec_annotation {
    char *name, *value;
};

struct podspec {
    char *uid, *name, *namespace;
    bool host_pid, host_ipc, host_network;
    struct podspec_container *containers, *init_containers;
    size_t n_containers, n_init_containers;
    struct podspec_volume *volumes;
    size_t n_volumes;
    struct podspec_annotation *annotations; /* those of gantry's own: NAME.gantry.io/... */
    size_t n_annotations;

    unsigned n_refs;
};

/* The entry of that UID in a v1.PodList, as it stands there.
 * Return: 0, and borrowed in *podp, or NULL there if the list has no such pod; -EINVAL if `list` is
 * no PodList. */
int podspec_entry(json_t **podp, const json_t *list, const char *uid);

/* Compares the lists of a pod with lib/bounds.h. Init containers are those of spec.initContainers
 * (1.6 on) or else of the annotations pod.beta.kubernetes.io/init-containers (1.4 on) and
 * pod.alpha.kubernetes.io/init-containers (1.3). Return: 0, PODSPEC_E_TOO_LARGE. */
int podspec_check_size(const json_t *pod, struct error *error);

/* The pod of that UID in a v1.PodList, read.
 * Return: 0, and a reference in *specp, or NULL there if the list has no such pod;
 * PODSPEC_E_TOO_LARGE; -EINVAL if `list` is no PodList; -ENOMEM. */
int podspec_find(struct podspec **specp, const json_t *list, const char *uid, struct error *error);

/* References are counted without a lock: they are taken and dropped on the loop. */
struct podspec *podspec_ref(struct podspec *spec);
/* Return: NULL. */
struct podspec *podspec_unref(struct podspec *spec);

static inline void podspec_unrefp(struct podspec **specp)
{
    podspec_unref(*specp);
}

/* Return: borrowed, or NULL. */
const struct podspec_container *podspec_container(const struct podspec *spec, const char *name);
const struct podspec_volume *podspec_volume(const struct podspec *spec, const char *name);
const char *podspec_annotation(const struct podspec *spec, const char *name);

/* Reads a quantity, "100m", "128Mi", in units of 1/scale; rounds up, as Kubernetes does.
 * Return: false if it is none. */
bool podspec_quantity(const char *string, int64_t scale, int64_t *quantityp);

enum podspec_qos {
    PODSPEC_BEST_EFFORT,
    PODSPEC_BURSTABLE,
    PODSPEC_GUARANTEED,
};

/* By Kubernetes' rules (contract section 4). */
enum podspec_qos podspec_qos(const struct podspec *spec);
/* Return: "BestEffort", "Burstable", "Guaranteed". */
const char *podspec_qos_name(enum podspec_qos qos);

/* The OOM score of a container on a machine of that much memory (contract section 4). */
int podspec_oom_score_adj(const struct podspec *spec, const struct podspec_container *container,
                          int64_t memory_total);
