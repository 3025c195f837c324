/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/node.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-login.h>

#include "daemon/bus.h"
#include "daemon/exits.h"
#include "daemon/process.h"
#include "daemon/removals.h"
#include "daemon/rktdir.h"
#include "daemon/state.h"

/* The way of a launch: arrive - (identify) - enter - walk - leave. */

static void launch_event(struct event *event, const struct launch *launch, enum message message,
                         const char *format, ...) PRINTF(4, 5);

static void launch_event(struct event *event, const struct launch *launch, enum message message,
                         const char *format, ...)
{
    CLEANUP(freep) char *text = NULL;
    char subject[512];
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);

    if (launch->pod)
        pod_event(event, launch->pod, message, "%s", text ? text : "");
    else
        event_init(event, message, "%s: %s", launch_subject(launch, subject, sizeof(subject)),
                   text ? text : "");
    event_add(event, "GANTRY_COMMAND", "%s", rktcmd_verb_name(launch->cmd.verb));
    event_add(event, "GANTRY_LAUNCH", "%s", launch->id);
    if (launch->uuid)
        event_add(event, "GANTRY_RKT_UUID", "%s", launch->uuid);
    for (size_t i = 0; i < launch->notes.n; i++)
        event_add(event, "GANTRY_NOTE", "%s: %s", launch->notes.list[i].room,
                  launch->notes.list[i].text);
}

/* A pod has its own count of repeats; without one, every launch is another one. */
static void emit(struct node *node, struct event *event, struct launch *launch)
{
    struct repeat none = {0};

    events_emit(&node->events, event, launch->pod ? &launch->pod->repeat : &none, launch->now);
}

/* The notes as the message shows them, behind the words. Return: a string to free(). */
static char *notes_in_words(const struct launch *launch)
{
    char *words = NULL;
    size_t size;
    FILE *f = open_memstream(&words, &size);

    if (!f)
        return NULL;
    for (size_t i = 0; i < launch->notes.n; i++)
        fprintf(f, "; %s: %s", launch->notes.list[i].room, launch->notes.list[i].text);
    fclose(f);
    return words;
}

static void answer(void *userdata)
{
    struct launch *launch = userdata;
    struct node *node = launch->work.loop->data;

    if (launch->pod)
        launch->pod->n_launches--;
    launch->answer(launch);
    node->n_launches--;
    node_status_changed(node);
}

/* Writes down what the answer rests on, then answers. */
static void leave(struct node *node, struct launch *launch)
{
    if (launch->pod)
        pods_settle(node, launch->pod, answer, launch);
    else
        answer(launch);
}

static void tell_passed(struct node *node, struct launch *launch)
{
    CLEANUP(event_deinit) struct event event;
    CLEANUP(freep) char *notes = notes_in_words(launch);

    launch_event(&event, launch, MESSAGE_LAUNCH, "%s goes to rkt%s",
                 rktcmd_verb_name(launch->cmd.verb), notes ? notes : "");
    emit(node, &event, launch);
}

static void tell_refused(struct node *node, struct launch *launch)
{
    CLEANUP(event_deinit) struct event event;

    launch_event(&event, launch, launch->refused_by->refusal, "%s refused: %s",
                 rktcmd_verb_name(launch->cmd.verb), error_message(&launch->error));
    event_add(&event, "GANTRY_ROOM", "%s", launch->refused_by->name);
    if (launch->refused_by->refusal == MESSAGE_BACKOFF) {
        if (launch->pod->life.ended_by)
            event_add(&event, "GANTRY_CONTAINER", "%s", launch->pod->life.ended_by);
        event_add(&event, "GANTRY_BACKOFF_USEC", "%" PRIu64, launch->pod->life.backoff.delay);
    }
    emit(node, &event, launch);
}

static void tell_unclear(struct node *node, struct launch *launch, const char *what,
                         const char *why)
{
    CLEANUP(event_deinit) struct event event;

    launch_event(&event, launch, MESSAGE_UNCLEAR, "%s%s%s", what, why ? ": " : "", why ? why : "");
    emit(node, &event, launch);
}

