/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "contrib/rkt-standin/run.h"

/* One entry of the app's mountPoints or of the manifest's mounts. */
struct request {
    const char *volume; /* the name */
    const char *target;
    bool is_read_only;
    bool is_mount_point;
    const json_t *definition; /* of the volume; NULL if there is none */
};

static bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static const json_t *find_volume(const json_t *manifest, const char *name)
{
    const json_t *volume;
    size_t i;

    json_array_foreach(json_object_get(manifest, "volumes"), i, volume)
    {
        if (strcmp(json_text(volume, "name"), name) == 0)
            return volume;
    }
    return NULL;
}

/* The fly stage1 hands the empty path on to mount(2), and this is how that ends. */
static int refuse_sourceless(const struct app *app, const struct request *request,
                             struct error *error)
{
    return error_set(error, FAILED,
                     "run: can't mount \"\" on \"%s%s\" with flags 4096: invalid argument",
                     app->rootfs, request->target);
}

/* A folder in the pod, shared by the apps that mount it. */
static int make_empty(const struct run *run, const struct app *app, const struct request *request,
                      char **sourcep)
{
    const char *mode = json_text(request->definition, "mode");
    const json_t *uid = json_object_get(request->definition, "uid");
    const json_t *gid = json_object_get(request->definition, "gid");

    int r = dir_make(run->pod.fd, "sharedVolumes", 0755);
    if (r < 0)
        return r;
    /* Without a definition the volume is the app's own. */
    if (asprintf(sourcep, "%s/sharedVolumes/%s%s%s", run->folder,
                 request->definition ? "" : app->name, request->definition ? "" : "-",
                 request->volume) < 0) {
        *sourcep = NULL;
        return -ENOMEM;
    }
    if (mkdir(*sourcep, 0755) < 0)
        return errno == EEXIST ? 0 : -errno;
    if (chmod(*sourcep, mode[0] ? (mode_t)strtoul(mode, NULL, 8) : 0755) < 0 ||
        chown(*sourcep, (uid_t)json_integer_value(uid), (gid_t)json_integer_value(gid)) < 0)
        return -errno;
    return 0;
}

static int find_source(const struct run *run, const struct app *app, const struct request *request,
                       char **sourcep, struct error *error)
{
    if (request->definition && strcmp(json_text(request->definition, "kind"), "host") == 0) {
        *sourcep = strdup(json_text(request->definition, "source"));
        return *sourcep ? 0 : -ENOMEM;
    }
    if (run->is_fly)
        return refuse_sourceless(app, request, error);
    if (!request->definition && !request->is_mount_point)
        return error_set(error, FAILED,
                         "stage1: cannot initialize immutable environment: could not find volume "
                         "%s",
                         request->volume);
    if (!request->definition)
        fprintf(stderr,
                "stage1: warning: no volume specified for mount point \"%s\", implicitly creating "
                "an \"empty\" volume. This volume will be removed when the pod is "
                "garbage-collected.\n",
                request->volume);
    return make_empty(run, app, request, sourcep);
}

/* The source must be there, and be a folder if the target is one and only then. */
static int check_paths(const struct run *run, const struct app *app, const char *source,
                       const char *target, struct error *error)
{
    CLEANUP(fd_closep) int fd = open_in_root(app->root_fd, target, O_PATH);
    struct stat from, to;

    if (stat(source, &from) < 0)
        return run->is_fly
                   ? error_set(error, FAILED,
                               "run: stat of host path %s: stat %s: no such file or "
                               "directory",
                               source, source)
                   : error_set(error, 1, "Failed to stat %s: No such file or directory", source);
    if (fd < 0 || fstat(fd, &to) < 0 || S_ISDIR(from.st_mode) == S_ISDIR(to.st_mode))
        return 0;
    if (run->is_fly)
        return error_set(error, FAILED, "run: can't mount because \"%s\" is %s while \"%s%s\" is%s",
                         source, S_ISDIR(from.st_mode) ? "a directory" : "not a directory",
                         app->rootfs, target, S_ISDIR(from.st_mode) ? " not" : "");
    return error_set(error, 1, "Cannot bind mount %s %s on %s %s/%s%s.",
                     S_ISDIR(from.st_mode) ? "directory" : "file", source,
                     S_ISDIR(from.st_mode) ? "file" : "directory", run->folder, app->rootfs,
                     target);
}

