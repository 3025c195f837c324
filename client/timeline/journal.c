/* SPDX-License-Identifier: Apache-2.0 */
#include "client/timeline/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>

#include "client/plain.h"
#include "lib/manifest.h"
#include "lib/usec.h"

static const enum message wanted[] = {
    MESSAGE_LAUNCH,   MESSAGE_REFUSAL, MESSAGE_BACKOFF, MESSAGE_START,       MESSAGE_EXIT,
    MESSAGE_RELEASE,  MESSAGE_RESET,   MESSAGE_FORGET,  MESSAGE_UNREACHABLE, MESSAGE_UNCLEAR,
    MESSAGE_NO_START, MESSAGE_STOP,    MESSAGE_REMOVE,
};

void timeline_pod_deinit(struct timeline_pod *pod)
{
    free(pod->uid);
    free(pod->name);
    free(pod->namespace);
    free(pod->before);
    *pod = (struct timeline_pod){0};
}

/* Return: a string to free(), without what moves a terminal's cursor; NULL if the entry has no such
 * field, or one with a NUL in it. */
static char *field(sd_journal *journal, const char *name)
{
    const void *data;
    size_t length, skip = strlen(name) + 1;

    if (sd_journal_get_data(journal, name, &data, &length) < 0 || length < skip ||
        memchr(data, '\0', length))
        return NULL;
    char *value = strndup((const char *)data + skip, length - skip);
    if (value)
        plain_text(value, false);
    return value;
}

/* One that names something. All such names are ASCII by their grammars, so that a byte is a column,
 * and may be cut anywhere. */
static char *name_field(sd_journal *journal, const char *name)
{
    char *value = field(journal, name);

    for (char *at = value; at && *at; at++) {
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    }
    return value;
}

static uint64_t number(sd_journal *journal, const char *name, uint64_t missing)
{
    CLEANUP(freep) char *text = field(journal, name);

    return text ? strtoull(text, NULL, 10) : missing;
}

static bool begins(const char *text, const char *with)
{
    return text && strncmp(text, with, strlen(with)) == 0;
}

/* With `is_exact` its whole name, or UID; without, the beginning of a UID or of a UUID. */
static bool is_meant(const struct timeline_pod *pod, const char *uuid, const char *argument,
                     bool is_exact)
{
    const char *slash = strchr(argument, '/');

    if (!is_exact)
        return begins(pod->uid, argument) || begins(uuid, argument);
    if (strcmp(pod->uid, argument) == 0)
        return true;
    if (!slash)
        return strcmp(pod->name, argument) == 0;
    size_t length = (size_t)(slash - argument);
    return strlen(pod->namespace) == length && strncmp(pod->namespace, argument, length) == 0 &&
           strcmp(pod->name, slash + 1) == 0;
}

static int match_messages(sd_journal *journal)
{
    char match[64];
    int r = sd_journal_add_match(journal, "_UID=0", 0);

    for (size_t i = 0; r == 0 && i < N_ELEMENTS(wanted); i++) {
        snprintf(match, sizeof(match), "MESSAGE_ID=%s", message_info(wanted[i])->id);
        r = sd_journal_add_match(journal, match, 0);
    }
    return r;
}

/* Whose UID gantryd would not take has not been written by it: root's other processes are believed
 * so far only. A valid one is the same in plain text. */
static bool entry_pod(sd_journal *journal, struct timeline_pod *pod)
{
    pod->uid = field(journal, "GANTRY_POD_UID");
    pod->name = name_field(journal, "GANTRY_POD_NAME");
    pod->namespace = name_field(journal, "GANTRY_POD_NAMESPACE");
    return pod->uid && pod_uid_is_valid(pod->uid) && pod->name && pod->namespace;
}

/* From the newest entry back. Return: 0 (`pod` stays empty if there is none), TIMELINE_E_NO_POD
 * if two pods that are not namesakes are meant. */
static int find_pod(sd_journal *journal, const char *argument, bool is_exact,
                    struct timeline_pod *pod, struct error *error)
{
    SD_JOURNAL_FOREACH_BACKWARDS(journal)
    {
        CLEANUP(timeline_pod_deinit) struct timeline_pod here = {0};
        CLEANUP(freep) char *uuid = name_field(journal, "GANTRY_RKT_UUID");
        if (!entry_pod(journal, &here) || !is_meant(&here, uuid, argument, is_exact))
            continue;
        if (!pod->uid) {
            *pod = here;
            here = (struct timeline_pod){0};
        } else if (strcmp(pod->name, here.name) != 0 ||
                   strcmp(pod->namespace, here.namespace) != 0) {
            return error_set(error, TIMELINE_E_NO_POD, "\"%s\" may be %s/%s or %s/%s: say more",
                             argument, pod->namespace, pod->name, here.namespace, here.name);
        } else if (!pod->before && strcmp(pod->uid, here.uid) != 0) {
            pod->before = here.uid;
            here.uid = NULL;
        }
    }
    return 0;
}

