/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api-json.h"
#include "daemon/checks.h"
#include "daemon/own/api.h"
#include "daemon/own/pods.h"
#include "interface.h"

#define PODS_A_REPLY 100

/* The open call of one gantryctl monitor. */
struct watcher {
    struct watcher *next;
    struct api *api;
    struct call *call;
};

struct api {
    struct node *node;
    struct watcher *watchers;
    bool in_event;
};

static void invalid_parameter(struct call *call, const char *name)
{
    call_error(call, "org.varlink.service.InvalidParameter", json_pack("{s:s}", "parameter", name));
}

static void failed(struct call *call, const char *reason)
{
    call_error(call, "io.gantry.Node.Failed", json_pack("{s:s}", "reason", reason));
}

/* Launch. */

static void answer_passed(struct call *call, const struct launch *launch)
{
    json_t *answer = launch_to_json(launch);

    if (answer)
        call_reply_with(call, answer, launch->amended ? "manifest" : NULL, launch->amended);
    else
        failed(call, strerror(ENOMEM));
}

static void answer_launch(struct launch *launch)
{
    struct call *call = launch->userdata;

    if (launch->refused_by)
        call_error(call, "io.gantry.Node.Refused",
                   json_pack("{s:s, s:s, s:i}", "room", launch->refused_by->name, "message",
                             error_message(&launch->error), "exitStatus", REFUSED_STATUS));
    else if (launch->failure < 0)
        failed(call, error_message(&launch->error));
    else
        answer_passed(call, launch);
}

static void method_launch(struct api *api, struct call *call, json_t *parameters)
{
    CLEANUP(launch_freep) struct launch *launch = launch_new(api->node->config, usec_now());
    const char *bad_parameter = NULL;

    int r = launch ? launch_from_json(launch, parameters, &bad_parameter) : -ENOMEM;
    if (r > 0) {
        invalid_parameter(call, bad_parameter);
        return;
    }
    if (r < 0) {
        failed(call, strerror(-r));
        return;
    }
    launch->userdata = call;
    launch->is_long = call_is_long(call);
    launch->pid = call_peer(call).pid;
    launch->pidfd = call_open_peer(call);
    node_launch(api->node, launch, answer_launch);
    launch = NULL;
}

/* List. */

struct listing {
    struct node *node;
    struct call *call;
    size_t n_max; /* of pods in one reply */
    json_t *pods;
    char uid[POD_UID_MAX + 1]; /* the last one that was listed */
};

static int list_pod(struct pod *pod, void *userdata)
{
    struct listing *listing = userdata;

    if (strcmp(pod->uid, listing->uid) <= 0)
        return 0;
    if (json_array_size(listing->pods) == listing->n_max)
        return 1;
    json_array_append_new(listing->pods, pod_to_json(pod, &listing->node->config->backoff));
    snprintf(listing->uid, sizeof(listing->uid), "%s", pod->uid);
    return 0;
}

/* The next part, when the client has taken the one before: it has time to read, and others have
 * their turn. */
static void list_part(void *userdata)
{
    struct listing *listing = userdata;

    listing->pods = json_array();
    bool is_last = pods_for_each(&listing->node->pods, list_pod, listing) == 0;
    json_t *parameters = json_pack("{s:o}", "pods", listing->pods);
    if (!is_last) {
        call_continue_with(listing->call, parameters, list_part);
        return;
    }
    call_reply(listing->call, parameters);
    free(listing);
}

static void method_list(struct api *api, struct call *call, json_t *parameters)
{
    struct listing *listing = calloc(1, sizeof(*listing));

    (void)parameters;
    if (!listing) {
        failed(call, strerror(ENOMEM));
        return;
    }
    listing->node = api->node;
    listing->call = call;
    listing->n_max = call_takes_more(call) ? PODS_A_REPLY : SIZE_MAX;
    call_on_gone(call, free, listing);
    list_part(listing);
}

/* Explain and Reset: one pod, by any of its names. */

