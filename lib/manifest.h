/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The pod manifest, appc's JSON, as the kubelet hands it to rkt prepare (contract section 2). The
 * only file that knows its members' names, but for lib/kubepod.h and lib/adopt.h, which make
 * manifests of their own.
 *
 * A manifest is read for what gantry needs and nothing else is judged: rkt is its validator. What
 * is not of the expected type is treated as absent, never as a reason to refuse.
 */

#include <jansson.h>
#include <stdbool.h>

#include "lib/error.h"

struct manifest;

enum {
    /* The text is no JSON object; the error says where. */
    MANIFEST_E_INVALID = 1,
};

/* Reads `length` bytes at `text`; they are not kept.
 * Return: 0 and a manifest to manifest_free(), MANIFEST_E_INVALID, -ENOMEM. */
int manifest_parse(struct manifest **manifestp, const char *text, size_t length,
                   struct error *error);

/* The same for what has been parsed already; the reference is consumed in each case.
 * Return: 0, MANIFEST_E_INVALID (not an object), -ENOMEM. */
int manifest_from_json(struct manifest **manifestp, json_t *root, struct error *error);

/* Return: NULL. */
struct manifest *manifest_free(struct manifest *manifest);

/* Return: a new reference to all that it is made of, for who is to free it later. */
json_t *manifest_json(const struct manifest *manifest);

static inline void manifest_freep(struct manifest **manifestp)
{
    manifest_free(*manifestp);
}

/* Who the pod is to Kubernetes. All borrowed from the manifest. */
struct pod_identity {
    const char *uid;
    const char *name;
    const char *namespace;
};

/* The longest UID that is taken for one: it becomes part of a file's name. The kubelet's are 32 hex
 * digits (static pods) or a UUID. */
#define POD_UID_MAX 128

/* Return: true for 1 to POD_UID_MAX letters, digits, '-', '_' and '.', not beginning with '.'. */
bool pod_uid_is_valid(const char *uid);

/* Return: true if the kubelet made the manifest, or gantry for a pod of its own (lib/adopt.h): the
 * annotation rkt.kubernetes.io/managed-by-kubelet or gantry.io/pod is true, io.kubernetes.pod.uid,
 * .name and .namespace are there, and the UID is valid. */
bool manifest_identity(const struct manifest *manifest, struct pod_identity *identity);

/* Return: true for a pod of gantry's own: the annotation gantry.io/pod is true. */
bool manifest_is_own(const struct manifest *manifest);

/* Return: the value of a pod annotation, borrowed; NULL if there is none. */
const char *manifest_annotation(const struct manifest *manifest, const char *name);

struct manifest_app {
    const char *name;      /* appc's; NULL if missing */
    const char *container; /* Kubernetes' name of the container; the app's name without one */
    const char *hash;      /* the kubelet's hash of the container's spec; NULL if missing */
    const char *message;   /* the host's file for its termination message; NULL if missing */
};

size_t manifest_n_apps(const struct manifest *manifest);
struct manifest_app manifest_app(const struct manifest *manifest, size_t index);

/* Kubernetes' name of the container that rkt knows as `app`. Return: borrowed from the manifest, or
 * `app` itself if the manifest does not name it. */
const char *manifest_container_of(const struct manifest *manifest, const char *app);

/* The containers' hashes as one string, "front=3032725915,side=4134629666": it changes when the
 * spec of any container does. Return: 0 and a string to free(), -ENOMEM. */
int manifest_hashes(const struct manifest *manifest, char **hashesp);

struct manifest_volume {
    const char *name;   /* NULL if missing */
    const char *kind;   /* "host", "empty"; NULL if missing */
    const char *source; /* a host volume's path; NULL if missing */
    bool read_only;
};

size_t manifest_n_volumes(const struct manifest *manifest);
struct manifest_volume manifest_volume(const struct manifest *manifest, size_t index);

/* Return: the index of the first volume of that name; MANIFEST_NONE. Found at once, however many
 * there are. */
#define MANIFEST_NONE ((size_t)-1)
size_t manifest_find_volume(const struct manifest *manifest, const char *name);

/* Whether two volumes are the same but for their names. */
bool manifest_volumes_are_alike(const struct manifest *manifest, size_t a, size_t b);

/* How many mount points, and mounts, of the apps go by that name; at once, too. */
size_t manifest_n_uses(const struct manifest *manifest, const char *volume);

/* Where an app sees a volume. The kubelet gives a mount point the name of its volume. */
struct manifest_mount {
    const char *volume; /* NULL if missing */
    const char *path;   /* in the app; NULL if missing */
    bool read_only;
};

size_t manifest_n_mounts(const struct manifest *manifest, size_t app);
struct manifest_mount manifest_mount(const struct manifest *manifest, size_t app, size_t index);

/* Return: the value of a variable of the app's environment, borrowed; NULL if it has none. */
const char *manifest_environment(const struct manifest *manifest, size_t app, const char *name);

/* The isolators that gantry knows. Of two of a name, which an image may bring, the last one counts,
 * and of sets of capabilities both. */
#define MANIFEST_RETAIN_SET "os/linux/capabilities-retain-set"
#define MANIFEST_REMOVE_SET "os/linux/capabilities-remove-set"
#define MANIFEST_OOM_SCORE_ADJ "os/linux/oom-score-adj"

bool manifest_has_isolator(const struct manifest *manifest, size_t app, const char *isolator);

/* Return: true if the app has an OOM score. */
bool manifest_oom_score_adj(const struct manifest *manifest, size_t app, int *valuep);

/* The names in an app's sets of capabilities of that kind; NULL for an entry that is no string. */
size_t manifest_n_capabilities(const struct manifest *manifest, size_t app, const char *isolator);
const char *manifest_capability(const struct manifest *manifest, size_t app, const char *isolator,
                                size_t index);

/*
 * Editing. What is not named stays, in its order: members that gantry does not know, too. An edit
 * does what it says or, without memory, returns -ENOMEM. Strings are copied. Borrowed strings of
 * what is edited are void after it.
 */

/* Return: true if anything was edited: else the bytes that came are what goes on. */
bool manifest_is_edited(const struct manifest *manifest);

/* Return: the JSON text, to free(); NULL without memory. */
char *manifest_to_text(const struct manifest *manifest);

int manifest_set_annotation(struct manifest *manifest, const char *name, const char *value);

int manifest_set_volume_name(struct manifest *manifest, size_t index, const char *name);
int manifest_set_volume_source(struct manifest *manifest, size_t index, const char *source);
int manifest_set_volume_read_only(struct manifest *manifest, size_t index, bool read_only);
int manifest_add_host_volume(struct manifest *manifest, const char *name, const char *source,
                             bool read_only);
/* Removes those of the volumes whose place in `which` is true. */
int manifest_remove_volumes(struct manifest *manifest, const bool *which);

int manifest_set_mount_volume(struct manifest *manifest, size_t app, size_t index,
                              const char *volume);
int manifest_set_mount_read_only(struct manifest *manifest, size_t app, size_t index,
                                 bool read_only);
int manifest_add_mount(struct manifest *manifest, size_t app, const char *volume, const char *path,
                       bool read_only);
int manifest_remove_mount(struct manifest *manifest, size_t app, size_t index);

int manifest_set_environment(struct manifest *manifest, size_t app, const char *name,
                             const char *value);

int manifest_set_capabilities(struct manifest *manifest, size_t app, const char *isolator,
                              const char *const *names, size_t n);
int manifest_set_oom_score_adj(struct manifest *manifest, size_t app, int value);
int manifest_remove_isolator(struct manifest *manifest, size_t app, const char *isolator);
