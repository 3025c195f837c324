/* SPDX-License-Identifier: Apache-2.0 */
#include "client/report.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define FIELDS_MAX 10

struct entry {
    struct iovec fields[FIELDS_MAX];
    int n_fields;
};

static void add(struct entry *entry, const char *name, const char *value)
{
    char *field;

    if (!value || entry->n_fields == FIELDS_MAX)
        return;
    int n = asprintf(&field, "%s=%s", name, value);
    if (n >= 0)
        entry->fields[entry->n_fields++] = (struct iovec){.iov_base = field, .iov_len = (size_t)n};
}

static void entry_deinit(struct entry *entry)
{
    for (int i = 0; i < entry->n_fields; i++)
        free(entry->fields[i].iov_base);
}

/* Return: true if journald has it. sd_journal_sendv() is content when nobody listens: so that is
 * asked first. */
static bool send_to_journald(const struct entry *entry)
{
    if (access(JOURNAL_SOCKET, W_OK) < 0)
        return false;
    void *library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return false;
    int (*sendv)(const struct iovec *iov, int n);
    /* The one way that C leaves from an object pointer to a function's. */
    *(void **)&sendv = dlsym(library, "sd_journal_sendv");
    bool sent = sendv && sendv(entry->fields, entry->n_fields) >= 0;
    dlclose(library);
    return sent;
}

void report_send(const struct report *report, const char *format, ...)
{
    const struct message_info *info = message_info(report->message);
    CLEANUP(entry_deinit) struct entry entry = {.n_fields = 0};
    CLEANUP(freep) char *text = NULL;
    char priority[16];
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (!text)
        return;

    snprintf(priority, sizeof(priority), "%d", info->priority);
    add(&entry, "MESSAGE", text);
    add(&entry, "MESSAGE_ID", info->id);
    add(&entry, "PRIORITY", priority);
    add(&entry, "SYSLOG_IDENTIFIER", "gantry-rkt");
    add(&entry, "GANTRY_COMMAND", report->command);
    add(&entry, "GANTRY_REASON", report->reason);
    if (report->pod) {
        add(&entry, "GANTRY_POD_UID", report->pod->uid);
        add(&entry, "GANTRY_POD_NAME", report->pod->name);
        add(&entry, "GANTRY_POD_NAMESPACE", report->pod->namespace);
    }
    if (!send_to_journald(&entry)) {
        openlog("gantry-rkt", LOG_PID, LOG_DAEMON);
        syslog(info->priority, "%s", text);
        closelog();
    }
}
