/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/plain.h"

/* gantryd answers at once; a stream may be silent for ever after its first reply. */
#define ANSWER_USEC (10 * USEC_SEC)

int64_t ctl_number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

const char *ctl_string(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

const char *ctl_state(const json_t *pod)
{
    const char *state = ctl_string(pod, "state");
    bool is_stopped = json_is_true(json_object_get(pod, "stopped"));

    return is_stopped && strcmp(state, "running") != 0 ? "stopped" : state;
}

const char *ctl_span(char buffer[static CTL_SPAN_MAX], uint64_t usec)
{
    uint64_t unit = usec >= USEC_SEC ? USEC_SEC : USEC_MSEC;

    return usec_format_go(buffer, usec / unit * unit);
}

const char *ctl_age(char buffer[static CTL_SPAN_MAX], int64_t at)
{
    char span[CTL_SPAN_MAX];

    snprintf(buffer, CTL_SPAN_MAX, "%.30s ago",
             ctl_span(span, usec_sub(wall_now().usec, (uint64_t)at)));
    return buffer;
}

void ctl_print_json(const json_t *json, bool one_of_many)
{
    json_dumpf(json, stdout, one_of_many ? JSON_COMPACT : JSON_INDENT(2));
    putchar('\n');
    fflush(stdout);
}

static int unreachable(const struct ctl *ctl, const char *why)
{
    if (!ctl->tells_unreachable)
        fprintf(stderr,
                "gantryctl: gantryd cannot be asked: %s: %s\n"
                "See: systemctl status gantryd.socket gantryd.service\n",
                ctl->socket, why);
    return EXIT_UNREACHABLE;
}

/* The socket is root's, and gantryd itself looks at who asks. */
static int not_permitted(const json_t *parameters)
{
    (void)parameters;
    fprintf(stderr,
            "gantryctl: only root may ask that; what changes nothing, also whom AllowUsers= names\n"
            "Try: sudo gantryctl ...\n");
    return EXIT_UNREACHABLE;
}

static int too_many(const json_t *parameters)
{
    (void)parameters;
    fprintf(stderr, "gantryctl: gantryd has as many connections as it takes\n"
                    "Try again, or see: ss -xp | grep io.gantry.Node\n");
    return EXIT_UNREACHABLE;
}

/* Only a manifest can be. */
static int too_long(const struct ctl *ctl)
{
    fprintf(stderr, "gantryctl: %s: the pod is too long: with its call it may have %zu bytes\n",
            ctl->argument, VARLINK_LONG);
    return EXIT_FAILED;
}

/* connect(2) and send(2) have failed. */
static int not_connected(const struct ctl *ctl, int r)
{
    if (r == -EACCES || r == -EPERM)
        return not_permitted(NULL);
    return unreachable(ctl, strerror(-r));
}

static int no_such_pod(const json_t *parameters)
{
    fprintf(stderr,
            "gantryctl: no pod has the name or UID \"%s\"\n"
            "See: gantryctl list\n",
            ctl_string(parameters, "pod"));
    return EXIT_NO_POD;
}

static int ambiguous_pod(const json_t *parameters)
{
    const json_t *matches = json_object_get(parameters, "matches");

    fprintf(stderr, "gantryctl: more than one pod is meant by \"%s\":\n",
            ctl_string(parameters, "pod"));
    for (size_t i = 0; i < json_array_size(matches); i++)
        fprintf(stderr, "  %s\n", json_string_value(json_array_get(matches, i)));
    return EXIT_NO_POD;
}

/* Of gantryctl run, stop and rm. */

static int name_in_use(const json_t *parameters)
{
    const char *name = ctl_string(parameters, "name");
    bool is_stopped = json_is_true(json_object_get(parameters, "stopped"));

    fprintf(stderr, "gantryctl: there is a pod \"%s\" already%s\nSee: gantryctl rm %s\n", name,
            is_stopped ? ", stopped, of another manifest" : "", name);
    return EXIT_FAILED;
}

static int unsupported(const json_t *parameters)
{
    const json_t *fields = json_object_get(parameters, "fields");

    fprintf(stderr, "gantryctl: rkt cannot run this pod as it is written:\n");
    for (size_t i = 0; i < json_array_size(fields); i++)
        fprintf(stderr, "  %s\n", json_string_value(json_array_get(fields, i)));
    return EXIT_FAILED;
}

static int not_own(const json_t *parameters)
{
    fprintf(stderr,
            "gantryctl: pod %s was not started by gantryctl run: it is the kubelet's\n"
            "See: kubectl, or gantryctl explain %s\n",
            ctl_string(parameters, "pod"), ctl_string(parameters, "pod"));
    return EXIT_FAILED;
}

static int told_reason(const json_t *parameters)
{
    fprintf(stderr, "gantryctl: %s\n", ctl_string(parameters, "reason"));
    return EXIT_FAILED;
}

static int failed(const json_t *parameters)
{
    fprintf(stderr, "gantryctl: gantryd could not do it: %s\nSee: journalctl -u gantryd\n",
            ctl_string(parameters, "reason"));
    return EXIT_FAILED;
}

static int bad_parameter(const json_t *parameters)
{
    fprintf(stderr, "gantryctl: gantryd does not take that as a %s\nSee: gantryctl --help\n",
            ctl_string(parameters, "parameter"));
    return EXIT_USAGE;
}

/* An upgrade has left the old gantryd running, or an old gantryctl stands elsewhere in $PATH. */
static int no_such_method(const json_t *parameters)
{
    fprintf(stderr,
            "gantryctl: gantryd is of another version: it does not know %s\n"
            "Try: systemctl restart gantryd.service\n",
            ctl_string(parameters, "method"));
    return EXIT_FAILED;
}

static const struct {
    const char *name;
    int (*tell)(const json_t *parameters);
} errors[] = {
    {"io.gantry.Node.NoSuchPod", no_such_pod},
    {"io.gantry.Node.AmbiguousPod", ambiguous_pod},
    {"io.gantry.Node.NameInUse", name_in_use},
    {"io.gantry.Node.Unsupported", unsupported},
    {"io.gantry.Node.NotOwn", not_own},
    {"io.gantry.Node.NotDone", told_reason},
    {"io.gantry.Node.BadManifest", told_reason},
    {"io.gantry.Node.Failed", failed},
    {"io.gantry.Node.NotPermitted", not_permitted},
    {"io.gantry.Node.TooManyConnections", too_many},
    {"org.varlink.service.InvalidParameter", bad_parameter},
    {"org.varlink.service.MethodNotFound", no_such_method},
};

static int told_error(const struct varlink_reply *reply)
{
    plain_json(reply->parameters, true);
    for (size_t i = 0; i < N_ELEMENTS(errors); i++) {
        if (strcmp(reply->error, errors[i].name) == 0)
            return errors[i].tell(reply->parameters);
    }
    CLEANUP(freep) char *parameters = json_dumps(reply->parameters, JSON_COMPACT);
    fprintf(stderr, "gantryctl: gantryd answers %s %s\n", reply->error,
            parameters ? parameters : "");
    return EXIT_FAILED;
}

/* Takes replies until the last one. */
static int take_replies(const struct ctl *ctl, struct connection *connection,
                        int (*fn)(const struct ctl *ctl, json_t *parameters, void *userdata),
                        void *userdata)
{
    usec_t deadline = usec_add(usec_now(), ANSWER_USEC);

    for (bool goes_on = true; goes_on;) {
        CLEANUP(json_decrefp) json_t *message = NULL;
        CLEANUP(error_deinit) struct error error = ERROR_NULL;
        struct varlink_reply reply;

        int r = connection_receive(connection, &message, &reply, deadline, &error);
        if (r == CONNECTION_E_CLOSED)
            return unreachable(ctl, "the connection was closed");
        if (r > 0)
            return unreachable(ctl, error_message(&error));
        if (r < 0)
            return unreachable(ctl, strerror(-r));
        if (reply.error)
            return told_error(&reply);
        r = fn(ctl, reply.parameters, userdata);
        if (r != 0)
            return r;
        goes_on = reply.continues;
        deadline = USEC_MAX;
    }
    return 0;
}

int ctl_call(const struct ctl *ctl, const char *method, json_t *parameters, bool more,
             int (*reply)(const struct ctl *ctl, json_t *parameters, void *userdata),
             void *userdata)
{
    CLEANUP(connection_close) struct connection connection = CONNECTION_NULL;
    CLEANUP(json_decrefp)
    json_t *call = json_pack("{s:s, s:o, s:b}", "method", method, "parameters",
                             parameters ? parameters : json_object(), "more", more);
    usec_t deadline = usec_add(usec_now(), ANSWER_USEC);
    size_t length;

    CLEANUP(freep) char *message = call ? varlink_encode(call, &length) : NULL;
    if (!message) {
        fprintf(stderr, "gantryctl: out of memory\n");
        return EXIT_FAILED;
    }
    if (length > VARLINK_LONG)
        return too_long(ctl);
    int r = connection_open(&connection, ctl->socket, deadline);
    if (r < 0)
        return not_connected(ctl, r);
    r = connection_send(&connection, message, length, deadline);
    if (r < 0)
        return not_connected(ctl, r);
    /* One that does not take us in may have sent why before it closed. */
    return take_replies(ctl, &connection, reply, userdata);
}
