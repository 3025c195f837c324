/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One launch, as it is carried through the rooms of daemon/amend/: what the drop-in asked, what was
 * read of it, and what the rooms leave behind. A room knows this and lib/, nothing else.
 */

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "daemon/pod.h"
#include "lib/config.h"
#include "lib/life.h"
#include "lib/manifest.h"
#include "lib/pathwalk.h"
#include "lib/podspec.h"
#include "lib/rktcmd.h"

struct launch;
struct gpus;

/* Part of a volume of the manifest, whose source is the volume's root. */
struct subpath {
    char *volume;    /* the manifest's name of it, used by no other mount */
    char *path;      /* relative to the root, as the pod spec has it */
    char *root;      /* NULL: nobody has asked for it yet */
    int fd;          /* what it leads to, while that is open; else -1 */
    bool made;       /* folders were made on the way there */
    bool is_mounted; /* its volume has a mount for a source */
};

/* A room's way out, besides 0 (on to the next) and -errno (gantry itself failed; the launch goes on
 * unamended if OnUnreachable= says so). */
enum {
    LAUNCH_E_REFUSED = 1, /* launch->error says why */
    /* It has to wait for something, and launch->may_wait is not set: nothing is changed yet, and
     * the room is to be entered again on the thread pool, where it is. There it must not touch the
     * pod. */
    LAUNCH_E_WAIT,
    /* launch->spec is to be asked for first; the room is entered again when it is there, or
     * launch->unknown says why it is not. */
    LAUNCH_E_CONSULT,
};

/* What a refused launch exits with: as rkt's own failures do (contract section 3). */
#define REFUSED_STATUS 254

/* A row of the table in daemon/amend/rooms.c. */
struct room {
    const char *name;
    unsigned verbs;       /* LAUNCH_PREPARES, ... : which launches come through here */
    enum message refusal; /* what a refusal of its is told as */
    int (*enter)(struct launch *launch);
    /* NULL, or takes back what the room did outside the launch, if the launch does not go to rkt
     * after all. On the thread pool. */
    void (*undo)(struct launch *launch);
};

#define LAUNCH_PREPARES (1U << RKTCMD_PREPARE | 1U << RKTCMD_RUN)
#define LAUNCH_RUNS (1U << RKTCMD_RUN_PREPARED | 1U << RKTCMD_RUN)

/* The table, ended by a row without a name. */
extern const struct room rooms[];

struct launch {
    /* What the drop-in sent. Owned. */
    char *id; /* the same if it asks again */
    int argc;
    char **argv; /* ended by NULL */
    char *directory;
    json_t *manifest_json; /* a reference; NULL: none was sent */
    json_t *caller;        /* a reference; the variables of the drop-in's that were sent, or NULL */
    pid_t pid;             /* of the drop-in, which becomes rkt */
    int pidfd;             /* -1: it could not be had */
    bool is_long;          /* its manifest is not to be looked through on the loop */
    const char *run_dir;   /* where gantryd keeps what lives until the boot; absolute, borrowed */

    /* What was read of it. Owned; the config is a reference. */
    usec_t now; /* when it came */
    struct config *config;
    struct rktcmd cmd;
    char *data_dir;            /* absolute */
    char *uuid;                /* run-prepared: the rkt pod, in full */
    char *unit;                /* run-prepared, run: the systemd unit of its own, or NULL */
    uint64_t start_ticks;      /* of the process, with the unit */
    struct manifest *manifest; /* NULL: none, or not to be understood */
    bool is_kubernetes;        /* identity is set, and so is hashes */
    bool is_own;               /* it is one of gantry's own: gantryctl run has started it */
    struct pod_identity identity;
    char *hashes;
    struct pod *pod;      /* a reference; NULL for a pod without Kubernetes annotations */
    struct podspec *spec; /* a reference; NULL: the kubelet has not told */
    char *unknown;        /* why it has not, though it was to be asked; or NULL */
    bool is_unreadable;   /* it has, but what cannot be read: `unknown` says why */
    bool is_too_large; /* the kubelet has told of more than lib/bounds.h takes: `error` says it */

