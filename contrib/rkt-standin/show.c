/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status, list and cat-manifest: what is to be seen of a pod, from outside.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "contrib/rkt-standin/commands.h"
#include "contrib/rkt-standin/image.h"
#include "contrib/rkt-standin/pod.h"

struct view {
    struct pod pod;
    json_t *manifest;
    pid_t pid;
    struct timespec created, started, ended; /* all-zero: not known */
};

static void view_deinit(struct view *view)
{
    pod_deinit(&view->pod);
    json_decref(view->manifest);
}

/* Looks at a pod that is open. */
static void view_fill(struct view *view)
{
    struct stat st;

    view->manifest = pod_manifest(&view->pod);
    view->pid = pod_pid(&view->pod, &view->started);
    if (fstatat(view->pod.fd, "pod-created", &st, 0) == 0)
        view->created = st.st_mtim;
    /* The rename into exited-garbage is taken for the end. */
    if (view->pod.stage == STAGE_EXITED_GARBAGE && fstat(view->pod.fd, &st) == 0)
        view->ended = st.st_ctim;
}

/* Return: the app's exit code, -1 if it has none. */
static int exit_code(const struct view *view, const json_t *app)
{
    char path[512], buffer[POD_STAGE1_SIZE];

    snprintf(path, sizeof(path), "%s/rkt/status/%s", pod_stage1(&view->pod, buffer),
             json_text(app, "name"));
    CLEANUP(freep) char *text = file_read(view->pod.fd, path, NULL);
    return text ? (int)strtol(text, NULL, 10) : -1;
}

static json_t *app_json(const struct view *view, const json_t *app)
{
    bool is_running = view->pod.stage == STAGE_RUN && view->pod.is_locked;
    int code = exit_code(view, app);
    const char *state = view->pod.stage < STAGE_RUN ? "created"
                        : is_running && code < 0    ? "running"
                                                    : "exited";
    json_t *json = json_pack("{s:s, s:s, s:I}", "name", json_text(app, "name"), "state", state,
                             "created_at", time_nsec(view->created));

    if (view->started.tv_sec)
        json_object_set_new(json, "started_at", json_integer(time_nsec(view->started)));
    if (view->ended.tv_sec)
        json_object_set_new(json, "finished_at", json_integer(time_nsec(view->ended)));
    if (code >= 0)
        json_object_set_new(json, "exit_code", json_integer(code));
    json_object_set(json, "image_id", json_object_get(json_object_get(app, "image"), "id"));
    return json;
}

static json_t *view_json(const struct view *view)
{
    json_t *names = json_array(), *apps = json_array();
    const json_t *app;
    size_t i;

    json_array_foreach(json_object_get(view->manifest, "apps"), i, app)
    {
        json_array_append(names, json_object_get(app, "name"));
        json_array_append_new(apps, app_json(view, app));
    }
    json_t *json = json_pack("{s:s, s:s, s:o, s:o, s:I}", "name", view->pod.uuid, "state",
                             pod_state(&view->pod), "app_names", names, "apps", apps, "created_at",
                             (json_int_t)view->created.tv_sec);
    if (view->started.tv_sec)
        json_object_set_new(json, "started_at", json_integer(view->started.tv_sec));
    return json;
}

static void print_status(const struct view *view)
{
    char time[TIME_SIZE];
    const json_t *app;
    size_t i;

    printf("state=%s\n", pod_state(&view->pod));
    printf("created=%s\n", time_print(time, view->created));
    if (view->started.tv_sec)
        printf("started=%s\n", time_print(time, view->started));
    if (view->pod.stage < STAGE_RUN)
        return;
    if (view->pod.stage == STAGE_RUN)
        printf("networks=\n");
    if (view->pid)
        printf("pid=%d\n", (int)view->pid);
    printf("exited=%s\n", view->pod.is_locked ? "false" : "true");
    json_array_foreach(json_object_get(view->manifest, "apps"), i, app)
    {
        int code = exit_code(view, app);
        if (!view->pod.is_locked && code >= 0)
            printf("app-%s=%d\n", json_text(app, "name"), code);
    }
}

