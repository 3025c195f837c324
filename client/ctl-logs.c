/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/kubepod.h"

/* gantryd is not asked: the journal outlives the pod. */
int ctl_logs(const struct ctl *ctl)
{
    const char *slash = strchr(ctl->argument, '/');
    const char *name = slash ? slash + 1 : ctl->argument;
    char unit[128];
    char *argv[10] = {"journalctl", "-u", unit};
    size_t n = 3;

    if (!kubepod_is_label(name)) {
        fprintf(stderr, "gantryctl: \"%s\" is no pod's name\n", ctl->argument);
        return EXIT_NO_POD;
    }
    snprintf(unit, sizeof(unit), "gantry-%s.service", name);
    if (ctl->no_pager)
        argv[n++] = "--no-pager";
    if (ctl->follow)
        argv[n++] = "-f";
    if (ctl->json) {
        argv[n++] = "-o";
        argv[n++] = "json";
    }
    execvp(argv[0], argv);
    fprintf(stderr, "gantryctl: journalctl: %s\n", strerror(errno));
    return EXIT_FAILED;
}