static bool read_message(sd_journal *journal, enum message *messagep)
{
    CLEANUP(freep) char *id = field(journal, "MESSAGE_ID");

    for (size_t i = 0; id && i < N_ELEMENTS(wanted); i++) {
        if (strcmp(id, message_info(wanted[i])->id) == 0) {
            *messagep = wanted[i];
            return true;
        }
    }
    return false;
}

/* Its strings are consumed. */
static int add_event(struct timeline_events *events, const struct timeline_event *event)
{
    struct timeline_event *list = reallocarray(events->list, events->n + 1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    events->list = list;
    list[events->n++] = *event;
    return 0;
}

static int add_now(struct timeline_events *events)
{
    struct timeline_event now = {.message = TIMELINE_NOW, .status = STATUS_NONE, .n_times = 1};
    struct timespec monotonic;
    sd_id128_t boot;

    int r = sd_id128_get_boot(&boot);
    if (r < 0)
        return r;
    sd_id128_to_string(boot, now.boot);
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    now.monotonic = wall_from_timespec(&monotonic).usec;
    now.at = wall_now().usec;
    return add_event(events, &now);
}

static int read_event(sd_journal *journal, struct timeline_events *events)
{
    struct timeline_event event = {0};
    sd_id128_t boot;

    if (!read_message(journal, &event.message))
        return 0;
    int r = sd_journal_get_realtime_usec(journal, &event.at);
    if (r == 0)
        r = sd_journal_get_monotonic_usec(journal, &event.monotonic, &boot);
    if (r < 0)
        return r;
    sd_id128_to_string(boot, event.boot);
    event.uuid = name_field(journal, "GANTRY_RKT_UUID");
    event.container = name_field(journal, "GANTRY_CONTAINER");
    event.text = field(journal, "MESSAGE");
    event.status = (int)number(journal, "GANTRY_EXIT_STATUS", (uint64_t)STATUS_NONE);
    event.ran_usec = number(journal, "GANTRY_RUN_USEC", 0);
    event.backoff_usec = number(journal, "GANTRY_BACKOFF_USEC", 0);
    event.n_times = (unsigned)number(journal, "GANTRY_REPEATED", 1);
    return add_event(events, &event);
}

static int read_events(sd_journal *journal, const char *uid, struct timeline_events *events)
{
    char match[sizeof("GANTRY_POD_UID=") + POD_UID_MAX];
    int r;

    snprintf(match, sizeof(match), "GANTRY_POD_UID=%s", uid);
    r = sd_journal_add_match(journal, match, 0);
    if (r < 0)
        return r;
    SD_JOURNAL_FOREACH(journal)
    {
        r = read_event(journal, events);
        if (r < 0)
            return r;
    }
    return 0;
}

static int no_pod(const char *argument, struct error *error)
{
    const char *hint =
        geteuid() == 0 ? "journald may keep nothing from before the boot, or have rotated it away "
                         "(Storage= and SystemMaxUse= in journald.conf)"
                       : "run it as root, or as a member of the group systemd-journal";

    return error_set(error, TIMELINE_E_NO_POD, "the journal has no entries of pod \"%s\": %s",
                     argument, hint);
}

static int read_pod(sd_journal *journal, struct timeline_pod *pod, struct timeline_events *events,
                    const char *argument, struct error *error)
{
    int r = match_messages(journal);

    if (r == 0)
        r = find_pod(journal, argument, true, pod, error);
    if (r == 0 && !pod->uid)
        r = find_pod(journal, argument, false, pod, error);
    if (r != 0)
        return r;
    if (pod->uid)
        r = read_events(journal, pod->uid, events);
    return r == 0 && events->n == 0 ? no_pod(argument, error) : r;
}

int timeline_read(struct timeline_pod *pod, struct timeline_events *events, const char *directory,
                  const char *argument, struct error *error)
{
    sd_journal *journal = NULL;
    int r = directory ? sd_journal_open_directory(&journal, directory, 0)
                      : sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY);

    if (r < 0)
        return error_set(error, TIMELINE_E_NO_JOURNAL, "the journal%s%s cannot be read: %s",
                         directory ? " in " : "", directory ? directory : "", strerror(-r));
    r = read_pod(journal, pod, events, argument, error);
    sd_journal_close(journal);
    if (r == 0 && !directory)
        r = add_now(events);
    timeline_place(events);
    return r;
}
