/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gantryd, played by a thread, which can say what the real one never would; and how rkt was called
 * after that.
 */

#include <jansson.h>
#include <pthread.h>

#define MANIFEST "/run/node/manifest.json"
#define KUBELETS_MANIFEST                                                     \
    "{\"apps\":[],\"annotations\":["                                          \
    "{\"name\":\"rkt.kubernetes.io/managed-by-kubelet\",\"value\":\"true\"}," \
    "{\"name\":\"io.kubernetes.pod.uid\",\"value\":\"1234\"},"                \
    "{\"name\":\"io.kubernetes.pod.name\",\"value\":\"web\"},"                \
    "{\"name\":\"io.kubernetes.pod.namespace\",\"value\":\"default\"}],\"x\" : 1.0}\n"

/* The played gantryd: takes connections one after the other, reads one message of each, and sends
 * what the script says next. */
struct script {
    const char *replies[8]; /* "" closes without a word, NULL keeps silent; a NUL is added */
    size_t n_replies;
    int fd;
    pthread_t thread;
    char *messages[8];
    size_t n_messages;
    int kept; /* the connection that got no answer */
};

void script_begin(struct script *script);
void script_end(struct script *script);

/* For cmocka, in the place of node_setup(): KUBELETS_MANIFEST is at MANIFEST, and nobody serves the
 * socket unless a test does. */
int script_setup(void **state);

/* The one call that the recorder noted. Return: a new reference. */
json_t *recorded_call(void);
/* Return: one of its arguments; borrowed, "(none)" if there are not so many. */
const char *recorded_argument(const json_t *call, size_t index);

/* How many descriptors a program has that is run from here: what the tests themselves were given.
 */
size_t recorder_n_fds(void);
