/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/podjson.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VERSION 1

static json_t *notes_to_json(const struct notes *notes)
{
    json_t *array = json_array();

    for (size_t i = 0; i < notes->n; i++)
        json_array_append_new(array, json_pack("{s:s, s:s}", "room", notes->list[i].room, "text",
                                               notes->list[i].text));
    return array;
}

json_t *podjson_record(const struct record *record, json_int_t at)
{
    if (!record->command)
        return NULL;
    return json_pack("{s:s, s:I, s:i, s:s*, s:o}", "command", record->command, "at", at, "times",
                     (int)record->n_times, "refusal", record->refusal, "notes",
                     notes_to_json(&record->notes));
}

static json_t *rktpod_to_json(const struct rktpod *rktpod)
{
    json_t *apps = json_array();

    for (size_t i = 0; i < rktpod->n_apps; i++)
        json_array_append_new(apps, json_pack("{s:s, s:i}", "container", rktpod->apps[i].container,
                                              "status", rktpod->apps[i].status));
    return json_pack("{s:s, s:s, s:i, s:I, s:s*, s:I, s:b, s:I, s:i, s:o}", "uuid", rktpod->uuid,
                     "dataDir", rktpod->data_dir, "pid", (int)rktpod->pid, "startTicks",
                     (json_int_t)rktpod->start_ticks, "unit", rktpod->unit, "startedAt",
                     (json_int_t)rktpod->started_at, "ended", rktpod->ended, "finishedAt",
                     (json_int_t)rktpod->finished_at, "status", rktpod->status, "apps", apps);
}

static json_t *life_to_json(const struct life *life)
{
    return json_pack("{s:s, s:I, s:I, s:s*, s:b, s:I, s:s*, s:s, s:I}", "state",
                     life_state_name(life->state), "delay", (json_int_t)life->backoff.delay,
                     "allowedAt", (json_int_t)life->backoff.allowed_at, "hashes", life->hashes,
                     "hasFinished", life->has_finished, "finishedAt", (json_int_t)life->finished_at,
                     "endedBy", life->ended_by, "launch", life->launch, "touchedAt",
                     (json_int_t)life->touched_at);
}

json_t *podjson_oom_scores(const struct pod *pod)
{
    if (!pod->qos_class)
        return NULL;
    json_t *array = json_array();

    for (size_t i = 0; i < pod->n_oom_scores; i++)
        json_array_append_new(array,
                              json_pack("{s:s, s:i}", "container", pod->oom_scores[i].container,
                                        "oomScoreAdj", pod->oom_scores[i].score));
    return array;
}

char *podjson_write(const struct pod *pod, const char *boot_id)
{
    json_t *rktpods = json_array();

    for (const struct rktpod *rktpod = pod->rktpods; rktpod; rktpod = rktpod->next)
        json_array_append_new(rktpods, rktpod_to_json(rktpod));
    json_t *json =
        json_pack("{s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:o, s:o, s:o*, s:o*, s:s*, s:o*}",
                  "version", VERSION, "boot", boot_id, "uid", pod->uid, "name", pod->name,
                  "namespace", pod->namespace, "restarts", (int)pod->restarts, "refusedInBackOff",
                  (int)pod->n_refused, "life", life_to_json(&pod->life), "rktPods", rktpods,
                  "passed", podjson_record(&pod->passed, (json_int_t)pod->passed.at), "refused",
                  podjson_record(&pod->refused, (json_int_t)pod->refused.at), "qosClass",
                  pod->qos_class, "oomScores", podjson_oom_scores(pod));
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    return text;
}

/* And back. Each of these says what was wrong in the error; what was read so far is freed with the
 * pod. */

static int bad(struct error *error, const char *what)
{
    return error_set(error, PODJSON_E_BAD, "%s", what);
}

static int notes_from_json(struct notes *notes, const json_t *json)
{
    for (size_t i = 0; i < json_array_size(json); i++) {
        const char *room, *text;
        if (json_unpack(json_array_get(json, i), "{s:s, s:s}", "room", &room, "text", &text) < 0)
            return PODJSON_E_BAD;
        int r = notes_append(notes, room, text);
        if (r < 0)
            return r;
    }
    return 0;
}

static int record_from_json(struct record *record, json_t *json, struct error *error)
{
    const char *command, *refusal = NULL;
    json_int_t at;
    int n_times;
    json_t *list = NULL;
    struct notes notes = {0};

    if (!json)
        return 0;
    if (json_unpack(json, "{s:s, s:I, s:i, s?s, s?o}", "command", &command, "at", &at, "times",
                    &n_times, "refusal", &refusal, "notes", &list) < 0)
        return bad(error, "a launch's record is not as it should be");
    int r = notes_from_json(&notes, list);
    if (r == 0)
        r = record_set(record, command, (usec_t)at, refusal, &notes);
    if (r == 0)
        record->n_times = (unsigned)n_times;
    notes_deinit(&notes);
    return r > 0 ? bad(error, "a note is not as it should be") : r;
}

static int exits_from_json(struct rktpod *rktpod, const json_t *json)
{
    for (size_t i = 0; i < json_array_size(json); i++) {
        const char *container;
        int status;
        if (json_unpack(json_array_get(json, i), "{s:s, s:i}", "container", &container, "status",
                        &status) < 0)
            return PODJSON_E_BAD;
        int r = rktpod_add_exit(rktpod, container, status);
        if (r < 0)
            return r;
    }
    return 0;
}

