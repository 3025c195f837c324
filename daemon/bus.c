/* SPDX-License-Identifier: Apache-2.0 */

/*
 * libdbus without its timeouts: one uv_poll on the connection's socket, for what its watches wait
 * for, and on each turn dbus_connection_read_write(0), which reads and writes what it can without
 * waiting. Hello is the first message in the queue, so nothing has to wait for its answer; every
 * question has a timer of its own.
 */

#include "daemon/bus-connection.h"

#include <signal.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"

#define ANSWER_MSEC 2000

/* A unit whose main process is gone is told so soon: asked after 0, 20, 40, ... 640 ms. */
#define ASK_AGAIN_MSEC 20
#define ASKS_MAX 7

struct question {
    struct question *next;
    struct bus *bus;
    char *unit;
    pid_t pid;
    unsigned n_asks;
    uv_timer_t timer;
    DBusPendingCall *pending;
    void (*done)(void *userdata, const struct unit_exit *exit);
    void *userdata;
};

void bus_report(struct bus *bus, const char *reason)
{
    CLEANUP(event_deinit) struct event event;

    event_init(&event, MESSAGE_BUS, "systemd cannot be asked over D-Bus: %s", reason);
    events_emit(bus->events, &event, NULL, usec_now());
}

void bus_message_unrefp(DBusMessage **messagep)
{
    if (*messagep)
        dbus_message_unref(*messagep);
}

static void handle_closed(uv_handle_t *handle)
{
    free(handle);
}

static void answer_unknown(struct question *question);

static void disconnect(struct bus *bus)
{
    for (struct question *question = bus->questions; question;) {
        bool open = question->pending;
        if (open)
            answer_unknown(question);
        question = open ? bus->questions : question->next;
    }
    if (bus->poll)
        uv_close((uv_handle_t *)bus->poll, handle_closed);
    bus->poll = NULL;
    dbus_connection_close(bus->connection);
    dbus_connection_unref(bus->connection);
    bus->connection = NULL;
    bus_units_lost(bus);
}

static void socket_ready(uv_poll_t *poll, int status, int events);

/* libdbus has a watch for writing, which is on when it has something to write: also within the
 * handshake, when nothing else shows that. */

static dbus_bool_t add_watch(DBusWatch *watch, void *data)
{
    struct bus *bus = data;

    if (dbus_watch_get_flags(watch) & DBUS_WATCH_WRITABLE)
        bus->writing = watch;
    return TRUE;
}

static void remove_watch(DBusWatch *watch, void *data)
{
    struct bus *bus = data;

    if (bus->writing == watch)
        bus->writing = NULL;
}

static void poll_socket(struct bus *bus)
{
    int events = UV_READABLE | UV_DISCONNECT;

    if (bus->writing && dbus_watch_get_enabled(bus->writing))
        events |= UV_WRITABLE;
    uv_poll_start(bus->poll, events, socket_ready);
}

void bus_turn(struct bus *bus)
{
    if (bus->in_turn)
        return;
    bus->in_turn = true;
    dbus_connection_read_write(bus->connection, 0);
    while (dbus_connection_dispatch(bus->connection) == DBUS_DISPATCH_DATA_REMAINS)
        ;
    bus->in_turn = false;
    if (dbus_connection_get_is_connected(bus->connection)) {
        poll_socket(bus);
    } else {
        bus_report(bus, "the connection was lost");
        disconnect(bus);
    }
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    bus_turn(poll->data);
}

static int watch_socket(struct bus *bus)
{
    int fd;

    if (!dbus_connection_get_unix_fd(bus->connection, &fd))
        return UV_EBADF;
    if (!dbus_connection_set_watch_functions(bus->connection, add_watch, remove_watch, NULL, bus,
                                             NULL))
        return UV_ENOMEM;
    bus->poll = calloc(1, sizeof(*bus->poll));
    if (!bus->poll)
        return UV_ENOMEM;
    int r = uv_poll_init(bus->loop, bus->poll, fd);
    if (r < 0) {
        free(bus->poll);
        bus->poll = NULL;
        return r;
    }
    bus->poll->data = bus;
    return 0;
}

static bool send_message(struct bus *bus, DBusMessage *message)
{
    return message && dbus_connection_send(bus->connection, message, NULL);
}

