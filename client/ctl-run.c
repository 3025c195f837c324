/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods without a kubelet: gantryctl run, stop, rm and logs.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl.h"
#include "client/plain.h"
#include "lib/kubepod.h"

/* A step is told as it comes; the last reply has none. */
static int told_step(const struct ctl *ctl, json_t *parameters, void *userdata)
{
    (void)userdata;
    if (ctl->json) {
        ctl_print_json(parameters, true);
        return 0;
    }
    plain_json(parameters, false);
    if (ctl_string(parameters, "step")[0])
        printf("%s\n", ctl_string(parameters, "step"));
    fflush(stdout);
    return 0;
}

/* "web" of "/srv/web.json", or an empty name. Return: to free(), NULL without memory. */
static char *name_of_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = strdup(slash ? slash + 1 : path);
    char *suffix = name ? strrchr(name, '.') : NULL;

    if (suffix && strcmp(suffix, ".json") == 0)
        *suffix = '\0';
    return name;
}

static bool is_policy(const char *text)
{
    return strcmp(text, "Always") == 0 || strcmp(text, "OnFailure") == 0 ||
           strcmp(text, "Never") == 0;
}

int ctl_run(const struct ctl *ctl)
{
    json_error_t at;
    bool is_stdin = strcmp(ctl->argument, "-") == 0;
    CLEANUP(freep) char *name = is_stdin ? strdup("") : name_of_file(ctl->argument);

    if (ctl->restart && !is_policy(ctl->restart)) {
        fprintf(stderr, "gantryctl: --restart takes Always, OnFailure or Never, not %s\n",
                ctl->restart);
        return EXIT_USAGE;
    }
    FILE *f = is_stdin ? stdin : fopen(ctl->argument, "re");
    if (!f) {
        fprintf(stderr, "gantryctl: %s: %s\n", ctl->argument, strerror(errno));
        return EXIT_FAILED;
    }
    json_t *manifest = json_loadf(f, 0, &at);
    if (!is_stdin)
        fclose(f);
    if (!manifest) {
        fprintf(stderr, "gantryctl: %s: not JSON: line %d, column %d: %s\n", ctl->argument, at.line,
                at.column, at.text);
        return EXIT_FAILED;
    }
    json_t *parameters = json_pack("{s:o, s:s*, s:s*}", "manifest", manifest, "name",
                                   name && name[0] ? name : NULL, "restartPolicy", ctl->restart);
    return ctl_call(ctl, "io.gantry.Node.Run", parameters, true, told_step, NULL);
}

int ctl_stop(const struct ctl *ctl)
{
    return ctl_call(ctl, "io.gantry.Node.Stop", json_pack("{s:s}", "pod", ctl->argument), true,
                    told_step, NULL);
}

int ctl_rm(const struct ctl *ctl)
{
    return ctl_call(ctl, "io.gantry.Node.Remove", json_pack("{s:s}", "pod", ctl->argument), true,
                    told_step, NULL);
}

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
