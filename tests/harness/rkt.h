/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rkt on the test's node, and the recorded launches of the kubelet: the stand-in, or the real one
 * if $RKT is its path. (A real one needs its images stage1-host.aci and stage1-fly.aci beside it,
 * and a machine that runs systemd.)
 */

#include <jansson.h>
#include <sys/types.h>

#include "tests/harness/harness.h"

/* For cmocka, in the place of node_setup() and node_teardown(): the recorder becomes rkt, and there
 * is an image. */
int rkt_setup(void **state);
int rkt_teardown(void **state);

/* The rkt under test, for who calls it without gantry, and the image that is there. */
const char *rkt_program(void);
const char *rkt_image(void);

/* A recording of tests/replay/traces/kubelet-1.9, or "kubelet-1.3/NAME", with the image that is
 * there in the place of the recorded one. Return: a new reference. */
json_t *trace_load(const char *name);

/* The arguments of rkt in all recordings, before the subcommand. */
#define GLOBAL_OPTIONS                                                 \
    "--insecure-options=image,ondisk,none", "--local-config=/etc/rkt", \
        "--system-config=/usr/lib/rkt", "--dir=/var/lib/rkt"

/* The files of each container that the kubelet makes before it calls rkt; host paths, and volumes
 * with a subPath, it leaves to whom it may concern. */
void rkt_make_kubelets_files(const json_t *manifest);

/* Calls the drop-in as the kubelet does, with a manifest; ["--no-overlay"] and the like may follow,
 * ended by NULL. Makes the files that the kubelet makes first. */
struct result rkt_prepare(const json_t *manifest, ...) __attribute__((sentinel));

/* Begins run-prepared. Return: the process, which is the pod's. */
pid_t rkt_run(const char *uuid);

/* Has the app of the pod that runs run a script, through the drop-in. */
struct result rkt_enter(const char *uuid, const char *script);

/* Begins run-prepared, and waits until the pod can be entered. Return: as rkt_run(). */
pid_t rkt_start(const char *uuid);

/* The UUID that prepare printed; the test fails if it printed something else. Return: a string to
 * free(). */
char *rkt_uuid(const struct result *result);

/* The pod as gantryd knows it; borrowed until the next call. NULL if it does not. */
json_t *explain(const char *name);

/* Prepares and runs it; waits for its end. Return: the UUID, to free(), and the exit status. */
char *rkt_launch(const json_t *manifest, int *statusp);
