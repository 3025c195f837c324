/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An errand is one request to systemd: a call, then, unless the answer says it all, the wait for
 * the signal that its job is through. The answer comes before that signal, for both come from
 * systemd.
 */

#include "daemon/bus-units.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "daemon/bus-connection.h"

/* A unit of the same name that is about to end: asked again after this long, then after ever
 * longer, up to a second. */
#define AGAIN_MSEC 50
#define AGAIN_MAX_MSEC 1000

/* How long it may take to end; a oneshot as long as it may run. */
#define PREDECESSOR_USEC (30 * USEC_SEC)

/* What systemd has accepted may take as long as it takes; its first answer does not. */
#define ANSWER_MSEC 10000

/* What the answer to the call is: a job, or the state of a unit. */
enum reply {
    REPLY_JOB,
    REPLY_STATE,
};

struct errand {
    struct errand *next;
    struct bus *bus;
    DBusMessage *call;
    enum reply reply;
    char *job; /* the job's path; NULL: not known yet */
    bool is_cancelled;
    unsigned n_tries;
    usec_t give_up_at;             /* another unit has the name until then */
    usec_t start_timeout, late_at; /* it may take that long, so until then; 0: for ever */
    uv_timer_t timer;
    DBusPendingCall *pending;
    bus_done_fn *done;
    void *userdata;
};

static void errand_closed(uv_handle_t *handle)
{
    struct errand *errand = container_of((uv_timer_t *)handle, struct errand, timer);

    free(errand->job);
    if (errand->call)
        dbus_message_unref(errand->call);
    free(errand);
}

static void drop_pending(struct errand *errand)
{
    if (!errand->pending)
        return;
    dbus_pending_call_cancel(errand->pending);
    dbus_pending_call_unref(errand->pending);
    errand->pending = NULL;
}

static void end(struct errand *errand, int result, const char *reason)
{
    /* A connection that is lost while it is made ends it, and so does who wanted it. */
    if (uv_is_closing((uv_handle_t *)&errand->timer))
        return;
    for (struct errand **slot = &errand->bus->errands; *slot; slot = &(*slot)->next) {
        if (*slot == errand) {
            *slot = errand->next;
            break;
        }
    }
    drop_pending(errand);
    uv_close((uv_handle_t *)&errand->timer, errand_closed);
    errand->done(errand->userdata, result, reason);
}

static void end_lost(struct errand *errand)
{
    end(errand, BUS_E_LOST, "systemd cannot be asked over D-Bus");
}

/* systemd's word for it is "failed", too. */
static void end_late(struct errand *errand)
{
    char limit[USEC_GO_MAX], reason[96];

    snprintf(reason, sizeof(reason), "it had not ended after %s, and was ended",
             usec_format_go(limit, errand->start_timeout));
    end(errand, BUS_E_LATE, reason);
}

static size_t count(const struct errand *errands)
{
    size_t n = 0;

    for (; errands; errands = errands->next)
        n++;
    return n;
}

/* It is another systemd, or none; what the one before had to do for us nobody knows. The errands
 * that there are now end, from the oldest on: what comes of that are errands of the next one. */
static void forget_systemd(struct bus *bus)
{
    bus->has_subscribed = false;
    free(bus->systemd);
    bus->systemd = NULL;
    for (size_t n = count(bus->errands); n > 0; n--) {
        struct errand *oldest = bus->errands;
        while (oldest->next)
            oldest = oldest->next;
        end_lost(oldest);
    }
    if (bus->changed && !bus->closed)
        bus->changed(bus->changed_userdata, NULL);
}

void bus_units_lost(struct bus *bus)
{
    bus->has_matches = false;
    forget_systemd(bus);
}

/* Signals. */

static void job_removed(struct bus *bus, DBusMessage *signal)
{
    const char *path, *unit, *result;
    dbus_uint32_t id;

    if (!dbus_message_get_args(signal, NULL, DBUS_TYPE_UINT32, &id, DBUS_TYPE_OBJECT_PATH, &path,
                               DBUS_TYPE_STRING, &unit, DBUS_TYPE_STRING, &result,
                               DBUS_TYPE_INVALID))
        return;
    for (struct errand *errand = bus->errands; errand; errand = errand->next) {
        if (!errand->job || strcmp(errand->job, path) != 0)
            continue;
        if (strcmp(result, "done") == 0)
            end(errand, 0, result);
        else if (errand->late_at > 0 && usec_now() >= errand->late_at)
            end_late(errand);
        else
            end(errand, BUS_E_FAILED, result);
        return;
    }
}