/* Puts a mount behind all whose targets are no longer than its own, so that parents come first. */
static int insert(struct mounts *mounts, const struct mount *mount)
{
    struct mount *list = reallocarray(mounts->list, mounts->n + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;

    size_t at = mounts->n;
    for (; at > 0 && strlen(list[at - 1].target) > strlen(mount->target); at--)
        list[at] = list[at - 1];
    list[at] = *mount;
    mounts->list = list;
    mounts->n++;
    return 0;
}

/* A volume's readOnly counts more than the mount point's, which the fly stage1 overlooks. */
static bool is_read_only(const struct run *run, const struct request *request)
{
    const json_t *of_volume = json_object_get(request->definition, "readOnly");

    return json_is_boolean(of_volume) ? json_is_true(of_volume)
                                      : request->is_read_only && !run->is_fly;
}

/* The fly stage1 takes what is mounted below a source along only if it is told to. */
static int add(struct mounts *mounts, const struct run *run, const struct app *app,
               const struct request *request, struct error *error)
{
    const json_t *recursive = json_object_get(request->definition, "recursive");
    CLEANUP(freep) char *source = NULL;

    int r = find_source(run, app, request, &source, error);
    if (r == 0)
        r = check_paths(run, app, source, request->target, error);
    if (r == 0)
        r = insert(mounts, &(struct mount){
                               .source = source,
                               .target = request->target,
                               .is_read_only = is_read_only(run, request),
                               .is_recursive = run->is_fly ? json_is_true(recursive)
                                                           : !json_is_false(recursive),
                           });
    if (r == 0)
        source = NULL;
    return r;
}

/* The fly stage1 knows a volume but once. */
static int check_twice(const json_t *list, size_t at, const char *key, const char *complaint,
                       struct error *error)
{
    const char *name = json_text(json_array_get(list, at), key);

    for (size_t other = 0; other < at; other++) {
        if (strcmp(json_text(json_array_get(list, other), key), name) == 0)
            return error_set(error, FAILED, "run: can't evaluate mounts: %s \"%s\"", complaint,
                             name);
    }
    return 0;
}

int mounts_resolve(struct mounts *mounts, const struct run *run, const struct app *app,
                   struct error *error)
{
    const json_t *points = json_object_get(app->spec, "mountPoints"), *entry;
    const json_t *own = json_object_get(app->runtime, "mounts");
    int r = 0;
    size_t i;

    json_array_foreach(own, i, entry)
    {
        const char *name = json_text(entry, "volume");
        const json_t *definition = json_object_get(entry, "appVolume");
        struct request request = {.volume = name,
                                  .target = json_text(entry, "path"),
                                  .definition =
                                      definition ? definition : find_volume(run->manifest, name)};
        if (r == 0 && run->is_fly)
            r = check_twice(own, i, "volume", "duplicate mount given:", error);
        if (r == 0)
            r = add(mounts, run, app, &request, error);
    }
    json_array_foreach(points, i, entry)
    {
        const char *name = json_text(entry, "name");
        struct request request = {.volume = name,
                                  .target = json_text(entry, "path"),
                                  .is_read_only = is_true(entry, "readOnly"),
                                  .is_mount_point = true,
                                  .definition = find_volume(run->manifest, name)};
        if (r == 0 && run->is_fly)
            r = check_twice(points, i, "name",
                            "conflicting path information from mount and mountpoint", error);
        if (r == 0)
            r = add(mounts, run, app, &request, error);
    }
    return r;
}

void mounts_deinit(struct mounts *mounts)
{
    for (size_t i = 0; i < mounts->n; i++)
        free(mounts->list[i].source);
    free(mounts->list);
    *mounts = (struct mounts){0};
}
