/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A pod that is started: what the two stage1s have in common. The process has the pod's folder for
 * its working folder.
 *
 * An error's text stands as a stage1 prints it, without "run-prepared: ".
 */

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>

#include "contrib/rkt-standin/cmdline.h"
#include "contrib/rkt-standin/pod.h"

struct app {
    const char *name;
    const json_t *runtime; /* the manifest's entry */
    const json_t *spec;    /* its "app", or the image's; NULL if neither has one */
    json_t *image;         /* the image's manifest */
    char *rootfs;          /* the path of its root, from the pod's folder */
    int root_fd;
    json_t *environment; /* strings NAME=VALUE */
    char *program;       /* exec[0] as an absolute path */
    unsigned uid, gid;
    pid_t pid; /* under nspawn, while it runs; 0 otherwise */
};

struct run {
    const struct cmdline *cmd;
    struct pod pod;
    bool is_fly;
    char folder[PATH_MAX]; /* the pod's, absolute */
    char stage1_buffer[POD_STAGE1_SIZE];
    const char *stage1; /* the folder of the stage1's own files */
    json_t *manifest;
    struct app *apps;
    size_t n_apps;
    char *cgroup; /* the path of the pod's cgroup */
};

/* Makes the app's root and opens it: an overlay, or a copy where there can be no overlay; with
 * --no-overlay prepare has made it. */
int rootfs_make(struct app *app);

/* Finds exec[0] in the app's root, by its PATH if need be. Return: 0, FAILED. */
int app_find_program(struct app *app, bool is_fly, struct error *error);

/* Looks up user and group in the app's root. Return: 0, FAILED. */
int app_find_user(struct app *app, struct error *error);

/* Where the app starts. */
const char *app_directory(const struct app *app);

/* Return: the value of an isolator, borrowed; NULL. */
const json_t *app_isolator(const struct app *app, const char *name);

/* What is to be mounted in an app, parents before what is below them. */
struct mount {
    char *source; /* on the host */
    const char *target;
    bool is_read_only;
    bool is_recursive;
};

struct mounts {
    struct mount *list;
    size_t n;
};

/* Brings the app's mount points and the pod's volumes together, and makes the folders of empty
 * volumes. Return: 0, the exit status. */
int mounts_resolve(struct mounts *mounts, const struct run *run, const struct app *app,
                   struct error *error);
void mounts_deinit(struct mounts *mounts);

/* The apps' cgroups: makes them possible, and without cgroup v2 there are none; moves this process
 * into that of an app; removes them when the apps have ended. Return: 0 or -errno. */
void cgroup_init(struct run *run);
int cgroup_enter(const struct run *run, const struct app *app);
void cgroup_remove(const struct run *run);

/* The two stage1s. The fly-like one returns only to tell of a failure.
 * Return: the exit status of the pod. */
int nspawn_run(struct run *run, struct error *error);
int fly_run(struct run *run, struct error *error);

/* The capabilities that an app may have. Return: 0 and a list, a new reference; the exit status. */
int capabilities_resolve(const struct run *run, const struct app *app, json_t **listp,
                         struct error *error);

/* The OCI configuration with which crun runs the app in the namespaces of `init`.
 * Return: a new reference; NULL without memory. */
json_t *crun_config(const struct run *run, const struct app *app, pid_t init,
                    const struct mounts *mounts, json_t *capabilities);
