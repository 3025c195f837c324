/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is known of a pod of Kubernetes, and of its rkt pods: the data, no doings. A pod is keyed by
 * its UID, a rkt pod by its UUID.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/event.h"
#include "lib/life.h"
#include "lib/podspec.h"

/* How many rkt pods that have ended are kept with a pod; the kubelet removes the oldest first. */
#define RKTPODS_ENDED_MAX 4

/* What a room left behind: "hostpath", "made /srv/cache (0755 root:root)". */
struct note {
    char *room;
    char *text;
};

struct notes {
    struct note *list;
    size_t n;
    size_t n_more; /* that the last one stands for */
};

/* Of one room so many are kept, and then one that counts the others: an entry of the journal that
 * has a thousand fields is not taken. */
#define NOTES_OF_ROOM 16

/* Return: 0 or -ENOMEM. */
int notes_add(struct notes *notes, const char *room, const char *text);
/* Adds one that was kept before, whatever their number. */
int notes_append(struct notes *notes, const char *room, const char *text);
void notes_deinit(struct notes *notes);

/* The last launch of a kind, for gantryctl explain. All-zero: there was none. */
struct record {
    char *command; /* "prepare"; NULL: none */
    usec_t at;
    unsigned n_times; /* in a row, with the same outcome */
    char *refusal;    /* NULL: it went to rkt */
    struct notes notes;
};

/* Puts a launch in the place of the one before; takes the notes over, empty after that.
 * Return: 0 or -ENOMEM, and then the record is empty. */
int record_set(struct record *record, const char *command, usec_t at, const char *refusal,
               struct notes *notes);
void record_deinit(struct record *record);

struct app_exit {
    char *container;
    int status;
};

#define STATUS_UNKNOWN (-1)

struct oom_score {
    char *container;
    int score;
};

/* One run of a pod. */
struct rktpod {
    struct pod *pod;
    struct rktpod *next; /* the one before it in time */

    char *uuid; /* "" while it is not known (rkt run) */
    pid_t pid;  /* of the process that became rkt */
    uint64_t
        start_ticks; /* its start, proc(5) stat: with the pid it names one process of this boot */
    char *unit;      /* NULL: it has none of its own */
    usec_t started_at;

    bool ended;
    usec_t finished_at;
    int status; /* what the process ended with; STATUS_UNKNOWN */
    struct app_exit *apps;
    size_t n_apps;

    void *watch;     /* daemon/exits.c: while it is being watched */
    char data_dir[]; /* rkt's, where it is */
};

struct pod {
    char *uid, *name, *namespace;
    struct life life;
    unsigned restarts;      /* the kubelet's count, of the last manifest */
    struct rktpod *rktpods; /* newest first */
    struct record passed, refused;
    struct podspec *spec; /* a reference; NULL: not known, or older than spec_hashes */
    char *spec_hashes; /* of the containers, as manifest_hashes() has them, when it was asked for */
    unsigned n_refused; /* since the back-off began */

    /* As the last launch of which the kubelet told had them. */
    char *qos_class; /* "Burstable"; NULL: not known */
    struct oom_score *oom_scores;
    size_t n_oom_scores;

    struct repeat repeat;
    void **index;             /* struct pods' tree of rkt pods by UUID; NULL: not in the register */
    struct repeat oom_repeat; /* of MESSAGE_OOMSCORE, which comes between the others */
    unsigned n_refs;
    unsigned n_launches;      /* under way */
    bool registered;          /* in the register */
    bool is_own;              /* of gantry's own, daemon/own/pod.h: not forgotten by itself */
    bool is_stopped;          /* and nobody wants it to run */
    usec_t retry_at;          /* and its start has failed, and is tried again then; 0: it has not */
    bool forgotten;           /* dropped from it: its state is to go as well */
    bool counted_held;        /* among struct pods' n_held */
    struct uv_timer_s *timer; /* daemon/pods.c */
    struct save *save;        /* daemon/state.c: while it is being written */
};

/* Return: a pod with one reference, NULL without memory. */
struct pod *pod_new(const char *uid, const char *name, const char *namespace);
struct pod *pod_ref(struct pod *pod);
/* Return: NULL. */
struct pod *pod_unref(struct pod *pod);

/* Follows a change of name. Return: 0 or -ENOMEM. */
int pod_rename(struct pod *pod, const char *name, const char *namespace);

/* Begins a new rkt pod of the pod; the oldest one that has ended is dropped if there are too many.
 * Return: borrowed, NULL without memory. */
struct rktpod *pod_add_rktpod(struct pod *pod, const char *uuid, const char *data_dir);

/* Return: borrowed, or NULL. */
struct rktpod *pod_find_rktpod(const struct pod *pod, const char *uuid);

/* Takes it out of the pod and frees it; it must not be watched. */
void pod_drop_rktpod(struct rktpod *rktpod);

/* Puts the pod's rkt pods, those to come too, into a tree by UUID (tsearch(3)), or takes them out
 * of it: `index` is NULL. */
void pod_set_index(struct pod *pod, void **index);

/* Return: borrowed, or NULL. */
struct rktpod *rktpod_find(void *const *index, const char *uuid);

/* Return: true if it is the one that the pod's life goes by. */
bool rktpod_is_newest(const struct rktpod *rktpod);

/* Return: 0 or -ENOMEM. */
int rktpod_set_uuid(struct rktpod *rktpod, const char *uuid);
int rktpod_set_unit(struct rktpod *rktpod, const char *unit);
int rktpod_add_exit(struct rktpod *rktpod, const char *container, int status);

/* Begins the pod's OOM scores anew, with the QoS class that they come from. Return: 0 or -ENOMEM.
 */
int pod_set_qos_class(struct pod *pod, const char *qos_class);
int pod_add_oom_score(struct pod *pod, const char *container, int score);

/* Says in an event which pod it is about. */
void pod_add_fields(struct event *event, const struct pod *pod);

/* Begins an event about the pod, "pod default/web: ...". */
void pod_event(struct event *event, const struct pod *pod, enum message message, const char *format,
               ...) PRINTF(4, 5);
