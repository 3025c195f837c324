/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The drop-in's own entries in the journal, for when it could not do its work.
 */

#include "lib/manifest.h"
#include "lib/message.h"

/* What an entry tells besides its words. Members may be NULL. */
struct report {
    enum message message;
    const char *command; /* "prepare" */
    const char *reason;
    const struct pod_identity *pod;
};

/* Leaves one entry: in the journal with all its fields; in syslog(3) if journald is not there. */
void report_send(const struct report *report, const char *format, ...) PRINTF(2, 3);