struct search {
    const char *text;
    size_t length;
    bool exact;
    struct pod *found;
    json_t *matches;
};

static bool is_named(const struct pod *pod, const char *text)
{
    size_t namespace = strlen(pod->namespace);

    return strcmp(pod->uid, text) == 0 || strcmp(pod->name, text) == 0 ||
           (strncmp(pod->namespace, text, namespace) == 0 && text[namespace] == '/' &&
            strcmp(pod->name, text + namespace + 1) == 0);
}

static bool begins_like(const struct pod *pod, const char *text, size_t length)
{
    if (strncmp(pod->uid, text, length) == 0)
        return true;
    for (const struct rktpod *rktpod = pod->rktpods; rktpod; rktpod = rktpod->next) {
        if (strncasecmp(rktpod->uuid, text, length) == 0)
            return true;
    }
    return false;
}

static int match_pod(struct pod *pod, void *userdata)
{
    struct search *search = userdata;

    if (search->exact ? !is_named(pod, search->text)
                      : !begins_like(pod, search->text, search->length))
        return 0;
    search->found = pod;
    json_array_append_new(search->matches,
                          json_sprintf("%s/%s (%s)", pod->namespace, pod->name, pod->uid));
    return 0;
}

/* Finds the pod that the call means; how a UID begins is enough only for what takes nothing away.
 * Return: NULL, and then the call is answered. */
static struct pod *find_pod(struct api *api, struct call *call, json_t *parameters, bool is_whole)
{
    struct search search = {.exact = true, .matches = json_array()};

    search.text = json_string_value(json_object_get(parameters, "pod"));
    if (!search.text || search.text[0] == '\0') {
        json_decref(search.matches);
        invalid_parameter(call, "pod");
        return NULL;
    }
    search.length = strlen(search.text);
    pods_for_each(&api->node->pods, match_pod, &search);
    if (!search.found && !is_whole) {
        search.exact = false;
        pods_for_each(&api->node->pods, match_pod, &search);
    }

    size_t n = json_array_size(search.matches);
    if (n == 0)
        call_error(call, "io.gantry.Node.NoSuchPod", json_pack("{s:s}", "pod", search.text));
    else if (n > 1)
        call_error(call, "io.gantry.Node.AmbiguousPod",
                   json_pack("{s:s, s:O}", "pod", search.text, "matches", search.matches));
    json_decref(search.matches);
    return n == 1 ? search.found : NULL;
}

static void reply_pod(struct api *api, struct call *call, const struct pod *pod)
{
    call_reply(call, json_pack("{s:o}", "pod", pod_to_json(pod, &api->node->config->backoff)));
}

static void method_explain(struct api *api, struct call *call, json_t *parameters)
{
    struct pod *pod = find_pod(api, call, parameters, false);

    if (pod)
        reply_pod(api, call, pod);
}

static void method_reset(struct api *api, struct call *call, json_t *parameters)
{
    CLEANUP(event_deinit) struct event event = {0};
    struct pod *pod = find_pod(api, call, parameters, false);

    if (!pod)
        return;
    life_reset(&pod->life, usec_now());
    ownpods_reset(api->node->ownpods, pod);
    pod_event(&event, pod, MESSAGE_RESET, "back-off ended by user %u",
              (unsigned)call_peer(call).uid);
    events_emit(&api->node->events, &event, &pod->repeat, usec_now());
    pod->n_refused = 0;
    pods_settle(api->node, pod, NULL, NULL);
    reply_pod(api, call, pod);
}

/* Pods of gantry's own. */

static void method_run(struct api *api, struct call *call, json_t *parameters)
{
    api_own_run(api->node, call, parameters);
}

static void method_stop(struct api *api, struct call *call, json_t *parameters)
{
    struct pod *pod = find_pod(api, call, parameters, true);

    if (pod)
        api_own_wish(api->node, call, pod, OWNLIFE_STOP);
}

