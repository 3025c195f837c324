/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who has which of the node's GPUs.
 *
 * What a launch was given is written into its manifest, and rkt keeps that with the rkt pod: so
 * rkt's data directory tells who has what, and rkt's lock on a pod tells whether it still runs.
 * Nothing has to be freed, and nothing can be forgotten. Only what was given to a launch whose rkt
 * pod is not on disk yet has to be kept here: a promise, to the process that asked. It ends with
 * the process, for by then its rkt pod is there, or never will be. Promises stand in a file before
 * they are given, so that a gantryd that is killed remembers them.
 *
 * Of the rkt pods of one pod that are prepared and do not run, only the newest counts: the kubelet
 * has given up the others.
 *
 * All of it waits for the file system; none of it is for the loop. Any thread may call.
 */

#include "daemon/gpuholders.h"
#include "daemon/launch.h"

enum {
    GPUS_E_TAKEN = 1, /* there are not as many, or another one has them; the error says which */
};

/* What one container asks for. */
struct gpu_request {
    size_t app; /* the container in the manifest, and its name, borrowed */
    const char *container;
    gpuset_t wanted; /* these; if it is empty: */
    bool wants_all;
    unsigned n; /* so many */
    gpuset_t given;
};

/* The register is kept below `state_dir`. Return: NULL without memory. */
struct gpus *gpus_new(const char *state_dir);
/* Return: NULL. */
struct gpus *gpus_free(struct gpus *gpus);

/* The GPUs that have a device in a folder. Return: 0, also if there are none; -errno. */
int gpus_present(const char *device_dir, gpuset_t *setp);

/* Gives a launch what its containers ask for, all or nothing, of those that are present; sets
 * `given` of each, and writes it into the launch's manifest.
 * Return: 0; GPUS_E_TAKEN and an error; -errno. */
int gpus_give(struct gpus *gpus, struct launch *launch, gpuset_t present,
              struct gpu_request *requests, size_t n, struct error *error);

/* A rkt pod is about to run. Return: 0 if it has no GPUs or still has them; GPUS_E_TAKEN and an
 * error if they were given to another one since; -errno. */
int gpus_keep(struct gpus *gpus, const struct launch *launch, struct error *error);

/* Takes back what the launch was given: it does not go to rkt. */
void gpus_take_back(struct gpus *gpus, const struct launch *launch);

/* Return: true if the manifest says that its containers were given GPUs. */
bool gpus_are_in(const struct manifest *manifest);

/* All who have any; gpu_holders_deinit() is due in each case. `data_dir` is looked through besides
 * those that are known. Return: 0 or -errno. */
int gpus_list(struct gpus *gpus, const char *data_dir, struct gpu_holders *holders);
