/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rkt's data directory (contract section 3). The only file that knows its layout.
 *
 * A pod's folder, named by its UUID, moves through pods/: embryo, prepare, prepared, run,
 * exited-garbage, garbage. It may move while it is looked at, so everything is looked for in all of
 * them.
 *
 * What stands there is rkt's, but for the folder of status files, which is within the pod's stage1:
 * an app may have got there, and have put anything there.
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
    RKTDIR_E_AMBIGUOUS,   /* more than one pod begins like that */
    RKTDIR_E_NO_MANIFEST, /* the pod's is none that went through gantry: no file, or longer than
                             VARLINK_MANIFEST_MAX */
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

/* `pidp`, if not NULL, gets its pid. */
enum rktdir_process rktdir_process(const char *data_dir, const char *uuid, pid_t *pidp);

/* Return: true if rkt has begun to run the pod and has not ended, by its lock. */
bool rktdir_is_running(const char *data_dir, const char *uuid);

/* Reads the pod manifest, as prepare stored it.
 * Return: 0 and text to free(), RKTDIR_E_NOT_FOUND, RKTDIR_E_NO_MANIFEST, -errno. */
int rktdir_read_manifest(const char *data_dir, const char *uuid, char **textp, size_t *lengthp);

/* Return: true unless the pod is gone from every folder. */
bool rktdir_exists(const char *data_dir, const char *uuid);

/* A pod that is prepared, runs, or has run and is not marked for removal yet. */
struct rktdir_pod {
    const char *uuid;
    bool has_started;     /* else it is prepared */
    bool is_running;      /* by rkt's lock */
    const char *manifest; /* its text, ended by a NUL; "" for RKTDIR_E_NO_MANIFEST */
    size_t length;
};

typedef int rktdir_visit_fn(const struct rktdir_pod *pod, void *userdata);

/* Calls `visit` for each of them, until it returns something else than 0; for none of those that a
 * failed prepare has left. One that moves on meanwhile may come twice; none is left out, and none
 * keeps the others from being visited by what it is. Return: 0, what visit returned, -errno if not
 * all could be read. */
int rktdir_for_each(const char *data_dir, rktdir_visit_fn *visit, void *userdata);

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
 * the pod was, whatever they ended with. There may be as many as an app liked, up to a thousand.
 * Return: 0, also for none; RKTDIR_E_NOT_FOUND, -errno. */
int rktdir_read_exits(const char *data_dir, const char *uuid, struct rktdir_exits *exits);
void rktdir_exits_deinit(struct rktdir_exits *exits);

/* Which app ended the pod: the first to fail, for it takes the others with it; if none failed, the
 * last one to end (contract section 3). Return: NULL if there is no exit at all. */
const struct rktdir_exit *rktdir_exits_decisive(const struct rktdir_exits *exits);

/* The folders of pods/ in which a pod may stand, ended by NULL, in the order of its life. */
#define RKTDIR_N_STAGES 6
extern const char *const rktdir_stages[RKTDIR_N_STAGES + 1];
