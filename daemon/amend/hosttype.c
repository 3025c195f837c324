/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The types of hostPaths (Kubernetes 1.8), which say what has to be at the path (contract, section
 * 4). The words of a refusal are the kubelet's own, also those for a type that does not exist. (A
 * kubelet of that age has looked already, but not at the moment of the launch.)
 *
 *   ""                  nothing is checked
 *   Directory           has to be there; so with Socket, CharDevice, BlockDevice
 *   DirectoryOrCreate   may be missing: the room `hostpath` makes it
 *   File                has to be there, and may be anything but a folder
 *   FileOrCreate        may be missing: then it is made here, 0644, but not its folder
 *
 * Only volumes that a container mounts are looked at. The path is seen as rkt and the kubelet see
 * it, through symlinks; what is made is made by lib/pathwalk.h.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/amend/rooms.h"
#include "daemon/amend/volumes.h"
#include "lib/pathwalk.h"

struct type {
    const char *name;
    mode_t format;    /* S_IFDIR, ...; 0: anything but a folder */
    const char *noun; /* in the kubelet's words */
    bool may_be_missing;
};

static const struct type types[] = {
    {"DirectoryOrCreate", S_IFDIR, "directory", true},
    {"Directory", S_IFDIR, "directory", false},
    {"FileOrCreate", 0, "file", true},
    {"File", 0, "file", false},
    {"Socket", S_IFSOCK, "socket file", false},
    {"CharDevice", S_IFCHR, "character device", false},
    {"BlockDevice", S_IFBLK, "block device", false},
};

static const struct type *find_type(const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    }
    return NULL;
}

static bool has_type(const struct podspec_volume *volume)
{
    return volume->type == PODSPEC_VOLUME_HOST_PATH && volume->host_path &&
           volume->host_path_type[0] != '\0';
}

static bool any_has_type(const struct podspec *spec)
{
    for (size_t i = 0; i < spec->n_volumes; i++) {
        if (has_type(&spec->volumes[i]))
            return true;
    }
    return false;
}

/* What of a pod counts here; members of JSON objects, which are looked up by hash. */
struct use {
    json_t *mounted; /* volumes of the spec that are */
    json_t *sources; /* of the volumes of the manifest */
};

static void use_deinit(struct use *use)
{
    json_decref(use->mounted);
    json_decref(use->sources);
}

static int add_member(json_t *object, const char *name)
{
    return json_object_set_new(object, name, json_true()) < 0 ? -ENOMEM : 0;
}

static int find_use(struct use *use, const struct launch *launch)
{
    struct spec_mounts mounts = {.launch = launch};
    const struct podspec_mount *mount;
    int r = 0;

    use->mounted = json_object();
    use->sources = json_object();
    while (r == 0 && (mount = spec_mounts_next(&mounts)))
        r = add_member(use->mounted, mount->volume);
    for (size_t i = 0; r == 0 && i < manifest_n_volumes(launch->manifest); i++) {
        const char *source = manifest_volume(launch->manifest, i).source;
        r = source ? add_member(use->sources, source) : 0;
    }
    return r;
}

/* What the spec says is done to paths that the manifest has, too: that one comes from the kubelet
 * for sure. */
static bool is_in_use(const struct use *use, const struct podspec_volume *volume)
{
    return json_object_get(use->mounted, volume->name) &&
           json_object_get(use->sources, volume->host_path);
}

/* The file of FileOrCreate. */
static int make_file(struct launch *launch, const struct podspec_volume *volume,
                     struct pathwalk_made *made)
{
    const struct config *config = launch->config;

    CLEANUP(fd_closep) int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0)
        return -errno;
    struct pathwalk_rules rules = {
        .root_fd = root_fd,
        .mode = 0644,
        .uid = config->hostpath.uid,
        .gid = config->hostpath.gid,
        .deny = (const char *const *)config->hostpath.deny,
    };
    size_t n_before = made->n_folders;
    int r = pathwalk_make_file(&rules, volume->host_path, made, &launch->error);
    if (r == PATHWALK_E_REFUSED)
        return error_wrap(&launch->error, LAUNCH_E_REFUSED, "volume \"%s\": %s", volume->name,
                          volume->host_path);
    if (r < 0 || made->n_folders == n_before)
        return r;
    return launch_note(launch, "made the file %s (0644 %s) for volume \"%s\"", volume->host_path,
                       config->hostpath.owner, volume->name);
}

static int check(struct launch *launch, const struct podspec_volume *volume,
                 struct pathwalk_made *made)
{
    const struct type *type = find_type(volume->host_path_type);
    struct stat st;

    if (!type)
        return error_set(&launch->error, LAUNCH_E_REFUSED,
                         "volume \"%s\": %s is an invalid volume type", volume->name,
                         volume->host_path_type);
    bool is_missing = stat(volume->host_path, &st) < 0;
    if (is_missing && type->may_be_missing)
        return type->format == 0 && launch->config->hostpath.create
                   ? make_file(launch, volume, made)
                   : 0;
    if (is_missing || (type->format ? (st.st_mode & S_IFMT) != type->format : S_ISDIR(st.st_mode)))
        return error_set(&launch->error, LAUNCH_E_REFUSED,
                         "volume \"%s\": hostPath type check failed: %s is not a %s", volume->name,
                         volume->host_path, type->noun);
    return 0;
}

static int check_all(struct launch *launch, struct pathwalk_made *made)
{
    CLEANUP(use_deinit) struct use use = {0};

    int r = find_use(&use, launch);
    for (size_t i = 0; r == 0 && i < launch->spec->n_volumes; i++) {
        const struct podspec_volume *volume = &launch->spec->volumes[i];
        if (has_type(volume) && is_in_use(&use, volume))
            r = check(launch, volume, made);
    }
    return r;
}

int amend_hosttype(struct launch *launch)
{
    struct pathwalk_made made = PATHWALK_MADE_NULL;

    if (!launch->manifest || !launch->spec || !any_has_type(launch->spec))
        return 0;
    if (!launch->may_wait)
        return LAUNCH_E_WAIT;
    int r = check_all(launch, &made);
    if (r == 0)
        pathwalk_made_deinit(&made);
    else
        pathwalk_undo(&made);
    return r;
}