static void method_remove(struct api *api, struct call *call, json_t *parameters)
{
    struct pod *pod = find_pod(api, call, parameters, true);

    if (pod)
        api_own_wish(api->node, call, pod, OWNLIFE_REMOVE);
}

/* GPUs. Who has them is looked up on disk. */

struct gpu_listing {
    uv_work_t work;
    struct node *node;
    struct call *call;
    struct config *config;
    gpuset_t present;
    struct gpu_holders holders;
    int result;
};

static void look_up_gpus(uv_work_t *work)
{
    struct gpu_listing *listing = container_of(work, struct gpu_listing, work);
    const struct config *config = listing->config;

    listing->result = gpus_present(config->gpu.device_dir, &listing->present);
    if (listing->result == 0)
        listing->result = gpus_list(listing->node->gpus, config->rkt.data_dir, &listing->holders);
}

static void tell_gpus(uv_work_t *work, int status)
{
    struct gpu_listing *listing = container_of(work, struct gpu_listing, work);

    (void)status;
    if (listing->result < 0)
        failed(listing->call, strerror(-listing->result));
    else
        call_reply(listing->call, json_pack("{s:o}", "gpus",
                                            gpus_to_json(listing->config->gpu.device_dir,
                                                         listing->present, &listing->holders)));
    gpu_holders_deinit(&listing->holders);
    config_unref(listing->config);
    free(listing);
}

static void method_gpus(struct api *api, struct call *call, json_t *parameters)
{
    struct gpu_listing *listing = calloc(1, sizeof(*listing));

    (void)parameters;
    if (!listing) {
        failed(call, strerror(ENOMEM));
        return;
    }
    listing->node = api->node;
    listing->call = call;
    listing->config = config_ref(api->node->config);
    uv_queue_work(api->node->loop, &listing->work, look_up_gpus, tell_gpus);
}

/* Metrics. */

static void method_metrics(struct api *api, struct call *call, json_t *parameters)
{
    CLEANUP(freep) char *text = metrics_text(api->node);

    (void)parameters;
    if (text)
        call_reply(call, json_pack("{s:s}", "text", text));
    else
        failed(call, strerror(ENOMEM));
}

/* Check. */

static void tell_findings(void *userdata, json_t *findings)
{
    struct call *call = userdata;

    if (findings)
        call_reply(call, json_pack("{s:o}", "checks", findings));
    else
        failed(call, strerror(ENOMEM));
}

static void method_check(struct api *api, struct call *call, json_t *parameters)
{
    (void)parameters;
    checks_run(api->node, tell_findings, call);
}

/* Monitor. */

static void drop_watcher(void *userdata)
{
    struct watcher *watcher = userdata;

    for (struct watcher **slot = &watcher->api->watchers; *slot; slot = &(*slot)->next) {
        if (*slot == watcher) {
            *slot = watcher->next;
            break;
        }
    }
    free(watcher);
}

static void method_monitor(struct api *api, struct call *call, json_t *parameters)
{
    (void)parameters;
    if (!call_takes_more(call)) {
        call_error(call, "io.gantry.Node.ExpectedMore", NULL);
        return;
    }
    struct watcher *watcher = calloc(1, sizeof(*watcher));
    if (!watcher) {
        failed(call, strerror(ENOMEM));
        return;
    }
    *watcher = (struct watcher){.next = api->watchers, .api = api, .call = call};
    api->watchers = watcher;
    call_on_gone(call, drop_watcher, watcher);
    call_continue(call, json_object());
}

void api_event(void *userdata, const struct event *event)
{
    struct api *api = userdata;

    /* A watcher that does not read is cut off within call_continue(), which is an event too: one
     * that the others miss. */
    if (!api->watchers || api->in_event)
        return;
    api->in_event = true;
    json_t *json = event_to_json(event, wall_now());
    for (struct watcher *watcher = api->watchers, *next; watcher; watcher = next) {
        next = watcher->next;
        call_continue(watcher->call, json_pack("{s:O}", "event", json));
    }
    json_decref(json);
    api->in_event = false;
}

