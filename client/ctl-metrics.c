/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/exposition.h"
#include "lib/unreachable.h"

static int write_text(const struct ctl *ctl, json_t *parameters, void *userdata)
{
    (void)ctl;
    fputs(ctl_string(parameters, "text"), userdata);
    return 0;
}

/* What is true without gantryd, too: these two are looked at when it is not there. */
static void write_own(const struct ctl *ctl, FILE *text, bool is_up)
{
    exposition_metric(text, "gantry_up", "gauge",
                      "Whether gantryd could be asked. Where not, OnUnreachable= decides what "
                      "becomes of launches.");
    exposition_count(text, "gantry_up", NULL, NULL, is_up);
    exposition_metric(text, "gantry_unreachable_total", "counter",
                      "Launches since the boot that the drop-in could not ask gantryd about. They "
                      "are in journalctl -t gantry-rkt.");
    exposition_count(text, "gantry_unreachable_total", NULL, NULL, unreachable_read(ctl->socket));
}

/* The metrics of gantryd, and those that it cannot tell itself. `bytesp` is to be freed. Return: an
 * exit status; whatever it is, there is a text. */
static int ask(const struct ctl *ctl, char **bytesp, size_t *lengthp)
{
    FILE *text = open_memstream(bytesp, lengthp);

    if (!text) {
        fprintf(stderr, "gantryctl: %s\n", strerror(errno));
        return EXIT_FAILED;
    }
    int status = ctl_call(ctl, "io.gantry.Node.Metrics", NULL, false, write_text, text);
    write_own(ctl, text, status == 0);
    fclose(text);
    return status;
}

/* The name for the file that is to become `path`: in the same folder, and none that node_exporter
 * would read. */
static int open_beside(const char *path, char name[static PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;

    if (snprintf(name, PATH_MAX, "%.*s.%s.XXXXXX", folder, path, path + folder) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return mkostemp(name, O_CLOEXEC);
}

/* Who reads it meanwhile reads the old file or the new one. It is not synced: after a crash the
 * next one follows in seconds. What is no file, as /dev/null, is not replaced by one. Return: 0 or
 * -errno. */
static int replace(const char *path, const char *bytes, size_t length)
{
    char name[PATH_MAX];
    struct stat st;

    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EEXIST;

    CLEANUP(fd_closep) int fd = open_beside(path, name);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, bytes, length);
    if (n == (ssize_t)length && fchmod(fd, 0644) == 0 && rename(name, path) == 0)
        return 0;
    int r = n >= 0 && n < (ssize_t)length ? -ENOSPC : -errno;
    unlink(name);
    return r;
}

int ctl_metrics(const struct ctl *ctl)
{
    CLEANUP(freep) char *text = NULL;
    size_t length;

    struct ctl quiet = *ctl;
    quiet.tells_unreachable = ctl->output;
    int status = ask(&quiet, &text, &length);
    if (!ctl->output) {
        if (status == 0)
            fputs(text, stdout);
        return status;
    }
    int r = text ? replace(ctl->output, text, length) : -ENOMEM;
    if (r < 0) {
        fprintf(stderr, "gantryctl: %s: %s\n", ctl->output, strerror(-r));
        return EXIT_FAILED;
    }
    return status;
}