int command_status(const struct cmdline *cmd, struct error *error)
{
    CLEANUP(view_deinit) struct view view = {.pod = POD_NULL};
    const char *format = cmdline_value(cmd, "format");

    int r = pod_find(&view.pod, cmd->data_dir, cmd->args[0], error);
    if (r != 0)
        return error_wrap(error, r, "problem retrieving pod");
    view_fill(&view);
    if (!format)
        print_status(&view);
    else if (view.created.tv_sec == 0)
        return error_set(error, FAILED,
                         "unable to print status: error converting pod: invalid creation time");
    else
        json_print(view_json(&view), strcmp(format, "json") != 0);
    return 0;
}

/* One line an app; the pod's own cells stand in the first. */
static void print_row(const struct view *view, const json_t *app, bool is_first, bool is_full)
{
    const char *id = json_text(json_object_get(app, "image"), "id");
    CLEANUP(freep) char *image = id[0] ? image_name(view->pod.data_dir, id) : NULL;
    char created[TIME_SIZE], started[TIME_SIZE] = "";

    if (view->started.tv_sec)
        time_print(started, view->started);
    printf("%-*.*s%-15s %-31s ", is_full ? 40 : 16, is_full ? 36 : 8,
           is_first ? view->pod.uuid : "", app ? json_text(app, "name") : "-", image ? image : "-");
    if (is_full)
        printf("%-23.19s ", id[0] ? id : "-");
    if (is_first)
        printf("%-15s %-39s %-39s", pod_state(&view->pod), time_print(created, view->created),
               started);
    putchar('\n');
}

static void print_pod(const struct view *view, bool is_full)
{
    const json_t *apps = json_object_get(view->manifest, "apps"), *app;
    size_t i;

    if (json_array_size(apps) == 0)
        print_row(view, NULL, true, is_full);
    json_array_foreach(apps, i, app)
    {
        print_row(view, app, i == 0, is_full);
    }
}

int command_list(const struct cmdline *cmd, struct error *error)
{
    CLEANUP(pods_deinit) struct pods pods = {0};
    const char *format = cmdline_value(cmd, "format");
    bool is_full = cmdline_is_on(cmd, "full");
    json_auto_t *all = json_array();

    (void)error;
    int r = pods_load(&pods, cmd->data_dir, STAGES_LISTED);
    if (r < 0)
        return r;
    if (!format && !cmdline_is_on(cmd, "no-legend"))
        printf("%-*s%-16s%-32s%s%-16s%-40s%-40s%s\n", is_full ? 40 : 16, "UUID", "APP",
               "IMAGE NAME", is_full ? "IMAGE ID                " : "", "STATE", "CREATED",
               "STARTED", "NETWORKS");
    for (size_t i = 0; i < pods.n; i++) {
        CLEANUP(view_deinit) struct view view = {.pod = pods.list[i]};
        if (pod_open(&view.pod) < 0)
            continue;
        view_fill(&view);
        if (!format)
            print_pod(&view, is_full);
        else if (view.manifest)
            json_array_append_new(all, view_json(&view));
    }
    if (format)
        json_print(json_array_size(all) > 0 ? json_incref(all) : json_null(),
                   strcmp(format, "json") != 0);
    return 0;
}

int command_cat_manifest(const struct cmdline *cmd, struct error *error)
{
    CLEANUP(pod_deinit) struct pod pod = POD_NULL;
    const char *pretty = cmdline_value(cmd, "pretty-print");

    int r = pod_find(&pod, cmd->data_dir, cmd->args[0], error);
    if (r != 0)
        return error_wrap(error, r, "problem retrieving pod");
    json_t *manifest = pod_manifest(&pod);
    if (!manifest)
        return FAILED;
    json_print(manifest, !pretty || strcmp(pretty, "true") == 0);
    return 0;
}
