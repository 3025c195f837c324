/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A transient unit as the message that asks for it.
 */

#include <stdlib.h>
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

/* systemd puts its own variables in where an argument has $NAME or ${NAME}; $$ is a $. */
static char *double_dollars(const char *argument)
{
    char *doubled = malloc(2 * strlen(argument) + 1), *end = doubled;

    for (; end && *argument; argument++) {
        *end++ = *argument;
        if (*argument == '$')
            *end++ = '$';
    }
    if (end)
        *end = '\0';
    return doubled;
}

/* Return: false without memory. */
static bool append_arguments(DBusMessageIter *in, const char *const *argv)
{
    DBusMessageIter array;
    bool is_whole = true;

    dbus_message_iter_open_container(in, DBUS_TYPE_ARRAY, "s", &array);
    for (; is_whole && *argv; argv++) {
        CLEANUP(freep) char *argument = double_dollars(*argv);
        is_whole = argument && dbus_message_iter_append_basic(&array, DBUS_TYPE_STRING, &argument);
    }
    dbus_message_iter_close_container(in, &array);
    return is_whole;
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

static bool append_command(DBusMessageIter *list, const struct transient_command *command)
{
    dbus_bool_t may_fail = command->may_fail;
    DBusMessageIter line;

    dbus_message_iter_open_container(list, DBUS_TYPE_STRUCT, NULL, &line);
    dbus_message_iter_append_basic(&line, DBUS_TYPE_STRING, &command->argv[0]);
    bool is_whole = append_arguments(&line, command->argv);
    dbus_message_iter_append_basic(&line, DBUS_TYPE_BOOLEAN, &may_fail);
    dbus_message_iter_close_container(list, &line);
    return is_whole;
}

static bool append_commands(DBusMessageIter *list, const struct transient *unit)
{
    const char *name = "ExecStart";
    DBusMessageIter property, variant, lines;
    bool is_whole = true;

    dbus_message_iter_open_container(list, DBUS_TYPE_STRUCT, NULL, &property);
    dbus_message_iter_append_basic(&property, DBUS_TYPE_STRING, &name);
    dbus_message_iter_open_container(&property, DBUS_TYPE_VARIANT, "a(sasb)", &variant);
    dbus_message_iter_open_container(&variant, DBUS_TYPE_ARRAY, "(sasb)", &lines);
    for (size_t i = 0; i < TRANSIENT_COMMANDS_MAX && unit->commands[i].argv; i++)
        is_whole = append_command(&lines, &unit->commands[i]) && is_whole;
    dbus_message_iter_close_container(&variant, &lines);
    dbus_message_iter_close_container(&property, &variant);
    dbus_message_iter_close_container(list, &property);
    return is_whole;
}

static bool append_properties(DBusMessageIter *top, const struct transient *unit)
{
    DBusMessageIter list;

    dbus_message_iter_open_container(top, DBUS_TYPE_ARRAY, "(sv)", &list);
    append_string(&list, "Description", unit->description);
    append_string(&list, "Slice", "gantry.slice");
    append_string(&list, "KillMode", "mixed");
    append_string(&list, "CollectMode", "inactive-or-failed");
    append_string(&list, "Type", unit->is_oneshot ? "oneshot" : "simple");
    append_string(&list, "SyslogIdentifier", unit->identifier);
    append_string(&list, "StandardOutputFileToAppend", unit->stdout_path);
    append_string(&list, "StandardErrorFileToAppend", unit->stderr_path);
    append_environment(&list, unit->environment);
    append_number(&list, "TimeoutStartUSec", unit->start_timeout);
    append_number(&list, "TimeoutStopUSec", unit->stop_timeout);
    append_number(&list, "MemoryMax", unit->memory_max);
    append_number(&list, "CPUQuotaPerSecUSec", unit->cpu_quota);
    bool is_whole = append_commands(&list, unit);
    dbus_message_iter_close_container(top, &list);
    return is_whole;
}

/* libdbus ends the process only where it has no memory for these few bytes. */
DBusMessage *bus_new_transient(const struct transient *unit)
{
    CLEANUP(bus_message_unrefp)
    DBusMessage *call = bus_new_unit_call("StartTransientUnit", unit->name, "fail");
    DBusMessageIter top, auxiliary;

    if (!call)
        return NULL;
    dbus_message_iter_init_append(call, &top);
    if (!append_properties(&top, unit))
        return NULL;
    dbus_message_iter_open_container(&top, DBUS_TYPE_ARRAY, "(sa(sv))", &auxiliary);
    dbus_message_iter_close_container(&top, &auxiliary);
    return dbus_message_ref(call);
}
