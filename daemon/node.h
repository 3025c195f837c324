/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon as a whole: what there is one of, and the way of a launch from its arrival to its
 * answer. One loop, one thread; only what waits for file systems or the journal is done elsewhere.
 */

#include <stdbool.h>
#include <uv.h>

#include "daemon/event.h"
#include "daemon/launch.h"
#include "daemon/metrics.h"
#include "daemon/pods.h"
#include "lib/config.h"

struct node {
    uv_loop_t *loop; /* its `data` is the node */
    struct config *config;
    struct events events;
    struct pods pods;
    struct state *state;
    struct bus *bus;
    struct kubelet *kubelet;
    struct removals *removals;
    struct scores *scores; /* daemon/scores.c: those that are being seen to */
    struct gpus *gpus;
    struct mounts *mounts;
    struct metrics metrics;
    struct ownpods *ownpods;
    char *run_dir; /* where the state is; absolute */

    size_t n_launches;  /* under way */
    size_t n_attaching; /* rkt pods of the last daemon that are not yet taken up */
    void (*on_attached)(struct node *node);
    void (*on_status)(struct node *node);
};

/* Opens the state in `state_dir` and reads the pods of the daemon before. `on_attached` is called
 * from the loop when the end of each of their rkt pods is known, or before this returns. Return: 0
 * or -errno and an error. node_deinit() is due in each case. */
int node_init(struct node *node, uv_loop_t *loop, struct config *config, struct journal *journal,
              const char *state_dir, struct error *error);
void node_attach(struct node *node, void (*on_attached)(struct node *node));

/* Lets go of everything that keeps the loop running. What is under way ends by itself. */
void node_stop(struct node *node);

/* The loop must have ended. */
void node_deinit(struct node *node);

/* Goes over to another configuration; takes the reference. */
void node_set_config(struct node *node, struct config *config);

/* Leads a launch, which is taken over, from arrival to answer. `answer` is called once:
 * launch->refused_by, launch->failure and launch->error tell what to answer. */
void node_launch(struct node *node, struct launch *launch, void (*answer)(struct launch *launch));

/* For the node's parts. */

/* One rkt pod of the last daemon is taken up. */
void node_attached(struct node *node);

/* Something that the status line tells has changed. */
void node_status_changed(struct node *node);
