/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An errand is one request to systemd: a call, then, unless the answer says it all, the wait for
 * the signal that its job is through. The answer comes before that signal, for both come from
 * systemd.
 */

#include "daemon/bus-units.h"

#include <errno.h>
#include <string.h>

#include "daemon/bus-connection.h"

/* A unit of the same name that is about to end: asked again after this long, so often. */
#define AGAIN_MSEC 100
#define TRIES_MAX 300

/* What systemd has accepted may take as long as it takes; its first answer does not. */
#define ANSWER_MSEC 10000

struct errand {
    struct errand *next;
    struct bus *bus;
    DBusMessage *call;
    char *job; /* the job's path; NULL: not known yet */
    bool has_job;
    unsigned n_tries;
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

static size_t count(const struct errand *errands)
{
    size_t n = 0;

    for (; errands; errands = errands->next)
        n++;
    return n;
}

/* Ends those that there are now, from the oldest on: what comes of that are errands of the next
 * connection. */
/* It is another systemd, or none; what the one before had to do for us nobody knows. */
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
    if (bus->watch && !bus->closed)
        bus->watch(bus->watch_userdata, NULL);
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
        bool is_done = strcmp(result, "done") == 0;
        end(errand, is_done ? 0 : BUS_E_FAILED, result);
        return;
    }
}

static void unit_removed(struct bus *bus, DBusMessage *signal)
{
    const char *path, *unit;

    if (bus->watch && dbus_message_get_args(signal, NULL, DBUS_TYPE_STRING, &unit,
                                            DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_INVALID))
        bus->watch(bus->watch_userdata, unit);
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
    else if (dbus_message_is_signal(message, MANAGER_INTERFACE, "UnitRemoved"))
        unit_removed(bus, message);
    else
        return DBUS_HANDLER_RESULT_NOT_YET_HANDLED;
    return DBUS_HANDLER_RESULT_HANDLED;
}

static void add_match(struct bus *bus, const char *member)
{
    CLEANUP(freep) char *rule = NULL;

    /* Without an error to fill in, it is sent and not waited for. */
    if (asprintf(&rule,
                 "type='signal',sender='" SYSTEMD "',path='" MANAGER_PATH
                 "',interface='" MANAGER_INTERFACE "',member='%s'",
                 member) >= 0)
        dbus_bus_add_match(bus->connection, rule, NULL);
}