static int rktpod_from_json(struct pod *pod, json_t *json, struct error *error)
{
    const char *uuid, *data_dir, *unit = NULL;
    int pid, ended, status;
    json_int_t ticks, started_at, finished_at;
    json_t *apps = NULL;

    if (json_unpack(json, "{s:s, s:s, s:i, s:I, s?s, s:I, s:b, s:I, s:i, s?o}", "uuid", &uuid,
                    "dataDir", &data_dir, "pid", &pid, "startTicks", &ticks, "unit", &unit,
                    "startedAt", &started_at, "ended", &ended, "finishedAt", &finished_at, "status",
                    &status, "apps", &apps) < 0)
        return bad(error, "a rkt pod is not as it should be");

    struct rktpod *rktpod = pod_add_rktpod(pod, uuid, data_dir);
    if (!rktpod || (unit && rktpod_set_unit(rktpod, unit) < 0))
        return -ENOMEM;
    rktpod->pid = pid;
    rktpod->start_ticks = (uint64_t)ticks;
    rktpod->started_at = (usec_t)started_at;
    rktpod->ended = ended;
    rktpod->finished_at = (usec_t)finished_at;
    rktpod->status = status;
    int r = exits_from_json(rktpod, apps);
    return r > 0 ? bad(error, "an exit is not as it should be") : r;
}

static int life_from_json(struct life *life, json_t *json, struct error *error)
{
    const char *state, *hashes = NULL, *ended_by = NULL, *launch = "";
    json_int_t delay, allowed_at, finished_at, touched_at;
    int has_finished;

    if (json_unpack(json, "{s:s, s:I, s:I, s?s, s:b, s:I, s?s, s?s, s:I}", "state", &state, "delay",
                    &delay, "allowedAt", &allowed_at, "hashes", &hashes, "hasFinished",
                    &has_finished, "finishedAt", &finished_at, "endedBy", &ended_by, "launch",
                    &launch, "touchedAt", &touched_at) < 0 ||
        !life_state_from_name(state, &life->state))
        return bad(error, "the pod's life is not as it should be");

    life->backoff = (struct backoff){.delay = (usec_t)delay, .allowed_at = (usec_t)allowed_at};
    life->has_finished = has_finished;
    life->finished_at = (usec_t)finished_at;
    life->touched_at = (usec_t)touched_at;
    snprintf(life->launch, sizeof(life->launch), "%s", launch);
    life->hashes = hashes ? strdup(hashes) : NULL;
    return (hashes && !life->hashes) || (ended_by && life_set_ended_by(life, ended_by) < 0)
               ? -ENOMEM
               : 0;
}

/* The rkt pods stand newest first, and are put in from the front: so from the last one on. */
static int rktpods_from_json(struct pod *pod, const json_t *json, struct error *error)
{
    int r = 0;

    for (size_t i = json_array_size(json); r == 0 && i > 0; i--)
        r = rktpod_from_json(pod, json_array_get(json, i - 1), error);
    return r;
}

static int oom_scores_from_json(struct pod *pod, const char *qos_class, const json_t *json,
                                struct error *error)
{
    int r = qos_class ? pod_set_qos_class(pod, qos_class) : 0;

    for (size_t i = 0; r == 0 && i < json_array_size(json); i++) {
        const char *container;
        int score;
        if (json_unpack(json_array_get(json, i), "{s:s, s:i}", "container", &container,
                        "oomScoreAdj", &score) < 0)
            return bad(error, "an OOM score is not as it should be");
        r = pod_add_oom_score(pod, container, score);
    }
    return r;
}

int podjson_read(json_t *json, const char *uid_expected, const char *boot_id, struct pod **podp,
                 struct error *error)
{
    const char *uid, *name, *namespace, *boot;
    int version, restarts, n_refused = 0;
    json_t *life, *rktpods, *passed = NULL, *refused = NULL, *oom_scores = NULL;
    const char *qos_class = NULL;

    if (json_unpack(json, "{s:i, s:s, s:s, s:s, s:s, s:i, s?i, s:o, s:o, s?o, s?o, s?s, s?o}",
                    "version", &version, "boot", &boot, "uid", &uid, "name", &name, "namespace",
                    &namespace, "restarts", &restarts, "refusedInBackOff", &n_refused, "life",
                    &life, "rktPods", &rktpods, "passed", &passed, "refused", &refused, "qosClass",
                    &qos_class, "oomScores", &oom_scores) < 0)
        return bad(error, "a member is missing or of another type");
    if (strcmp(uid, uid_expected) != 0)
        return bad(error, "it is another pod's");
    if (strcmp(boot, boot_id) != 0)
        return PODJSON_E_OTHER_BOOT;

    struct pod *pod = pod_new(uid, name, namespace);
    if (!pod)
        return -ENOMEM;
    pod->restarts = (unsigned)restarts;
    pod->n_refused = (unsigned)n_refused;
    int r = life_from_json(&pod->life, life, error);
    if (r == 0)
        r = rktpods_from_json(pod, rktpods, error);
    if (r == 0)
        r = record_from_json(&pod->passed, passed, error);
    if (r == 0)
        r = record_from_json(&pod->refused, refused, error);
    if (r == 0)
        r = oom_scores_from_json(pod, qos_class, oom_scores, error);
    if (r == 0)
        *podp = pod;
    else
        pod_unref(pod);
    return r;
}
