/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enter: a command in the namespaces and the root of a running app, with the app's environment. As
 * with rkt it is root, has all capabilities, and starts in /.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "contrib/rkt-standin/commands.h"
#include "contrib/rkt-standin/pod.h"

/* --app, or the only app there is. Return: 0 and a name borrowed from the manifest or the command
 * line, FAILED. */
static int choose_app(const struct cmdline *cmd, const json_t *manifest, const char **namep,
                      struct error *error)
{
    const json_t *apps = json_object_get(manifest, "apps"), *app;
    size_t i;

    *namep = cmdline_value(cmd, "app");
    if (!*namep && json_array_size(apps) == 1)
        *namep = json_string_value(json_object_get(json_array_get(apps, 0), "name"));
    if (*namep)
        return 0;
    fprintf(stderr, "enter: pod contains multiple apps:\n");
    json_array_foreach(apps, i, app)
    {
        fprintf(stderr, "enter: \t%s\n", json_string_value(json_object_get(app, "name")));
    }
    return error_set(error, FAILED,
                     "unable to determine app name: specify app using \"rkt enter --app= ...\"");
}

/* The app's environment becomes this process's. A stage1 complains in words of its own.
 * Return: 0, the exit status. */
static int load_environment(const struct pod *pod, const char *app)
{
    char path[512], buffer[POD_STAGE1_SIZE];

    snprintf(path, sizeof(path), "%s/rkt/env/%s", pod_stage1(pod, buffer), app);
    char *text = file_read(pod->fd, path, NULL);
    if (!text && pod_is_fly(pod)) {
        fprintf(stderr,
                "fly-enter: Failed to read app env: open %s/pods/run/%s/stage1/rootfs/rkt/env/%s: "
                "no such file or directory\n",
                pod->data_dir, pod->uuid, app);
        return FAILED;
    }
    if (!text) {
        fprintf(stderr, "Error: Unable to fopen \"/rkt/env/%s\": No such file or directory\n", app);
        return 6;
    }
    clearenv();
    /* putenv() keeps the lines; they live as long as the process. */
    for (char *line; (line = strsep(&text, "\n"));) {
        if (strchr(line, '='))
            putenv(line);
    }
    return 0;
}

static pid_t app_pid(const struct pod *pod, const char *app)
{
    char path[512];

    if (pod_is_fly(pod))
        return pod_pid(pod, NULL);
    snprintf(path, sizeof(path), "crun/%s.pid", app);
    CLEANUP(freep) char *text = file_read(pod->fd, path, NULL);
    return text ? (pid_t)strtol(text, NULL, 10) : 0;
}

/* In the child: the app's other namespaces, and its root for ours. fly goes to where the path of
 * the app's root leads here. */
static int join(int pid_fd, pid_t app, bool is_fly)
{
    char link[64], path[PATH_MAX];

    snprintf(link, sizeof(link), "/proc/%d/root", (int)app);
    if (is_fly) {
        ssize_t length = readlink(link, path, sizeof(path) - 1);
        path[length > 0 ? length : 0] = '\0';
        return chdir(path) < 0 || chroot(".") < 0 ? -errno : 0;
    }
    CLEANUP(fd_closep) int root_fd = open(link, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0 ||
        setns(pid_fd, CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET) < 0 ||
        fchdir(root_fd) < 0 || chroot(".") < 0)
        return -errno;
    return 0;
}

/* In the child. Return: the exit status of a command that cannot be executed. */
static int become_command(char *const *argv, bool is_fly)
{
    struct stat st;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!is_fly && strchr(argv[0], '/') && stat(argv[0], &st) == 0 && !S_ISREG(st.st_mode)) {
        fprintf(stderr, "Error: \"%s\" is not a regular file\n", argv[0]);
        return 3;
    }
    /* fly looks at no PATH. */
    if (is_fly)
        execv(argv[0], argv);
    else
        execvp(argv[0], argv);
    if (is_fly)
        fprintf(stderr, "fly-enter: exec failed: %s\n",
                errno == ENOENT ? "no such file or directory" : "permission denied");
    else
        fprintf(stderr, "Error: Unable to open \"%s\": %s\n", argv[0], strerror(errno));
    return is_fly ? FAILED : 1;
}

/* A pid namespace is joined by children alone; this process goes back to its own at once. */
static int fork_into(int pid_fd, pid_t *pidp)
{
    CLEANUP(fd_closep) int own_fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);

    if (own_fd < 0 || setns(pid_fd, CLONE_NEWPID) < 0)
        return -errno;
    *pidp = fork();
    if (*pidp == 0)
        return 0;
    setns(own_fd, CLONE_NEWPID);
    return *pidp < 0 ? -errno : 0;
}

/* Return: the command's exit status, -errno if there is no such app. A signal that ends the command
 * ends this process too. */
static int run_command(pid_t app, char *const *argv, bool is_fly)
{
    CLEANUP(fd_closep) int pid_fd = app > 0 ? pidfd_open(app, 0) : -1;
    int status;
    pid_t pid = -1;

    int r = pid_fd < 0 ? -ESRCH : fork_into(pid_fd, &pid);
    if (r < 0)
        return r;
    if (pid == 0)
        _exit(join(pid_fd, app, is_fly) < 0 ? FAILED : become_command(argv, is_fly));
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    if (waitpid(pid, &status, 0) < 0)
        return -errno;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
    return 128 + WTERMSIG(status);
}

int command_enter(const struct cmdline *cmd, struct error *error)
{
    static char *const shell[] = {"/bin/bash", NULL};
    CLEANUP(pod_deinit) struct pod pod = POD_NULL;
    const char *app;

    int r = pod_find(&pod, cmd->data_dir, cmd->args[0], error);
    if (r != 0)
        return error_wrap(error, r, "problem retrieving pod");
    if (strcmp(pod_state(&pod), "running") != 0)
        return error_set(error, FAILED, "pod \"%s\" isn't currently running", pod.uuid);
    json_auto_t *manifest = pod_manifest(&pod);
    r = choose_app(cmd, manifest, &app, error);
    if (r == 0 && cmd->n_args == 1)
        fprintf(stderr, "enter: no command specified, assuming \"%s\"\n", shell[0]);
    if (r == 0)
        r = load_environment(&pod, app);
    if (r != 0)
        return r;
    r = run_command(app_pid(&pod, app), cmd->n_args > 1 ? cmd->args + 1 : shell, pod_is_fly(&pod));
    return r < 0 ? error_set(error, FAILED, "app \"%s\" does not run", app) : r;
}
