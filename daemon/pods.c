/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/pods.h"

#include <errno.h>
#include <search.h>
#include <string.h>
#include <uv.h>

#include "daemon/node.h"
#include "daemon/own/pods.h"
#include "daemon/state.h"

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct pod *)a)->uid, ((const struct pod *)b)->uid);
}

struct pod *pods_find(const struct pods *pods, const char *uid)
{
    const struct pod key = {.uid = (char *)uid};
    struct pod *const *slot = tfind(&key, &pods->root, compare);

    return slot ? *slot : NULL;
}

int pods_put(struct pods *pods, struct pod *pod)
{
    struct pod **slot = tsearch(pod, &pods->root, compare);

    if (!slot || *slot != pod) {
        pod_unref(pod);
        return slot ? -EEXIST : -ENOMEM;
    }
    pod->registered = true;
    pod_set_index(pod, &pods->rktpods);
    pods->n_pods++;
    return 0;
}

struct pod *pods_get(struct pods *pods, const struct pod_identity *identity)
{
    struct pod *pod = pods_find(pods, identity->uid);

    if (pod)
        return pod_rename(pod, identity->name, identity->namespace) == 0 ? pod : NULL;
    pod = pod_new(identity->uid, identity->name, identity->namespace);
    return pod && pods_put(pods, pod) == 0 ? pod : NULL;
}

struct visiting {
    int (*visit)(struct pod *pod, void *userdata);
    void *userdata;
    int result;
};

static void visit_node(const void *node, VISIT when, void *closure)
{
    struct visiting *visiting = closure;

    if (visiting->result == 0 && (when == postorder || when == leaf))
        visiting->result = visiting->visit(*(struct pod *const *)node, visiting->userdata);
}

int pods_for_each(const struct pods *pods, int (*visit)(struct pod *pod, void *userdata),
                  void *userdata)
{
    struct visiting visiting = {.visit = visit, .userdata = userdata};

    twalk_r(pods->root, visit_node, &visiting);
    return visiting.result;
}

struct rktpod *pods_find_rktpod(const struct pods *pods, const char *uuid)
{
    return rktpod_find(&pods->rktpods, uuid);
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static void drop_timer(struct pod *pod)
{
    if (pod->timer)
        uv_close((uv_handle_t *)pod->timer, timer_closed);
    pod->timer = NULL;
}

static void timer_fired(uv_timer_t *timer)
{
    struct pod *pod = timer->data;

    pods_wake(timer->loop->data, pod, usec_now());
}

/* The loop's timers count milliseconds of another clock, so one may fire early by a tick or, after
 * the machine slept, late: pods_wake() looks at the time itself, and is told to come again. */
static void set_timer(struct node *node, struct pod *pod)
{
    usec_t next = life_next(&pod->life, &node->config->backoff);

    if (next == USEC_MAX) {
        drop_timer(pod);
        return;
    }
    if (!pod->timer) {
        pod->timer = calloc(1, sizeof(*pod->timer));
        if (!pod->timer)
            return;
        uv_timer_init(node->loop, pod->timer);
        pod->timer->data = pod;
    }
    uv_timer_start(pod->timer, timer_fired, usec_sub(next, usec_now()) / USEC_MSEC + 1, 0);
}

void pods_arm(struct node *node, struct pod *pod)
{
    bool held = pod->life.state == LIFE_HELD;

    if (!pod->registered)
        return;
    if (held != pod->counted_held)
        node->pods.n_held += held ? 1 : (size_t)-1;
    pod->counted_held = held;
    set_timer(node, pod);
    node_status_changed(node);
}

void pods_settle(struct node *node, struct pod *pod, void (*saved)(void *userdata), void *userdata)
{
    pods_arm(node, pod);
    /* The file of a pod that is forgotten is gone, or its successor's. */
    if (!pod->forgotten)
        state_save(node->state, pod, saved, userdata);
    else if (saved)
        saved(userdata);
    if (pod->is_own)
        ownpods_pod_changed(node->ownpods, pod);
}

static void release(struct node *node, struct pod *pod, usec_t now)
{
    CLEANUP(event_deinit) struct event event;
    char delay[USEC_GO_MAX];

    pod_event(&event, pod, MESSAGE_RELEASE,
              "back-off of %s is over; %u launches were refused meanwhile",
              usec_format_go(delay, pod->life.backoff.delay), pod->n_refused);
    event_add(&event, "GANTRY_BACKOFF_USEC", "%" PRIu64, pod->life.backoff.delay);
    event_add(&event, "GANTRY_REFUSED", "%u", pod->n_refused);
    events_emit(&node->events, &event, &pod->repeat, now);
    pod->n_refused = 0;
}

void pods_wake(struct node *node, struct pod *pod, usec_t now)
{
    switch (life_wake(&pod->life, &node->config->backoff, now)) {
    case LIFE_RELEASE:
        release(node, pod, now);
        pods_settle(node, pod, NULL, NULL);
        break;
    case LIFE_FORGET:
        pods_arm(node, pod);
        pods_forget(node, pod, "nothing was heard of it for twice the longest back-off");
        break;
    default:
        pods_arm(node, pod);
    }
}

static void unregister(struct pod *pod)
{
    pod->registered = false;
    pod_set_index(pod, NULL);
    drop_timer(pod);
    pod_unref(pod);
}

/* A launch that is under way, or a rkt pod that runs, makes it worth knowing. */
static bool is_in_use(const struct pod *pod)
{
    bool runs = false;

    for (const struct rktpod *rktpod = pod->rktpods; rktpod; rktpod = rktpod->next)
        runs = runs || !rktpod->ended || rktpod->watch;
    return runs || pod->n_launches > 0;
}

void pods_forget(struct node *node, struct pod *pod, const char *why)
{
    if (!pod->registered || pod->is_own || is_in_use(pod))
        return;

    CLEANUP(event_deinit) struct event event;
    pod_event(&event, pod, MESSAGE_FORGET, "forgotten: %s", why);
    events_emit(&node->events, &event, &pod->repeat, usec_now());

    tdelete(pod, &node->pods.root, compare);
    node->pods.n_pods--;
    if (pod->counted_held)
        node->pods.n_held--;
    node_status_changed(node);
    pod->forgotten = true;
    state_save(node->state, pod, NULL, NULL);
    unregister(pod);
}

static void drop(void *node)
{
    unregister(node);
}

void pods_deinit(struct pods *pods)
{
    tdestroy(pods->root, drop);
    *pods = (struct pods){0};
}
