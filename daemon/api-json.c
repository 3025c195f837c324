/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/api-json.h"

#include <errno.h>
#include <string.h>

#include "daemon/podjson.h"

static int read_argv(struct launch *launch, const json_t *list)
{
    size_t n = json_array_size(list);

    launch->argv = calloc(n + 1, sizeof(*launch->argv));
    if (!launch->argv)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *argument = json_string_value(json_array_get(list, i));
        if (!argument)
            return API_E_INVALID;
        launch->argv[i] = strdup(argument);
        if (!launch->argv[i])
            return -ENOMEM;
        launch->argc++;
    }
    return 0;
}

static bool is_absolute(const json_t *value)
{
    return json_is_string(value) && json_string_value(value)[0] == '/';
}

static bool is_id(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) <= LIFE_LAUNCH_MAX;
}

static bool is_list(const json_t *value)
{
    return json_array_size(value) > 0;
}

static bool is_environment(const json_t *value)
{
    return json_is_object(value);
}

static bool is_manifest(const json_t *value)
{
    return !value || json_is_null(value) || json_is_object(value);
}

static const struct {
    const char *name;
    bool (*is_valid)(const json_t *value);
} parameters_of_launch[] = {
    {"id", is_id},
    {"argv", is_list},
    {"directory", is_absolute},
    {"environment", is_environment},
    {"manifest", is_manifest},
};

int launch_from_json(struct launch *launch, json_t *parameters, const char **parameterp)
{
    for (size_t i = 0; i < N_ELEMENTS(parameters_of_launch); i++) {
        *parameterp = parameters_of_launch[i].name;
        if (!parameters_of_launch[i].is_valid(json_object_get(parameters, *parameterp)))
            return API_E_INVALID;
    }
    launch->id = strdup(json_string_value(json_object_get(parameters, "id")));
    launch->directory = strdup(json_string_value(json_object_get(parameters, "directory")));
    if (!launch->id || !launch->directory)
        return -ENOMEM;
    json_t *manifest = json_object_get(parameters, "manifest");
    if (json_is_object(manifest))
        launch->manifest_json = json_incref(manifest);
    launch->caller = json_incref(json_object_get(parameters, "environment"));
    *parameterp = "argv";
    return read_argv(launch, json_object_get(parameters, "argv"));
}

static json_t *argv_to_json(const struct launch *launch)
{
    CLEANUP(freep) char **amended = NULL;
    CLEANUP(freep) char *argument = NULL;
    json_t *list = json_array();

    if (rktcmd_with_stage1(&launch->cmd, launch->stage1_name, &amended, &argument) < 0) {
        json_decref(list);
        return NULL;
    }
    for (char **p = amended; *p; p++)
        json_array_append_new(list, json_string(*p));
    return list;
}

static json_t *environment_to_json(const struct launch *launch)
{
    json_t *variables = json_object();

    for (size_t i = 0; i < launch->n_environment; i++) {
        char *variable = launch->environment[i], *value = strchr(variable, '=');
        json_object_setn_new(variables, variable, (size_t)(value - variable),
                             json_string(value + 1));
    }
    return variables;
}

static json_t *unset_to_json(const struct launch *launch)
{
    json_t *names = json_array();

    for (const char *const *name = launch->unset; *name; name++)
        json_array_append_new(names, json_string(*name));
    return names;
}

/* Return: false if there is no memory for it: half of what was amended must not go on. */
static bool set(json_t *answer, const char *name, json_t *value)
{
    return json_object_set_new(answer, name, value) == 0;
}

json_t *launch_to_json(const struct launch *launch)
{
    json_t *answer = json_object();
    bool complete = true;

    if (launch->stage1_name)
        complete = complete && set(answer, "argv", argv_to_json(launch));
    if (launch->n_environment > 0)
        complete = complete && set(answer, "setEnvironment", environment_to_json(launch));
    if (launch->unset[0])
        complete = complete && set(answer, "unsetEnvironment", unset_to_json(launch));
    if (complete)
        return answer;
    json_decref(answer);
    return NULL;
}

/* Points in time leave the daemon as wall clock. */
struct clocks {
    usec_t now;
    wall_t wall;
};

static json_int_t wall_of(const struct clocks *clocks, usec_t at)
{
    return (json_int_t)(clocks->wall.usec - usec_sub(clocks->now, at));
}