static bool listen_to_signals(struct bus *bus)
{
    if (!dbus_connection_add_filter(bus->connection, take_signal, bus, NULL))
        return false;
    add_match(bus, "JobRemoved");
    add_match(bus, "UnitRemoved");
    dbus_bus_add_match(bus->connection,
                       "type='signal',sender='" DBUS_SERVICE_DBUS "',member='NameOwnerChanged',"
                       "arg0='" SYSTEMD "'",
                       NULL);
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

void bus_watch_units(struct bus *bus, bus_watch_fn *watch, void *userdata)
{
    bus->watch = watch;
    bus->watch_userdata = userdata;
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

    dbus_set_error_from_message(&error, reply);
    if (dbus_error_has_name(&error, SYSTEMD ".UnitExists") && errand->n_tries < TRIES_MAX)
        uv_timer_start(&errand->timer, send_again, AGAIN_MSEC, 0);
    else
        end(errand,
            dbus_error_has_name(&error, SYSTEMD ".NoSuchUnit") ? BUS_E_NO_UNIT : BUS_E_FAILED,
            error.message ? error.message : "systemd does not say why");
    dbus_error_free(&error);
}

static void answered(DBusPendingCall *pending, void *data)
{
    struct errand *errand = data;
    struct bus *bus = errand->bus;
    CLEANUP(bus_message_unrefp) DBusMessage *reply = dbus_pending_call_steal_reply(pending);
    const char *path;

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
    if (!errand->has_job) {
        end(errand, 0, "done");
    } else if (!dbus_message_get_args(reply, NULL, DBUS_TYPE_OBJECT_PATH, &path,
                                      DBUS_TYPE_INVALID) ||
               !(errand->job = strdup(path))) {
        end(errand, BUS_E_FAILED, "systemd names no job");
    }
}

static void send_call(struct errand *errand)
{
    struct bus *bus = errand->bus;

    errand->n_tries++;
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

/* Sends a call, which is consumed, and sees it through. */
static void begin(struct bus *bus, DBusMessage *call, bool has_job, bus_done_fn *done,
                  void *userdata)
{
    struct errand *errand = call ? calloc(1, sizeof(*errand)) : NULL;

    if (!errand) {
        if (call)
            dbus_message_unref(call);
        done(userdata, BUS_E_FAILED, strerror(ENOMEM));
        return;
    }
    *errand = (struct errand){.next = bus->errands,
                              .bus = bus,
                              .call = call,
                              .has_job = has_job,
                              .done = done,
                              .userdata = userdata};
    bus->errands = errand;
    uv_timer_init(bus->loop, &errand->timer);
    send_call(errand);
}

/* The properties of a transient unit, a(sv). */

static void append_basic(DBusMessageIter *list, const char *name, int type, const void *value)
{
    const char signature[] = {(char)type, '\0'};
    DBusMessageIter property, variant;

    dbus_message_iter_open_container(list, DBUS_TYPE_STRUCT, NULL, &property);
    dbus_message_iter_append_basic(&property, DBUS_TYPE_STRING, &name);
    dbus_message_iter_open_container(&property, DBUS_TYPE_VARIANT, signature, &variant);
    dbus_message_iter_append_basic(&variant, type, value);
    dbus_message_iter_close_container(&property, &variant);
    dbus_message_iter_close_container(list, &property);
}

static void append_string(DBusMessageIter *list, const char *name, const char *value)
{
    if (value)
        append_basic(list, name, DBUS_TYPE_STRING, &value);
}

static void append_number(DBusMessageIter *list, const char *name, uint64_t value)
{
    dbus_uint64_t number = value;

    if (value > 0)
        append_basic(list, name, DBUS_TYPE_UINT64, &number);
}

static void append_strings(DBusMessageIter *in, const char *const *strings)
{
    DBusMessageIter array;

    dbus_message_iter_open_container(in, DBUS_TYPE_ARRAY, "s", &array);
    for (; *strings; strings++)
        dbus_message_iter_append_basic(&array, DBUS_TYPE_STRING, strings);
    dbus_message_iter_close_container(in, &array);
}

static void append_environment(DBusMessageIter *list, const char *variable)
{
    const char *name = "Environment", *const variables[] = {variable, NULL};
    DBusMessageIter property, variant;

    if (!variable)
        return;
    dbus_message_iter_open_container(list, DBUS_TYPE_STRUCT, NULL, &property);
    dbus_message_iter_append_basic(&property, DBUS_TYPE_STRING, &name);
    dbus_message_iter_open_container(&property, DBUS_TYPE_VARIANT, "as", &variant);
    append_strings(&variant, variables);
    dbus_message_iter_close_container(&property, &variant);
    dbus_message_iter_close_container(list, &property);
}

static void append_command(DBusMessageIter *list, const struct transient_command *command)
{
    dbus_bool_t may_fail = command->may_fail;
    DBusMessageIter line;

    dbus_message_iter_open_container(list, DBUS_TYPE_STRUCT, NULL, &line);
    dbus_message_iter_append_basic(&line, DBUS_TYPE_STRING, &command->argv[0]);
    append_strings(&line, command->argv);
    dbus_message_iter_append_basic(&line, DBUS_TYPE_BOOLEAN, &may_fail);
    dbus_message_iter_close_container(list, &line);
}

static void append_commands(DBusMessageIter *list, const struct transient *unit)
{
    const char *name = "ExecStart";
    DBusMessageIter property, variant, lines;

    dbus_message_iter_open_container(list, DBUS_TYPE_STRUCT, NULL, &property);
    dbus_message_iter_append_basic(&property, DBUS_TYPE_STRING, &name);
    dbus_message_iter_open_container(&property, DBUS_TYPE_VARIANT, "a(sasb)", &variant);
    dbus_message_iter_open_container(&variant, DBUS_TYPE_ARRAY, "(sasb)", &lines);
    for (size_t i = 0; i < TRANSIENT_COMMANDS_MAX && unit->commands[i].argv; i++)
        append_command(&lines, &unit->commands[i]);
    dbus_message_iter_close_container(&variant, &lines);
    dbus_message_iter_close_container(&property, &variant);
    dbus_message_iter_close_container(list, &property);
}

static void append_properties(DBusMessageIter *top, const struct transient *unit)
{
    DBusMessageIter list;

    dbus_message_iter_open_container(top, DBUS_TYPE_ARRAY, "(sv)", &list);
    append_string(&list, "Description", unit->description);
    append_string(&list, "Slice", "gantry.slice");
    append_string(&list, "KillMode", "mixed");
    append_string(&list, "CollectMode", "inactive-or-failed");
    append_string(&list, "Type", unit->is_oneshot ? "oneshot" : "simple");
    append_string(&list, "SyslogIdentifier", unit->identifier);
    append_string(&list, "StandardOutputFile", unit->stdout_path);
    append_string(&list, "StandardErrorFile", unit->stderr_path);
    append_environment(&list, unit->environment);
    append_number(&list, "TimeoutStartUSec", unit->start_timeout);
    append_number(&list, "TimeoutStopUSec", unit->stop_timeout);
    append_number(&list, "MemoryMax", unit->memory_max);
    append_number(&list, "CPUQuotaPerSecUSec", unit->cpu_quota);
    append_commands(&list, unit);
    dbus_message_iter_close_container(top, &list);
}

static DBusMessage *new_unit_call(const char *method, const char *name, const char *mode)
{
    DBusMessage *call = bus_new_call(method);

    if (call && dbus_message_append_args(call, DBUS_TYPE_STRING, &name,
                                         mode ? DBUS_TYPE_STRING : DBUS_TYPE_INVALID, &mode,
                                         DBUS_TYPE_INVALID))
        return call;
    if (call)
        dbus_message_unref(call);
    return NULL;
}

/* libdbus ends the process only where it has no memory for these few bytes. */
void bus_start_unit(struct bus *bus, const struct transient *unit, bus_done_fn *done,
                    void *userdata)
{
    DBusMessage *call = new_unit_call("StartTransientUnit", unit->name, "fail");
    DBusMessageIter top, auxiliary;

    if (call) {
        dbus_message_iter_init_append(call, &top);
        append_properties(&top, unit);
        dbus_message_iter_open_container(&top, DBUS_TYPE_ARRAY, "(sa(sv))", &auxiliary);
        dbus_message_iter_close_container(&top, &auxiliary);
    }
    begin(bus, call, true, done, userdata);
}

void bus_stop_unit(struct bus *bus, const char *name, bus_done_fn *done, void *userdata)
{
    begin(bus, new_unit_call("StopUnit", name, "replace"), true, done, userdata);
}

void bus_ask_unit(struct bus *bus, const char *name, bus_done_fn *done, void *userdata)
{
    begin(bus, new_unit_call("GetUnit", name, NULL), false, done, userdata);
}
