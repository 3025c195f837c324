/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The register of the pods of gantry's own, by name, and their files.
 */

#include "daemon/own/pod.h"
#include "lib/error.h"

struct ownpods;
struct pod;

/* Opens own/ in the state directory, and makes it if need be. Return: 0 or -errno and an error. */
int ownpods_new(struct ownpods **ownpodsp, struct node *node, const char *state_dir,
                struct error *error);
/* Reads them all, and puts a struct pod into the node's register for each. Waits for the file
 * system. */
void ownpods_load(struct ownpods *ownpods);
/* Goes on with what they are at. */
void ownpods_attach(struct ownpods *ownpods);
/* Lets go of the loop. Nothing is begun any more. */
void ownpods_close(struct ownpods *ownpods);
/* After the loop has ended. Return: NULL. */
struct ownpods *ownpods_free(struct ownpods *ownpods);

/* Return: borrowed, or NULL. */
struct ownpod *ownpods_find(const struct ownpods *ownpods, const char *name);
struct ownpod *ownpods_find_uid(const struct ownpods *ownpods, const char *uid);

/* Takes it over, and the node knows the pod. Return: 0 or -ENOMEM; then it is freed. */
int ownpods_put(struct ownpods *ownpods, struct ownpod *ownpod);
/* Lets go of it: its name is free, and the node forgets the pod as soon as it can. Its file has to
 * be gone; ownpod_free() is to follow. */
void ownpods_take_out(struct ownpods *ownpods, struct ownpod *ownpod);

/* Writes its file, or takes it away if that is its state; `written`, if not NULL, is called on the
 * loop when it is done. What cannot be written is told. */
void ownpods_save(struct ownpods *ownpods, struct ownpod *ownpod,
                  void (*written)(struct ownpod *ownpod));

/* Where the files of its oneshots go; borrowed. */
const char *ownpods_folder(const struct ownpods *ownpods);
bool ownpods_is_closed(const struct ownpods *ownpods);

/* Something has changed with a pod of the register: if it is one of ours, it may be time for
 * something. */
void ownpods_pod_changed(struct ownpods *ownpods, const struct pod *pod);

/* The node has another configuration: what failed starts have to wait is in its bounds. */
void ownpods_config_changed(struct ownpods *ownpods);

/* Somebody ends the back-off of a pod of the register: if it is one of ours, what its failed starts
 * have to wait ends, too. ownpods_pod_changed() is to follow. */
void ownpods_reset(struct ownpods *ownpods, const struct pod *pod);
