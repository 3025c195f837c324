/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A transient unit as the message that asks for it.
 */

#include <string.h>

#include "daemon/bus-connection.h"

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

/* libdbus ends the process only where it has no memory for these few bytes. */
DBusMessage *bus_new_transient(const struct transient *unit)
{
    DBusMessage *call = bus_new_unit_call("StartTransientUnit", unit->name, "fail");
    DBusMessageIter top, auxiliary;

    if (!call)
        return NULL;
    dbus_message_iter_init_append(call, &top);
    append_properties(&top, unit);
    dbus_message_iter_open_container(&top, DBUS_TYPE_ARRAY, "(sa(sv))", &auxiliary);
    dbus_message_iter_close_container(&top, &auxiliary);
    return call;
}
