/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/own/api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api-json.h"
#include "daemon/own/pods.h"
#include "daemon/own/run.h"
#include "lib/kubepod.h"
#include "lib/varlink.h"

/* A call that waits. */
struct request {
    struct ownpod_waiter waiter;
    struct node *node;
    struct call *call;
};

static void request_gone(void *userdata)
{
    struct request *request = userdata;

    ownrun_leave(&request->waiter);
    free(request);
}

static void tell_step(struct ownpod_waiter *waiter, const char *text)
{
    struct request *request = container_of(waiter, struct request, waiter);

    if (call_takes_more(request->call))
        call_continue(request->call, json_pack("{s:s}", "step", text));
}

static json_t *pod_of(const struct request *request)
{
    const struct ownpod *ownpod = request->waiter.ownpod;
    const struct pod *pod = pods_find(&request->node->pods, ownpod->uid);

    return pod ? pod_to_json(pod, &request->node->config->backoff) : NULL;
}

static void tell_done(struct ownpod_waiter *waiter, const char *failure)
{
    struct request *request = container_of(waiter, struct request, waiter);
    struct call *call = request->call;

    call_on_gone(call, NULL, NULL);
    if (failure)
        call_error(call, "io.gantry.Node.NotDone", json_pack("{s:s}", "reason", failure));
    else if (waiter->wish == OWNLIFE_REMOVE)
        call_reply(call, NULL);
    else
        call_reply(call, json_pack("{s:o*}", "pod", pod_of(request)));
    free(request);
}

static void wish(struct node *node, struct call *call, struct ownpod *ownpod,
                 enum ownlife_wish wish)
{
    struct request *request = calloc(1, sizeof(*request));

    if (!request) {
        call_error(call, "io.gantry.Node.Failed", json_pack("{s:s}", "reason", strerror(ENOMEM)));
        return;
    }
    request->node = node;
    request->call = call;
    request->waiter.step = tell_step;
    request->waiter.done = tell_done;
    call_on_gone(call, request_gone, request);
    ownrun_wish(ownpod, wish, &request->waiter);
}

void api_own_wish(struct node *node, struct call *call, const struct pod *pod,
                  enum ownlife_wish wanted)
{
    struct ownpod *ownpod = ownpods_find_uid(node->ownpods, pod->uid);

    if (!ownpod)
        call_error(call, "io.gantry.Node.NotOwn",
                   json_pack("{s:o}", "pod", json_sprintf("%s/%s", pod->namespace, pod->name)));
    else
        wish(node, call, ownpod, wanted);
}

/* Run. */

/* What of a manifest says who it is. */
struct asked {
    json_t *manifest;
    const char *name, *namespace;
    enum ownlife_policy policy;
};

static const char *annotation_of(const json_t *manifest, const char *name)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(manifest, "annotations"), i, entry)
    {
        const char *found = json_string_value(json_object_get(entry, "name"));
        if (found && strcmp(found, name) == 0)
            return json_string_value(json_object_get(entry, "value"));
    }
    return NULL;
}

static void bad_manifest(struct call *call, const char *reason)
{
    call_error(call, "io.gantry.Node.BadManifest", json_pack("{s:s}", "reason", reason));
}

static bool read_pod(struct asked *asked, struct call *call)
{
    json_t *faults = NULL;

    int r = kubepod_check(asked->manifest, &faults);
    if (r == KUBEPOD_E_FAULTS)
        call_error(call, "io.gantry.Node.Unsupported", json_pack("{s:o}", "fields", faults));
    if (r < 0)
        bad_manifest(call, strerror(-r));
    if (r != 0)
        return false;
    asked->name = kubepod_name(asked->manifest);
    asked->namespace = kubepod_namespace(asked->manifest);
    return ownlife_policy_from_name(kubepod_restart_policy(asked->manifest), &asked->policy);
}

/* Where the name was found says how it is mended. */
static bool is_named_well(const struct asked *asked, bool is_annotated, struct call *call)
{
    static const char annotation[] = "annotation io.kubernetes.pod.";
    CLEANUP(freep) char *reason = NULL;
    int r = 0;

    if (asked->name[0] == '\0')
        r = asprintf(&reason, "the pod has no name: give it the %sname", annotation);
    else if (!kubepod_is_label(asked->name) && is_annotated)
        r = asprintf(&reason, "%sname: \"%s\" is not a DNS label", annotation, asked->name);
    else if (!kubepod_is_label(asked->name))
        r = asprintf(
            &reason,
            "the name \"%s\" is not a DNS label: give the file another one, or the pod the "
            "%sname",
            asked->name, annotation);
    else if (!kubepod_is_label(asked->namespace))
        r = asprintf(&reason, "%snamespace: \"%s\" is not a DNS label", annotation,
                     asked->namespace);
    else
        return true;
    bad_manifest(call, r < 0 ? strerror(ENOMEM) : reason);
    return false;
}

