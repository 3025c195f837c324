/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/pod.h"

#include <errno.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Puts a copy in the place of the string. */
static int replace(char **slot, const char *value)
{
    char *copy = strdup(value);

    if (!copy)
        return -ENOMEM;
    free(*slot);
    *slot = copy;
    return 0;
}

int notes_append(struct notes *notes, const char *room, const char *text)
{
    struct note *list = reallocarray(notes->list, notes->n + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    notes->list = list;

    struct note note = {.room = strdup(room), .text = strdup(text)};
    if (!note.room || !note.text) {
        free(note.room);
        free(note.text);
        return -ENOMEM;
    }
    list[notes->n++] = note;
    return 0;
}

/* Of the last room. */
static size_t n_of_room(const struct notes *notes, const char *room)
{
    size_t n = 0;

    while (n < notes->n && strcmp(notes->list[notes->n - 1 - n].room, room) == 0)
        n++;
    return n;
}

static int count_more(struct notes *notes)
{
    struct note *last = &notes->list[notes->n - 1];
    char *text;

    if (asprintf(&text, "and %zu more", ++notes->n_more) < 0)
        return -ENOMEM;
    free(last->text);
    last->text = text;
    return 0;
}

int notes_add(struct notes *notes, const char *room, const char *text)
{
    size_t n = n_of_room(notes, room);

    if (n < NOTES_OF_ROOM)
        return notes_append(notes, room, text);
    if (n > NOTES_OF_ROOM)
        return count_more(notes);
    notes->n_more = 0;
    int r = notes_append(notes, room, "");
    return r == 0 ? count_more(notes) : r;
}

void notes_deinit(struct notes *notes)
{
    for (size_t i = 0; i < notes->n; i++) {
        free(notes->list[i].room);
        free(notes->list[i].text);
    }
    free(notes->list);
    *notes = (struct notes){0};
}

static bool same_refusal(const struct record *record, const char *command, const char *refusal)
{
    return record->command && strcmp(record->command, command) == 0 && refusal && record->refusal &&
           strcmp(record->refusal, refusal) == 0;
}

int record_set(struct record *record, const char *command, usec_t at, const char *refusal,
               struct notes *notes)
{
    struct record new = {
        .command = strdup(command),
        .at = at,
        .n_times = same_refusal(record, command, refusal) ? record->n_times + 1 : 1,
        .refusal = refusal ? strdup(refusal) : NULL,
        .notes = *notes,
    };

    *notes = (struct notes){0};
    record_deinit(record);
    if (!new.command || (refusal && !new.refusal)) {
        record_deinit(&new);
        return -ENOMEM;
    }
    *record = new;
    return 0;
}

void record_deinit(struct record *record)
{
    free(record->command);
    free(record->refusal);
    notes_deinit(&record->notes);
    *record = (struct record){0};
}

/* The tree of rkt pods. One whose UUID is not known yet is not in it. */

static int compare_uuid(const void *a, const void *b)
{
    return strcmp(((const struct rktpod *)a)->uuid, ((const struct rktpod *)b)->uuid);
}

struct rktpod *rktpod_find(void *const *index, const char *uuid)
{
    const struct rktpod key = {.uuid = (char *)uuid};
    struct rktpod *const *slot = tfind(&key, index, compare_uuid);

    return slot ? *slot : NULL;
}

static void put_in_index(struct rktpod *rktpod)
{
    if (rktpod->pod->index && rktpod->uuid[0])
        tsearch(rktpod, rktpod->pod->index, compare_uuid);
}

static void take_from_index(struct rktpod *rktpod)
{
    void **index = rktpod->pod->index;

    if (index && rktpod_find(index, rktpod->uuid) == rktpod)
        tdelete(rktpod, index, compare_uuid);
}

void pod_set_index(struct pod *pod, void **index)
{
    for (struct rktpod *rktpod = pod->rktpods; rktpod; rktpod = rktpod->next)
        take_from_index(rktpod);
    pod->index = index;
    for (struct rktpod *rktpod = pod->rktpods; rktpod; rktpod = rktpod->next)
        put_in_index(rktpod);
}

static struct rktpod *rktpod_free(struct rktpod *rktpod)
{
    free(rktpod->uuid);
    free(rktpod->unit);
    for (size_t i = 0; i < rktpod->n_apps; i++)
        free(rktpod->apps[i].container);
    free(rktpod->apps);
    free(rktpod);
    return NULL;
}

struct pod *pod_new(const char *uid, const char *name, const char *namespace)
{
    struct pod *pod = calloc(1, sizeof(*pod));

    if (!pod)
        return NULL;
    pod->n_refs = 1;
    pod->uid = strdup(uid);
    pod->name = strdup(name);
    pod->namespace = strdup(namespace);
    return pod->uid && pod->name && pod->namespace ? pod : pod_unref(pod);
}

struct pod *pod_ref(struct pod *pod)
{
    pod->n_refs++;
    return pod;
}

static void drop_oom_scores(struct pod *pod)
{
    for (size_t i = 0; i < pod->n_oom_scores; i++)
        free(pod->oom_scores[i].container);
    free(pod->oom_scores);
    pod->oom_scores = NULL;
    pod->n_oom_scores = 0;
}

struct pod *pod_unref(struct pod *pod)
{
    if (!pod || --pod->n_refs > 0)
        return NULL;
    for (struct rktpod *rktpod; (rktpod = pod->rktpods);) {
        pod->rktpods = rktpod->next;
        rktpod_free(rktpod);
    }
    life_deinit(&pod->life);
    podspec_unref(pod->spec);
    drop_oom_scores(pod);
    free(pod->qos_class);
    free(pod->spec_hashes);
    record_deinit(&pod->passed);
    record_deinit(&pod->refused);
    free(pod->uid);
    free(pod->name);
    free(pod->namespace);
    free(pod);
    return NULL;
}

int pod_rename(struct pod *pod, const char *name, const char *namespace)
{
    int r = 0;

    if (strcmp(pod->name, name) != 0)
        r = replace(&pod->name, name);
    if (r == 0 && strcmp(pod->namespace, namespace) != 0)
        r = replace(&pod->namespace, namespace);
    return r;
}

/* Keeps the list short: drops the oldest of those that have ended. */
static void drop_surplus(struct pod *pod)
{
    struct rktpod *oldest = NULL;
    size_t n_ended = 0;

    for (struct rktpod *rktpod = pod->rktpods; rktpod; rktpod = rktpod->next) {
        if (rktpod->ended && !rktpod->watch) {
            n_ended++;
            oldest = rktpod;
        }
    }
    if (n_ended > RKTPODS_ENDED_MAX)
        pod_drop_rktpod(oldest);
}

struct rktpod *pod_add_rktpod(struct pod *pod, const char *uuid, const char *data_dir)
{
    struct rktpod *rktpod = calloc(1, sizeof(*rktpod) + strlen(data_dir) + 1);

    if (!rktpod)
        return NULL;
    rktpod->pod = pod;
    rktpod->status = STATUS_UNKNOWN;
    rktpod->uuid = strdup(uuid);
    strcpy(rktpod->data_dir, data_dir);
    if (!rktpod->uuid)
        return rktpod_free(rktpod);
    rktpod->next = pod->rktpods;
    pod->rktpods = rktpod;
    put_in_index(rktpod);
    drop_surplus(pod);
    return rktpod;
}

struct rktpod *pod_find_rktpod(const struct pod *pod, const char *uuid)
{
    for (struct rktpod *rktpod = pod->rktpods; rktpod; rktpod = rktpod->next) {
        if (strcmp(rktpod->uuid, uuid) == 0)
            return rktpod;
    }
    return NULL;
}

void pod_drop_rktpod(struct rktpod *rktpod)
{
    take_from_index(rktpod);
    for (struct rktpod **slot = &rktpod->pod->rktpods; *slot; slot = &(*slot)->next) {
        if (*slot == rktpod) {
            *slot = rktpod->next;
            break;
        }
    }
    rktpod_free(rktpod);
}

bool rktpod_is_newest(const struct rktpod *rktpod)
{
    return rktpod->pod->rktpods == rktpod;
}

int rktpod_set_uuid(struct rktpod *rktpod, const char *uuid)
{
    take_from_index(rktpod);
    int r = replace(&rktpod->uuid, uuid);
    put_in_index(rktpod);
    return r;
}

int rktpod_set_unit(struct rktpod *rktpod, const char *unit)
{
    return replace(&rktpod->unit, unit);
}

int rktpod_add_exit(struct rktpod *rktpod, const char *container, int status)
{
    struct app_exit *apps = reallocarray(rktpod->apps, rktpod->n_apps + 1, sizeof(*apps));
    if (!apps)
        return -ENOMEM;
    rktpod->apps = apps;

    char *copy = strdup(container);
    if (!copy)
        return -ENOMEM;
    apps[rktpod->n_apps++] = (struct app_exit){.container = copy, .status = status};
    return 0;
}

int pod_set_qos_class(struct pod *pod, const char *qos_class)
{
    drop_oom_scores(pod);
    return replace(&pod->qos_class, qos_class);
}

int pod_add_oom_score(struct pod *pod, const char *container, int score)
{
    struct oom_score *list = reallocarray(pod->oom_scores, pod->n_oom_scores + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    pod->oom_scores = list;

    char *copy = strdup(container);
    if (!copy)
        return -ENOMEM;
    list[pod->n_oom_scores++] = (struct oom_score){.container = copy, .score = score};
    return 0;
}

void pod_add_fields(struct event *event, const struct pod *pod)
{
    event_add(event, "GANTRY_POD_UID", "%s", pod->uid);
    event_add(event, "GANTRY_POD_NAME", "%s", pod->name);
    event_add(event, "GANTRY_POD_NAMESPACE", "%s", pod->namespace);
}

void pod_event(struct event *event, const struct pod *pod, enum message message, const char *format,
               ...)
{
    CLEANUP(freep) char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);

    event_init(event, message, "pod %s/%s: %s", pod->namespace, pod->name, text ? text : "");
    pod_add_fields(event, pod);
}
