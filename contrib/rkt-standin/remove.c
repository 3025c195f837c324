/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stop, rm and gc: the ends of a pod. A pod that has run goes to exited-garbage, any other to
 * garbage; who wants to delete it locks it there.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "contrib/rkt-standin/commands.h"
#include "contrib/rkt-standin/pod.h"
#include "lib/usec.h"

static int stop_one(const struct cmdline *cmd, const char *text, struct error *error)
{
    CLEANUP(pod_deinit) struct pod pod = POD_NULL;
    int number = cmdline_is_on(cmd, "force") ? SIGKILL : SIGTERM;

    int r = pod_find(&pod, cmd->data_dir, text, error);
    if (r != 0)
        return error_wrap(error, r, "cannot get pod");
    if (pod.stage < STAGE_RUN)
        return error_set(error, FAILED, "pod \"%s\" is not running", pod.uuid);
    if (pod.stage != STAGE_RUN || !pod.is_locked) {
        printf("pod \"%s\" is already stopped\n", pod.uuid);
        return 0;
    }
    pid_t pid = pod_pid(&pod, NULL);
    if (pid > 0 && kill(pid, number) < 0 && errno == ESRCH && pod_is_fly(&pod)) {
        /* The app is gone but has left children. */
        CLEANUP(freep) char *group = file_read(pod.fd, "pgid", NULL);
        if (group && strtol(group, NULL, 10) > 1)
            kill(-(pid_t)strtol(group, NULL, 10), number);
    }
    if (pid <= 0)
        return error_set(error, FAILED, "error stopping \"%s\": it has no process yet", pod.uuid);
    printf("\"%s\"\n", pod.uuid);
    return 0;
}

int command_stop(const struct cmdline *cmd, struct error *error)
{
    int n_failed = 0;

    for (int i = 0; i < cmd->n_args; i++) {
        CLEANUP(error_deinit) struct error one = ERROR_NULL;
        if (stop_one(cmd, cmd->args[i], &one) == 0)
            continue;
        fprintf(stderr, "stop: %s\n", error_message(&one));
        n_failed++;
    }
    return n_failed == 0 ? 0 : error_set(error, FAILED, "failed to stop %d pod(s)", n_failed);
}

/* Takes the pod out of use, if it is not in use. gc says so of every pod, rm of some.
 * Return: 0, FAILED. */
static int retire(struct pod *pod, const char *command, struct error *error)
{
    const char *what = NULL;

    switch (pod->stage) {
    case STAGE_PREPARE:
        if (pod->is_locked)
            return error_set(error, FAILED, "pod \"%s\" is currently being prepared", pod->uuid);
        what = "failed prepare";
        break;
    case STAGE_PREPARED:
        what = "expired prepared pod";
        break;
    case STAGE_RUN:
        if (pod->is_locked)
            return error_set(error, FAILED, "pod \"%s\" is currently running", pod->uuid);
        what = strcmp(command, "gc") == 0 ? "pod" : NULL;
        break;
    default:
        return 0;
    }
    if (what)
        fprintf(stderr, "%s: moving %s \"%s\" to garbage\n", command, what, pod->uuid);
    return pod_move(pod, pod->stage == STAGE_RUN ? STAGE_EXITED_GARBAGE : STAGE_GARBAGE);
}

/* Deletes a pod that has been retired. Who comes second finds nothing more to do. */
static int delete_pod(struct pod *pod)
{
    flock(pod->fd, LOCK_EX);
    return pod_remove(pod);
}

static int rm_one(const struct cmdline *cmd, const char *text, struct error *error)
{
    CLEANUP(pod_deinit) struct pod pod = POD_NULL;

    int r = pod_find(&pod, cmd->data_dir, text, error);
    if (r != 0)
        return error_wrap(error, r, "cannot get pod");
    r = retire(&pod, "rm", error);
    if (r == 0)
        r = delete_pod(&pod);
    if (r == 0)
        printf("\"%s\"\n", pod.uuid);
    return r;
}

int command_rm(const struct cmdline *cmd, struct error *error)
{
    int r = 0;

    for (int i = 0; i < cmd->n_args; i++) {
        CLEANUP(error_deinit) struct error one = ERROR_NULL;
        if (rm_one(cmd, cmd->args[i], &one) == 0)
            continue;
        fprintf(stderr, "rm: %s\n", error_message(&one));
        r = FAILED;
    }
    return r == 0 ? 0 : error_set(error, r, "failed to remove one or more pods");
}

/* How long the pod has been where it is: a rename shows in the folder's ctime. */
static usec_t age(const struct pod *pod)
{
    struct stat st;

    if (fstat(pod->fd, &st) < 0)
        return 0;
    return usec_sub(wall_now().usec, wall_from_timespec(&st.st_ctim).usec);
}

/* One step of gc on one pod. `least_age` is how old it has to be. */
static int collect(struct pod *pod, usec_t least_age, struct error *error)
{
    char grace[USEC_GO_MAX];

    if (pod->stage == STAGE_RUN || pod->stage == STAGE_PREPARE)
        return pod->is_locked ? 0 : retire(pod, "gc", error);
    if (pod->stage == STAGE_PREPARED)
        return age(pod) > least_age ? retire(pod, "gc", error) : 0;
    if (pod->is_locked)
        return 0;
    if (pod->stage == STAGE_EXITED_GARBAGE && age(pod) <= least_age) {
        fprintf(stderr, "gc: pod \"%s\" not removed: still within grace period (%s)\n", pod->uuid,
                usec_format_go(grace, least_age));
        return 0;
    }
    printf("Garbage collecting pod \"%s\"\n", pod->uuid);
    return delete_pod(pod);
}

static int collect_stage(const struct cmdline *cmd, enum stage stage, usec_t least_age)
{
    CLEANUP(pods_deinit) struct pods pods = {0};

    int r = pods_load(&pods, cmd->data_dir, 1U << stage);
    for (size_t i = 0; i < pods.n; i++) {
        CLEANUP(error_deinit) struct error error = ERROR_NULL;
        CLEANUP(pod_deinit) struct pod pod = pods.list[i];
        if (pod_open(&pod) == 0 && collect(&pod, least_age, &error) != 0)
            fprintf(stderr, "gc: %s\n", error_message(&error));
    }
    return r;
}

static int read_duration(const struct cmdline *cmd, const char *flag, usec_t *usecp,
                         struct error *error)
{
    const char *text = cmdline_value(cmd, flag);

    if (text && usec_parse(text, usecp) < 0)
        return error_set(error, FAILED, "--%s: time: invalid duration \"%s\"", flag, text);
    return 0;
}

int command_gc(const struct cmdline *cmd, struct error *error)
{
    usec_t expire = USEC_DAY, grace = 30 * USEC_MINUTE;

    int r = read_duration(cmd, "expire-prepared", &expire, error);
    if (r == 0)
        r = read_duration(cmd, "grace-period", &grace, error);
    if (r == 0)
        r = collect_stage(cmd, STAGE_RUN, 0);
    if (r == 0)
        r = collect_stage(cmd, STAGE_PREPARE, 0);
    if (r != 0 || cmdline_is_on(cmd, "mark-only"))
        return r;
    r = collect_stage(cmd, STAGE_PREPARED, expire);
    if (r == 0)
        r = collect_stage(cmd, STAGE_EXITED_GARBAGE, grace);
    return r != 0 ? r : collect_stage(cmd, STAGE_GARBAGE, 0);
}
