/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-login.h>

#include "daemon/bus.h"
#include "daemon/decoding.h"
#include "daemon/exits.h"
#include "daemon/gpus.h"
#include "daemon/kubelet.h"
#include "daemon/mounts.h"
#include "daemon/own/pods.h"
#include "daemon/process.h"
#include "daemon/removals.h"
#include "daemon/rktdir.h"
#include "daemon/scores.h"
#include "daemon/state.h"
#include "lib/varlink.h"

/* The way of a launch: arrive - (identify) - enter - walk - (start) - leave. */

static bool is_verb(const struct launch *launch, unsigned verbs)
{
    return verbs & 1U << launch->cmd.verb;
}

/* What is told of a launch. */

static void add_fields(struct event *event, const struct launch *launch)
{
    if (launch->pod)
        pod_add_fields(event, launch->pod);
    event_add(event, "GANTRY_COMMAND", "%s", rktcmd_verb_name(launch->cmd.verb));
    event_add(event, "GANTRY_LAUNCH", "%s", launch->id);
    if (launch->uuid)
        event_add(event, "GANTRY_RKT_UUID", "%s", launch->uuid);
    if (launch->unit)
        event_add(event, "OBJECT_SYSTEMD_UNIT", "%s", launch->unit);
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

/* The notes as the message shows them, behind the words. Return: a string to free(), or NULL. */
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

static void tell_passed(struct node *node, struct launch *launch, const char *subject)
{
    CLEANUP(event_deinit) struct event event;
    CLEANUP(freep) char *notes = notes_in_words(launch);

    event_init(&event, MESSAGE_LAUNCH, "%s: %s goes to rkt%s", subject,
               rktcmd_verb_name(launch->cmd.verb), notes ? notes : "");
    add_fields(&event, launch);
    emit(node, &event, launch);
}

static void tell_started(struct node *node, struct launch *launch, const char *subject)
{
    CLEANUP(event_deinit) struct event event;

    event_init(&event, MESSAGE_START, "%s: rkt pod %s begins to run%s%s", subject,
               launch->uuid ? launch->uuid : "", launch->unit ? " in " : "",
               launch->unit ? launch->unit : "");
    add_fields(&event, launch);
    emit(node, &event, launch);
}

static void tell_refused(struct node *node, struct launch *launch)
{
    CLEANUP(event_deinit) struct event event;

    event_init(&event, launch->refused_by->refusal, "%s refused: %s",
               rktcmd_verb_name(launch->cmd.verb), error_message(&launch->error));
    add_fields(&event, launch);
    event_add(&event, "GANTRY_ROOM", "%s", launch->refused_by->name);
    if (launch->refused_by->refusal == MESSAGE_BACKOFF) {
        if (launch->pod->life.ended_by)
            event_add(&event, "GANTRY_CONTAINER", "%s", launch->pod->life.ended_by);
        event_add(&event, "GANTRY_BACKOFF_USEC", "%" PRIu64, launch->pod->life.backoff.delay);
    }
    emit(node, &event, launch);
}

static void tell_unclear(struct node *node, struct launch *launch, const char *subject,
                         const char *what)
{
    CLEANUP(event_deinit) struct event event;

    event_init(&event, MESSAGE_UNCLEAR, "%s: %s", subject, what);
    add_fields(&event, launch);
    emit(node, &event, launch);
}

static void tell(struct node *node, struct launch *launch)
{
    char subject[512];

    launch_subject(launch, subject, sizeof(subject));
    if (launch->refused_by) {
        tell_refused(node, launch);
    } else if (launch->failure != 0) {
        tell_unclear(node, launch, subject, error_message(&launch->error));
    } else {
        if (is_verb(launch, LAUNCH_PREPARES))
            tell_passed(node, launch, subject);
        if (launch->has_started)
            tell_started(node, launch, subject);
    }
}

/* For gantryctl explain: what the last launch came to. A run-prepared tells nothing that its
 * prepare has not. */
static void remember(struct launch *launch)
{
    struct pod *pod = launch->pod;
    const char *command = rktcmd_verb_name(launch->cmd.verb);

    if (launch->refused_by && launch->refused_by->refusal == MESSAGE_BACKOFF)
        pod->n_refused++;
    /* Refusals are told as a row only if no launch was let through between them. */
    if (launch->refused_by && pod->passed.at > pod->refused.at)
        record_deinit(&pod->refused);
    if (launch->refused_by)
        record_set(&pod->refused, command, launch->now, error_message(&launch->error),
                   &launch->notes);
    else if (is_verb(launch, LAUNCH_PREPARES))
        record_set(&pod->passed, command, launch->now, NULL, &launch->notes);
}

/* The drop-in waits, so its answer comes first, and the journal after it. */
static void leave(void *userdata)
{
    struct launch *launch = userdata;
    struct node *node = launch->work.loop->data;
    struct pod *pod = launch->pod;

    launch->answer(launch);
    metrics_count_launch(&node->metrics, launch);
    tell(node, launch);
    if (launch->binds)
        mounts_look(node->mounts);
    if (pod) {
        pod->n_launches--;
        remember(launch);
        pods_settle(node, pod, NULL, NULL);
    }
    if (launch->is_long && launch->manifest)
        decoding_discard(node->loop, manifest_json(launch->manifest));
    launch_free(launch);
    node->n_launches--;
    node_status_changed(node);
}

static void leave_with_failure(struct launch *launch, int code, const char *what)
{
    launch->failure = code;
    error_set(&launch->error, 0, "%s", what);
    leave(launch);
}

/* The process becomes rkt, and its pod begins to run: it is watched from here on. */
static void start(struct node *node, struct launch *launch)
{
    struct pod *pod = launch->pod;
    const char *uuid = launch->uuid ? launch->uuid : "";

    struct rktpod *rktpod = uuid[0] ? pod_find_rktpod(pod, uuid) : NULL;
    if (rktpod && (!rktpod->ended || rktpod->watch))
        return; /* it runs already: rkt will refuse this one */
    if (rktpod)
        pod_drop_rktpod(rktpod);
    rktpod = pod_add_rktpod(pod, uuid, launch->data_dir);
    if (!rktpod || (launch->unit && rktpod_set_unit(rktpod, launch->unit) < 0) ||
        life_run(&pod->life, &node->config->backoff, launch->hashes, launch->now) < 0)
        return;
    rktpod->pid = launch->pid;
    rktpod->start_ticks = launch->start_ticks;
    rktpod->started_at = launch->now;
    pod->n_refused = 0;

    exits_watch(node, rktpod, launch->pidfd);
    launch->pidfd = -1;
    scores_begin(node, rktpod);
    removals_watch(node->removals, launch->data_dir);
    launch->has_started = true;
    launch->is_binding = true;
}

static void walked(struct launch *launch)
{
    struct node *node = launch->work.loop->data;
    char subject[512];

    /* Back-off has words of its own, that are known to be so. */
    if (launch->refused_by && launch->refused_by->refusal == MESSAGE_REFUSAL)
        error_wrap(&launch->error, 0, "launch of %s",
                   launch_subject(launch, subject, sizeof(subject)));
    else if (!launch->refused_by && launch->failure == 0 && launch->pod && launch->pidfd >= 0 &&
             is_verb(launch, LAUNCH_RUNS))
        start(node, launch);

    /* What the next back-off rests on is written down before the answer. */
    if (launch->is_binding)
        pods_settle(node, launch->pod, leave, launch);
    else
        leave(launch);
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

/* The kubelet has answered, or not. What is too large is for the room `size` to refuse. */
static void consulted(void *userdata, int result, struct podspec *spec, const char *reason)
{
    struct launch *launch = userdata;
    struct pod *pod = launch->pod;
    CLEANUP(freep) char *hashes = strdup(launch->hashes);

    if (spec && hashes) {
        podspec_unref(pod->spec);
        free(pod->spec_hashes);
        pod->spec = podspec_ref(spec);
        pod->spec_hashes = hashes;
        hashes = NULL;
    }
    if (spec)
        launch->spec = podspec_ref(spec);
    launch->is_too_large = result == KUBELET_E_TOO_LARGE;
    launch->is_unreadable = result == KUBELET_E_UNREADABLE;
    if (launch->is_too_large)
        error_set(&launch->error, 0, "%s", reason);
    if (spec || launch->is_too_large)
        launch_consulted(launch, NULL);
    else
        launch_consulted(launch, result ? reason : "it does not know the pod");
}

/* Its /pods is asked for what the manifest does not say, once for each state of a pod's spec, and
 * as the node's configuration has it, which may be newer than the launch. Of a pod of gantry's own
 * the spec is at hand, if it has one. */
static void consult(struct launch *launch)
{
    struct node *node = launch->work.loop->data;
    const struct pod *pod = launch->pod;
    const struct ownpod *ownpod = pod ? ownpods_find_uid(node->ownpods, pod->uid) : NULL;

    if (ownpod) {
        launch->spec = ownpod->spec ? podspec_ref(ownpod->spec) : NULL;
        launch_consulted(launch, NULL);
    } else if (!pod || node->config->kubelet.url[0] == '\0') {
        launch_consulted(launch, NULL);
    } else if (pod->spec && strcmp(pod->spec_hashes, launch->hashes) == 0) {
        launch->spec = podspec_ref(pod->spec);
        launch_consulted(launch, NULL);
    } else {
        kubelet_ask(node->kubelet, node->config, pod->uid, consulted, launch);
    }
}

static void enter(struct node *node, struct launch *launch)
{
    int r = launch->is_kubernetes ? meet_pod(node, launch) : 0;

    if (r < 0)
        leave_with_failure(launch, r, strerror(-r));
    else
        launch_walk(launch, node->loop, walked);
}

static void read_stored_manifest(struct launch *launch, const char *uuid)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    CLEANUP(freep) char *text = NULL;
    struct manifest *manifest = NULL;
    size_t length;

    if (rktdir_read_manifest(launch->data_dir, uuid, &text, &length) != 0)
        return;
    launch->is_long = length > VARLINK_LONG;
    int r = manifest_parse(&manifest, text, length, &error);
    launch_set_manifest(launch, r, manifest, &error);
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
    read_stored_manifest(launch, uuid);
}

static void identified(uv_work_t *work, int status)
{
    struct launch *launch = container_of(work, struct launch, work);
    struct node *node = launch->work.loop->data;

    (void)status;
    enter(node, launch);
}

void node_launch(struct node *node, struct launch *launch, void (*answer)(struct launch *launch))
{
    node->n_launches++;
    launch->work.loop = node->loop;
    launch->run_dir = node->run_dir;
    launch->answer = answer;
    launch->consult = consult;
    launch->gpus = node->gpus;

    int r = launch_read(launch);
    if (r == RKTCMD_E_USAGE) {
        leave_with_failure(launch, -EINVAL, "the command line is not one of rkt 1.30's");
    } else if (r < 0) {
        leave_with_failure(launch, r, strerror(-r));
    } else if (is_verb(launch, LAUNCH_RUNS)) {
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
    backoff_bound(&life->backoff, &node->config->backoff);
    pods_put(&node->pods, pod);
}

static int attach_pod(struct pod *pod, void *userdata)
{
    struct node *node = userdata;

    for (struct rktpod *rktpod = pod->rktpods; rktpod; rktpod = rktpod->next) {
        removals_watch(node->removals, rktpod->data_dir);
        if (rktpod->ended) {
            removals_check(node->removals, rktpod);
            continue;
        }
        exits_attach(node, rktpod);
        scores_begin(node, rktpod);
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
    node->kubelet = kubelet_new(loop, &node->events, &node->metrics);
    node->removals = removals_new(node);
    node->gpus = gpus_new(state_dir);
    if (!node->bus || !node->kubelet || !node->removals || !node->gpus ||
        metrics_init(&node->metrics) < 0)
        return -ENOMEM;
    int r = state_new(&node->state, state_dir, loop, &node->events, error);
    if (r < 0)
        return r;
    node->run_dir = realpath(state_dir, NULL);
    if (!node->run_dir)
        return error_set(error, -errno, "state directory %s: %s", state_dir, strerror(errno));
    r = ownpods_new(&node->ownpods, node, node->run_dir, error);
    if (r < 0)
        return r;
    /* The first that the loop knows of: from here on the daemon starts. */
    node->mounts = mounts_new(node);
    if (!node->mounts)
        return -ENOMEM;
    state_load(node->state, take_up, node);
    ownpods_load(node->ownpods);
    return 0;
}

void node_attach(struct node *node, void (*on_attached)(struct node *node))
{
    /* One of its own, so that it is called once, and not before all are under way. */
    node->n_attaching = 1;
    node->on_attached = on_attached;
    pods_for_each(&node->pods, attach_pod, node);
    mounts_look(node->mounts);
    ownpods_attach(node->ownpods);
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
    struct node *node = userdata;

    backoff_bound(&pod->life.backoff, &node->config->backoff);
    pods_arm(node, pod);
    return 0;
}

static int forget_spec(struct pod *pod, void *userdata)
{
    (void)userdata;
    pod->spec = podspec_unref(pod->spec);
    free(pod->spec_hashes);
    pod->spec_hashes = NULL;
    return 0;
}

/* Another kubelet may be asked now, or one that has to prove itself: no word from before counts. */
static void ask_anew(struct node *node)
{
    pods_for_each(&node->pods, forget_spec, NULL);
    kubelet_ask_anew(node->kubelet, node->config);
}

void node_set_config(struct node *node, struct config *config)
{
    bool is_asked_alike = kubelet_is_asked_alike(node->config, config);

    config_unref(node->config);
    node->config = config;
    pods_for_each(&node->pods, rearm, node);
    if (!is_asked_alike)
        ask_anew(node);
    ownpods_config_changed(node->ownpods);
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
    ownpods_close(node->ownpods);
    pods_for_each(&node->pods, let_go, NULL);
    scores_close(node);
    pods_deinit(&node->pods);
    mounts_close(node->mounts);
    removals_close(node->removals);
    kubelet_close(node->kubelet);
    bus_close(node->bus);
}

void node_deinit(struct node *node)
{
    metrics_deinit(&node->metrics);
    ownpods_free(node->ownpods);
    gpus_free(node->gpus);
    mounts_free(node->mounts);
    free(node->run_dir);
    removals_free(node->removals);
    kubelet_free(node->kubelet);
    bus_free(node->bus);
    state_free(node->state);
    node->config = config_unref(node->config);
}
