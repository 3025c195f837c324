/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rkt's data directory (contract section 3). The only file that knows its layout.
 *
 * A pod's folder, named by its UUID, moves through pods/: embryo, prepare, prepared, run,
 * exited-garbage, garbage. It may move while it is looked at, so everything is looked for in all of
 * them.
 *
 * All of it waits for the file system; none of it is for the loop.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "lib/error.h"
#include "lib/usec.h"

/* 36 characters and the NUL. */
#define RKT_UUID_SIZE 37

enum {
    RKTDIR_E_NOT_FOUND = 1,
    RKTDIR_E_AMBIGUOUS, /* more than one pod begins like that */
};

/* The pod that rkt would take the beginning of a UUID for, letters of either case.
 * Return: 0, RKTDIR_E_NOT_FOUND, RKTDIR_E_AMBIGUOUS, -errno. */
int rktdir_resolve(const char *data_dir, const char *prefix, char uuid[static RKT_UUID_SIZE]);

/* Which pod the process is, or was, the main process of. Return: 0, RKTDIR_E_NOT_FOUND, -errno. */
int rktdir_resolve_pid(const char *data_dir, pid_t pid, char uuid[static RKT_UUID_SIZE]);

/* What the pod's process is to the apps. */
enum rktdir_process {
    RKTDIR_PROCESS_UNKNOWN,  /* it has not come so far */
    RKTDIR_PROCESS_IS_APP,   /* fly becomes the app, kvm is a machine with the apps in it */
    RKTDIR_PROCESS_HAS_APPS, /* nspawn: they are below it */
};

enum rktdir_process rktdir_process(const char *data_dir, const char *uuid);

/* Reads the pod manifest, as prepare stored it.
 * Return: 0 and text to free(), RKTDIR_E_NOT_FOUND, -errno. */
int rktdir_read_manifest(const char *data_dir, const char *uuid, char **textp, size_t *lengthp);

/* Calls `visit` with the manifest of each pod that may yet run, does, or has and is not marked for
 * removal: all but what a failed prepare left, and garbage. One that moves meanwhile may come
 * twice. Return: 0; -errno if not all could be read. */
typedef void rktdir_visit_fn(void *userdata, const char *uuid, bool has_started, const char *text,
                             size_t length);
int rktdir_for_each_pod(const char *data_dir, rktdir_visit_fn *visit, void *userdata);

/* Return: true unless the pod is gone from every folder. */
bool rktdir_exists(const char *data_dir, const char *uuid);

/* A pod that may come to run, or runs. */
struct rktdir_pod {
    const char *uuid;
    bool is_running;      /* by rkt's lock; else it is prepared */
    const char *manifest; /* its text, ended by a NUL */
    size_t length;
};

/* Calls `visit` for each, until it returns something else than 0. One that begins to run meanwhile
 * comes twice, or as a running one; none is left out.
 * Return: 0, what visit returned, -errno if anything could not be read. */
int rktdir_for_each(const char *data_dir,
                    int (*visit)(const struct rktdir_pod *pod, void *userdata), void *userdata);

/* The end of one app. */
struct rktdir_exit {
    char *app;
    int status;
    wall_t at; /* when the status was written */
};

struct rktdir_exits {
    struct rktdir_exit *list;
    size_t n;
};

/* Reads what the apps of a pod ended with: none under fly; 0 for those that were stopped because
 * the pod was, whatever they ended with. Return: 0, also for none; RKTDIR_E_NOT_FOUND, -errno. */
int rktdir_read_exits(const char *data_dir, const char *uuid, struct rktdir_exits *exits);
void rktdir_exits_deinit(struct rktdir_exits *exits);

/* Which app ended the pod: the first to fail, for it takes the others with it; if none failed, the
 * last one to end (contract section 3). Return: NULL if there is no exit at all. */
const struct rktdir_exit *rktdir_exits_decisive(const struct rktdir_exits *exits);

/* The folders of pods/ in which a pod may stand, ended by NULL, in the order of its life. */
#define RKTDIR_N_STAGES 6
extern const char *const rktdir_stages[RKTDIR_N_STAGES + 1];
