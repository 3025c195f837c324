/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepare: a manifest becomes a pod's folder. A failed prepare leaves there what it had made so
 * far, as rkt does: the order in which files come to be is rkt's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "contrib/rkt-standin/check.h"
#include "contrib/rkt-standin/commands.h"
#include "contrib/rkt-standin/image.h"
#include "contrib/rkt-standin/pod.h"

struct prepare {
    const struct cmdline *cmd;
    struct pod pod;
    bool has_overlay;
    char *text; /* the manifest's bytes, stored as they are */
    size_t length;
    json_t *manifest;
};

static void prepare_deinit(struct prepare *prepare)
{
    pod_deinit(&prepare->pod);
    free(prepare->text);
    json_decref(prepare->manifest);
}

static int prepare_stage1(struct prepare *prepare)
{
    const char *name = cmdline_value(prepare->cmd, "stage1-name");
    bool is_fly = name && strcmp(name, STAGE1_FLY_NAME) == 0;
    int fd = prepare->pod.fd;

    int r = dir_make(fd, "appsinfo", 0750);
    if (r == 0)
        r = dir_make(fd, "stage1", 0750);
    if (r == 0)
        r = file_print(fd, "stage1/manifest", 0640,
                       "{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":"
                       "\"coreos.com/rkt/stage1-%s\"}\n",
                       is_fly ? "fly" : "host");
    if (r == 0 && !prepare->has_overlay)
        r = dir_make(fd, "stage1/rootfs/rkt/status", 0755);
    if (r == 0)
        r = file_print(fd, "stage1TreeStoreID", 0640, "%s", is_fly ? STAGE1_FLY : STAGE1_HOST);
    return r;
}

/* In Go's words for what the kubelet may meet. */
static int read_manifest(struct prepare *prepare, struct error *error)
{
    const char *path = cmdline_value(prepare->cmd, "pod-manifest");
    json_error_t json_error;

    prepare->text = file_read(AT_FDCWD, path, &prepare->length);
    if (!prepare->text && errno == EISDIR)
        return error_set(error, FAILED, "read %s: is a directory", path);
    if (!prepare->text)
        return error_set(error, FAILED, "open %s: %s", path,
                         errno == ENOENT ? "no such file or directory" : strerror(errno));
    prepare->manifest = json_loadb(prepare->text, prepare->length, 0, &json_error);
    if (prepare->manifest)
        return manifest_check(prepare->manifest, error);
    if (json_error_code(&json_error) == json_error_premature_end_of_input || prepare->length == 0)
        return error_set(error, FAILED, "unexpected end of JSON input");
    return error_set(error, FAILED, "invalid character: %s", json_error.text);
}

/* The app's root: with an overlay only its lower half is noted, without one it is copied. */
static int prepare_root(struct prepare *prepare, const char *app, const char *id)
{
    char path[PATH_MAX], from[PATH_MAX];

    if (prepare->has_overlay) {
        snprintf(path, sizeof(path), "appsinfo/%s/treeStoreID", app);
        return file_print(prepare->pod.fd, path, 0640, "deps-%s", id);
    }
    snprintf(path, sizeof(path), "%s/pods/prepare/%s/stage1/rootfs/opt/stage2/%s",
             prepare->cmd->data_dir, prepare->pod.uuid, app);
    int r = dir_make(AT_FDCWD, path, 0750);
    return r < 0 ? r : tree_copy(image_path(from, prepare->cmd->data_dir, id, "."), path);
}

static int prepare_app(struct prepare *prepare, const json_t *app, struct error *error)
{
    const char *data_dir = prepare->cmd->data_dir, *name = json_text(app, "name");
    char id[IMAGE_ID_SIZE], path[PATH_MAX];
    size_t length;

    if (image_find(data_dir, json_text(json_object_get(app, "image"), "id"), id) < 0)
        return error_set(error, FAILED, "no image IDs found");
    CLEANUP(freep)
    char *manifest = file_read(AT_FDCWD, image_path(path, data_dir, id, "manifest"), &length);
    if (!manifest)
        return -errno;
    snprintf(path, sizeof(path), "appsinfo/%s", name);
    int r = dir_make(prepare->pod.fd, path, 0750);
    if (r == 0)
        r = prepare_root(prepare, name, id);
    snprintf(path, sizeof(path), "appsinfo/%s/manifest", name);
    return r < 0 ? r : file_write(prepare->pod.fd, path, 0640, manifest, length);
}

static int prepare_end(struct prepare *prepare)
{
    int fd = prepare->pod.fd;

    int r = file_write(fd, "pod.lck", 0600, "", 0);
    if (r == 0)
        r = file_write(fd, "pod", 0640, prepare->text, prepare->length);
    if (r == 0)
        r = file_write(fd, "pod-created", 0640, "", 0);
    if (r == 0 && prepare->has_overlay)
        r = file_write(fd, "overlay-prepared", 0640, "", 0);
    return r < 0 ? r : pod_move(&prepare->pod, STAGE_PREPARED);
}

static int set_up(struct prepare *prepare, struct error *error)
{
    const json_t *app;
    size_t i;

    int r = prepare_stage1(prepare);
    if (r == 0)
        r = read_manifest(prepare, error);
    json_array_foreach(json_object_get(prepare->manifest, "apps"), i, app)
    {
        if (r == 0)
            r = prepare_app(prepare, app, error);
    }
    if (r == 0)
        r = manifest_check_ports(prepare->manifest, error);
    return r != 0 ? r : prepare_end(prepare);
}

/* What rkt does not take together with a manifest. */
static bool has_conflict(const struct cmdline *cmd)
{
    static const char *const flags[] = {"volume",  "port",         "inherit-env",
                                        "set-env", "set-env-file", "pull-policy"};

    for (size_t i = 0; i < N_ELEMENTS(flags); i++) {
        if (cmdline_value(cmd, flags[i]))
            return true;
    }
    return cmd->n_args > 0;
}

/* One that is not in the store would have to be looked for in the network. */
static bool has_stage1(const char *name)
{
    return !name || strcmp(name, STAGE1_FLY_NAME) == 0 || strcmp(name, STAGE1_HOST_NAME) == 0;
}

int command_prepare(const struct cmdline *cmd, struct error *error)
{
    CLEANUP(prepare_deinit)
    struct prepare prepare = {
        .cmd = cmd, .pod = POD_NULL, .has_overlay = !cmdline_is_on(cmd, "no-overlay")};
    const char *path = cmdline_value(cmd, "pod-manifest");
    const char *stage1 = cmdline_value(cmd, "stage1-name");

    if (!path || path[0] == '\0')
        return error_set(error, FAILED,
                         cmd->n_args > 0
                             ? "rkt-standin prepares pod manifests only"
                             : "must provide at least one image or specify the pod manifest");
    if (has_conflict(cmd))
        return error_set(error, FAILED, "conflicting flags set with --pod-manifest (see --help)");
    if (!has_stage1(stage1))
        return error_set(error, FAILED, "discovery failed");

    int r = pod_new(&prepare.pod, cmd->data_dir);
    if (r == 0) {
        r = set_up(&prepare, error);
        error_wrap(error, r, "error setting up stage0");
    }
    if (r != 0)
        return r;
    flock(prepare.pod.fd, LOCK_UN);
    printf("%s\n", prepare.pod.uuid);
    return 0;
}
