/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/exits.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#include "daemon/bus.h"
#include "daemon/mounts.h"
#include "daemon/node.h"
#include "daemon/pods.h"
#include "daemon/process.h"
#include "daemon/removals.h"
#include "daemon/rktdir.h"
#include "lib/manifest.h"

/* The watch over one rkt pod, and after its end the search for what it left. rktpod->watch points
 * here until all is known, so that the rkt pod is not dropped meanwhile. */
struct watch {
    struct node *node;
    struct pod *pod; /* a reference */
    struct rktpod *rktpod;
    uv_poll_t poll;
    int pidfd;
    bool late; /* it ended while nobody watched */

    /* What is found on the thread pool. */
    uv_work_t work;
    struct config *config;
    char uuid[RKT_UUID_SIZE];
    struct rktdir_exits exits;
    char *container; /* that ended the pod */
    wall_t touched;  /* the kubelet's file; 0: not there */
    bool is_gone;    /* the pod has been removed already */
};

static void watch_free(struct watch *watch)
{
    fd_close(watch->pidfd);
    config_unref(watch->config);
    rktdir_exits_deinit(&watch->exits);
    free(watch->container);
    pod_unref(watch->pod);
    free(watch);
}

static struct watch *watch_new(struct node *node, struct rktpod *rktpod)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return NULL;
    watch->node = node;
    watch->pod = pod_ref(rktpod->pod);
    watch->rktpod = rktpod;
    watch->pidfd = -1;
    watch->config = config_ref(node->config);
    rktpod->watch = watch;
    return watch;
}

static void tell_exit(struct watch *watch, const char *container)
{
    const struct rktpod *rktpod = watch->rktpod;
    struct node *node = watch->node;
    CLEANUP(event_deinit) struct event event;
    usec_t ran = usec_sub(rktpod->finished_at, rktpod->started_at);
    usec_t due = rktpod_is_newest(rktpod) ? life_due(&watch->pod->life, &node->config->backoff) : 0;
    usec_t backoff = due > rktpod->finished_at ? due - rktpod->finished_at : 0;
    char status[32] = "an unknown status", ran_text[USEC_GO_MAX], backoff_text[USEC_GO_MAX];

    if (rktpod->status != STATUS_UNKNOWN)
        snprintf(status, sizeof(status), "status %d", rktpod->status);
    pod_event(&event, watch->pod, MESSAGE_EXIT, "%s%s%s%s ended with %s after %s%s%s",
              container ? "container \"" : "", container ? container : "",
              container ? "\" of rkt pod " : "rkt pod ", rktpod->uuid, status,
              usec_format_go(ran_text, ran / USEC_MSEC * USEC_MSEC),
              backoff > 0 ? "; a restart has to wait " : "",
              backoff > 0 ? usec_format_go(backoff_text, backoff) : "");
    event_add(&event, "GANTRY_RKT_UUID", "%s", rktpod->uuid);
    if (container)
        event_add(&event, "GANTRY_CONTAINER", "%s", container);
    if (rktpod->status != STATUS_UNKNOWN)
        event_add(&event, "GANTRY_EXIT_STATUS", "%d", rktpod->status);
    if (rktpod->unit)
        event_add(&event, "OBJECT_SYSTEMD_UNIT", "%s", rktpod->unit);
    event_add(&event, "GANTRY_RUN_USEC", "%" PRIu64, ran);
    event_add(&event, "GANTRY_BACKOFF_USEC", "%" PRIu64, backoff);
    events_emit(&node->events, &event, &watch->pod->repeat, usec_now());
}

/* The end of the rkt pod in the pod's life. */
static void finish(struct watch *watch, usec_t finished_at, usec_t now)
{
    struct rktpod *rktpod = watch->rktpod;

    rktpod->ended = true;
    rktpod->finished_at = finished_at;
    mounts_pod_changed(watch->node->mounts);
    if (rktpod_is_newest(rktpod))
        life_exit(&watch->pod->life, &watch->node->config->backoff, finished_at, now);
}

/* All is known that can be known: tells it, and lets go of the rkt pod. */
static void conclude(struct watch *watch)
{
    struct node *node = watch->node;
    struct rktpod *rktpod = watch->rktpod;
    struct pod *pod = watch->pod;

    for (size_t i = 0; i < watch->exits.n; i++)
        rktpod_add_exit(rktpod, watch->exits.list[i].app, watch->exits.list[i].status);
    if (watch->container && rktpod_is_newest(rktpod))
        life_set_ended_by(&pod->life, watch->container);
    metrics_count_exit(&node->metrics, rktpod->status);
    tell_exit(watch, watch->container);

    rktpod->watch = NULL;
    if (rktpod->unit)
        bus_drop_unit(node->bus, rktpod->unit);
    /* Dozens of ended ones may be kept: no more than what is of use of each. */
    free(rktpod->unit);
    rktpod->unit = NULL;
    if (watch->is_gone)
        removals_removed(node, rktpod);
    pods_settle(node, pod, NULL, NULL);
    if (watch->late)
        node_attached(node);
    watch_free(watch);
}

/* The time of an end that nobody saw, by the best witness. */
static usec_t late_finish(const struct watch *watch, const struct unit_exit *unit, usec_t now)
{
    wall_t at = {0};

    for (size_t i = 0; i < watch->exits.n; i++) {
        if (watch->exits.list[i].at.usec > at.usec)
            at = watch->exits.list[i].at;
    }
    if (watch->touched.usec > 0)
        at = watch->touched;
    if (unit->known)
        at = unit->at;
    return at.usec > 0 ? usec_from_wall(at, now, wall_now()) : now;
}

