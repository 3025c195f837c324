/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files of daemon/own/run.h share: each has some of the steps of a pod of gantry's own.
 * A step ends with an event: ownrun_feed().
 */

#include <stdbool.h>

#include "daemon/own/oneshot.h"
#include "daemon/own/run.h"
#include "lib/def.h"
#include "lib/message.h"

/* The pod in the node's register. Return: borrowed, or NULL. */
struct pod *ownrun_pod(const struct ownpod *ownpod);

/* The newest run, as the node knows it. Return: borrowed, or NULL. */
const struct rktpod *ownrun_rktpod(const struct ownpod *ownpod);

/* Whether all is known of the end of the newest run: also of one that the node knows nothing of. */
bool ownrun_has_ended(const struct ownpod *ownpod);

/* Has OWNLIFE_ON_DUE come after that long, unless the state changes before. */
void ownrun_set_timer(struct ownpod *ownpod, usec_t delay);

/* What is to be told if the step fails: `what` went wrong, and the words for it. */
void ownrun_set_failure(struct ownpod *ownpod, const char *what, const char *words);

/* The step is over as the oneshot is. `what` it was for, if it has failed, and `nonsense`, if it
 * went well and printed nonsense: what is to be told then; else NULL. */
void ownrun_step_over(struct ownpod *ownpod, const struct oneshot_result *result, const char *what,
                      const char *nonsense);

/* daemon/own/images.c: OWNLIFE_DO_FETCH, OWNLIFE_DO_CANCEL. */
void ownrun_fetch(struct ownpod *ownpod);
void ownrun_cancel(struct ownpod *ownpod);
/* Its images may be gone from rkt's store: the next fetch looks. */
void ownrun_doubt_images(struct ownpod *ownpod);

/* daemon/own/start.c: OWNLIFE_DO_PREPARE, _NOTE, _START, _LOOK, _POLL. */
void ownrun_prepare(struct ownpod *ownpod);
/* Waits for a prepare that somebody else has begun, and knows what that has prepared. */
void ownrun_take_over_prepare(struct ownpod *ownpod);
void ownrun_note(struct ownpod *ownpod);
void ownrun_start(struct ownpod *ownpod);
void ownrun_look(struct ownpod *ownpod);
void ownrun_poll(struct ownpod *ownpod);

/* daemon/own/remove.c: OWNLIFE_DO_SWEEP, _REMOVE, _ERASE. */
void ownrun_sweep(struct ownpod *ownpod);
void ownrun_remove(struct ownpod *ownpod);
void ownrun_erase(struct ownpod *ownpod);

/* daemon/own/tell.c: a step begins, or is done; and OWNLIFE_DO_TELL_START, ..., _DROP. */
void ownrun_tell_step(struct ownpod *ownpod, const char *format, ...) PRINTF(2, 3);
/* Nothing is being done: who comes now hears of no step. */
void ownrun_tell_nothing(struct ownpod *ownpod);
void ownrun_tell_start(struct ownpod *ownpod);
void ownrun_tell_fail(struct ownpod *ownpod);
void ownrun_tell_stay(struct ownpod *ownpod);
void ownrun_tell_end(struct ownpod *ownpod);
void ownrun_tell_rest(struct ownpod *ownpod);
void ownrun_drop(struct ownpod *ownpod);
