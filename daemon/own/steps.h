/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files of daemon/own/run.h share: each has some of the steps of a pod of gantry's own.
 */

#include <stdbool.h>

#include "daemon/own/pod.h"
#include "daemon/own/run.h"
#include "lib/def.h"
#include "lib/message.h"

/* The pod in the node's register. Return: borrowed, or NULL. */
struct pod *ownrun_pod(const struct ownpod *ownpod);
/* The daemon ends: nothing is begun any more. */
bool ownrun_is_closed(const struct ownpod *ownpod);
void ownrun_save(struct ownpod *ownpod);

/* The start has not come about: `what` and the words say why. It is the end of the step. */
void ownrun_fail(struct ownpod *ownpod, const char *what, const char *words);

/* daemon/own/images.c: sees to the images of a Kubernetes Pod, then goes on to ownrun_prepare().
 */
void ownrun_see_to_images(struct ownpod *ownpod);
void ownrun_prepare(struct ownpod *ownpod);

/* daemon/own/remove.c: what the runs have left, and the pod with it. */
void ownrun_remove_all(struct ownpod *ownpod);
/* Old runs of a pod that runs; once for each start. Nothing is done if there are none. */
void ownrun_remove_old(struct ownpod *ownpod);

/* daemon/own/tell.c: whoever waits is told of a step; those with that wish that it is over; the
 * journal. */
void ownrun_tell_step(struct ownpod *ownpod, const char *format, ...) PRINTF(2, 3);
void ownrun_tell_done(struct ownpod *ownpod, enum ownpod_wish wish, const char *failure);
void ownrun_tell_journal(struct ownpod *ownpod, enum message message, const char *format, ...)
    PRINTF(3, 4);