static void unit_changed(struct bus *bus, DBusMessage *signal)
{
    const char *path = dbus_message_get_path(signal);
    CLEANUP(freep) char *unit = NULL;

    if (bus->changed && path && sd_bus_path_decode(path, MANAGER_PATH "/unit", &unit) > 0)
        bus->changed(bus->changed_userdata, unit);
}

static bool is_of_systemd(DBusMessage *signal)
{
    const char *name;

    return dbus_message_get_args(signal, NULL, DBUS_TYPE_STRING, &name, DBUS_TYPE_INVALID) &&
           strcmp(name, SYSTEMD) == 0;
}

static DBusHandlerResult take_signal(DBusConnection *connection, DBusMessage *message, void *data)
{
    struct bus *bus = data;

    const char *sender = dbus_message_get_sender(message);

    (void)connection;
    /* One that is executed anew (systemctl daemon-reexec) has another unique name. */
    if (dbus_message_is_signal(message, DBUS_INTERFACE_DBUS, "NameOwnerChanged") && sender &&
        strcmp(sender, DBUS_SERVICE_DBUS) == 0 && is_of_systemd(message)) {
        forget_systemd(bus);
        return DBUS_HANDLER_RESULT_HANDLED;
    }
    /* Anybody may send us a signal. */
    if (!bus->systemd || !sender || strcmp(sender, bus->systemd) != 0)
        return DBUS_HANDLER_RESULT_NOT_YET_HANDLED;
    if (dbus_message_is_signal(message, MANAGER_INTERFACE, "JobRemoved"))
        job_removed(bus, message);
    else if (dbus_message_is_signal(message, DBUS_INTERFACE_PROPERTIES, "PropertiesChanged"))
        unit_changed(bus, message);
    else
        return DBUS_HANDLER_RESULT_NOT_YET_HANDLED;
    return DBUS_HANDLER_RESULT_HANDLED;
}

/* Units that are watched. systemd tells of every change of every unit, so what is wanted is named.
 * Without an error to fill in, a rule is sent and not waited for. */

struct bus_watch {
    struct bus_watch *next;
    char *rule;
};

static struct bus_watch *watch_free(struct bus_watch *watch)
{
    if (watch)
        free(watch->rule);
    free(watch);
    return NULL;
}

static struct bus_watch *watch_new(const char *unit)
{
    struct bus_watch *watch = calloc(1, sizeof(*watch));
    CLEANUP(freep) char *path = NULL;

    if (!watch || sd_bus_path_encode(MANAGER_PATH "/unit", unit, &path) < 0)
        return watch_free(watch);
    if (asprintf(&watch->rule,
                 "type='signal',sender='" SYSTEMD
                 "',path='%s',interface='" DBUS_INTERFACE_PROPERTIES "',member='PropertiesChanged'",
                 path) < 0) {
        watch->rule = NULL;
        return watch_free(watch);
    }
    return watch;
}

void bus_watch_unit(struct bus *bus, const char *unit)
{
    struct bus_watch *watch = watch_new(unit);

    if (!watch)
        return;
    watch->next = bus->watches;
    bus->watches = watch;
    if (bus->connection && bus->has_matches)
        dbus_bus_add_match(bus->connection, watch->rule, NULL);
}

void bus_unwatch_unit(struct bus *bus, const char *unit)
{
    struct bus_watch *like = watch_new(unit);

    for (struct bus_watch **slot = &bus->watches; like && *slot; slot = &(*slot)->next) {
        struct bus_watch *watch = *slot;
        if (strcmp(watch->rule, like->rule) != 0)
            continue;
        if (bus->connection && bus->has_matches)
            dbus_bus_remove_match(bus->connection, watch->rule, NULL);
        *slot = watch->next;
        watch_free(watch);
        break;
    }
    watch_free(like);
}

void bus_units_free(struct bus *bus)
{
    for (struct bus_watch *watch; (watch = bus->watches);) {
        bus->watches = watch->next;
        watch_free(watch);
    }
}

