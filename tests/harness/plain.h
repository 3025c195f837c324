/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Pods of one app and nothing else, on a node with a kubelet: their launches show when that is
 * asked, and what comes of its answer.
 */

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "tests/harness/kubelet.h"

/* Every launch waits for the kubelet's answer, and is refused if that does not tell of the pod. */
#define REQUIRED "[Kubelet]\nRequired=yes\nTimeout=30s\n[Launch]\nRequestTimeout=1min\n"
/* The note of a launch without it, before the reason. */
#define NOT_DONE "kubelet: warning: what needs the pod's spec is not done: "

/* For cmocka: a node, and a kubelet that serves what it is told to. */
int plain_setup(void **state);
int plain_teardown(void **state);

/* Starts gantryd anew with this configuration. */
void plain_configure(const char *text);

/* Pod default/NAME with UID NAME: its manifest, and what the kubelet tells of it. Return: new
 * references. */
json_t *plain_manifest(const char *name, const char *hash);
json_t *plain_pod(const char *name);

/* The kubelet has pods NAME0, NAME1, ... */
void plain_has(const char *name, unsigned n);

/* Return: true if gantryd has met the pod. */
bool plain_is_known(const char *name);

/* Its prepare: begun; run; which has to pass, or to be refused for want of the kubelet's answer. */
pid_t plain_begin(const char *name, const char *hash);
struct result plain_prepare(const char *name, const char *hash);
void plain_passes(const char *name, const char *hash);
void plain_is_refused(const char *name, const char *reason);
