/* SPDX-License-Identifier: Apache-2.0 */

/*
 * libsystemd would be by far the heaviest thing that the drop-in links, and it is linked
 * statically; so this speaks journald's own protocol, systemd.io/JOURNAL_NATIVE_PROTOCOL: a
 * datagram of fields, each
 *
 *   NAME=value\n            or, if there is a newline in the value,
 *   NAME\n<64 bit little-endian length of the value>value\n
 */

#include "client/report.h"

#include <endian.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static void add(FILE *entry, const char *name, const char *value)
{
    if (!value)
        return;
    if (!strchr(value, '\n')) {
        fprintf(entry, "%s=%s\n", name, value);
        return;
    }
    uint64_t length = htole64(strlen(value));
    fprintf(entry, "%s\n", name);
    fwrite(&length, sizeof(length), 1, entry);
    fprintf(entry, "%s\n", value);
}

/* Return: true if whoever listens there has it. It is not waited for: a journald that hangs must
 * not hold up a launch. */
static bool send_to(const char *path, const char *bytes, size_t length)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP(fd_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, path);
    return fd >= 0 && sendto(fd, bytes, length, MSG_NOSIGNAL, (const struct sockaddr *)&address,
                             sizeof(address)) == (ssize_t)length;
}

/* A node without journald: the line that syslog(3) would send, which would wait. */
static void send_to_syslog(int priority, const char *text)
{
    char line[2048];

    int n = snprintf(line, sizeof(line), "<%d>gantry-rkt[%d]: %s", LOG_DAEMON | priority,
                     (int)getpid(), text);
    send_to(_PATH_LOG, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static char *compose(const struct report *report, const char *text, size_t *lengthp)
{
    const struct message_info *info = message_info(report->message);
    char *bytes = NULL;
    FILE *entry = open_memstream(&bytes, lengthp);

    if (!entry)
        return NULL;
    add(entry, "MESSAGE", text);
    add(entry, "MESSAGE_ID", info->id);
    fprintf(entry, "PRIORITY=%d\n", info->priority);
    add(entry, "SYSLOG_IDENTIFIER", "gantry-rkt");
    add(entry, "GANTRY_COMMAND", report->command);
    add(entry, "GANTRY_REASON", report->reason);
    if (report->pod) {
        add(entry, "GANTRY_POD_UID", report->pod->uid);
        add(entry, "GANTRY_POD_NAME", report->pod->name);
        add(entry, "GANTRY_POD_NAMESPACE", report->pod->namespace);
    }
    fclose(entry);
    return bytes;
}

void report_send(const struct report *report, const char *format, ...)
{
    CLEANUP(freep) char *text = NULL;
    size_t length;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);

    CLEANUP(freep) char *entry = text ? compose(report, text, &length) : NULL;
    if (entry && !send_to(JOURNAL_SOCKET, entry, length))
        send_to_syslog(message_info(report->message)->priority, text);
}