static bool listen_to_signals(struct bus *bus)
{
    if (!dbus_connection_add_filter(bus->connection, take_signal, bus, NULL))
        return false;
    dbus_bus_add_match(bus->connection,
                       "type='signal',sender='" SYSTEMD "',path='" MANAGER_PATH
                       "',interface='" MANAGER_INTERFACE "',member='JobRemoved'",
                       NULL);
    dbus_bus_add_match(bus->connection,
                       "type='signal',sender='" DBUS_SERVICE_DBUS "',member='NameOwnerChanged',"
                       "arg0='" SYSTEMD "'",
                       NULL);
    for (const struct bus_watch *watch = bus->watches; watch; watch = watch->next)
        dbus_bus_add_match(bus->connection, watch->rule, NULL);
    bus->has_matches = true;
    return true;
}

/* systemd sends no signals before somebody subscribes to them. */
static bool subscribe(struct bus *bus)
{
    if (!bus_connect(bus))
        return false;
    if (bus->has_subscribed)
        return true;
    CLEANUP(bus_message_unrefp) DBusMessage *call = bus_new_call("Subscribe");
    if (!call || !(bus->has_matches || listen_to_signals(bus)))
        return false;
    dbus_message_set_no_reply(call, TRUE);
    bus->has_subscribed = dbus_connection_send(bus->connection, call, NULL);
    return bus->has_subscribed;
}

void bus_on_change(struct bus *bus, bus_changed_fn *changed, void *userdata)
{
    bus->changed = changed;
    bus->changed_userdata = userdata;
}

/* The errand. */

static void send_call(struct errand *errand);

static void send_again(uv_timer_t *timer)
{
    send_call(container_of(timer, struct errand, timer));
}

static void answer_missing(uv_timer_t *timer)
{
    struct errand *errand = container_of(timer, struct errand, timer);

    bus_report(errand->bus, "no answer");
    end_lost(errand);
}

static void refused(struct errand *errand, DBusMessage *reply)
{
    DBusError error = DBUS_ERROR_INIT;
    uint64_t delay = (uint64_t)AGAIN_MSEC * errand->n_tries;

    dbus_set_error_from_message(&error, reply);
    if (dbus_error_has_name(&error, SYSTEMD ".UnitExists") && !errand->is_cancelled &&
        usec_now() < errand->give_up_at)
        uv_timer_start(&errand->timer, send_again, delay < AGAIN_MAX_MSEC ? delay : AGAIN_MAX_MSEC,
                       0);
    else
        end(errand,
            dbus_error_has_name(&error, SYSTEMD ".NoSuchUnit") ? BUS_E_NO_UNIT : BUS_E_FAILED,
            error.message ? error.message : "systemd does not say why");
    dbus_error_free(&error);
}

static void take_job(struct errand *errand, DBusMessage *reply)
{
    const char *path;

    if (!dbus_message_get_args(reply, NULL, DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_INVALID) ||
        !(errand->job = strdup(path)))
        end(errand, BUS_E_FAILED, "systemd names no job");
}

static void take_state(struct errand *errand, DBusMessage *reply)
{
    DBusMessageIter top, value;
    const char *state = NULL;

    if (dbus_message_iter_init(reply, &top) &&
        dbus_message_iter_get_arg_type(&top) == DBUS_TYPE_VARIANT) {
        dbus_message_iter_recurse(&top, &value);
        if (dbus_message_iter_get_arg_type(&value) == DBUS_TYPE_STRING)
            dbus_message_iter_get_basic(&value, &state);
    }
    if (!state)
        end(errand, BUS_E_FAILED, "systemd names no state");
    else if (strcmp(state, "inactive") == 0 || strcmp(state, "failed") == 0)
        end(errand, BUS_E_NO_UNIT, state);
    else
        end(errand, 0, state);
}

static void answered(DBusPendingCall *pending, void *data)
{
    struct errand *errand = data;
    struct bus *bus = errand->bus;
    CLEANUP(bus_message_unrefp) DBusMessage *reply = dbus_pending_call_steal_reply(pending);

    dbus_pending_call_unref(errand->pending);
    errand->pending = NULL;
    uv_timer_stop(&errand->timer);
    if (dbus_message_get_type(reply) != DBUS_MESSAGE_TYPE_METHOD_RETURN) {
        refused(errand, reply);
        return;
    }
    const char *sender = dbus_message_get_sender(reply);
    if (!bus->systemd && sender)
        bus->systemd = strdup(sender);
    if (errand->reply == REPLY_JOB)
        take_job(errand, reply);
    else
        take_state(errand, reply);
}

