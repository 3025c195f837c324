/* SPDX-License-Identifier: Apache-2.0 */

/*
 * systemd's manager in small, on the bus of $DBUS_SYSTEM_BUS_ADDRESS: transient units are run for
 * real, one process after the other, with their jobs and signals as systemd has them. It serves
 * until it is killed, and takes its units with it.
 *
 * Its programs have TimeoutStartUSec= as START_TIMEOUT in their environment. A test tells it by
 * files in MANAGER_FOLDER what else is so:
 *
 *   hold   "METHOD UNIT": such calls are neither done nor answered as long as it is there; once one
 *          has come, there is the file "held"
 *   fail   "METHOD UNIT": such calls fail
 *   ready  is there when it serves
 *   keep   units that have ended stay loaded, as they do when another unit names them
 */

#undef NDEBUG
#include <assert.h>
#include <dbus/dbus.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "lib/usec.h"
#include "tests/harness/manager.h"

#define NAME "org.freedesktop.systemd1"
#define PATH "/org/freedesktop/systemd1"
#define INTERFACE NAME ".Manager"

#define COMMANDS_MAX 4
#define ARGUMENTS_MAX 32

struct unit {
    struct unit *next;
    char *name;
    bool is_oneshot;
    char *argv[COMMANDS_MAX][ARGUMENTS_MAX];
    bool may_fail[COMMANDS_MAX];
    size_t n_commands, command;
    char *out, *err, *environment;
    dbus_uint64_t start_timeout; /* microseconds; 0: none */
    usec_t started_at;
    pid_t pid;                    /* 0: it has ended */
    unsigned start_job, stop_job; /* 0: none */
};

static DBusConnection *bus;
static struct unit *units;
static unsigned n_jobs;
static DBusMessage *held; /* a call that waits */

static struct unit *find_unit(const char *name)
{
    struct unit *unit = units;

    while (unit && strcmp(unit->name, name) != 0)
        unit = unit->next;
    return unit;
}

/* Properties. */

static char *take_string(DBusMessageIter *value)
{
    const char *text;

    assert(dbus_message_iter_get_arg_type(value) == DBUS_TYPE_STRING);
    dbus_message_iter_get_basic(value, &text);
    return strdup(text);
}

/* As systemd does with the arguments of a transient unit, though here no variable has a value: $$
 * is a $, and ${NAME} nothing. */
static char *expand(char *argument)
{
    char *to = argument;

    for (const char *p = argument; *p; p++) {
        const char *end = p[0] == '$' && p[1] == '{' ? strchr(p, '}') : NULL;
        p += p[0] == '$' && p[1] == '$';
        if (end)
            p = end;
        else
            *to++ = *p;
    }
    *to = '\0';
    return argument;
}

static void take_command(struct unit *unit, DBusMessageIter *line)
{
    DBusMessageIter field, argument;
    dbus_bool_t may_fail;
    size_t n = 0;

    dbus_message_iter_recurse(line, &field);
    dbus_message_iter_next(&field);
    for (dbus_message_iter_recurse(&field, &argument);
         dbus_message_iter_get_arg_type(&argument) == DBUS_TYPE_STRING;
         dbus_message_iter_next(&argument)) {
        assert(n < ARGUMENTS_MAX - 1);
        unit->argv[unit->n_commands][n++] = expand(take_string(&argument));
    }
    dbus_message_iter_next(&field);
    dbus_message_iter_get_basic(&field, &may_fail);
    unit->may_fail[unit->n_commands++] = may_fail;
}

static void take_property(struct unit *unit, const char *name, DBusMessageIter *value)
{
    DBusMessageIter entry;

    if (strcmp(name, "Type") == 0) {
        CLEANUP(freep) char *type = take_string(value);
        unit->is_oneshot = strcmp(type, "oneshot") == 0;
    } else if (strcmp(name, "StandardOutputFileToAppend") == 0) {
        unit->out = take_string(value);
    } else if (strcmp(name, "StandardErrorFileToAppend") == 0) {
        unit->err = take_string(value);
    } else if (strcmp(name, "Environment") == 0) {
        dbus_message_iter_recurse(value, &entry);
        unit->environment = take_string(&entry);
    } else if (strcmp(name, "TimeoutStartUSec") == 0) {
        dbus_message_iter_get_basic(value, &unit->start_timeout);
    } else if (strcmp(name, "ExecStart") == 0) {
        for (dbus_message_iter_recurse(value, &entry);
             dbus_message_iter_get_arg_type(&entry) == DBUS_TYPE_STRUCT;
             dbus_message_iter_next(&entry))
            take_command(unit, &entry);
    }
}

static void take_properties(struct unit *unit, DBusMessageIter *list)
{
    DBusMessageIter property, field, value;

    for (dbus_message_iter_recurse(list, &property);
         dbus_message_iter_get_arg_type(&property) == DBUS_TYPE_STRUCT;
         dbus_message_iter_next(&property)) {
        const char *name;
        dbus_message_iter_recurse(&property, &field);
        dbus_message_iter_get_basic(&field, &name);
        dbus_message_iter_next(&field);
        dbus_message_iter_recurse(&field, &value);
        take_property(unit, name, &value);
    }
}

