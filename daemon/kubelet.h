/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The kubelet as a source: its /pods knows what a pod manifest does not say. HTTP is
 * spoken by a program of its own, daemon/kubelet-pods.c.
 *
 * It is asked once for all that want to know at the same time. A launch that comes while an answer
 * is under way shares it if its pod is in it, and else has another one fetched, once: the kubelet
 * knows a pod before it launches it (contract section 1), but not before that.
 */

#include <uv.h>

#include "daemon/event.h"
#include "lib/config.h"
#include "lib/podspec.h"

struct kubelet;
struct metrics;

enum {
    KUBELET_E_UNANSWERED = 1, /* it cannot be asked */
    KUBELET_E_TOO_LARGE,      /* the pod is larger than gantry takes: PODSPEC_E_TOO_LARGE */
    KUBELET_E_UNREADABLE,     /* what it tells of the pod cannot be read; it may be anything */
};

/* Counts the fetches in `metrics`. Return: NULL without memory. */
struct kubelet *kubelet_new(uv_loop_t *loop, struct events *events, struct metrics *metrics);

/* Called once, from the loop, perhaps before kubelet_ask() has returned: with 0 and `spec`, which
 * is borrowed, and NULL if the kubelet does not know the pod; or with one of the above, of which
 * `reason` says why. */
typedef void kubelet_answer_fn(void *userdata, int result, struct podspec *spec,
                               const char *reason);

/* Asks for a pod; what [Kubelet] of `config` says holds for a fetch that begins with this. That it
 * cannot be asked is told as MESSAGE_KUBELET, that it can be again as MESSAGE_KUBELET_BACK. For a
 * second after a fetch that failed the same reason is the answer, without another one. */
void kubelet_ask(struct kubelet *kubelet, struct config *config, const char *uid,
                 kubelet_answer_fn *answer, void *userdata);

/* Return: true if both say the same of whom is asked, who answers, and as whom it is asked. */
bool kubelet_is_asked_alike(const struct config *a, const struct config *b);

/* The kubelet is asked by another configuration now: a fetch that is under way is given up,
 * uncounted, and whoever waits is answered by another one. */
void kubelet_ask_anew(struct kubelet *kubelet, struct config *config);

/* Lets go of the loop; who still waits is answered with a reason. */
void kubelet_close(struct kubelet *kubelet);

/* The loop must have ended. */
void kubelet_free(struct kubelet *kubelet);
