/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A pod of gantry's own, which gantryctl run started: what it is to be, and how far it is
 * (lib/ownlife.h). How its runs go and what its back-off is stands in struct pod, as for every pod;
 * the two have one UID.
 *
 * What is kept of it is one JSON file, own/NAME.json in the state directory.
 */

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "lib/adopt.h"
#include "lib/ownlife.h"
#include "lib/podspec.h"

struct node;
struct oneshot;

/* Somebody who wants to know how it goes on. */
struct ownpod_waiter {
    struct ownpod_waiter *next;
    enum ownlife_wish wish; /* until this is fulfilled: OWNLIFE_TRY, _STOP or _REMOVE */
    bool is_due;            /* it is told, in its turn */
    struct ownpod *ownpod;
    /* What is being done, or is done, in words. */
    void (*step)(struct ownpod_waiter *waiter, const char *text);
    /* It is fulfilled, or cannot be: `failure` says why. Called last, once; the pod is still there.
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
    enum ownlife_policy policy;
    struct ownlife life;
    json_t *images;  /* for each image {"id":, "manifest":}, lib/kubepod.h */
    json_t *rktpods; /* UUIDs of those that are not removed yet, the newest last */

    /* Not kept. */
    struct podspec *spec;  /* of a Kubernetes Pod, a reference; else NULL */
    size_t image;          /* the one that is being seen to */
    bool is_fetched;       /* it was fetched just now */
    struct oneshot *fetch; /* what is being done for it; NULL: nothing */
    struct adopt_limits limits;
    usec_t started_at; /* its unit, the last time */
    char *doing;       /* what is being done, in words; NULL: nothing */
    char *failure;     /* why its start did not come about; NULL: it did */
    char *remains;     /* why it was not removed; NULL: it was */
    uv_timer_t *timer;
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

/* As its file holds it. Return: a new reference; 0 and a pod, -EINVAL and why, -ENOMEM. */
json_t *ownpod_to_json(const struct ownpod *ownpod, const char *boot_id);
int ownpod_from_json(struct ownpod **ownpodp, struct node *node, const json_t *json,
                     const char **whyp);
