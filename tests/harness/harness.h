/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A node in small, for the tests that run the programs themselves: a mount namespace of its own
 * with a /dev of its own and empty /run, /srv, /var/lib/kubelet and /var/lib/rkt, so that the
 * recorded launches can be played with their own paths and nothing of the machine is touched; a
 * journald that only listens; gantryd with a socket that outlives it, as under systemd; and as rkt
 * a recorder that notes how it was called and becomes the rkt under test.
 *
 * Needs root; a test that cannot have its node fails.
 */

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lib/usec.h"

/* Where things are on that node. */
#define NODE_CONFIG "/run/node/gantry.conf"
#define NODE_SOCKET "/run/gantry/io.gantry.Node"
#define NODE_STATE "/run/gantry"

/* To be called first in main(). Fails the program if it cannot be done. */
void node_enter(void);

/* For cmocka: an empty node with the default configuration, and gantryd on it; and its end. */
int node_setup(void **state);
int node_teardown(void **state);

/* The real rkt under test, $RKT; NULL: it is the stand-in. Borrowed. */
const char *node_real_rkt(void);

/* A path below the build or the source folder, "rkt" or "tests/replay/traces". Borrowed until the
 * next four calls. */
const char *node_built(const char *name);
const char *node_source(const char *name);

/* Replaces the configuration; Path= and Socket= are added. gantryd reads it when it is started or
 * told to. */
void node_configure(const char *text);

/* gantryd: starts it and waits until it serves; ends it by a signal and waits for its end. */
void gantryd_start(void);
/* Return: what waitpid() said of it. */
int gantryd_end(int signal);
pid_t gantryd_pid(void);

/* Lets gantryd, when it is started next, know pods "crowd-0" to "crowd-N", each with as many runs
 * that have ended as it keeps, and rkt their rkt pods. */
void node_crowd(unsigned n_pods);

/* What a program that was run has left. */
struct result {
    int status; /* exit status, or 128 + the signal */
    char *out;
    char *err;
    usec_t took;
};

void result_deinit(struct result *result);

/* Runs a program with its output caught; arguments end with NULL. It is killed after half a minute.
 */
struct result run(const char *program, ...) __attribute__((sentinel));
struct result run_argv(const char *program, char *const *argv);

/* Begins one in the background; its output goes to /dev/null. */
pid_t start_argv(const char *program, char *const *argv);
/* Waits for it, and kills it after half a minute. Return: as result.status. */
int finish(pid_t pid);

/* What the recorder noted of the calls so far: [{argv, environment, directory, fds, manifest}], a
 * new reference. */
json_t *recorded_calls(void);
void recorder_forget(void);
/* What the recorder becomes after that: a program's path, or NULL: nothing, it exits with 0. */
void recorder_becomes(const char *program);

/* The entries that came to the journal so far, each an object of its fields; borrowed. A field that
 * came twice is a list. */
json_t *journal_entries(void);
void journal_forget(void);
/* Waits for an entry with these fields (name, value, ..., NULL), at most ten seconds. Return:
 * borrowed; the test fails if it does not come. */
json_t *journal_wait(const char *name, const char *value, ...) __attribute__((sentinel));
/* How many have come with that field. */
size_t journal_count(const char *name, const char *value);
const char *field(const json_t *entry, const char *name);

/* A call to gantryd. Return: the whole reply, a new reference. */
json_t *api_call(const char *method, json_t *parameters);

/* Files. */
char *read_text(const char *path);
void write_text(const char *path, const char *text);
json_t *read_json(const char *path);
bool is_there(const char *path);
void make_folders(const char *path);

/* Waits until `condition` holds, at most ten seconds. */
#define wait_for(condition)                           \
    do {                                              \
        usec_t give_up_ = usec_now() + 10 * USEC_SEC; \
        while (!(condition)) {                        \
            assert_true(usec_now() < give_up_);       \
            usleep(5000);                             \
        }                                             \
    } while (0)
