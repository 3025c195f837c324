/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define QUIET_USEC (10 * USEC_MINUTE)

static void add_formatted(struct event *event, const char *name, const char *format, va_list args)
    PRINTF(3, 0);

static void add_formatted(struct event *event, const char *name, const char *format, va_list args)
{
    char **fields = reallocarray(event->fields, event->n_fields + 1, sizeof(*fields));
    CLEANUP(freep) char *value = NULL;

    if (fields)
        event->fields = fields;
    if (vasprintf(&value, format, args) < 0)
        value = NULL;
    if (!fields || !value || asprintf(&fields[event->n_fields], "%s=%s", name, value) < 0) {
        event->incomplete = true;
        return;
    }
    event->n_fields++;
}

void event_add(struct event *event, const char *name, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_formatted(event, name, format, args);
    va_end(args);
}

void event_init(struct event *event, enum message message, const char *format, ...)
{
    const struct message_info *info = message_info(message);
    va_list args;

    *event = (struct event){.message = message};
    va_start(args, format);
    add_formatted(event, "MESSAGE", format, args);
    va_end(args);
    event_add(event, "MESSAGE_ID", "%s", info->id);
    event_add(event, "PRIORITY", "%d", info->priority);
}

void event_deinit(struct event *event)
{
    for (size_t i = 0; i < event->n_fields; i++)
        free(event->fields[i]);
    free(event->fields);
    *event = (struct event){0};
}

const char *event_text(const struct event *event)
{
    return event->fields[0] + strlen("MESSAGE=");
}

/* FNV-1a: to tell the same words from others, no more. */
static uint32_t hash(const char *text)
{
    uint32_t value = 2166136261U;

    for (; *text; text++)
        value = (value ^ (unsigned char)*text) * 16777619U;
    return value;
}

/* Return: how often it has come in a row, this time included. */
static unsigned count(struct repeat *repeat, enum message message, uint32_t text_hash, usec_t now)
{
    bool same = repeat->n_times > 0 && repeat->message == message &&
                repeat->text_hash == text_hash && usec_sub(now, repeat->at) < QUIET_USEC;

    *repeat = (struct repeat){
        .message = message,
        .text_hash = text_hash,
        .n_times = same ? repeat->n_times + 1 : 1,
        .at = now,
    };
    return repeat->n_times;
}

/* Puts the count into the words, for those who read only them. */
static void say_repeated(struct event *event, unsigned n)
{
    char *counted = NULL;

    event_add(event, "GANTRY_REPEATED", "%u", n);
    if (asprintf(&counted, "%s (%u times now)", event->fields[0], n) < 0)
        return;
    free(event->fields[0]);
    event->fields[0] = counted;
}

void events_emit(struct events *events, struct event *event, struct repeat *repeat, usec_t now)
{
    /* Without memory nobody could be told anyway. */
    if (event->incomplete)
        return;

    unsigned n = repeat ? count(repeat, event->message, hash(event_text(event)), now)
                        : count(&events->repeats[event->message], event->message, 0, now);
    if (n > 1)
        say_repeated(event, n);
    if (events->watch)
        events->watch(events->userdata, event);
    if ((n & (n - 1)) == 0)
        journal_write(events->journal, event->fields, event->n_fields);
}
