/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mounts.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <uv.h>

#include "daemon/binds.h"
#include "daemon/node.h"
#include "daemon/pods.h"
#include "daemon/removals.h"

/* What comes within that time is one look. */
#define DELAY_MSEC 100

/* After a look that failed. */
#define RETRY_MSEC 60000

/* The process that prepares a rkt pod. */
struct preparer {
    struct preparer *next;
    struct mounts *mounts;
    char *key;
    int pidfd;
    uv_poll_t poll;
};

struct mounts {
    struct node *node;
    uv_timer_t timer;
    struct preparer *preparers;
    bool has_any; /* when last looked */
    bool is_closing;
    bool is_looking;
    bool look_again; /* something came meanwhile */
    bool was_looked; /* once */

    /* The look that is under way. */
    uv_work_t work;
    char **ended; /* UUIDs, ended by NULL */
    size_t n_ended;
    struct binds binds;
    int result;
};

static void preparer_closed(uv_handle_t *handle)
{
    struct preparer *preparer = container_of((uv_poll_t *)handle, struct preparer, poll);

    fd_close(preparer->pidfd);
    free(preparer->key);
    free(preparer);
}

static void drop_preparer(struct preparer *preparer)
{
    struct preparer **p = &preparer->mounts->preparers;

    while (*p != preparer)
        p = &(*p)->next;
    *p = preparer->next;
    uv_close((uv_handle_t *)&preparer->poll, preparer_closed);
}

static void prepare_ended(uv_poll_t *poll, int status, int events)
{
    struct preparer *preparer = container_of(poll, struct preparer, poll);

    (void)status;
    (void)events;
    mounts_look(preparer->mounts);
    drop_preparer(preparer);
}

/* Takes key and pidfd out of `bind`, unless the process is watched already. */
static void watch_preparer(struct mounts *mounts, struct bind *bind)
{
    struct preparer *preparer = mounts->preparers;

    while (preparer && strcmp(preparer->key, bind->key) != 0)
        preparer = preparer->next;
    if (preparer)
        return;
    preparer = calloc(1, sizeof(*preparer));
    if (!preparer || uv_poll_init(mounts->node->loop, &preparer->poll, bind->pidfd) < 0) {
        free(preparer);
        return;
    }
    preparer->mounts = mounts;
    preparer->key = bind->key;
    preparer->pidfd = bind->pidfd;
    bind->key = NULL;
    bind->pidfd = -1;
    preparer->next = mounts->preparers;
    mounts->preparers = preparer;
    uv_poll_start(&preparer->poll, UV_READABLE, prepare_ended);
}

/* The look. */

static int add_ended(struct pod *pod, void *userdata)
{
    struct mounts *mounts = userdata;

    for (const struct rktpod *rktpod = pod->rktpods; rktpod; rktpod = rktpod->next) {
        if (!rktpod->ended)
            continue;
        char **list = reallocarray(mounts->ended, mounts->n_ended + 2, sizeof(*list));
        char *uuid = list ? strdup(rktpod->uuid) : NULL;
        if (list)
            mounts->ended = list;
        if (!uuid)
            return -ENOMEM;
        list[mounts->n_ended++] = uuid;
        list[mounts->n_ended] = NULL;
    }
    return 0;
}

static void free_ended(struct mounts *mounts)
{
    while (mounts->n_ended > 0)
        free(mounts->ended[--mounts->n_ended]);
    free(mounts->ended);
    mounts->ended = NULL;
}

static void look(uv_work_t *work)
{
    struct mounts *mounts = container_of(work, struct mounts, work);

    mounts->result =
        binds_sweep(&mounts->binds, mounts->node->run_dir, (const char *const *)mounts->ended);
}

static void tell_failure(struct mounts *mounts, const char *reason)
{
    CLEANUP(event_deinit) struct event event;

    event_init(&event, MESSAGE_MOUNTS, "it cannot be found out which subPaths are needed: %s",
               reason);
    event_add(&event, "GANTRY_REASON", "%s", reason);
    events_emit(&mounts->node->events, &event, NULL, usec_now());
}

static void begin(uv_timer_t *timer);

/* One that is due sooner stays. */
static void look_within(struct mounts *mounts, uint64_t delay_msec)
{
    bool is_due = uv_is_active((uv_handle_t *)&mounts->timer) &&
                  uv_timer_get_due_in(&mounts->timer) <= delay_msec;

    if (!mounts->is_closing && !is_due)
        uv_timer_start(&mounts->timer, begin, delay_msec, 0);
}

static void looked(uv_work_t *work, int status)
{
    struct mounts *mounts = container_of(work, struct mounts, work);

    (void)status;
    mounts->is_looking = false;
    mounts->has_any = mounts->binds.n > 0 || mounts->result < 0;
    for (size_t i = 0; !mounts->is_closing && i < mounts->binds.n; i++) {
        struct bind *bind = &mounts->binds.list[i];
        if (bind->data_dir)
            removals_watch(mounts->node->removals, bind->data_dir);
        if (bind->pidfd >= 0)
            watch_preparer(mounts, bind);
    }
    binds_deinit(&mounts->binds);
    free_ended(mounts);
    if (mounts->result < 0) {
        tell_failure(mounts, strerror(-mounts->result));
        look_within(mounts, RETRY_MSEC);
    }
    /* What went before the data directories were watched was not heard of. */
    if (mounts->look_again || (mounts->has_any && !mounts->was_looked))
        mounts_look(mounts);
    mounts->look_again = false;
    mounts->was_looked = true;
}

static void begin(uv_timer_t *timer)
{
    struct mounts *mounts = timer->data;

    if (mounts->is_looking) {
        mounts->look_again = true;
        return;
    }
    mounts->ended = calloc(1, sizeof(*mounts->ended));
    if (!mounts->ended)
        return;
    pods_for_each(&mounts->node->pods, add_ended, mounts);
    mounts->is_looking = true;
    uv_queue_work(mounts->node->loop, &mounts->work, look, looked);
}

void mounts_look(struct mounts *mounts)
{
    look_within(mounts, DELAY_MSEC);
}

void mounts_pod_changed(struct mounts *mounts)
{
    if (mounts->has_any || mounts->is_looking)
        mounts_look(mounts);
}

struct mounts *mounts_new(struct node *node)
{
    struct mounts *mounts = calloc(1, sizeof(*mounts));

    if (!mounts)
        return NULL;
    mounts->node = node;
    uv_timer_init(node->loop, &mounts->timer);
    mounts->timer.data = mounts;
    return mounts;
}

void mounts_close(struct mounts *mounts)
{
    mounts->is_closing = true;
    while (mounts->preparers)
        drop_preparer(mounts->preparers);
    uv_close((uv_handle_t *)&mounts->timer, NULL);
}

struct mounts *mounts_free(struct mounts *mounts)
{
    free(mounts);
    return NULL;
}
