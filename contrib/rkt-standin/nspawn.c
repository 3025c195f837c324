/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage1 that stands for rkt's nspawn ones. This process stays the pod's supervisor. Beside it:
 *
 *   init   the first process of the pod's pid namespace. It does nothing but live until the
 *          supervisor ends or lets go of it, by however rude a death; then the kernel kills what is
 *          left in the namespace.
 *   apps   each started by a crun that then goes away, so that they become the supervisor's
 *          children (it is a subreaper), which sees them end.
 *
 * The rules are rkt's. An app that fails ends the pod, with its status: the number of the signal if
 * it was killed. Apps that are stopped with the pod have status 0 whatever they say, and a pod that
 * is told to stop has exit status 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "contrib/rkt-standin/run.h"
#include "lib/usec.h"

/* How long an app may take to end when it is asked to. */
#define GRACE_USEC (5 * USEC_SEC)

/* systemd's status of a program that cannot be executed. */
#define STATUS_NO_EXEC 203

struct supervisor {
    struct run *run;
    sigset_t signals; /* what it waits for, blocked */
    sigset_t inherited;
    pid_t init;
    int life_fd; /* init reads from the other end */
    size_t n_running;
    bool is_stopping;
    usec_t kill_at; /* if it is stopping */
    int status;
};

/* All that init does: nothing is ever written to the pipe, but its other end may go. */
static int read_to_end(int fd)
{
    char byte;

    /* Orphans of the namespace are init's children; the kernel reaps them. */
    signal(SIGCHLD, SIG_IGN);
    while (read(fd, &byte, 1) < 0 && errno == EINTR)
        ;
    return 0;
}

static int start_init(struct supervisor *supervisor)
{
    const char *share_ipc = getenv("SYSTEMD_NSPAWN_SHARE_NS_IPC");
    bool is_shared = share_ipc && strcmp(share_ipc, "1") == 0;
    struct clone_args args = {
        .flags = CLONE_NEWPID | CLONE_NEWUTS | (is_shared ? 0 : CLONE_NEWIPC),
        .exit_signal = SIGCHLD,
    };
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    supervisor->init = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (supervisor->init == 0) {
        close(fds[1]);
        _exit(read_to_end(fds[0]));
    }
    close(fds[0]);
    supervisor->life_fd = fds[1];
    return supervisor->init < 0 ? -errno : 0;
}

static int write_status(const struct run *run, const struct app *app, int status)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/rkt/status/%s", run->stage1, app->name);
    return file_print(run->pod.fd, path, 0644, "%d\n", status);
}

static const char *pid_path(const struct app *app, char path[static 512])
{
    snprintf(path, 512, "crun/%s.pid", app->name);
    return path;
}

static void app_left(struct supervisor *supervisor, struct app *app)
{
    char path[512];

    app->pid = 0;
    supervisor->n_running--;
    unlinkat(supervisor->run->pod.fd, pid_path(app, path), 0);
}

static void stop(struct supervisor *supervisor)
{
    if (supervisor->is_stopping)
        return;
    supervisor->is_stopping = true;
    supervisor->kill_at = usec_now() + GRACE_USEC;
    for (size_t i = 0; i < supervisor->run->n_apps; i++) {
        struct app *app = &supervisor->run->apps[i];
        if (app->pid == 0)
            continue;
        write_status(supervisor->run, app, 0);
        kill(app->pid, SIGTERM);
    }
}

static void app_ended(struct supervisor *supervisor, struct app *app, int status)
{
    app_left(supervisor, app);
    if (supervisor->is_stopping)
        return;
    write_status(supervisor->run, app, status);
    if (status == 0)
        return;
    supervisor->status = status;
    stop(supervisor);
}

/* In the child: what the app is to inherit through crun, and nothing else. */
static void become_crun(const struct supervisor *supervisor, const struct app *app)
{
    const json_t *score = app_isolator(app, "os/linux/oom-score-adj");
    CLEANUP(freep) char *path = strdup(getenv("PATH") ? getenv("PATH") : "/usr/sbin:/usr/bin");
    char pid[512], config[512];

    /* Not every node lets the score be lowered; not to run for that would be worse. rkt before 1.19
     * does not know it at all. */
    if (score && !getenv("RKT_STANDIN_OLD"))
        file_print(AT_FDCWD, "/proc/self/oom_score_adj", 0, "%d", (int)json_integer_value(score));
    sigprocmask(SIG_SETMASK, &supervisor->inherited, NULL);
    if (cgroup_enter(supervisor->run, app) < 0)
        return;
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || !path)
        return;
    snprintf(config, sizeof(config), "crun/%s.json", app->name);
    clearenv();
    setenv("PATH", path, 1);
    /* Neither cgroups nor keyrings are to be had everywhere. */
    execlp("crun", "crun", "--root=crun/state", "--cgroup-manager=disabled", "run", "--detach",
           "--no-new-keyring", "--config", config, "--pid-file", pid_path(app, pid), app->name,
           NULL);
}

/* crun has said on stderr what it thinks; this is how it sounds from rkt. */
static int start_failed(const struct app *app)
{
    CLEANUP(fd_closep) int fd = open_in_root(app->root_fd, app->program, O_PATH);

    if (fd == -ENOENT)
        printf("Error: Unable to open \"%s\": No such file or directory\n", app->program);
    fflush(stdout);
    return STATUS_NO_EXEC;
}