/* Processes. */

static void redirect(int fd, const char *path)
{
    int file = open(path ? path : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0600);

    assert(file >= 0 && dup2(file, fd) >= 0);
}

static void execute(struct unit *unit)
{
    char timeout[32];

    unit->started_at = usec_now();
    unit->pid = fork();
    assert(unit->pid >= 0);
    if (unit->pid > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDONLY);
    assert(null >= 0 && dup2(null, STDIN_FILENO) >= 0);
    redirect(STDOUT_FILENO, unit->out);
    redirect(STDERR_FILENO, unit->err);
    if (unit->environment)
        putenv(unit->environment);
    /* Which is this one's. */
    unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
    snprintf(timeout, sizeof(timeout), "%" PRIu64, (uint64_t)unit->start_timeout);
    setenv("START_TIMEOUT", timeout, 1);
    execv(unit->argv[unit->command][0], unit->argv[unit->command]);
    _exit(203);
}

/* Messages. */

static void send_message(DBusMessage *message)
{
    assert(dbus_connection_send(bus, message, NULL));
    dbus_message_unref(message);
}

static const char *job_path(unsigned job)
{
    static char path[64];

    snprintf(path, sizeof(path), PATH "/job/%u", job);
    return path;
}

static void job_removed(unsigned job, const char *unit, const char *result)
{
    DBusMessage *signal_message = dbus_message_new_signal(PATH, INTERFACE, "JobRemoved");
    const char *path = job_path(job);
    dbus_uint32_t id = job;

    if (job > 0 && dbus_message_append_args(signal_message, DBUS_TYPE_UINT32, &id,
                                            DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_STRING, &unit,
                                            DBUS_TYPE_STRING, &result, DBUS_TYPE_INVALID))
        send_message(signal_message);
    else
        dbus_message_unref(signal_message);
}

static const char *state_of(const struct unit *unit)
{
    if (!unit || unit->pid == 0)
        return "inactive";
    if (unit->stop_job > 0)
        return "deactivating";
    return unit->is_oneshot ? "activating" : "active";
}

/* systemd has all properties that have changed in it; who listens asks anyway. */
static void tell_change(const struct unit *unit)
{
    const char *interface = NAME ".Unit";
    DBusMessageIter top, list;
    char *path;

    assert(sd_bus_path_encode(PATH "/unit", unit->name, &path) >= 0);
    DBusMessage *message =
        dbus_message_new_signal(path, DBUS_INTERFACE_PROPERTIES, "PropertiesChanged");
    dbus_message_iter_init_append(message, &top);
    dbus_message_iter_append_basic(&top, DBUS_TYPE_STRING, &interface);
    dbus_message_iter_open_container(&top, DBUS_TYPE_ARRAY, "{sv}", &list);
    dbus_message_iter_close_container(&top, &list);
    dbus_message_iter_open_container(&top, DBUS_TYPE_ARRAY, "s", &list);
    dbus_message_iter_close_container(&top, &list);
    send_message(message);
    free(path);
}

static void drop_unit(struct unit *unit)
{
    struct unit **slot = &units;

    while (*slot != unit)
        slot = &(*slot)->next;
    *slot = unit->next;
    for (size_t i = 0; i < COMMANDS_MAX; i++) {
        for (size_t n = 0; n < ARGUMENTS_MAX; n++)
            free(unit->argv[i][n]);
    }
    free(unit->name);
    free(unit->out);
    free(unit->err);
    free(unit->environment);
    free(unit);
}

static void reap(void)
{
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    struct unit *unit = units;

    while (unit && unit->pid != pid)
        unit = unit->next;
    if (pid <= 0 || !unit)
        return;
    bool failed = status != 0 && !unit->may_fail[unit->command];
    if (!failed && unit->stop_job == 0 && ++unit->command < unit->n_commands) {
        execute(unit);
        return;
    }
    if (unit->is_oneshot)
        job_removed(unit->start_job, unit->name,
                    unit->stop_job > 0 ? "canceled"
                    : failed           ? "failed"
                                       : "done");
    unit->pid = 0;
    tell_change(unit);
    job_removed(unit->stop_job, unit->name, "done");
}

/* What has not started within TimeoutStartUSec= fails; a oneshot has started when it has ended. */
static void end_late(void)
{
    for (struct unit *unit = units; unit; unit = unit->next) {
        if (unit->is_oneshot && unit->pid > 0 && unit->start_timeout > 0 &&
            usec_now() >= unit->started_at + unit->start_timeout)
            kill(unit->pid, SIGTERM);
    }
}

static void drop_ended(void)
{
    if (access(MANAGER_FOLDER "/keep", F_OK) == 0)
        return;
    for (struct unit *unit = units, *next; unit; unit = next) {
        next = unit->next;
        if (unit->pid == 0)
            drop_unit(unit);
    }
}

static void refuse(DBusMessage *call, const char *error)
{
    send_message(dbus_message_new_error(call, error, "refused"));
}

