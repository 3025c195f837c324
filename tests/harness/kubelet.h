/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The kubelet's read-only port on the test's node: 127.0.0.1:10255, where gantryd looks by default.
 * The node has a network of its own, so nobody else is met there.
 */

#include <jansson.h>

#include "tests/harness/harness.h"

/* Starts to serve; from then on every connection gets what was said last. Before that, and after
 * kubelet_stop(), connections are refused. */
void kubelet_start(void);
void kubelet_stop(void);

/* What every request is answered with: a v1.PodList of these pods; a reference is taken. */
void kubelet_serves_pods(json_t *pods);

/* Or these bytes, status line and all, after which the connection is closed; with NULL nothing
 * comes and it stays open. */
void kubelet_serves(const char *bytes, size_t length);

/* Each request is answered after that time only. */
void kubelet_waits(usec_t delay);

/* Or not before that is taken back; what is answered then is what was said when it came. */
void kubelet_holds(bool holds);
/* Or only so many bytes before that. */
void kubelet_holds_after(size_t length);

/* How many requests have come since kubelet_start(), and the first line of the last one. */
unsigned kubelet_n_requests(void);
const char *kubelet_request(void);
/* The last one up to its empty line. */
const char *kubelet_head(void);

/* The pod that a recorded or made up manifest is of, as /pods shows it: UID, name, namespace; its
 * spec is `spec` (a reference is taken). Return: a new reference. */
json_t *kubelet_pod(const json_t *manifest, json_t *spec);
