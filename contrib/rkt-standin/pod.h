/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A pod is a folder named by its UUID. It moves from stage to stage by rename; an exclusive flock
 * on the folder itself says that somebody works on it: while it is in run, that its apps run.
 */

#include <jansson.h>
#include <stdbool.h>
#include <time.h>

#include "contrib/rkt-standin/util.h"

/* 36 characters and the NUL. */
#define UUID_SIZE 37

/* The stage1s that there are, and what a pod's stage1TreeStoreID says of them; there is no such
 * tree in the store. */
#define STAGE1_FLY_NAME "coreos.com/rkt/stage1-fly:1.30.0"
#define STAGE1_HOST_NAME "coreos.com/rkt/stage1-host:1.30.0"
#define STAGE1_FLY "deps-sha512-f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1"
#define STAGE1_HOST "deps-sha512-5757575757575757575757575757575757575757575757575757575757575757"

enum stage {
    STAGE_EMBRYO,
    STAGE_PREPARE,
    STAGE_PREPARED,
    STAGE_RUN,
    STAGE_EXITED_GARBAGE,
    STAGE_GARBAGE,
    N_STAGES,
};

struct pod {
    const char *data_dir; /* borrowed */
    char uuid[UUID_SIZE];
    enum stage stage;
    bool is_locked; /* by somebody else, when it was opened */
    int fd;         /* the folder; -1: not opened */
};

#define POD_NULL ((struct pod){.fd = -1})

/* A new pod in prepare, locked. Return: 0, -errno. */
int pod_new(struct pod *pod, const char *data_dir);

/* Finds and opens the one pod whose UUID begins like that. Those in embryo and garbage are not
 * seen. Return: 0, FAILED, -errno. */
int pod_find(struct pod *pod, const char *data_dir, const char *prefix, struct error *error);

/* Opens the folder and looks at its lock. Return: 0, -errno; -ENOENT if it has moved on. */
int pod_open(struct pod *pod);

void pod_deinit(struct pod *pod);

/* Renames it into another stage. Return: 0, -errno; -ENOENT if somebody else has moved it. */
int pod_move(struct pod *pod, enum stage stage);

/* Removes the folder; what is mounted below it is unmounted first. Return: 0, -errno. */
int pod_remove(struct pod *pod);

/* Return: rkt's word for the stage and the lock, "running". */
const char *pod_state(const struct pod *pod);

/* Return: the manifest as prepare stored it, a new reference; NULL if there is none. */
json_t *pod_manifest(const struct pod *pod);

/* Return: true if its stage1 is the fly-like one. */
bool pod_is_fly(const struct pod *pod);

/* Where the stage1's own files are: its root, or the upper half of its overlay. */
#define POD_STAGE1_SIZE 128
const char *pod_stage1(const struct pod *pod, char buffer[static POD_STAGE1_SIZE]);

/* The process that the pod is. `startedp` may be NULL. Return: its id, also when it has ended; 0 if
 * it did not get that far. */
pid_t pod_pid(const struct pod *pod, struct timespec *startedp);

/* All pods of some stages, a mask of 1 << STAGE, in the order of their UUIDs, none opened. */
struct pods {
    struct pod *list;
    size_t n;
};

#define STAGES_LISTED \
    (1U << STAGE_PREPARE | 1U << STAGE_PREPARED | 1U << STAGE_RUN | 1U << STAGE_EXITED_GARBAGE)

int pods_load(struct pods *pods, const char *data_dir, unsigned stages);
void pods_deinit(struct pods *pods);