static void reply_path(DBusMessage *call, const char *path)
{
    DBusMessage *reply = dbus_message_new_method_return(call);

    assert(dbus_message_append_args(reply, DBUS_TYPE_OBJECT_PATH, &path, DBUS_TYPE_INVALID));
    send_message(reply);
}

static void start_transient_unit(DBusMessage *call, const char *name)
{
    DBusMessageIter argument;

    if (find_unit(name)) {
        refuse(call, NAME ".UnitExists");
        return;
    }
    struct unit *unit = calloc(1, sizeof(*unit));
    assert(unit && dbus_message_iter_init(call, &argument));
    unit->name = strdup(name);
    unit->next = units;
    units = unit;
    dbus_message_iter_next(&argument);
    dbus_message_iter_next(&argument);
    take_properties(unit, &argument);
    unit->start_job = ++n_jobs;
    reply_path(call, job_path(unit->start_job));
    execute(unit);
    tell_change(unit);
    if (!unit->is_oneshot)
        job_removed(unit->start_job, name, "done");
}

static void stop_unit(DBusMessage *call, const char *name)
{
    struct unit *unit = find_unit(name);

    if (!unit) {
        refuse(call, NAME ".NoSuchUnit");
        return;
    }
    unit->stop_job = ++n_jobs;
    reply_path(call, job_path(unit->stop_job));
    if (unit->pid > 0)
        kill(unit->pid, SIGTERM);
    else
        job_removed(unit->stop_job, name, "done");
}

/* Of a unit's properties, ActiveState. */
static void get_property(DBusMessage *call)
{
    DBusMessage *reply = dbus_message_new_method_return(call);
    DBusMessageIter top, value;
    char *name;

    assert(sd_bus_path_decode(dbus_message_get_path(call), PATH "/unit", &name) > 0);
    const char *state = state_of(find_unit(name));
    dbus_message_iter_init_append(reply, &top);
    dbus_message_iter_open_container(&top, DBUS_TYPE_VARIANT, "s", &value);
    dbus_message_iter_append_basic(&value, DBUS_TYPE_STRING, &state);
    dbus_message_iter_close_container(&top, &value);
    send_message(reply);
    free(name);
}

static bool is_ordered(const char *order, const char *method, const char *unit)
{
    char path[128], wanted[256], given[256] = "";

    snprintf(path, sizeof(path), MANAGER_FOLDER "/%s", order);
    FILE *f = fopen(path, "re");

    if (f && !fgets(given, sizeof(given), f))
        given[0] = '\0';
    if (f)
        fclose(f);
    snprintf(wanted, sizeof(wanted), "%s %s", method, unit);
    return strcmp(wanted, given) == 0;
}

static void touch(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), MANAGER_FOLDER "/%s", name);
    fclose(fopen(path, "we"));
}

static void hold(DBusMessage *call)
{
    assert(!held);
    held = dbus_message_ref(call);
    touch("held");
}

static DBusHandlerResult take_call(DBusConnection *connection, DBusMessage *call, void *data)
{
    static const struct {
        const char *name;
        void (*answer)(DBusMessage *call, const char *unit);
    } methods[] = {
        {"StartTransientUnit", start_transient_unit},
        {"StopUnit", stop_unit},
    };
    const char *unit = "";

    (void)connection;
    (void)data;
    if (dbus_message_is_method_call(call, DBUS_INTERFACE_PROPERTIES, "Get")) {
        get_property(call);
        return DBUS_HANDLER_RESULT_HANDLED;
    }
    for (size_t i = 0; i < N_ELEMENTS(methods); i++) {
        if (!dbus_message_is_method_call(call, INTERFACE, methods[i].name))
            continue;
        dbus_message_get_args(call, NULL, DBUS_TYPE_STRING, &unit, DBUS_TYPE_INVALID);
        if (is_ordered("hold", methods[i].name, unit))
            hold(call);
        else if (is_ordered("fail", methods[i].name, unit))
            refuse(call, NAME ".Failed");
        else
            methods[i].answer(call, unit);
        return DBUS_HANDLER_RESULT_HANDLED;
    }
    return DBUS_HANDLER_RESULT_NOT_YET_HANDLED;
}

/* Its time has come when the file is gone. */
static void release_held(void)
{
    DBusMessage *call = held;

    if (!call || access(MANAGER_FOLDER "/hold", F_OK) == 0)
        return;
    held = NULL;
    unlink(MANAGER_FOLDER "/held");
    take_call(bus, call, NULL);
    dbus_message_unref(call);
}

int main(void)
{
    const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");

    assert(address);
    bus = dbus_connection_open_private(address, NULL);
    assert(bus && dbus_bus_register(bus, NULL));
    assert(dbus_connection_add_filter(bus, take_call, NULL, NULL));
    assert(dbus_bus_request_name(bus, NAME, 0, NULL) == DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER);
    touch("ready");
    while (dbus_connection_read_write_dispatch(bus, 10)) {
        end_late();
        reap();
        drop_ended();
        release_held();
    }
    return 0;
}