bool bus_connect(struct bus *bus)
{
    const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
    DBusError error = DBUS_ERROR_INIT;

    if (bus->connection || bus->closed)
        return bus->connection;
    bus->connection = dbus_connection_open_private(address ? address : SYSTEM_BUS, &error);
    if (!bus->connection) {
        bus_report(bus, error.message);
        dbus_error_free(&error);
        return false;
    }
    dbus_connection_set_exit_on_disconnect(bus->connection, FALSE);

    CLEANUP(bus_message_unrefp)
    DBusMessage *hello = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
                                                      DBUS_INTERFACE_DBUS, "Hello");
    int r = send_message(bus, hello) ? watch_socket(bus) : UV_ENOMEM;
    if (r < 0) {
        bus_report(bus, uv_strerror(r));
        disconnect(bus);
        return false;
    }
    return true;
}

DBusMessage *bus_new_call(const char *method)
{
    return dbus_message_new_method_call(SYSTEMD, MANAGER_PATH, SYSTEMD ".Manager", method);
}

/* Calls a method of systemd's manager with a unit's name, and does not care for the answer. */
static void tell_manager(struct bus *bus, const char *method, const char *unit)
{
    if (!bus_connect(bus))
        return;
    CLEANUP(bus_message_unrefp) DBusMessage *call = bus_new_call(method);
    if (!call || !dbus_message_append_args(call, DBUS_TYPE_STRING, &unit, DBUS_TYPE_INVALID))
        return;
    dbus_message_set_no_reply(call, TRUE);
    send_message(bus, call);
    bus_turn(bus);
}

void bus_hold_unit(struct bus *bus, const char *unit)
{
    tell_manager(bus, "RefUnit", unit);
}

void bus_drop_unit(struct bus *bus, const char *unit)
{
    tell_manager(bus, "UnrefUnit", unit);
}

/* The properties of a service that tell how it ended. */
struct service {
    dbus_uint32_t pid;
    dbus_int32_t code; /* CLD_EXITED and so on, waitid(2) */
    dbus_int32_t status;
    dbus_uint64_t exited_at; /* microseconds of CLOCK_REALTIME; 0: not yet */
};

static void read_property(struct service *service, const char *name, DBusMessageIter *value)
{
    static const struct {
        const char *name;
        int type;
        size_t offset;
    } properties[] = {
        {"ExecMainPID", DBUS_TYPE_UINT32, offsetof(struct service, pid)},
        {"ExecMainCode", DBUS_TYPE_INT32, offsetof(struct service, code)},
        {"ExecMainStatus", DBUS_TYPE_INT32, offsetof(struct service, status)},
        {"ExecMainExitTimestamp", DBUS_TYPE_UINT64, offsetof(struct service, exited_at)},
    };

    for (size_t i = 0; i < N_ELEMENTS(properties); i++) {
        if (strcmp(properties[i].name, name) == 0 &&
            dbus_message_iter_get_arg_type(value) == properties[i].type)
            dbus_message_iter_get_basic(value, (char *)service + properties[i].offset);
    }
}

/* Reads the a{sv} of GetAll(). Return: false if it is none. */
static bool read_service(DBusMessage *reply, struct service *service)
{
    DBusMessageIter top, entries, entry, value;

    if (!dbus_message_iter_init(reply, &top) ||
        dbus_message_iter_get_arg_type(&top) != DBUS_TYPE_ARRAY ||
        dbus_message_iter_get_element_type(&top) != DBUS_TYPE_DICT_ENTRY)
        return false;
    for (dbus_message_iter_recurse(&top, &entries);
         dbus_message_iter_get_arg_type(&entries) == DBUS_TYPE_DICT_ENTRY;
         dbus_message_iter_next(&entries)) {
        const char *name;
        dbus_message_iter_recurse(&entries, &entry);
        dbus_message_iter_get_basic(&entry, &name);
        dbus_message_iter_next(&entry);
        dbus_message_iter_recurse(&entry, &value);
        read_property(service, name, &value);
    }
    return true;
}

static void drop_pending(struct question *question)
{
    if (!question->pending)
        return;
    dbus_pending_call_cancel(question->pending);
    dbus_pending_call_unref(question->pending);
    question->pending = NULL;
}

static void question_closed(uv_handle_t *handle)
{
    struct question *question = container_of((uv_timer_t *)handle, struct question, timer);

    free(question->unit);
    free(question);
}

