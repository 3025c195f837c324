/* SPDX-License-Identifier: Apache-2.0 */
#include "contrib/rkt-standin/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "contrib/rkt-standin/commands.h"
#include "contrib/rkt-standin/image.h"

static const char *app_string(const struct app *app, const char *key, const char *otherwise)
{
    const char *value = json_text(app->spec, key);

    return value[0] ? value : otherwise;
}

const char *app_directory(const struct app *app)
{
    return app_string(app, "workingDirectory", "/");
}

const json_t *app_isolator(const struct app *app, const char *name)
{
    const json_t *isolator;
    size_t i;

    json_array_foreach(json_object_get(app->spec, "isolators"), i, isolator)
    {
        if (strcmp(json_text(isolator, "name"), name) == 0)
            return json_object_get(isolator, "value");
    }
    return NULL;
}

static bool is_program(int root_fd, const char *path)
{
    CLEANUP(fd_closep) int fd = open_in_root(root_fd, path, O_PATH);
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

/* Looks through the folders of `path`. Return: 0, FAILED. */
static int search_path(struct app *app, const char *name, const char *path, struct error *error)
{
    CLEANUP(freep) char *folders = strdup(path);
    char *rest = folders;

    for (const char *folder; (folder = strsep(&rest, ":"));) {
        CLEANUP(freep) char *candidate = NULL;
        if (folder[0] != '/' || asprintf(&candidate, "%s/%s", folder, name) < 0)
            continue;
        if (is_program(app->root_fd, candidate)) {
            app->program = candidate;
            candidate = NULL;
            return 0;
        }
    }
    return error_set(error, FAILED, "unable to find \"%s\" in \"%s\"", name, path);
}

static const char *manifest_path(const struct app *app)
{
    const json_t *variable;
    size_t i;

    json_array_foreach(json_object_get(app->spec, "environment"), i, variable)
    {
        if (strcmp(json_text(variable, "name"), "PATH") == 0)
            return json_text(variable, "value");
    }
    return NULL;
}

int app_find_program(struct app *app, bool is_fly, struct error *error)
{
    const char *name = json_string_value(json_array_get(json_object_get(app->spec, "exec"), 0));
    const char *directory = app_string(app, "workingDirectory", is_fly ? "" : "/");
    const char *own_path = manifest_path(app);
    CLEANUP(freep) char *path = NULL;

    if (!name && is_fly)
        return error_set(error, FAILED,
                         "run: image \"%s\" has an empty \"exec\" (try --exec=BINARY)",
                         json_string_value(json_object_get(app->image, "name")));
    if (!name)
        return error_set(error, FAILED,
                         "stage1: cannot initialize immutable environment: app has no executable");
    if (strchr(name, '/'))
        return asprintf(&app->program, "%s%s%s", name[0] == '/' ? "" : directory,
                        name[0] == '/' ? "" : "/", name) < 0
                   ? -ENOMEM
                   : 0;
    if (asprintf(&path, "%s%s", own_path ? own_path : directory, own_path ? "" : ":/bin:/usr/bin") <
        0)
        return -ENOMEM;
    int r = search_path(app, name, path, error);
    if (is_fly)
        return error_wrap(error, r, "run: can't find the absolute executable for \"%s\"", name);
    return error_wrap(error, r, "stage1: cannot initialize immutable environment");
}

/* passwd and group have the id in their third field. */
static int find_id(int root_fd, const char *file, const char *name, unsigned *idp)
{
    int fd = open_in_root(root_fd, file, O_RDONLY);
    FILE *lines = fd >= 0 ? fdopen(fd, "r") : NULL;
    CLEANUP(freep) char *line = NULL;
    size_t size = 0;
    int r = -ENOENT;

    while (lines && r < 0 && getline(&line, &size, lines) >= 0) {
        char *rest = line;
        const char *first = strsep(&rest, ":");
        strsep(&rest, ":");
        if (rest && strcmp(first, name) == 0) {
            *idp = (unsigned)strtoul(rest, NULL, 10);
            r = 0;
        }
    }
    if (lines)
        fclose(lines);
    return r;
}

/* A user is a number, a name, or the path of a file whose owner is meant. */
static int find_owner(const struct app *app, const char *kind, unsigned *idp, struct error *error)
{
    const char *name = app_string(app, kind, "0");
    bool is_user = strcmp(kind, "user") == 0;
    struct stat st;

    if (strspn(name, "0123456789") == strlen(name)) {
        *idp = (unsigned)strtoul(name, NULL, 10);
        return 0;
    }
    if (name[0] == '/') {
        CLEANUP(fd_closep) int fd = open_in_root(app->root_fd, name, O_PATH);
        if (fd < 0 || fstat(fd, &st) < 0)
            return error_set(error, FAILED, "unable to get uid/gid from file \"%s\"", name);
        *idp = is_user ? st.st_uid : st.st_gid;
        return 0;
    }
    if (find_id(app->root_fd, is_user ? "/etc/passwd" : "/etc/group", name, idp) < 0)
        return error_set(error, FAILED, "\"%s\" %s not found", name, kind);
    return 0;
}

int app_find_user(struct app *app, struct error *error)
{
    int r = find_owner(app, "user", &app->uid, error);

    return r != 0 ? r : find_owner(app, "group", &app->gid, error);
}

/* The manifest's variables over rkt's own, and nothing of the caller's. */
static json_t *make_environment(const struct app *app, bool is_fly)
{
    json_t *variables =
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "PATH",
                  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SHELL",
                  "/bin/sh", "USER", "root", "LOGNAME", "root", "HOME", "/root");
    json_t *list = json_array(), *value;
    const json_t *variable;
    const char *name;
    size_t i;

    if (!is_fly) {
        json_object_set_new(variables, "AC_APP_NAME", json_string(app->name));
        json_object_set_new(variables, "TERM", json_string("xterm"));
    }
    json_array_foreach(json_object_get(app->spec, "environment"), i, variable)
    {
        json_object_set(variables, json_text(variable, "name"), json_object_get(variable, "value"));
    }
    json_object_foreach(variables, name, value)
        json_array_append_new(list, json_sprintf("%s=%s", name, json_string_value(value)));
    json_decref(variables);
    return list;
}