/* The process becomes rkt, and its pod begins to run. */
static void start(struct node *node, struct launch *launch)
{
    CLEANUP(event_deinit) struct event event;
    struct pod *pod = launch->pod;
    const char *uuid = launch->uuid ? launch->uuid : "";

    if (launch->pidfd < 0) {
        tell_unclear(node, launch,
                     "the end of its process cannot be watched, so there is no back-off", NULL);
        return;
    }
    struct rktpod *rktpod = uuid[0] ? pod_find_rktpod(pod, uuid) : NULL;
    if (rktpod && (!rktpod->ended || rktpod->watch))
        return; /* a second run-prepared of one that runs: rkt will refuse it */
    if (rktpod)
        pod_drop_rktpod(rktpod);
    rktpod = pod_add_rktpod(pod, uuid, launch->data_dir);
    if (!rktpod || life_run(&pod->life, &node->config->backoff, launch->hashes, launch->now) < 0)
        return;
    rktpod->pid = launch->pid;
    rktpod->start_ticks = launch->start_ticks;
    rktpod->started_at = launch->now;
    rktpod->unit = launch->unit;
    launch->unit = NULL;
    pod->n_refused = 0;

    launch_event(&event, launch, MESSAGE_START, "rkt pod %s begins to run%s%s", uuid,
                 rktpod->unit ? " in " : "", rktpod->unit ? rktpod->unit : "");
    if (rktpod->unit)
        event_add(&event, "OBJECT_SYSTEMD_UNIT", "%s", rktpod->unit);
    emit(node, &event, launch);

    exits_watch(node, rktpod, launch->pidfd);
    launch->pidfd = -1;
    removals_watch(node->removals, launch->data_dir);
}

static void pass(struct node *node, struct launch *launch)
{
    struct pod *pod = launch->pod;

    if (LAUNCH_PREPARES & 1U << launch->cmd.verb)
        tell_passed(node, launch);
    if (!pod)
        return;
    if (LAUNCH_RUNS & 1U << launch->cmd.verb)
        start(node, launch);
    if (LAUNCH_PREPARES & 1U << launch->cmd.verb)
        record_set(&pod->passed, rktcmd_verb_name(launch->cmd.verb), launch->now, NULL,
                   &launch->notes);
}

static void refuse(struct node *node, struct launch *launch)
{
    struct pod *pod = launch->pod;
    char subject[512];

    tell_refused(node, launch);
    /* Back-off has words of its own, that are known to be so. */
    if (launch->refused_by->refusal == MESSAGE_REFUSAL)
        error_wrap(&launch->error, 0, "launch of %s",
                   launch_subject(launch, subject, sizeof(subject)));
    if (!pod)
        return;
    if (launch->refused_by->refusal == MESSAGE_BACKOFF)
        pod->n_refused++;
    record_set(&pod->refused, rktcmd_verb_name(launch->cmd.verb), launch->now,
               error_message(&launch->error), &launch->notes);
}

static void walked(struct launch *launch)
{
    struct node *node = launch->work.loop->data;

    if (launch->refused_by)
        refuse(node, launch);
    else if (launch->failure < 0)
        tell_unclear(node, launch, "gantryd failed", error_message(&launch->error));
    else
        pass(node, launch);
    leave(node, launch);
}

static void set_restarts(struct launch *launch)
{
    const char *count = manifest_annotation(launch->manifest, "rkt.kubernetes.io/restart-count");
    unsigned long restarts = count ? strtoul(count, NULL, 10) : 0;

    launch->pod->restarts = restarts < INT32_MAX ? (unsigned)restarts : INT32_MAX;
}

/* The pod is met as it is at this moment: what should have happened to it by now has happened. */
static int meet_pod(struct node *node, struct launch *launch)
{
    struct pod *pod = pods_get(&node->pods, &launch->identity);

    if (!pod)
        return -ENOMEM;
    launch->pod = pod_ref(pod);
    pod->n_launches++;
    set_restarts(launch);
    if (pod->rktpods)
        exits_look(pod->rktpods);
    if (pod->life.state == LIFE_HELD)
        pods_wake(node, pod, launch->now);
    return 0;
}

static void enter(struct node *node, struct launch *launch)
{
    int r = launch->is_kubernetes ? meet_pod(node, launch) : 0;

    if (r < 0) {
        launch->failure = r;
        error_set(&launch->error, r, "%s", strerror(-r));
        answer(launch);
        return;
    }
    launch_walk(launch, node->loop, walked);
}