static void unit_answered(void *userdata, const struct unit_exit *exit)
{
    struct watch *watch = userdata;
    const struct rktdir_exit *decisive = rktdir_exits_decisive(&watch->exits);
    usec_t now = usec_now();

    if (exit->known)
        watch->rktpod->status = exit->status;
    else if (decisive)
        watch->rktpod->status = decisive->status;
    if (watch->late)
        finish(watch, late_finish(watch, exit, now), now);
    conclude(watch);
}

/* On the thread pool: reads what the end has left. */
static void search(uv_work_t *work)
{
    struct watch *watch = container_of(work, struct watch, work);
    const struct rktpod *rktpod = watch->rktpod;
    CLEANUP(freep) char *text = NULL;
    struct manifest *manifest = NULL;
    struct stat st;
    char path[PATH_MAX];
    size_t length;

    if (watch->uuid[0] == '\0' &&
        rktdir_resolve_pid(rktpod->data_dir, rktpod->pid, watch->uuid) != 0)
        watch->uuid[0] = '\0';

    snprintf(path, sizeof(path), "%s/pods/%s/finished-%s", watch->config->kubelet.root_dir,
             watch->pod->uid, watch->uuid);
    if (stat(path, &st) == 0)
        watch->touched = wall_from_timespec(&st.st_mtim);
    watch->is_gone = watch->uuid[0] && !rktdir_exists(rktpod->data_dir, watch->uuid);

    rktdir_read_exits(rktpod->data_dir, watch->uuid, &watch->exits);
    if (rktdir_read_manifest(rktpod->data_dir, watch->uuid, &text, &length) != 0 ||
        manifest_parse(&manifest, text, length, NULL) != 0)
        return;
    const struct rktdir_exit *decisive = rktdir_exits_decisive(&watch->exits);
    const char *container = NULL;
    if (decisive)
        container = manifest_container_of(manifest, decisive->app);
    else if (manifest_n_apps(manifest) == 1)
        container = manifest_app(manifest, 0).container;
    watch->container = container ? strdup(container) : NULL;
    manifest_free(manifest);
}

static void found(uv_work_t *work, int status)
{
    struct watch *watch = container_of(work, struct watch, work);
    struct rktpod *rktpod = watch->rktpod;

    (void)status;
    if (watch->uuid[0] && rktpod->uuid[0] == '\0')
        rktpod_set_uuid(rktpod, watch->uuid);
    if (rktpod->unit)
        bus_ask_exit(watch->node->bus, rktpod->unit, rktpod->pid, unit_answered, watch);
    else
        unit_answered(watch, &(struct unit_exit){.known = false});
}

static void begin_search(struct watch *watch)
{
    snprintf(watch->uuid, sizeof(watch->uuid), "%s", watch->rktpod->uuid);
    uv_queue_work(watch->node->loop, &watch->work, search, found);
}

static void poll_closed(uv_handle_t *handle)
{
    struct watch *watch = container_of((uv_poll_t *)handle, struct watch, poll);

    watch->pidfd = fd_close(watch->pidfd);
    if (watch->rktpod)
        begin_search(watch);
    else
        watch_free(watch);
}

static void process_ended(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = container_of(poll, struct watch, poll);
    usec_t now = usec_now();

    (void)status;
    (void)events;
    finish(watch, now, now);
    pods_settle(watch->node, watch->pod, NULL, NULL);
    uv_close((uv_handle_t *)poll, poll_closed);
}

/* Return: 0 or -errno; the pidfd is consumed in each case. */
static int begin_watch(struct watch *watch, int pidfd)
{
    watch->pidfd = pidfd;
    int r = uv_poll_init(watch->node->loop, &watch->poll, pidfd);
    if (r == 0)
        r = uv_poll_start(&watch->poll, UV_READABLE, process_ended);
    if (r < 0)
        watch->pidfd = fd_close(pidfd);
    return r;
}

static void hold_unit(struct node *node, const struct rktpod *rktpod)
{
    if (rktpod->unit)
        bus_hold_unit(node->bus, rktpod->unit);
}

void exits_watch(struct node *node, struct rktpod *rktpod, int pidfd)
{
    struct watch *watch = watch_new(node, rktpod);

    if (!watch) {
        fd_close(pidfd);
        return;
    }
    hold_unit(node, rktpod);
    if (begin_watch(watch, pidfd) < 0) {
        usec_t now = usec_now();
        finish(watch, now, now);
        begin_search(watch);
    }
}

void exits_attach(struct node *node, struct rktpod *rktpod)
{
    struct watch *watch = watch_new(node, rktpod);

    if (!watch)
        return;
    hold_unit(node, rktpod);
    int pidfd = process_open(rktpod->pid, rktpod->start_ticks);
    if (pidfd >= 0 && begin_watch(watch, pidfd) == 0)
        return;
    watch->late = true;
    node->n_attaching++;
    begin_search(watch);
}

void exits_look(struct rktpod *rktpod)
{
    struct watch *watch = rktpod->watch;
    struct pollfd pollfd = {.events = POLLIN};

    if (!watch || watch->pidfd < 0 || uv_is_closing((uv_handle_t *)&watch->poll))
        return;
    pollfd.fd = watch->pidfd;
    if (poll(&pollfd, 1, 0) > 0)
        process_ended(&watch->poll, 0, UV_READABLE);
}

void exits_leave(struct rktpod *rktpod)
{
    struct watch *watch = rktpod->watch;

    if (!watch || watch->pidfd < 0 || uv_is_closing((uv_handle_t *)&watch->poll))
        return;
    rktpod->watch = NULL;
    watch->rktpod = NULL;
    uv_close((uv_handle_t *)&watch->poll, poll_closed);
}
