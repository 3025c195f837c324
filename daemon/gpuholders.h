/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who has GPUs: a pod with what its containers were given, and how that is written into the pod's
 * manifest and into the register's file. The data of daemon/gpus.h, no doings.
 */

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lib/gpuset.h"
#include "lib/manifest.h"
#include "lib/usec.h"

/* Where a manifest says what was given: "SINCE CONTAINER=0,1 CONTAINER=2", with the time in
 * microseconds since 1970. The kubelet passes no annotation of the user's on (contract section 2),
 * so nobody else can have written it. */
#define GPU_ANNOTATION "gpu.gantry.io/given"

enum gpu_stage {
    GPU_PROMISED, /* to a launch that is on its way through rkt */
    GPU_PREPARED,
    GPU_RUNNING,
};

struct gpu_share {
    char *container;
    gpuset_t set;
};

/* A pod that has GPUs. */
struct gpu_holder {
    enum gpu_stage stage;
    char *uid, *name, *namespace;
    char *uuid;   /* of its rkt pod; "" while that is not known */
    wall_t since; /* with the UID it names what was given at one time */
    struct gpu_share *shares;
    size_t n_shares;

    /* Of a promise. */
    char *launch;
    pid_t pid;
    uint64_t start_ticks;
    int pidfd;
};

struct gpu_holders {
    struct gpu_holder *list;
    size_t n;
};

#define GPU_HOLDER_NULL ((struct gpu_holder){.pidfd = -1})

/* Begins one without shares. Return: 0 or -ENOMEM; gpu_holder_deinit() is due in each case. */
int gpu_holder_init(struct gpu_holder *holder, const struct pod_identity *identity,
                    const char *uuid);
void gpu_holder_deinit(struct gpu_holder *holder);

/* Return: 0 or -ENOMEM. */
int gpu_holder_add_share(struct gpu_holder *holder, const char *container, gpuset_t set);

/* Return: all that its containers have. */
gpuset_t gpu_holder_set(const struct gpu_holder *holder);

bool gpu_holder_is_same_pod(const struct gpu_holder *a, const struct gpu_holder *b);
/* Whether it is the same that was given, seen at two places. */
bool gpu_holder_is_same(const struct gpu_holder *a, const struct gpu_holder *b);

/* The annotation's text. Return: a string to free(), NULL without memory. */
char *gpu_holder_to_text(const struct gpu_holder *holder);

/* Return: 0, and a holder without shares if the manifest tells of none; -ENOMEM. */
int gpu_holder_from_manifest(struct gpu_holder *holder, const struct manifest *manifest,
                             const char *uuid);

/* A promise, for the file. Return: a new reference, NULL without memory. */
json_t *gpu_holder_to_json(const struct gpu_holder *holder);
/* Return: 0; -ENOENT for a process that has ended; -EINVAL, -ENOMEM. gpu_holder_deinit() is due in
 * each case. */
int gpu_holder_from_json(struct gpu_holder *holder, json_t *json);

void gpu_holders_deinit(struct gpu_holders *holders);
/* Takes the holder over; what was at its place is empty after that. Return: 0 or -ENOMEM. */
int gpu_holders_append(struct gpu_holders *holders, struct gpu_holder *holder);
void gpu_holders_remove(struct gpu_holders *holders, size_t index);
