/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/launch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/text.h"

struct launch *launch_new(struct config *config, usec_t now)
{
    struct launch *launch = calloc(1, sizeof(*launch));

    if (!launch)
        return NULL;
    launch->config = config_ref(config);
    launch->now = now;
    launch->pidfd = -1;
    return launch;
}

struct launch *launch_free(struct launch *launch)
{
    if (!launch)
        return NULL;
    free(launch->id);
    for (int i = 0; i < launch->argc; i++)
        free(launch->argv[i]);
    free(launch->argv);
    free(launch->directory);
    json_decref(launch->manifest_json);
    json_decref(launch->caller);
    fd_close(launch->pidfd);
    config_unref(launch->config);
    rktcmd_deinit(&launch->cmd);
    free(launch->data_dir);
    free(launch->uuid);
    free(launch->unit);
    manifest_free(launch->manifest);
    free(launch->hashes);
    pod_unref(launch->pod);
    podspec_unref(launch->spec);
    free(launch->unknown);
    notes_deinit(&launch->notes);
    for (size_t i = 0; i < launch->n_subpaths; i++) {
        free(launch->subpaths[i].volume);
        free(launch->subpaths[i].path);
        free(launch->subpaths[i].root);
        fd_close(launch->subpaths[i].fd);
    }
    free(launch->subpaths);
    free(launch->amended);
    free(launch->binds);
    free(launch->stage1_name);
    for (size_t i = 0; i < launch->n_environment; i++)
        free(launch->environment[i]);
    free(launch->environment);
    error_deinit(&launch->error);
    free(launch);
    return NULL;
}

/* rkt's default stands in the configuration; a relative --dir begins where the drop-in was called.
 */
static int find_data_dir(struct launch *launch)
{
    const char *dir = launch->cmd.data_dir;
    int r = 0;

    if (!dir || dir[0] == '/')
        launch->data_dir = strdup(dir ? dir : launch->config->rkt.data_dir);
    else
        r = asprintf(&launch->data_dir, "%s/%s", launch->directory, dir);
    return r < 0 || !launch->data_dir ? -ENOMEM : 0;
}

int launch_set_manifest(struct launch *launch, int result, struct manifest *manifest,
                        const struct error *error)
{
    if (result == MANIFEST_E_INVALID)
        return launch_note(launch, "the pod manifest is not understood, and goes on untouched: %s",
                           error_message(error));
    if (result < 0)
        return result;
    launch->manifest = manifest;
    launch->is_kubernetes = manifest_identity(manifest, &launch->identity);
    launch->is_own = launch->is_kubernetes && manifest_is_own(manifest);
    return launch->is_kubernetes ? manifest_hashes(manifest, &launch->hashes) : 0;
}

int launch_read(struct launch *launch)
{
    int r = rktcmd_parse(&launch->cmd, launch->argc, launch->argv);
    if (r != 0)
        return r;
    if (launch->cmd.verb == RKTCMD_OTHER)
        return RKTCMD_E_USAGE;
    r = find_data_dir(launch);
    if (r < 0 || !launch->manifest_json)
        return r;

    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    struct manifest *manifest = NULL;
    r = manifest_from_json(&manifest, json_incref(launch->manifest_json), &error);
    return launch_set_manifest(launch, r, manifest, &error);
}

int launch_note(struct launch *launch, const char *format, ...)
{
    CLEANUP(freep) char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (!text)
        return -ENOMEM;
    text_bound(text, LAUNCH_NOTE_MAX);
    return notes_add(&launch->notes, launch->room ? launch->room->name : "launch", text);
}

int launch_add_subpath(struct launch *launch, const char *volume, const char *path)
{
    struct subpath *list =
        reallocarray(launch->subpaths, launch->n_subpaths + 1, sizeof(*launch->subpaths));

    if (!list)
        return -ENOMEM;
    launch->subpaths = list;
    struct subpath subpath = {.volume = strdup(volume), .path = strdup(path), .fd = -1};
    list[launch->n_subpaths++] = subpath;
    return subpath.volume && subpath.path ? 0 : -ENOMEM;
}

