/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The register of pods, by UID, and what time does to them: each pod has one timer, set to whatever
 * its life waits for next.
 */

#include "daemon/pod.h"
#include "lib/manifest.h"

struct node;

struct pods {
    void *root;    /* tsearch(3) */
    void *rktpods; /* by UUID */
    size_t n_pods;
    size_t n_held;
};

/* Return: borrowed, or NULL. */
struct pod *pods_find(const struct pods *pods, const char *uid);

/* Finds the pod, or begins to know it. Return: borrowed, NULL without memory. */
struct pod *pods_get(struct pods *pods, const struct pod_identity *identity);

/* Puts in a pod that was read from its state; takes the reference over.
 * Return: 0, -EEXIST, -ENOMEM; the reference is gone in each case. */
int pods_put(struct pods *pods, struct pod *pod);

/* Calls `visit` for each pod, in the order of their UIDs, until it returns something else than 0;
 * the pods must not be put in or dropped meanwhile. Return: what visit returned last. */
int pods_for_each(const struct pods *pods, int (*visit)(struct pod *pod, void *userdata),
                  void *userdata);

/* The rkt pod of that UUID. Return: borrowed, or NULL. */
struct rktpod *pods_find_rktpod(const struct pods *pods, const char *uuid);

/* Sets the pod's timer to what its life waits for next. */
void pods_arm(struct node *node, struct pod *pod);

/* To be called after each change of a pod: pods_arm(), writes its state, and tells
 * ownpods_pod_changed() of a pod of gantry's own. `saved` is called on
 * the loop when the state is written, or could not be; it may be NULL. */
void pods_settle(struct node *node, struct pod *pod, void (*saved)(void *userdata), void *userdata);

/* Does what is due for the pod by now, as its timer would. The pod may be forgotten by it. */
void pods_wake(struct node *node, struct pod *pod, usec_t now);

/* Drops the pod from the register, and its state; unless a launch of it is under way, a rkt pod
 * of it runs, or it is of gantry's own. */
void pods_forget(struct node *node, struct pod *pod, const char *why);

/* Drops all, without a word and with their state kept: the daemon ends. */
void pods_deinit(struct pods *pods);
