/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A pod of gantry's own, which gantryctl run started: what it is to be, and how far it is. How its
 * runs go and what its back-off is stands in struct pod, as for every pod; the two have one UID.
 *
 * What is kept of it is one JSON file, own/NAME.json in the state directory.
 */

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "lib/adopt.h"
#include "lib/podspec.h"
#include "lib/usec.h"

struct node;

enum ownpod_policy {
    OWNPOD_ALWAYS,
    OWNPOD_ON_FAILURE,
    OWNPOD_NEVER,
};

/* Return: "Always", ... */
const char *ownpod_policy_name(enum ownpod_policy policy);
bool ownpod_policy_from_name(const char *name, enum ownpod_policy *policyp);

/* What somebody wants of it. */
enum ownpod_wish {
    OWNPOD_RUN,
    OWNPOD_STOP, /* by gantryctl stop; or it has ended, and its policy does not restart it */
    OWNPOD_REMOVE,
};

/* What is being done; one thing at a time. */
enum ownpod_step {
    OWNPOD_IDLE,
    OWNPOD_FETCHING,  /* rkt fetch, rkt image cat-manifest */
    OWNPOD_PREPARING, /* rkt prepare */
    OWNPOD_STARTING,  /* rkt run-prepared, as the unit of the pod */
    OWNPOD_STOPPING,
    OWNPOD_SWEEPING, /* rkt rm of old rkt pods */
    OWNPOD_REMOVING, /* rkt rm of all of them */
};

/* Somebody who wants to know how it goes on. */
struct ownpod_waiter {
    struct ownpod_waiter *next;
    enum ownpod_wish wish; /* until this is fulfilled */
    struct ownpod *ownpod;
    /* A step is done, in words. */
    void (*step)(struct ownpod_waiter *waiter, const char *text);
    /* It is fulfilled, or cannot be: `failure` says why. Called last, once; the pod is still known.
     */
    void (*done)(struct ownpod_waiter *waiter, const char *failure);
    void *userdata;
};

struct ownpod {
    struct ownpod *next;
    struct node *node;

    /* Kept. */
    char *uid, *name, *namespace;
    json_t *source; /* a Kubernetes Pod or an appc pod manifest, as it was given */
    enum ownpod_policy policy;
    enum ownpod_wish wish;
    json_t *images;  /* for each image {"id":, "manifest":}, lib/kubepod.h */
    json_t *rktpods; /* UUIDs of those that are not removed yet, the newest last */
    bool is_up;      /* its unit was started, and its end is not known */
    bool has_run;    /* a unit of it was started once */
    unsigned restarts;

    /* Not kept. */
    bool is_removed;      /* its file is to go */
    struct podspec *spec; /* of a Kubernetes Pod, a reference; else NULL */
    enum ownpod_step step;
    size_t image;      /* the one that is being seen to */
    bool is_wished;    /* somebody has asked for this start: if it fails, that is the end of it */
    bool is_unsure;    /* whether systemd has started its unit */
    bool unit_is_gone; /* of a pod that is up */
    bool is_stopping;  /* systemd was told to */
    bool must_ask;     /* systemd whether the unit is still there */
    bool has_swept;    /* since it was started */
    struct adopt_limits limits;
    unsigned n_failures;
    usec_t retry_at;
    uv_timer_t *timer;
    struct oneshot *fetch; /* what is being done for an image; NULL: nothing */
    struct ownpod_waiter *waiters;
    struct ownpod_save *save; /* daemon/own/pods.c: while it is being written */
};

/* Makes a UID, a random UUID. Return: 0 or -errno. */
int ownpod_make_uid(char uid[static 37]);

/* Return: NULL without memory. The source is a new reference of its own. */
struct ownpod *ownpod_new(struct node *node, const char *uid, const char *name,
                          const char *namespace, json_t *source);
/* Return: NULL. */
struct ownpod *ownpod_free(struct ownpod *ownpod);

struct pod_identity ownpod_identity(const struct ownpod *ownpod);
bool ownpod_is_kubernetes(const struct ownpod *ownpod);

/* Return: the newest rkt pod's UUID, "" if there is none. Borrowed. */
const char *ownpod_uuid(const struct ownpod *ownpod);

/* As its file holds it. Return: a new reference; 0 and a pod, -EINVAL, -ENOMEM. */
json_t *ownpod_to_json(const struct ownpod *ownpod, const char *boot_id);
int ownpod_from_json(struct ownpod **ownpodp, struct node *node, const json_t *json);
