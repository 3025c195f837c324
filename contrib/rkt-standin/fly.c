/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fly-like stage1: this process becomes the app, by chroot and execve. Descriptors, signals,
 * cgroup and all namespaces stay as they were. So what it mounts is mounted on the host, and stays
 * there until the pod is removed; and what is mounted below its /dev, /proc and /sys, which are the
 * host's, is mounted below those of the host as well, and stays even then.
 *
 * rkt mounts volumes in an order that changes from run to run. Here what lies deepest comes first,
 * so that whoever mounts one volume below another finds it covered at the first try.
 *
 * The sources of the mounts are picked up as detached trees before the chroot and put down after
 * it: so the app's own symlinks are followed as the app would follow them, and lead nowhere else.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "contrib/rkt-standin/run.h"

/* Newer than some C libraries. */
static int tree_open(const char *path, bool is_recursive)
{
    return (int)syscall(SYS_open_tree, AT_FDCWD, path,
                        OPEN_TREE_CLONE | O_CLOEXEC | (is_recursive ? AT_RECURSIVE : 0));
}

static int tree_new_tmpfs(void)
{
    CLEANUP(fd_closep) int fs_fd = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);

    if (fs_fd < 0 || syscall(SYS_fsconfig, fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -1;
    return (int)syscall(SYS_fsmount, fs_fd, FSMOUNT_CLOEXEC, 0);
}

static int tree_set_read_only(int tree_fd)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};

    return (int)syscall(SYS_mount_setattr, tree_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                        sizeof(attributes));
}

/* Puts the tree at a path, which is made if it is not there. Consumes the fd. */
static int tree_attach(int tree_fd, const char *target)
{
    CLEANUP(fd_closep) int fd = tree_fd;
    CLEANUP(freep) char *parent = strdup(target);
    struct stat st;

    if (fd < 0 || !parent || fstat(fd, &st) < 0)
        return -errno;
    char *slash = strrchr(parent, '/');
    if (S_ISDIR(st.st_mode)) {
        dir_make(AT_FDCWD, target, 0755);
    } else if (access(target, F_OK) < 0) {
        *(slash ? slash : parent) = '\0';
        dir_make(AT_FDCWD, parent, 0755);
        file_write(AT_FDCWD, target, 0644, "", 0);
    }
    if (syscall(SYS_move_mount, fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return -errno;
    return 0;
}

static const char *const host_folders[] = {"/dev", "/proc", "/sys"};

/* What the app mounts there is for the host as well. Most sources are no mounts; rkt does not try
 * those. */
static void share(const char *path)
{
    mount(NULL, path, NULL, MS_REC | MS_SHARED, NULL);
}

/* Picks up what is to be mounted: the host's folders, a tmpfs for /tmp, then the volumes. */
static void open_trees(const struct mounts *mounts, int *trees)
{
    for (size_t i = 0; i < N_ELEMENTS(host_folders); i++) {
        share(host_folders[i]);
        *trees++ = tree_open(host_folders[i], true);
    }
    *trees++ = tree_new_tmpfs();
    for (size_t i = 0; i < mounts->n; i++) {
        const struct mount *mount = &mounts->list[i];
        share(mount->source);
        *trees = tree_open(mount->source, mount->is_recursive);
        if (*trees >= 0 && mount->is_read_only && tree_set_read_only(*trees) < 0)
            *trees = fd_close(*trees);
        trees++;
    }
}

static int attach_trees(const struct mounts *mounts, const int *trees)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < N_ELEMENTS(host_folders); i++)
        r = tree_attach(*trees++, host_folders[i]);
    if (r == 0)
        r = tree_attach(*trees++, "/tmp");
    for (size_t i = mounts->n; r == 0 && i-- > 0;)
        r = tree_attach(trees[i], mounts->list[i].target);
    return r;
}

static int enter_root(const struct app *app, const struct mounts *mounts)
{
    CLEANUP(freep) int *trees = calloc(N_ELEMENTS(host_folders) + 1 + mounts->n, sizeof(*trees));

    if (!trees)
        return -ENOMEM;
    open_trees(mounts, trees);
    if (chroot(app->rootfs) < 0 || chdir("/") < 0)
        return -errno;
    return attach_trees(mounts, trees);
}

static int write_ids(const struct run *run)
{
    int r = file_print(run->pod.fd, "pid", 0644, "%d\n", (int)getpid());

    return r == 0 ? file_print(run->pod.fd, "pgid", 0644, "%d\n", (int)getpgrp()) : r;
}

/* From a list of strings. Return: an array that borrows them and ends with NULL, to free(). */
static const char **make_vector(const json_t *list)
{
    const char **vector = calloc(json_array_size(list) + 1, sizeof(*vector));

    for (size_t i = 0; vector && i < json_array_size(list); i++)
        vector[i] = json_string_value(json_array_get(list, i));
    return vector;
}

static const char *reason(void)
{
    switch (errno) {
    case ENOENT:
        return "no such file or directory";
    case EACCES:
        return "permission denied";
    case EPERM:
        return "operation not permitted";
    default:
        return strerror(errno);
    }
}

/* Gives up root if the manifest says so, and becomes the app. */
static int become_app(const struct run *run, struct app *app, struct error *error)
{
    CLEANUP(freep) const char **argv = make_vector(json_object_get(app->spec, "exec"));
    CLEANUP(freep) const char **environment = make_vector(app->environment);
    const json_t *more = json_object_get(app->spec, "supplementaryGIDs");
    gid_t groups[NGROUPS_MAX > 64 ? 64 : NGROUPS_MAX];
    size_t n_groups = 0;

    if (!argv || !environment)
        return -ENOMEM;
    groups[n_groups++] = app->gid;
    for (size_t i = 0; i < json_array_size(more) && n_groups < N_ELEMENTS(groups); i++)
        groups[n_groups++] = (gid_t)json_integer_value(json_array_get(more, i));
    if (setgroups(n_groups, groups) < 0 || setgid(app->gid) < 0 || setuid(app->uid) < 0)
        return error_set(error, FAILED, "run: can't set the user: %s", reason());
    if (chdir(app_directory(app)) < 0)
        return error_set(error, FAILED,
                         "run: can't change to working directory \"%s\": chdir %s: %s",
                         app_directory(app), app_directory(app), reason());
    /* The lock lives as long as the app, and what the app leaves behind. */
    if (fcntl(run->pod.fd, F_SETFD, 0) < 0)
        return -errno;
    argv[0] = app->program;
    fflush(stdout);
    execve(app->program, (char *const *)argv, (char *const *)environment);
    return error_set(error, FAILED, "run: can't execute \"%s\": %s", app->program, reason());
}

int fly_run(struct run *run, struct error *error)
{
    CLEANUP(mounts_deinit) struct mounts mounts = {0};
    struct app *app = run->apps;

    if (cmdline_value(run->cmd, "hostname"))
        puts("Warning: -hostname not supported; ignoring");
    if (run->n_apps != 1)
        return error_set(error, FAILED, "run: fly only supports 1 application per Pod for now");
    if (json_array_size(json_object_get(app->spec, "exec")) == 0)
        return app_find_program(app, true, error);
    int r = mounts_resolve(&mounts, run, app, error);
    if (r == 0) {
        r = enter_root(app, &mounts);
        error_wrap(error, r, "run: can't mount");
    }
    if (r == 0)
        r = write_ids(run);
    if (r != 0)
        return r;
    r = app_find_user(app, error);
    if (r != 0)
        return error_wrap(error, r, "run: failed to lookup process credentials");
    r = app_find_program(app, true, error);
    return r == 0 ? become_app(run, app, error) : r;
}