/* org.varlink.service. */

static void method_get_info(struct api *api, struct call *call, json_t *parameters)
{
    (void)api;
    (void)parameters;
    call_reply(call, json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "gantry", "product",
                               "gantryd", "version", PACKAGE_VERSION, "url", "io.gantry.Node",
                               "interfaces", "org.varlink.service", "io.gantry.Node"));
}

static void method_get_interface(struct api *api, struct call *call, json_t *parameters)
{
    const char *name = json_string_value(json_object_get(parameters, "interface"));

    (void)api;
    if (!name)
        invalid_parameter(call, "interface");
    else if (strcmp(name, "io.gantry.Node") == 0)
        call_reply(call, json_pack("{s:s}", "description", interface_node));
    else if (strcmp(name, "org.varlink.service") == 0)
        call_reply(call, json_pack("{s:s}", "description", interface_service));
    else
        call_error(call, "org.varlink.service.InterfaceNotFound",
                   json_pack("{s:s}", "interface", name));
}

/* What changes something on the node is root's to ask for: a launch, or a pod of gantry's own, can
 * get at all that root can. */
static const struct method {
    const char *name;
    void (*answer)(struct api *api, struct call *call, json_t *parameters);
    bool is_roots;
} methods[] = {
    {"io.gantry.Node.Launch", method_launch, true},
    {"io.gantry.Node.List", method_list, false},
    {"io.gantry.Node.Explain", method_explain, false},
    {"io.gantry.Node.Reset", method_reset, true},
    {"io.gantry.Node.GPUs", method_gpus, false},
    {"io.gantry.Node.Metrics", method_metrics, false},
    {"io.gantry.Node.Check", method_check, false},
    {"io.gantry.Node.Run", method_run, true},
    {"io.gantry.Node.Stop", method_stop, true},
    {"io.gantry.Node.Remove", method_remove, true},
    {"io.gantry.Node.Monitor", method_monitor, false},
    {"org.varlink.service.GetInfo", method_get_info, false},
    {"org.varlink.service.GetInterfaceDescription", method_get_interface, false},
};

static bool has_interface(const char *method, const char *interface)
{
    size_t length = strlen(interface);

    return strncmp(method, interface, length) == 0 && method[length] == '.' &&
           !strchr(method + length + 1, '.');
}

static void no_such_method(struct call *call, const char *method)
{
    const char *dot = strrchr(method, '.');
    size_t length = dot ? (size_t)(dot - method) : strlen(method);

    if (has_interface(method, "io.gantry.Node") || has_interface(method, "org.varlink.service"))
        call_error(call, "org.varlink.service.MethodNotFound",
                   json_pack("{s:s}", "method", method));
    else
        call_error(call, "org.varlink.service.InterfaceNotFound",
                   json_pack("{s:s%}", "interface", method, length));
}

void api_handle(void *userdata, struct call *call, const struct varlink_call *message)
{
    for (size_t i = 0; i < N_ELEMENTS(methods); i++) {
        if (strcmp(methods[i].name, message->method) != 0)
            continue;
        if (methods[i].is_roots && call_peer(call).uid != 0)
            call_error(call, "io.gantry.Node.NotPermitted",
                       json_pack("{s:I}", "uid", (json_int_t)call_peer(call).uid));
        else
            methods[i].answer(userdata, call, message->parameters);
        return;
    }
    no_such_method(call, message->method);
}

struct api *api_new(struct node *node)
{
    struct api *api = calloc(1, sizeof(*api));

    if (api)
        api->node = node;
    return api;
}

void api_close(struct api *api)
{
    for (struct watcher *watcher; (watcher = api->watchers);) {
        struct call *call = watcher->call;
        drop_watcher(watcher);
        call_reply(call, NULL);
    }
}

struct api *api_free(struct api *api)
{
    free(api);
    return NULL;
}