    /* What the rooms leave. */
    struct notes notes;
    struct subpath
        *subpaths; /* volumes of which an app is to see only a part; for the subpath room */
    size_t n_subpaths;
    char *amended;      /* the manifest's text, for rkt; NULL: it goes on as it came */
    char *binds;        /* the key of the mounts that were made for it, daemon/binds.h; or NULL */
    char *stage1_name;  /* another stage1 than the command line's; NULL: as it was */
    char **environment; /* "NAME=value", ended by NULL: what rkt's has besides; NULL: nothing */
    size_t n_environment;
    const char *unset[4]; /* variables that rkt is not to have, ended by NULL; static strings */
    bool is_binding;  /* its answer must not be lost by gantryd: the next back-off rests on it */
    bool has_started; /* its rkt pod is watched now */
    const struct room *refused_by; /* NULL: nobody did */
    struct error error;            /* the refusal, or why gantry failed */
    int failure;                   /* -errno of a room that could not do its work, else 0 */

    struct gpus *gpus; /* lent: the node's register of GPUs, daemon/gpus.h */

    /* The walk. */
    uv_work_t work;
    const struct room *room;
    bool may_wait;
    bool was_consulted;                     /* launch->spec was asked for, or was not to be */
    void (*consult)(struct launch *launch); /* daemon/node.c: sees to launch->spec, then calls
                                               launch_consulted(); NULL: nobody can be asked */
    void (*done)(struct launch *launch);    /* daemon/launch.c: at the end of the walk */
    void (*answer)(struct launch *launch);  /* daemon/node.c: when all is written down */
    void *userdata;                         /* daemon/api.c: whom to answer */
};

/* Return: an empty launch, NULL without memory. */
struct launch *launch_new(struct config *config, usec_t now);
/* Return: NULL. */
struct launch *launch_free(struct launch *launch);

static inline void launch_freep(struct launch **launchp)
{
    launch_free(*launchp);
}

/* Reads argv and, if it was sent, the manifest.
 * Return: 0, RKTCMD_E_USAGE if argv is no launch that is understood, -ENOMEM. */
int launch_read(struct launch *launch);

/* Takes what manifest_parse() or manifest_from_json() made, or why it made nothing: one that is not
 * understood is left out, with a note. Return: 0 or -ENOMEM. */
int launch_set_manifest(struct launch *launch, int result, struct manifest *manifest,
                        const struct error *error);

/* For rooms: leaves a note of what was changed. A pod's author decides what is in it, and it is
 * kept with the pod, written down and told: so it has a bound. Return: 0 or -ENOMEM. */
#define LAUNCH_NOTE_MAX 4096
int launch_note(struct launch *launch, const char *format, ...) PRINTF(2, 3);

/* For rooms: has the app see only `path` of the volume; see struct subpath. Return: 0 or -ENOMEM.
 */
int launch_add_subpath(struct launch *launch, const char *volume, const char *path);

/* For rooms: gives rkt a variable. Return: 0 or -ENOMEM. */
int launch_set_environment(struct launch *launch, const char *name, const char *value);

/* For rooms: the value that a variable has for the drop-in. Return: borrowed; NULL: it has none, or
 * it was not sent. */
const char *launch_get_environment(const struct launch *launch, const char *name);

/* For rooms: keeps a variable from rkt; `name` must live for ever. */
void launch_unset_environment(struct launch *launch, const char *name);

/* For rooms: whether the manifest means what the kubelet means by it: it is the kubelet's, or was
 * made from a Kubernetes Pod. One of appc's that gantryctl run was given means what rkt reads. */
bool launch_means_kubernetes(const struct launch *launch);

/* Whom the launch is for, in words: "pod default/web". Borrowed from `buffer`. */
const char *launch_subject(const struct launch *launch, char *buffer, size_t size);

/* Goes on after launch->consult: `reason` says why launch->spec could not be had, or is NULL. */
void launch_consulted(struct launch *launch, const char *reason);

/* Leads the launch through the rooms, then calls `done`: before this returns, if no room on the way
 * has to be waited for. */
void launch_walk(struct launch *launch, uv_loop_t *loop, void (*done)(struct launch *launch));
