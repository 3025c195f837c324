/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What outlives the daemon: one JSON file a pod, pods/UID.json below the state directory.
 *
 * The directory is the RuntimeDirectory, on tmpfs, for after a reboot nothing of it is true any
 * more; so a file is written beside its old self and renamed, and nothing is synced. The boot's
 * identifier stands in each, in case the directory is elsewhere.
 */

#include <uv.h>

#include "daemon/event.h"
#include "daemon/pod.h"
#include "lib/error.h"

struct state;

/* Opens the directory, and makes it if need be. `loop` and `events` must outlive it.
 * Return: 0 and a state to state_free(); -errno and an error. */
int state_new(struct state **statep, const char *dir, uv_loop_t *loop, struct events *events,
              struct error *error);
/* No file may be under way. Return: NULL. */
struct state *state_free(struct state *state);

/* The boot that we are in. Return: borrowed. */
const char *state_boot_id(const struct state *state);

/* Reads all pods and hands each over with its reference. A file that cannot be read is told, and
 * put aside as UID.json.bad. Waits for the file system. */
void state_load(struct state *state, void (*loaded)(void *userdata, struct pod *pod),
                void *userdata);

/* Writes the pod as it is now, on the thread pool, or removes its file if it is forgotten; then
 * calls `done` on the loop, if not NULL. A pod is written by one at a time, and what comes
 * meanwhile is written once afterwards. What cannot be written is told. */
void state_save(struct state *state, struct pod *pod, void (*done)(void *userdata), void *userdata);

/* Writes DIR/NAME anew, beside it and then renamed. Waits for the file system. Return: 0 or -errno.
 */
int state_replace_file(int dir_fd, const char *name, const char *text);