/* On the thread pool: what the process and rkt's data directory say of one that is about to run. */
static void identify(uv_work_t *work)
{
    struct launch *launch = container_of(work, struct launch, work);
    char uuid[RKT_UUID_SIZE];

    if (launch->pidfd >= 0 && process_start_ticks(launch->pid, &launch->start_ticks) == 0 &&
        sd_pid_get_unit(launch->pid, &launch->unit) < 0)
        launch->unit = NULL;
    if (!launch->cmd.uuid || rktdir_resolve(launch->data_dir, launch->cmd.uuid, uuid) != 0)
        return;
    launch->uuid = strdup(uuid);
    if (rktdir_read_manifest(launch->data_dir, uuid, &launch->manifest_text,
                             &launch->manifest_length) != 0)
        launch->manifest_text = NULL;
}

static void identified(uv_work_t *work, int status)
{
    struct launch *launch = container_of(work, struct launch, work);
    struct node *node = launch->work.loop->data;

    (void)status;
    if (launch->cmd.verb == RKTCMD_RUN_PREPARED && launch->manifest_text)
        launch_read_manifest(launch, launch->manifest_text, launch->manifest_length);
    enter(node, launch);
}

void node_launch(struct node *node, struct launch *launch, void (*done)(struct launch *launch))
{
    node->n_launches++;
    launch->work.loop = node->loop;
    launch->answer = done;

    int r = launch_read(launch);
    if (r != 0) {
        if (r == RKTCMD_E_USAGE)
            tell_unclear(node, launch, "its command line is not understood, and goes on untouched",
                         NULL);
        launch->failure = r < 0 ? r : 0;
        answer(launch);
    } else if (LAUNCH_RUNS & 1U << launch->cmd.verb) {
        uv_queue_work(node->loop, &launch->work, identify, identified);
    } else {
        enter(node, launch);
    }
}

/* The node's own life. */

static void take_up(void *userdata, struct pod *pod)
{
    struct node *node = userdata;
    struct life *life = &pod->life;
    usec_t now = usec_now();

    /* A file may say anything; the future it may not. */
    life->finished_at = life->finished_at < now ? life->finished_at : now;
    life->touched_at = life->touched_at < now ? life->touched_at : now;
    life->backoff.allowed_at = life->backoff.allowed_at < now ? life->backoff.allowed_at : now;
    pods_put(&node->pods, pod);
}

static int attach_pod(struct pod *pod, void *userdata)
{
    struct node *node = userdata;

    for (struct rktpod *rktpod = pod->rktpods; rktpod; rktpod = rktpod->next) {
        removals_watch(node->removals, rktpod->data_dir);
        if (!rktpod->ended)
            exits_attach(node, rktpod);
        else
            removals_check(node->removals, rktpod);
    }
    pods_arm(node, pod);
    return 0;
}

int node_init(struct node *node, uv_loop_t *loop, struct config *config, struct journal *journal,
              const char *state_dir, struct error *error)
{
    *node =
        (struct node){.loop = loop, .config = config_ref(config), .events = {.journal = journal}};
    loop->data = node;
    node->bus = bus_new(loop, &node->events);
    node->removals = removals_new(node);
    if (!node->bus || !node->removals)
        return -ENOMEM;
    int r = state_new(&node->state, state_dir, loop, &node->events, error);
    if (r < 0)
        return r;
    state_load(node->state, take_up, node);
    return 0;
}

void node_attach(struct node *node, void (*on_attached)(struct node *node))
{
    /* One of its own, so that it is called once, and not before all are under way. */
    node->n_attaching = 1;
    node->on_attached = on_attached;
    pods_for_each(&node->pods, attach_pod, node);
    node_attached(node);
}

void node_attached(struct node *node)
{
    if (--node->n_attaching == 0)
        node->on_attached(node);
}

void node_status_changed(struct node *node)
{
    if (node->on_status)
        node->on_status(node);
}

static int rearm(struct pod *pod, void *userdata)
{
    pods_arm(userdata, pod);
    return 0;
}

void node_set_config(struct node *node, struct config *config)
{
    config_unref(node->config);
    node->config = config;
    pods_for_each(&node->pods, rearm, node);
}

static int let_go(struct pod *pod, void *userdata)
{
    (void)userdata;
    for (struct rktpod *rktpod = pod->rktpods; rktpod; rktpod = rktpod->next)
        exits_leave(rktpod);
    return 0;
}

void node_stop(struct node *node)
{
    pods_for_each(&node->pods, let_go, NULL);
    pods_deinit(&node->pods);
    removals_close(node->removals);
    bus_close(node->bus);
}

void node_deinit(struct node *node)
{
    removals_free(node->removals);
    bus_free(node->bus);
    state_free(node->state);
    node->config = config_unref(node->config);
}