static json_t *rktpod_to_json(const struct rktpod *rktpod, const struct clocks *clocks)
{
    json_t *apps = json_array();
    json_t *json =
        json_pack("{s:s, s:s, s:i, s:s*, s:I, s:o}", "uuid", rktpod->uuid, "dataDirectory",
                  rktpod->data_dir, "pid", (int)rktpod->pid, "unit", rktpod->unit, "startedAt",
                  wall_of(clocks, rktpod->started_at), "apps", apps);

    for (size_t i = 0; i < rktpod->n_apps; i++)
        json_array_append_new(apps, json_pack("{s:s, s:i}", "container", rktpod->apps[i].container,
                                              "exitStatus", rktpod->apps[i].status));
    if (rktpod->ended)
        json_object_set_new(json, "finishedAt", json_integer(wall_of(clocks, rktpod->finished_at)));
    if (rktpod->status != STATUS_UNKNOWN)
        json_object_set_new(json, "exitStatus", json_integer(rktpod->status));
    return json;
}

/* What a restart has to wait after the end of the last run, and how much of it is left. */
static void waits(const struct pod *pod, const struct backoff_limits *limits, usec_t now,
                  usec_t *backoffp, usec_t *heldp)
{
    const struct life *life = &pod->life;
    usec_t due = life_due(life, limits), until = life->state == LIFE_HELD ? due : 0;

    *backoffp = due > 0 ? usec_sub(due, life->finished_at) : life->backoff.delay;
    *heldp = usec_sub(until > pod->retry_at ? until : pod->retry_at, now);
}

json_t *pod_to_json(const struct pod *pod, const struct backoff_limits *limits)
{
    struct clocks clocks = {.now = usec_now(), .wall = wall_now()};
    json_t *rktpods = json_array();
    usec_t backoff, held;

    waits(pod, limits, clocks.now, &backoff, &held);
    for (const struct rktpod *rktpod = pod->rktpods; rktpod; rktpod = rktpod->next)
        json_array_append_new(rktpods, rktpod_to_json(rktpod, &clocks));
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:s*, s:o, s:o*, s:o*, s:s*, s:o*, s:o*}",
                     "uid", pod->uid, "name", pod->name, "namespace", pod->namespace, "state",
                     life_state_name(pod->life.state), "restarts", (int)pod->restarts,
                     "backoffUSec", (json_int_t)backoff, "heldUSec", (json_int_t)held, "endedBy",
                     pod->life.ended_by, "rktPods", rktpods, "passed",
                     podjson_record(&pod->passed, wall_of(&clocks, pod->passed.at)), "refused",
                     podjson_record(&pod->refused, wall_of(&clocks, pod->refused.at)), "qosClass",
                     pod->qos_class, "oomScores", podjson_oom_scores(pod), "stopped",
                     pod->is_own ? json_boolean(pod->is_stopped) : NULL);
}

/* Adds "NAME=value"; what stands there already keeps its place before a newline. */
static void add_field(json_t *fields, const char *field)
{
    size_t length = strcspn(field, "=");
    const char *value = field[length] ? field + length + 1 : "";
    CLEANUP(freep) char *name = strndup(field, length);
    const char *before = name ? json_string_value(json_object_get(fields, name)) : NULL;

    if (name)
        json_object_set_new(fields, name,
                            before ? json_sprintf("%s\n%s", before, value) : json_string(value));
}

json_t *event_to_json(const struct event *event, wall_t at)
{
    const struct message_info *info = message_info(event->message);
    json_t *fields = json_object();

    for (size_t i = 0; i < event->n_fields; i++)
        add_field(fields, event->fields[i]);
    return json_pack("{s:I, s:s, s:i, s:s, s:o}", "at", (json_int_t)at.usec, "name", info->name,
                     "priority", info->priority, "message", event_text(event), "fields", fields);
}

static json_t *holder_to_json(const struct gpu_holders *holders, unsigned gpu)
{
    static const char *const stages[] = {
        [GPU_PROMISED] = "promised",
        [GPU_PREPARED] = "prepared",
        [GPU_RUNNING] = "running",
    };

    for (size_t i = 0; i < holders->n; i++) {
        const struct gpu_holder *holder = &holders->list[i];
        for (size_t k = 0; k < holder->n_shares; k++) {
            if (gpuset_has(holder->shares[k].set, gpu))
                return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "uid", holder->uid, "name",
                                 holder->name, "namespace", holder->namespace, "container",
                                 holder->shares[k].container, "rktUUID", holder->uuid, "stage",
                                 stages[holder->stage], "since", (json_int_t)holder->since.usec);
        }
    }
    return NULL;
}

json_t *gpus_to_json(const char *device_dir, gpuset_t present, const struct gpu_holders *holders)
{
    json_t *gpus = json_array();

    for (unsigned gpu = 0; gpu < GPUSET_MAX; gpu++) {
        json_t *holder = holder_to_json(holders, gpu);
        if (holder || gpuset_has(present, gpu))
            json_array_append_new(gpus, json_pack("{s:o, s:o*}", "device",
                                                  json_sprintf("%s/nvidia%u", device_dir, gpu),
                                                  "holder", holder));
    }
    return gpus;
}