/* For enter, which gives what it starts the app's environment. */
static int write_environment(const struct run *run, const struct app *app)
{
    char path[PATH_MAX], *text = NULL;
    const json_t *variable;
    size_t i, length = 0;

    FILE *stream = open_memstream(&text, &length);
    json_array_foreach(app->environment, i, variable)
    {
        if (stream)
            fprintf(stream, "%s\n", json_string_value(variable));
    }
    if (!stream || fclose(stream) != 0)
        return -ENOMEM;
    snprintf(path, sizeof(path), "%s/rkt/env", run->stage1);
    int r = dir_make(run->pod.fd, path, 0755);
    snprintf(path, sizeof(path), "%s/rkt/env/%s", run->stage1, app->name);
    if (r == 0)
        r = file_write(run->pod.fd, path, 0644, text, length);
    free(text);
    return r;
}

static int load_app(struct run *run, struct app *app, const json_t *runtime)
{
    char path[PATH_MAX];

    app->root_fd = -1;
    app->runtime = runtime;
    app->name = json_string_value(json_object_get(runtime, "name"));
    snprintf(path, sizeof(path), "appsinfo/%s/manifest", app->name);
    app->image = json_load_file(path, 0, NULL);
    app->spec = json_object_get(runtime, "app");
    if (!app->spec)
        app->spec = json_object_get(app->image, "app");
    app->environment = make_environment(app, run->is_fly);
    int r = rootfs_make(app);
    return r != 0 ? r : write_environment(run, app);
}

static int load_apps(struct run *run)
{
    const json_t *list = json_object_get(run->manifest, "apps");
    int r = 0;

    run->apps = calloc(json_array_size(list) + 1, sizeof(*run->apps));
    if (!run->apps)
        return -ENOMEM;
    while (r == 0 && run->n_apps < json_array_size(list)) {
        size_t i = run->n_apps++;
        r = load_app(run, &run->apps[i], json_array_get(list, i));
    }
    return r;
}

/* From here on mounts are ours alone, and end with us, while what the host mounts later still
 * shows. */
static int make_private(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
        return -errno;
    return 0;
}

/* The pod becomes ours: locked, in run, and our working folder. */
static int take_pod(struct run *run, struct error *error)
{
    struct pod *pod = &run->pod;
    char path[PATH_MAX];

    int r = pod_find(pod, run->cmd->data_dir, run->cmd->args[0], error);
    if (r != 0)
        return error_wrap(error, r, "problem retrieving pod");
    /* Of two at once, one comes too late for the lock or for the rename. */
    r = pod->stage == STAGE_PREPARED && flock(pod->fd, LOCK_EX | LOCK_NB) == 0
            ? pod_move(pod, STAGE_RUN)
            : -ENOENT;
    if (r == -ENOENT)
        return error_set(error, FAILED, "pod \"%s\" is not prepared", pod->uuid);
    if (r < 0)
        return r;
    snprintf(run->folder, sizeof(run->folder), "%s/pods/run/%s", pod->data_dir, pod->uuid);
    run->is_fly = pod_is_fly(pod);
    run->stage1 = pod_stage1(pod, run->stage1_buffer);
    run->manifest = pod_manifest(pod);
    if (fchdir(pod->fd) < 0 || !run->manifest)
        return -EIO;

    snprintf(path, sizeof(path), "%s/rkt/status", run->stage1);
    r = dir_make(pod->fd, path, 0755);
    if (r == 0)
        r = dir_make(pod->fd, "stage1/rootfs", 0755);
    return r;
}

static void run_deinit(struct run *run)
{
    for (size_t i = 0; i < run->n_apps; i++) {
        struct app *app = &run->apps[i];
        json_decref(app->image);
        json_decref(app->environment);
        free(app->rootfs);
        free(app->program);
        fd_close(app->root_fd);
    }
    free(run->apps);
    free(run->cgroup);
    json_decref(run->manifest);
    pod_deinit(&run->pod);
}

int command_run_prepared(const struct cmdline *cmd, struct error *error)
{
    CLEANUP(run_deinit) struct run run = {.cmd = cmd, .pod = POD_NULL};
    CLEANUP(error_deinit) struct error stage1_error = ERROR_NULL;

    int r = take_pod(&run, error);
    if (r != 0)
        return r;
    r = run.is_fly ? 0 : make_private();
    if (r == 0)
        r = load_apps(&run);
    if (r == 0)
        r = run.is_fly ? fly_run(&run, &stage1_error) : nspawn_run(&run, &stage1_error);
    if (stage1_error.message)
        fprintf(stderr, "%s\n", stage1_error.message);
    return r;
}