static void answer(struct question *question, const struct unit_exit *exit)
{
    for (struct question **slot = &question->bus->questions; *slot; slot = &(*slot)->next) {
        if (*slot == question) {
            *slot = question->next;
            break;
        }
    }
    drop_pending(question);
    uv_close((uv_handle_t *)&question->timer, question_closed);
    question->done(question->userdata, exit);
}

static void answer_unknown(struct question *question)
{
    answer(question, &(struct unit_exit){.known = false});
}

static void ask(struct question *question);

static void ask_again(uv_timer_t *timer)
{
    ask(container_of(timer, struct question, timer));
}

static void answer_missing(uv_timer_t *timer)
{
    struct question *question = container_of(timer, struct question, timer);

    bus_report(question->bus, "no answer");
    answer_unknown(question);
}

static void answered(DBusPendingCall *pending, void *data)
{
    struct question *question = data;
    struct service service = {0};
    CLEANUP(bus_message_unrefp) DBusMessage *reply = dbus_pending_call_steal_reply(pending);

    dbus_pending_call_unref(question->pending);
    question->pending = NULL;
    if (dbus_message_get_type(reply) != DBUS_MESSAGE_TYPE_METHOD_RETURN ||
        !read_service(reply, &service) || service.pid != (dbus_uint32_t)question->pid) {
        answer_unknown(question);
    } else if (service.exited_at == 0) {
        if (question->n_asks < ASKS_MAX)
            uv_timer_start(&question->timer, ask_again,
                           (uint64_t)ASK_AGAIN_MSEC << (question->n_asks - 1), 0);
        else
            answer_unknown(question);
    } else {
        bool killed = service.code == CLD_KILLED || service.code == CLD_DUMPED;
        answer(question,
               &(struct unit_exit){.known = true,
                                   .status = killed ? 128 + service.status : service.status,
                                   .at = {service.exited_at}});
    }
}

static DBusMessage *new_question(const char *unit)
{
    const char *interface = SYSTEMD ".Service";
    CLEANUP(freep) char *path = NULL;

    if (sd_bus_path_encode(MANAGER_PATH "/unit", unit, &path) < 0)
        return NULL;
    DBusMessage *call =
        dbus_message_new_method_call(SYSTEMD, path, DBUS_INTERFACE_PROPERTIES, "GetAll");
    if (call && !dbus_message_append_args(call, DBUS_TYPE_STRING, &interface, DBUS_TYPE_INVALID)) {
        dbus_message_unref(call);
        return NULL;
    }
    return call;
}

static void ask(struct question *question)
{
    struct bus *bus = question->bus;

    question->n_asks++;
    if (!bus_connect(bus)) {
        answer_unknown(question);
        return;
    }
    CLEANUP(bus_message_unrefp) DBusMessage *call = new_question(question->unit);
    if (!call ||
        !dbus_connection_send_with_reply(bus->connection, call, &question->pending,
                                         DBUS_TIMEOUT_INFINITE) ||
        !question->pending) {
        answer_unknown(question);
        return;
    }
    dbus_pending_call_set_notify(question->pending, answered, question, NULL);
    uv_timer_start(&question->timer, answer_missing, ANSWER_MSEC, 0);
    bus_turn(bus);
}

void bus_ask_exit(struct bus *bus, const char *unit, pid_t pid,
                  void (*done)(void *userdata, const struct unit_exit *exit), void *userdata)
{
    struct question *question = calloc(1, sizeof(*question));
    char *copy = strdup(unit);

    if (!question || !copy) {
        free(question);
        free(copy);
        done(userdata, &(struct unit_exit){.known = false});
        return;
    }
    *question = (struct question){.next = bus->questions,
                                  .bus = bus,
                                  .unit = copy,
                                  .pid = pid,
                                  .done = done,
                                  .userdata = userdata};
    bus->questions = question;
    uv_timer_init(bus->loop, &question->timer);
    ask(question);
}

struct bus *bus_new(uv_loop_t *loop, struct events *events)
{
    struct bus *bus = calloc(1, sizeof(*bus));

    if (!bus)
        return NULL;
    bus->loop = loop;
    bus->events = events;
    return bus;
}

void bus_close(struct bus *bus)
{
    bus->closed = true;
    while (bus->questions)
        answer_unknown(bus->questions);
    if (bus->connection)
        disconnect(bus);
    bus_units_lost(bus);
}

struct bus *bus_free(struct bus *bus)
{
    if (bus)
        bus_units_free(bus);
    free(bus);
    return NULL;
}