static void send_call(struct errand *errand)
{
    struct bus *bus = errand->bus;

    errand->n_tries++;
    if (errand->start_timeout > 0)
        errand->late_at = usec_add(usec_now(), errand->start_timeout);
    if (!subscribe(bus) ||
        !dbus_connection_send_with_reply(bus->connection, errand->call, &errand->pending,
                                         DBUS_TIMEOUT_INFINITE) ||
        !errand->pending) {
        end_lost(errand);
        return;
    }
    dbus_pending_call_set_notify(errand->pending, answered, errand, NULL);
    uv_timer_start(&errand->timer, answer_missing, ANSWER_MSEC, 0);
    bus_turn(bus);
}

/* Takes a call, which is consumed. Return: NULL without memory; then `done` was called. */
static struct errand *errand_new(struct bus *bus, DBusMessage *call, enum reply reply,
                                 bus_done_fn *done, void *userdata)
{
    struct errand *errand = call ? calloc(1, sizeof(*errand)) : NULL;

    if (!errand) {
        if (call)
            dbus_message_unref(call);
        done(userdata, BUS_E_FAILED, strerror(ENOMEM));
        return NULL;
    }
    *errand = (struct errand){.next = bus->errands,
                              .bus = bus,
                              .call = call,
                              .reply = reply,
                              .done = done,
                              .userdata = userdata};
    bus->errands = errand;
    uv_timer_init(bus->loop, &errand->timer);
    return errand;
}

DBusMessage *bus_new_unit_call(const char *method, const char *name, const char *mode)
{
    DBusMessage *call = bus_new_call(method);

    if (call && dbus_message_append_args(call, DBUS_TYPE_STRING, &name, DBUS_TYPE_STRING, &mode,
                                         DBUS_TYPE_INVALID))
        return call;
    if (call)
        dbus_message_unref(call);
    return NULL;
}

struct errand *bus_start_unit(struct bus *bus, const struct transient *unit, bus_done_fn *done,
                              void *userdata)
{
    struct errand *errand = errand_new(bus, bus_new_transient(unit), REPLY_JOB, done, userdata);

    if (!errand)
        return NULL;
    errand->start_timeout = unit->start_timeout;
    errand->give_up_at =
        usec_add(usec_now(), unit->is_oneshot ? unit->start_timeout : PREDECESSOR_USEC);
    send_call(errand);
    return uv_is_closing((uv_handle_t *)&errand->timer) ? NULL : errand;
}

static void ignore(void *userdata, int result, const char *reason)
{
    (void)userdata;
    (void)result;
    (void)reason;
}

void bus_cancel_start(struct errand *errand)
{
    const char *unit;

    errand->is_cancelled = true;
    if (dbus_message_get_args(errand->call, NULL, DBUS_TYPE_STRING, &unit, DBUS_TYPE_INVALID))
        bus_stop_unit(errand->bus, unit, ignore, NULL);
    /* It was to be tried again. */
    if (!errand->pending && !errand->job)
        end(errand, BUS_E_FAILED, "cancelled");
}

void bus_stop_unit(struct bus *bus, const char *name, bus_done_fn *done, void *userdata)
{
    struct errand *errand =
        errand_new(bus, bus_new_unit_call("StopUnit", name, "replace"), REPLY_JOB, done, userdata);

    if (errand)
        send_call(errand);
}

/* The object of a unit that systemd has not loaded answers, too. */
static DBusMessage *new_question(const char *unit)
{
    const char *interface = SYSTEMD ".Unit", *property = "ActiveState";
    CLEANUP(freep) char *path = NULL;

    if (sd_bus_path_encode(MANAGER_PATH "/unit", unit, &path) < 0)
        return NULL;
    DBusMessage *call =
        dbus_message_new_method_call(SYSTEMD, path, DBUS_INTERFACE_PROPERTIES, "Get");
    if (call && dbus_message_append_args(call, DBUS_TYPE_STRING, &interface, DBUS_TYPE_STRING,
                                         &property, DBUS_TYPE_INVALID))
        return call;
    if (call)
        dbus_message_unref(call);
    return NULL;
}

void bus_ask_unit(struct bus *bus, const char *name, bus_done_fn *done, void *userdata)
{
    struct errand *errand = errand_new(bus, new_question(name), REPLY_STATE, done, userdata);

    if (errand)
        send_call(errand);
}
