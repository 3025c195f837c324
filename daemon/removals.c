/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/removals.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "daemon/mounts.h"
#include "daemon/node.h"
#include "daemon/pods.h"
#include "daemon/rktdir.h"

struct data_dir {
    struct data_dir *next;
    struct removals *removals;
    char *path;
    uv_fs_event_t stages[RKTDIR_N_STAGES];
    size_t n_open; /* those that are not closed yet */
};

struct removals {
    struct node *node;
    struct data_dir *data_dirs;
};

/* Looks for one rkt pod, by its name: it may be dropped while the thread pool looks. */
struct check {
    uv_work_t work;
    struct node *node;
    char *data_dir;
    char uuid[RKT_UUID_SIZE];
    bool exists;
};

void removals_removed(struct node *node, struct rktpod *rktpod)
{
    struct pod *pod = rktpod->pod;

    if (!rktpod->ended || rktpod->watch)
        return;
    pod_drop_rktpod(rktpod);
    if (!pod->rktpods && life_removed(&pod->life, usec_now()) == LIFE_FORGET)
        pods_forget(node, pod, "its last rkt pod was removed");
    else
        pods_settle(node, pod, NULL, NULL);
}

static void look(uv_work_t *work)
{
    struct check *check = container_of(work, struct check, work);

    check->exists = rktdir_exists(check->data_dir, check->uuid);
}

static void looked(uv_work_t *work, int status)
{
    struct check *check = container_of(work, struct check, work);
    struct rktpod *rktpod = pods_find_rktpod(&check->node->pods, check->uuid);

    if (status == 0 && !check->exists && rktpod)
        removals_removed(check->node, rktpod);
    free(check->data_dir);
    free(check);
}

void removals_check(struct removals *removals, struct rktpod *rktpod)
{
    struct check *check = calloc(1, sizeof(*check));

    if (check)
        check->data_dir = strdup(rktpod->data_dir);
    if (!check || !check->data_dir) {
        free(check);
        return;
    }
    check->node = removals->node;
    snprintf(check->uuid, sizeof(check->uuid), "%s", rktpod->uuid);
    uv_queue_work(removals->node->loop, &check->work, look, looked);
}

/* Something of that name came, went or changed in one of the folders. */
static void changed(uv_fs_event_t *handle, const char *name, int events, int status)
{
    struct data_dir *data_dir = handle->data;
    struct rktpod *rktpod = NULL;

    (void)status;
    if (events & UV_RENAME)
        mounts_pod_changed(data_dir->removals->node->mounts);
    if (name && (events & UV_RENAME))
        rktpod = pods_find_rktpod(&data_dir->removals->node->pods, name);
    if (rktpod && rktpod->ended && strcmp(rktpod->data_dir, data_dir->path) == 0)
        removals_check(data_dir->removals, rktpod);
}

static void data_dir_free(struct data_dir *data_dir)
{
    free(data_dir->path);
    free(data_dir);
}

static void stage_closed(uv_handle_t *handle)
{
    struct data_dir *data_dir = handle->data;

    if (--data_dir->n_open == 0)
        data_dir_free(data_dir);
}

static void close_stages(struct data_dir *data_dir)
{
    size_t n = data_dir->n_open;

    for (size_t i = 0; i < n; i++)
        uv_close((uv_handle_t *)&data_dir->stages[i], stage_closed);
    if (n == 0)
        data_dir_free(data_dir);
}

static struct data_dir *data_dir_new(struct removals *removals, const char *path)
{
    struct data_dir *data_dir = calloc(1, sizeof(*data_dir));

    if (data_dir)
        data_dir->path = strdup(path);
    if (!data_dir || !data_dir->path) {
        free(data_dir);
        return NULL;
    }
    data_dir->removals = removals;
    data_dir->next = removals->data_dirs;
    removals->data_dirs = data_dir;
    for (; rktdir_stages[data_dir->n_open]; data_dir->n_open++) {
        uv_fs_event_init(removals->node->loop, &data_dir->stages[data_dir->n_open]);
        data_dir->stages[data_dir->n_open].data = data_dir;
    }
    return data_dir;
}

void removals_watch(struct removals *removals, const char *path)
{
    struct data_dir *data_dir = removals->data_dirs;
    char stage_path[PATH_MAX];

    while (data_dir && strcmp(data_dir->path, path) != 0)
        data_dir = data_dir->next;
    if (!data_dir)
        data_dir = data_dir_new(removals, path);

    /* rkt makes the folders when it needs them: what could not be watched then can be now. */
    for (size_t i = 0; data_dir && i < data_dir->n_open; i++) {
        if (uv_is_active((uv_handle_t *)&data_dir->stages[i]))
            continue;
        snprintf(stage_path, sizeof(stage_path), "%s/pods/%s", path, rktdir_stages[i]);
        uv_fs_event_start(&data_dir->stages[i], changed, stage_path, 0);
    }
}

struct removals *removals_new(struct node *node)
{
    struct removals *removals = calloc(1, sizeof(*removals));

    if (removals)
        removals->node = node;
    return removals;
}

void removals_close(struct removals *removals)
{
    for (struct data_dir *data_dir; (data_dir = removals->data_dirs);) {
        removals->data_dirs = data_dir->next;
        close_stages(data_dir);
    }
}

struct removals *removals_free(struct removals *removals)
{
    free(removals);
    return NULL;
}
