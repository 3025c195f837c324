/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What stands on both sides of gantry: the kubelet that is to call the drop-in, and the real
 * rkt.
 */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/doctor/doctor.h"

#define RELEASES "https://github.com/rkt/rkt/releases/tag/v1.30.0"

static bool is_same_file(const char *a, const char *b)
{
    struct stat st_a, st_b;

    return stat(a, &st_a) == 0 && stat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev &&
           st_a.st_ino == st_b.st_ino;
}

/* The kubelet. */

struct cmdline {
    char *text; /* NUL after each argument */
    size_t length;
};

static const char *next_argument(const struct cmdline *cmdline, const char *arg)
{
    const char *next = arg + strlen(arg) + 1;

    return next < cmdline->text + cmdline->length ? next : NULL;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* kubelet ..., or hyperkube kubelet ... */
static bool is_kubelet(const struct cmdline *cmdline)
{
    const char *program = cmdline->length > 0 ? base_of(cmdline->text) : "";
    const char *first = cmdline->length > 0 ? next_argument(cmdline, cmdline->text) : NULL;

    return strcmp(program, "kubelet") == 0 ||
           (strcmp(program, "hyperkube") == 0 && first && strcmp(first, "kubelet") == 0);
}

/* The value of --name=VALUE or --name VALUE, the last one, as the kubelet takes it. Return: NULL if
 * it is not given. */
static const char *flag_of(const struct cmdline *cmdline, const char *name)
{
    const char *value = NULL;
    size_t length = strlen(name);

    for (const char *arg = cmdline->text; arg; arg = next_argument(cmdline, arg)) {
        if (strncmp(arg, "--", 2) != 0 || strncmp(arg + 2, name, length) != 0)
            continue;
        if (arg[2 + length] == '=')
            value = arg + 2 + length + 1;
        else if (arg[2 + length] == '\0')
            value = next_argument(cmdline, arg);
    }
    return value;
}

static void judge_kubelet(const struct doctor *doctor, const struct cmdline *cmdline,
                          const char *pid, struct finding *finding)
{
    const char *runtime = flag_of(cmdline, "container-runtime");
    const char *path = flag_of(cmdline, "rkt-path");

    if (!runtime || strcmp(runtime, "rkt") != 0) {
        finding_set(finding, FINDING_FAILED, "the kubelet (pid %s) runs its pods with %s, not rkt",
                    pid, runtime ? runtime : "docker");
        finding_mend(finding, "--container-runtime=rkt --rkt-path=%s among the kubelet's flags",
                     doctor->dropin);
    } else if (!path) {
        finding_set(finding, FINDING_FAILED,
                    "the kubelet (pid %s) goes round gantry: it has no --rkt-path", pid);
        finding_mend(finding,
                     "install -D -m 644 %s -t /etc/systemd/system/kubelet.service.d && systemctl "
                     "daemon-reload && systemctl restart kubelet.service",
                     doctor->example);
    } else if (strcmp(path, doctor->dropin) != 0 && !is_same_file(path, doctor->dropin)) {
        finding_set(finding, FINDING_FAILED,
                    "the kubelet (pid %s) goes round gantry: it has --rkt-path=%s", pid, path);
        finding_mend(finding,
                     "--rkt-path=%s among the kubelet's flags, in the place of what is "
                     "there",
                     doctor->dropin);
    } else {
        finding_set(finding, FINDING_OK, "the kubelet (pid %s) calls %s", pid, path);
    }
}

/* The first one that is not as it should be counts. */
void doctor_kubelet(struct doctor *doctor, struct finding *finding)
{
    DIR *dir = opendir(doctor->proc);

    finding_set(finding, FINDING_WARNING, "no kubelet runs");
    finding_mend(finding, "systemctl start kubelet.service");
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char name[NAME_MAX + sizeof("/cmdline")];
        struct cmdline cmdline = {0};
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(name, sizeof(name), "%s/cmdline", entry->d_name);
        CLEANUP(freep) char *text = doctor_read(doctor->proc, name, &cmdline.length);
        cmdline.text = text;
        if (!text || !is_kubelet(&cmdline))
            continue;
        finding_deinit(finding);
        judge_kubelet(doctor, &cmdline, entry->d_name, finding);
        if (finding->status != FINDING_OK)
            break;
    }
    if (dir)
        closedir(dir);
}

/* The real rkt. */

/* What there is in its usual places, if it is not where it was said to be. */
static const char *find_rkt(const struct doctor *doctor)
{
    static const char *const places[] = {"/usr/bin/rkt", "/usr/local/bin/rkt", "/opt/bin/rkt",
                                         "/opt/rkt/rkt"};

    for (size_t i = 0; i < N_ELEMENTS(places); i++) {
        if (access(places[i], X_OK) == 0 && !is_same_file(places[i], doctor->dropin))
            return places[i];
    }
    return NULL;
}

static void mend_path(const struct doctor *doctor, struct finding *finding)
{
    const char *found = find_rkt(doctor), *rkt = doctor->config->rkt.path;

    if (found && strcmp(found, rkt) != 0)
        finding_mend(finding,
                     "mkdir -p %s.d && printf '[Rkt]\\nPath=%s\\n' >%s.d/99-rkt.conf && systemctl "
                     "reload-or-restart gantryd.service",
                     doctor->config_path, found, doctor->config_path);
    else
        finding_mend(finding, "Path=/where/it/is/rkt in [Rkt] of %s; or install rkt, %s",
                     doctor->config_path, RELEASES);
}

/* What does not work with rkt 1.MINOR; "" if all does. gantryd(8) has it room by room. */
static const char *lacks(unsigned minor)
{
    if (minor < 13)
        return ": GPUs cannot be given to containers, and OOM scores are set on running apps only";
    if (minor < 19)
        return ": OOM scores are set on running apps only";
    return "";
}

static void judge_version(const char *rkt, const char *out, struct finding *finding)
{
    char version[64];
    unsigned minor;

    if (sscanf(out, "rkt Version: %63s", version) != 1 || sscanf(version, "1.%u", &minor) != 1) {
        finding_set(finding, FINDING_FAILED, "%s is no rkt 1.x, by what `rkt version` prints", rkt);
        finding_mend(finding, "rkt 1.30.0, %s", RELEASES);
        return;
    }
    const char *missing = lacks(minor);
    finding_set(finding, missing[0] ? FINDING_WARNING : FINDING_OK, "rkt %s at %s%s", version, rkt,
                missing);
    if (missing[0])
        finding_mend(finding, "rkt 1.30.0, %s", RELEASES);
}

void doctor_rkt(struct doctor *doctor, struct finding *finding)
{
    char *rkt = doctor->config->rkt.path, out[1024];
    char *argv[] = {rkt, "version", NULL};

    if (is_same_file(rkt, doctor->dropin)) {
        finding_set(finding, FINDING_FAILED, "%s is the drop-in itself, not the real rkt", rkt);
        mend_path(doctor, finding);
        return;
    }
    if (access(rkt, X_OK) < 0) {
        finding_set(finding, FINDING_FAILED, "%s: %s", rkt, strerror(errno));
        mend_path(doctor, finding);
        return;
    }
    int r = doctor_run(argv, out, sizeof(out));
    if (r == 0) {
        judge_version(rkt, out, finding);
    } else {
        finding_set(finding, FINDING_FAILED, "`%s version` fails: %s %d", rkt,
                    r < 0 ? strerror(-r) : "exit status", r < 0 ? 0 : r);
        finding_mend(finding, "%s version  # what does it say?", rkt);
    }
}
