/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rkt pods that are removed: rkt rm and rkt gc go by without a word to gantryd, but the pod's
 * folder goes away (inotify(7) on the folders of rkt's data directory). When the last rkt pod of a
 * pod is removed, so is what is known of the pod.
 */

#include "daemon/pod.h"

struct node;
struct removals;

/* Return: NULL without memory. */
struct removals *removals_new(struct node *node);
/* Stops watching. What is being looked for is still found. */
void removals_close(struct removals *removals);
/* After the loop has ended. Return: NULL. */
struct removals *removals_free(struct removals *removals);

/* Watches a data directory, as far as it is not watched yet. */
void removals_watch(struct removals *removals, const char *data_dir);

/* Finds out whether a rkt pod that has ended is still there. */
void removals_check(struct removals *removals, struct rktpod *rktpod);

/* The rkt pod is gone from rkt's data directory: drops it, if it has ended. */
void removals_removed(struct node *node, struct rktpod *rktpod);
