/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "daemon/node.h"
#include "daemon/own/steps.h"
#include "daemon/own/units.h"

void ownrun_tell_step(struct ownpod *ownpod, const char *format, ...)
{
    CLEANUP(freep) char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    /* One that does not read is cut off, and gone. */
    for (struct ownpod_waiter *waiter = ownpod->waiters, *next; text && waiter; waiter = next) {
        next = waiter->next;
        waiter->step(waiter, text);
    }
}

static struct ownpod_waiter *find_waiter(const struct ownpod *ownpod, enum ownpod_wish wish)
{
    struct ownpod_waiter *waiter = ownpod->waiters;

    while (waiter && waiter->wish != wish)
        waiter = waiter->next;
    return waiter;
}

void ownrun_tell_done(struct ownpod *ownpod, enum ownpod_wish wish, const char *failure)
{
    struct ownpod_waiter *waiter;

    /* An answer may well bring the next call, so the list is looked at anew after each. */
    while ((waiter = find_waiter(ownpod, wish))) {
        ownrun_leave(waiter);
        waiter->done(waiter, failure);
    }
}

void ownrun_tell_journal(struct ownpod *ownpod, enum message message, const char *format, ...)
{
    CLEANUP(event_deinit) struct event event = {0};
    CLEANUP(freep) char *text = NULL;
    struct pod *pod = ownrun_pod(ownpod);
    char unit[OWNUNITS_NAME_MAX];
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (!pod || !text)
        return;
    pod_event(&event, pod, message, "%s", text);
    event_add(&event, "OBJECT_SYSTEMD_UNIT", "%s", ownunits_name(unit, ownpod));
    if (message == MESSAGE_NO_START)
        event_add(&event, "GANTRY_REASON", "%s", text);
    else if (ownpod_uuid(ownpod)[0])
        event_add(&event, "GANTRY_RKT_UUID", "%s", ownpod_uuid(ownpod));
    events_emit(&ownpod->node->events, &event, &pod->repeat, usec_now());
}