static bool read_manifest(struct asked *asked, const char *name, struct call *call)
{
    const char *kind = json_string_value(json_object_get(asked->manifest, "acKind"));
    const char *own_name = annotation_of(asked->manifest, "io.kubernetes.pod.name");
    const char *namespace = annotation_of(asked->manifest, "io.kubernetes.pod.namespace");

    asked->name = own_name ? own_name : name ? name : "";
    asked->namespace = namespace ? namespace : "default";
    asked->policy = OWNLIFE_ALWAYS;
    if (kind && strcmp(kind, "PodManifest") == 0)
        return is_named_well(asked, own_name, call);
    bad_manifest(call, "the manifest is neither a Pod nor a PodManifest");
    return false;
}

/* Return: false if the call is answered. */
static bool read_asked(struct asked *asked, const json_t *parameters, struct call *call)
{
    const char *name = json_string_value(json_object_get(parameters, "name"));
    const char *policy = json_string_value(json_object_get(parameters, "restartPolicy"));

    asked->manifest = json_object_get(parameters, "manifest");
    if (!json_is_object(asked->manifest)) {
        call_error(call, "org.varlink.service.InvalidParameter",
                   json_pack("{s:s}", "parameter", "manifest"));
        return false;
    }
    if (!(kubepod_is_pod(asked->manifest) ? read_pod(asked, call)
                                          : read_manifest(asked, name, call)))
        return false;
    if (!policy || ownlife_policy_from_name(policy, &asked->policy))
        return true;
    call_error(call, "org.varlink.service.InvalidParameter",
               json_pack("{s:s}", "parameter", "restartPolicy"));
    return false;
}

/* One that is stopped runs again, if it is the same; its UID, and what it has done, stays. Return:
 * false if it is another one, or not stopped. */
static bool run_again(struct node *node, struct call *call, struct ownpod *ownpod,
                      const struct asked *asked)
{
    if (ownpod->life.state != OWNLIFE_STOPPED || strcmp(ownpod->namespace, asked->namespace) != 0 ||
        !json_equal(ownpod->source, asked->manifest))
        return false;
    ownpod->policy = asked->policy;
    wish(node, call, ownpod, OWNLIFE_TRY);
    return true;
}

static void run_new(struct node *node, struct call *call, const struct asked *asked)
{
    char uid[37];
    int r = ownpod_make_uid(uid);

    struct ownpod *ownpod =
        r == 0 ? ownpod_new(node, uid, asked->name, asked->namespace, asked->manifest) : NULL;
    if (!ownpod || ownpods_put(node->ownpods, ownpod) < 0) {
        call_error(call, "io.gantry.Node.Failed",
                   json_pack("{s:s}", "reason", strerror(r < 0 ? -r : ENOMEM)));
        return;
    }
    ownpod->policy = asked->policy;
    wish(node, call, ownpod, OWNLIFE_TRY);
}

/* All that is done with a manifest is done on the loop, and its file has it again at each step. */
static bool is_too_long(struct call *call)
{
    char reason[128];

    if (!call_is_long(call))
        return false;
    snprintf(reason, sizeof(reason), "the pod is too long: with its call it may have %zu bytes",
             VARLINK_LONG);
    bad_manifest(call, reason);
    return true;
}

void api_own_run(struct node *node, struct call *call, const json_t *parameters)
{
    struct asked asked;

    if (is_too_long(call))
        return;
    if (!read_asked(&asked, parameters, call))
        return;
    struct ownpod *ownpod = ownpods_find(node->ownpods, asked.name);
    if (!ownpod)
        run_new(node, call, &asked);
    else if (!run_again(node, call, ownpod, &asked))
        call_error(call, "io.gantry.Node.NameInUse",
                   json_pack("{s:s, s:b}", "name", asked.name, "stopped",
                             ownpod->life.state == OWNLIFE_STOPPED));
}