static void start_app(struct supervisor *supervisor, struct app *app)
{
    char pid[512];
    int status;

    supervisor->n_running++;
    pid_t crun = fork();
    if (crun == 0) {
        become_crun(supervisor, app);
        _exit(127);
    }
    if (crun < 0 || waitpid(crun, &status, 0) < 0 || status != 0) {
        app_ended(supervisor, app, start_failed(app));
        return;
    }
    CLEANUP(freep) char *text = file_read(supervisor->run->pod.fd, pid_path(app, pid), NULL);
    app->pid = text ? (pid_t)strtol(text, NULL, 10) : 0;
    if (app->pid <= 0)
        app_ended(supervisor, app, STATUS_NO_EXEC);
}

static void reap(struct supervisor *supervisor)
{
    int status;

    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        for (size_t i = 0; i < supervisor->run->n_apps; i++) {
            struct app *app = &supervisor->run->apps[i];
            if (app->pid == pid)
                app_ended(supervisor, app,
                          WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        }
    }
}

static void wait_for_signal(struct supervisor *supervisor)
{
    usec_t left = usec_sub(supervisor->kill_at, usec_now());
    struct timespec timeout = {.tv_sec = (time_t)(left / USEC_SEC),
                               .tv_nsec = (long)(left % USEC_SEC) * 1000};

    int number =
        sigtimedwait(&supervisor->signals, NULL, supervisor->is_stopping ? &timeout : NULL);
    if (number == SIGTERM || number == SIGINT)
        stop(supervisor);
    else if (number < 0 && errno == EAGAIN)
        supervisor->life_fd = fd_close(supervisor->life_fd);
}

static int supervise(struct supervisor *supervisor)
{
    struct run *run = supervisor->run;

    for (size_t i = 0; i < run->n_apps && !supervisor->is_stopping; i++)
        start_app(supervisor, &run->apps[i]);
    reap(supervisor);
    while (supervisor->n_running > 0) {
        wait_for_signal(supervisor);
        reap(supervisor);
    }
    return supervisor->status;
}

/* Init holds the pod's lock too: rkt must not find it locked when this process is gone. */
static void end_init(struct supervisor *supervisor)
{
    supervisor->life_fd = fd_close(supervisor->life_fd);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    cgroup_remove(supervisor->run);
}

/* All that can go wrong with an app before any app runs; leaves the configuration for crun. */
static int plan_app(struct run *run, struct app *app, pid_t init, struct error *error)
{
    CLEANUP(mounts_deinit) struct mounts mounts = {0};
    json_t *capabilities = NULL;
    char path[512];

    int r = app_find_program(app, false, error);
    if (r == 0) {
        r = app_find_user(app, error);
        error_wrap(error, r, "stage1: cannot initialize immutable environment");
    }
    if (r == 0)
        r = capabilities_resolve(run, app, &capabilities, error);
    if (r == 0)
        r = mounts_resolve(&mounts, run, app, error);
    if (r == 0) {
        json_t *config = crun_config(run, app, init, &mounts, capabilities);
        snprintf(path, sizeof(path), "crun/%s.json", app->name);
        r = config && json_dump_file(config, path, JSON_COMPACT) == 0 ? 0 : -ENOMEM;
        json_decref(config);
    }
    json_decref(capabilities);
    return r;
}

/* The apps of a pod share /dev/shm. */
static int mount_shm(void)
{
    int r = dir_make(AT_FDCWD, "stage1/rootfs/dev/shm", 0755);

    if (r == 0 &&
        mount("tmpfs", "stage1/rootfs/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0)
        r = -errno;
    return r;
}

static int nspawn_start(struct supervisor *supervisor, struct error *error)
{
    struct run *run = supervisor->run;

    sigemptyset(&supervisor->signals);
    sigaddset(&supervisor->signals, SIGCHLD);
    sigaddset(&supervisor->signals, SIGTERM);
    sigaddset(&supervisor->signals, SIGINT);
    sigprocmask(SIG_BLOCK, &supervisor->signals, &supervisor->inherited);
    prctl(PR_SET_CHILD_SUBREAPER, 1);

    int r = mount_shm();
    if (r == 0)
        r = dir_make(AT_FDCWD, "crun", 0750);
    if (r == 0)
        cgroup_init(run);
    if (r == 0)
        r = start_init(supervisor);
    for (size_t i = 0; r == 0 && i < run->n_apps; i++)
        r = plan_app(run, &run->apps[i], supervisor->init, error);
    /* nspawn makes the namespace when it has found all. */
    if (r != 0)
        end_init(supervisor);
    /* 1 is nspawn's own failure, which comes after rkt has written this. */
    if (r == 0 || r == 1)
        file_print(run->pod.fd, "ppid", 0644, "%d\n", (int)getpid());
    return r;
}

int nspawn_run(struct run *run, struct error *error)
{
    struct supervisor supervisor = {.run = run, .life_fd = -1};

    int r = nspawn_start(&supervisor, error);
    if (r == 0)
        r = supervise(&supervisor);
    end_init(&supervisor);
    return r;
}
