/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bind mounts of parts of volumes, as the sources of volumes; each launch that needs some has a
 * folder of them:
 *
 *   RUN_DIR/subpaths/PID.TICKS.N/0, 1, ...   the mounts
 *   RUN_DIR/subpaths/PID.TICKS.N/rkt         a symlink: the data directory that its rkt pod is in
 *
 * PID and TICKS, its start, are the process that prepares the rkt pod; N counts, if it asks more
 * than once. The folder's name is its key, and stands in the pod's manifest, which rkt stores. So
 * all that decides over the life of the mounts is on file, and survives gantryd: they are needed
 * while the process lives, and then while a rkt pod that may run has the key in its manifest.
 *
 * Making mounts waits for no file system but RUN_DIR's, which is memory. The rest is nothing for
 * the loop: rkt's data directory is read, and the kernel takes its time to let go of mounts. (Those
 * of a launch that fails while they are made there are let go there too; they are few.)
 */

#include <sys/types.h>

#include "lib/error.h"

/* The pod's annotation that holds the key. */
#define BINDS_ANNOTATION "gantry.io/subpaths"

/* Makes the folder of a launch whose drop-in is the process `pid`.
 * Return: 0 and its key, to free(); -errno. */
int binds_make(const char *run_dir, pid_t pid, const char *data_dir, char **keyp);

/* Mounts what `fd` names, a folder or anything else, alone: no mounts below it.
 * Return: 0 and the path of the mount, to free(); -errno. */
int binds_add(const char *run_dir, const char *key, size_t number, int fd, char **pathp);

/* Unmounts what is in the folder, and removes it. What is in use stays in use by who has it. */
void binds_remove(const char *run_dir, const char *key);

/* A folder that is still needed. */
struct bind {
    char *key;
    char *data_dir; /* NULL: it has none yet */
    int pidfd;      /* of the process that prepares; -1: it has ended */
};

struct binds {
    struct bind *list;
    size_t n;
};

/* Removes the folders that nobody needs any more and tells those that remain. A rkt pod whose run
 * has ended needs nothing: `ended` are the UUIDs of those, ended by NULL. If it cannot be
 * found out of each process whether it has ended, nothing is removed; if a data directory cannot be
 * read, nothing that a rkt pod in it may need.
 * Return: 0 and `binds`, -errno; binds_deinit() is due in each case. */
int binds_sweep(struct binds *binds, const char *run_dir, const char *const *ended);
void binds_deinit(struct binds *binds);