int launch_set_environment(struct launch *launch, const char *name, const char *value)
{
    char **list =
        reallocarray(launch->environment, launch->n_environment + 2, sizeof(*launch->environment));

    if (!list)
        return -ENOMEM;
    launch->environment = list;
    list[launch->n_environment] = NULL;
    if (asprintf(&list[launch->n_environment], "%s=%s", name, value) < 0)
        return -ENOMEM;
    list[++launch->n_environment] = NULL;
    return 0;
}

const char *launch_get_environment(const struct launch *launch, const char *name)
{
    return json_string_value(json_object_get(launch->caller, name));
}

void launch_unset_environment(struct launch *launch, const char *name)
{
    size_t n = 0;

    while (launch->unset[n] && strcmp(launch->unset[n], name) != 0)
        n++;
    /* The last place is the end's. */
    if (n < N_ELEMENTS(launch->unset) - 1)
        launch->unset[n] = name;
}

bool launch_means_kubernetes(const struct launch *launch)
{
    return launch->is_kubernetes && (!launch->is_own || launch->spec);
}

const char *launch_subject(const struct launch *launch, char *buffer, size_t size)
{
    if (launch->is_kubernetes)
        snprintf(buffer, size, "pod %s/%s", launch->identity.namespace, launch->identity.name);
    else
        snprintf(buffer, size, "a pod that is not the kubelet's");
    return buffer;
}

static void walk_on(struct launch *launch);

/* Back through the rooms that the launch came through, the last one first. */
static void take_back(uv_work_t *work)
{
    struct launch *launch = container_of(work, struct launch, work);

    for (const struct room *room = launch->room; room-- > rooms;) {
        if (room->undo && room->verbs & 1U << launch->cmd.verb)
            room->undo(launch);
    }
}

static void taken_back(uv_work_t *work, int status)
{
    struct launch *launch = container_of(work, struct launch, work);

    (void)status;
    launch->done(launch);
}

/* The launch does not go to rkt. */
static void turn_back(struct launch *launch)
{
    bool has_undo = false;

    for (const struct room *room = rooms; room < launch->room; room++)
        has_undo = has_undo || room->undo;
    if (has_undo)
        uv_queue_work(launch->work.loop, &launch->work, take_back, taken_back);
    else
        launch->done(launch);
}

/* What became of the room that was just left. */
static void came_out(struct launch *launch, int result)
{
    if (result == LAUNCH_E_REFUSED) {
        launch->refused_by = launch->room;
        turn_back(launch);
    } else if (result < 0) {
        launch->failure = result;
        error_set(&launch->error, 0, "%s: %s", launch->room->name, strerror(-result));
        turn_back(launch);
    } else {
        launch->room++;
        walk_on(launch);
    }
}

static void enter_waiting(uv_work_t *work)
{
    struct launch *launch = container_of(work, struct launch, work);

    launch->failure = launch->room->enter(launch);
}

static void left_waiting(uv_work_t *work, int status)
{
    struct launch *launch = container_of(work, struct launch, work);
    int result = launch->failure;

    (void)status;
    launch->failure = 0;
    launch->may_wait = false;
    came_out(launch, result);
}

/* From room to room, as long as none has to wait. (Here as elsewhere: uv_queue_work() fails only
 * for want of a function to call.) */
static void walk_on(struct launch *launch)
{
    while (launch->room->name && !(launch->room->verbs & 1U << launch->cmd.verb))
        launch->room++;
    if (!launch->room->name) {
        launch->done(launch);
        return;
    }
    int result = launch->room->enter(launch);
    if (result == LAUNCH_E_CONSULT) {
        launch->was_consulted = true;
        launch->consult(launch);
    } else if (result == LAUNCH_E_WAIT) {
        launch->may_wait = true;
        uv_queue_work(launch->work.loop, &launch->work, enter_waiting, left_waiting);
    } else {
        came_out(launch, result);
    }
}

void launch_consulted(struct launch *launch, const char *reason)
{
    launch->unknown = reason ? strdup(reason) : NULL;
    if (reason && !launch->unknown)
        came_out(launch, -ENOMEM);
    else
        walk_on(launch);
}

void launch_walk(struct launch *launch, uv_loop_t *loop, void (*done)(struct launch *launch))
{
    launch->work.loop = loop;
    launch->done = done;
    launch->room = rooms;
    walk_on(launch);
}
