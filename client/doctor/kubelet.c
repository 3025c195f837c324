/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whether the kubelet calls the drop-in.
 */

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "client/doctor/doctor.h"

#define UNIT "kubelet.service"
#define RESTART "systemctl daemon-reload && systemctl restart " UNIT

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

/* Whether systemd runs it as kubelet.service. */
static bool is_of_unit(const struct doctor *doctor, const char *pid)
{
    char name[NAME_MAX + sizeof("/cgroup")];

    snprintf(name, sizeof(name), "%s/cgroup", pid);
    CLEANUP(freep) char *cgroups = doctor_read(doctor->proc, name, NULL);
    return cgroups && strstr(cgroups, "/" UNIT);
}

/* The drop-in unit file helps where the unit takes $KUBELET_EXTRA_ARGS, and where nothing else sets
 * it. Whether that is so is seen once it is there. */
static void mend_path(const struct doctor *doctor, const char *pid, struct finding *finding)
{
    if (!is_of_unit(doctor, pid) || access(doctor->example, R_OK) < 0)
        finding_advise(finding, "give the kubelet --rkt-path=%s", doctor->dropin);
    else if (access(doctor->override, F_OK) == 0)
        finding_advise(finding,
                       "%s is there, but does not reach it: write --rkt-path=%s into ExecStart= or "
                       "the file of EnvironmentFile= (systemctl cat " UNIT "), then: " RESTART,
                       doctor->override, doctor->dropin);
    else
        finding_mend(finding, "install -D -m 644 %s %s && " RESTART, doctor->example,
                     doctor->override);
}

static void judge_kubelet(const struct doctor *doctor, const struct cmdline *cmdline,
                          const char *pid, struct finding *finding)
{
    const char *runtime = flag_of(cmdline, "container-runtime");
    const char *path = flag_of(cmdline, "rkt-path");

    if (!runtime || strcmp(runtime, "rkt") != 0) {
        finding_set(finding, FINDING_FAILED, "the kubelet (pid %s) runs its pods with %s, not rkt",
                    pid, runtime ? runtime : "docker");
        finding_advise(finding, "give the kubelet --container-runtime=rkt --rkt-path=%s",
                       doctor->dropin);
    } else if (!path) {
        finding_set(finding, FINDING_FAILED,
                    "the kubelet (pid %s) goes round gantry: it has no --rkt-path", pid);
        mend_path(doctor, pid, finding);
    } else if (strcmp(path, doctor->dropin) != 0 && !doctor_is_same_file(path, doctor->dropin)) {
        finding_set(finding, FINDING_FAILED,
                    "the kubelet (pid %s) goes round gantry: it has --rkt-path=%s", pid, path);
        finding_advise(finding, "give the kubelet --rkt-path=%s in its place", doctor->dropin);
    } else {
        finding_set(finding, FINDING_OK, "the kubelet (pid %s) calls %s", pid, path);
    }
}

/* No process is a kubelet. Some nodes are to have none: gantryctl run is for those. */
static void judge_none(const struct doctor *doctor, struct finding *finding)
{
    char *argv[] = {(char *)doctor->systemctl, "show", "--property=LoadState,ActiveState", UNIT,
                    NULL};
    char out[256];

    finding_set(finding, FINDING_WARNING, "no kubelet runs");
    if (doctor_run(argv, out, sizeof(out)) != 0 || !strstr(out, "LoadState=loaded\n"))
        finding_advise(finding, "start the kubelet, if the node is to have one");
    else if (strstr(out, "ActiveState=inactive\n"))
        finding_mend(finding, "systemctl start " UNIT);
    else
        finding_advise(finding, "see why it does not: systemctl status " UNIT);
}

/* The first one that is not as it should be counts. */
void doctor_kubelet(struct doctor *doctor, struct finding *finding)
{
    DIR *dir = opendir(doctor->proc);

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
        judge_kubelet(doctor, &cmdline, entry->d_name, finding);
        if (finding->status != FINDING_OK)
            break;
    }
    if (dir)
        closedir(dir);
    if (!finding->found)
        judge_none(doctor, finding);
}
