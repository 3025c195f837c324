/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * When the mounts of daemon/binds.h are looked through: at the start, after a launch that made
 * some, when its prepare has ended, when a run has, and when rkt's pods come and go. Each of these
 * says only that it may be time; what is needed is found out anew each time, on the thread pool.
 */

struct node;
struct mounts;

/* Return: NULL without memory. */
struct mounts *mounts_new(struct node *node);
/* Lets go of the loop; a look that is under way still ends. */
void mounts_close(struct mounts *mounts);
/* After the loop has ended. Return: NULL. */
struct mounts *mounts_free(struct mounts *mounts);

/* Looks through all soon: a launch has made mounts, or those of the last daemon are to be found. */
void mounts_look(struct mounts *mounts);

/* Some rkt pod has moved or ended: looks through all, if there are any. */
void mounts_pod_changed(struct mounts *mounts);
