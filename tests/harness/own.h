/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Pods of gantry's own on the test's node: a bus with systemd's manager in small
 * (tests/harness/manager.c), and gantryctl.
 */

#include "lib/message.h"
#include "tests/harness/rkt.h"

/* For cmocka, in the place of rkt_setup() and rkt_teardown(): with the bus, and a back-off of 300
 * and 600 ms. gantryd has to end well. */
int own_setup(void **state);
int own_teardown(void **state);

void start_bus(void);
/* Its units go with it. */
void stop_bus(void);
/* Another one answers under the same name; the units of the one before go with it, and the call
 * that it held. */
void restart_manager(void);

/* Gives it an order, or takes it back: NULL. */
void tell_manager(const char *order, const char *text);

/* A pod manifest of appc's that runs this; a Kubernetes Pod that sleeps. Return: its file, borrowed
 * until the next call. */
const char *write_manifest(const char *name, const char *script);
const char *write_kubernetes_pod(const char *name);

/* Restarts gantryd with a rkt that does this first for calls like `pattern`, as sh has it. */
void make_rkt_slow(const char *pattern, const char *commands);

/* gantryctl OPTION VERB ARGUMENT, which ends with that status and says these words. */
void expect_ctl(const char *option, const char *verb, const char *argument, int status,
                const char *words);
void ctl(const char *verb, const char *argument, int status, const char *words);
/* Begins one in the background; what it prints is in the file "/run/node/VERB". */
pid_t start_ctl(const char *verb, const char *argument);
/* Whether one has printed these words by now. */
bool has_printed(const char *verb, const char *words);

bool is_in_state(const char *name, const char *state, bool is_stopped);
int64_t restarts_of(const char *name);
/* The process of its newest run. */
pid_t pid_of(const char *name);

/* Whether its file says that it is in that state, lib/ownlife.h; "gone": there is none. */
bool has_state(const char *name, const char *state);
/* Its file; borrowed until the next call. */
const char *file_of(const char *name);

/* Whether rkt has any pod. */
bool has_rktpods(void);

/* Whether a file is there, and not empty. */
bool has_text(const char *path);

/* MESSAGE_ID= */
const char *id_of(enum message message);
