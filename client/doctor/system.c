/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What gantry needs of systemd and of the kernel.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>

#include "client/doctor/doctor.h"

#define SYSTEMD_MIN 240
#define PROC_ADVICE "find out what is wrong with /proc: systemd mounts it at the boot"

void doctor_systemd(struct doctor *doctor, struct finding *finding)
{
    char *argv[] = {(char *)doctor->systemctl, "--version", NULL};
    char out[256], path[256];
    unsigned version;
    struct stat st;

    snprintf(path, sizeof(path), "%s/systemd/system", doctor->run);
    int r = doctor_run(argv, out, sizeof(out));
    if (r != 0 || sscanf(out, "systemd %u", &version) != 1) {
        finding_set(finding, FINDING_UNKNOWN, "%s --version: %s", doctor->systemctl,
                    r < 0 ? strerror(-r) : "an answer that is none");
        finding_advise(finding, "see what %s --version says: systemd %d or newer is needed",
                       doctor->systemctl, SYSTEMD_MIN);
    } else if (stat(path, &st) < 0) {
        finding_set(finding, FINDING_FAILED, "the machine was not booted with systemd");
        finding_advise(finding, "boot it with systemd: init=/lib/systemd/systemd for the kernel");
    } else if (version < SYSTEMD_MIN) {
        finding_set(finding, FINDING_FAILED, "systemd %u", version);
        finding_advise(finding, "upgrade the node's systemd to %d or newer", SYSTEMD_MIN);
    } else {
        finding_set(finding, FINDING_OK, "systemd %u", version);
    }
}

/* Whether a file system of that type is mounted, as proc(5) mountinfo tells: behind " - ". */
static bool is_mounted(const char *mountinfo, const char *type)
{
    char words[32];

    snprintf(words, sizeof(words), " - %s ", type);
    return strstr(mountinfo, words);
}

void doctor_cgroup(struct doctor *doctor, struct finding *finding)
{
    CLEANUP(freep) char *mountinfo = doctor_read(doctor->proc, "self/mountinfo", NULL);

    if (!mountinfo) {
        finding_set(finding, FINDING_UNKNOWN, "%s/self/mountinfo: %s", doctor->proc,
                    strerror(errno));
        finding_advise(finding, PROC_ADVICE);
        return;
    }
    bool has_v1 = is_mounted(mountinfo, "cgroup"), has_v2 = is_mounted(mountinfo, "cgroup2");
    if (has_v1 || has_v2) {
        finding_set(finding, FINDING_OK, "%s",
                    has_v1 && has_v2 ? "cgroup v1, and v2 beside it (hybrid)"
                    : has_v1         ? "cgroup v1"
                                     : "cgroup v2");
    } else {
        finding_set(finding, FINDING_FAILED, "no cgroup hierarchy is mounted");
        finding_advise(finding, "find out what took them away: systemd mounts them at the boot");
    }
}

/* Whether there is a module that can be loaded; it is not. */
static bool has_module(const struct doctor *doctor, const char *name)
{
    char *argv[] = {(char *)doctor->modprobe, "--dry-run", "--quiet", (char *)name, NULL};
    char out[256];

    return doctor_run(argv, out, sizeof(out)) == 0;
}

/* rkt loads the module itself, before each pod. */
void doctor_overlay(struct doctor *doctor, struct finding *finding)
{
    CLEANUP(freep) char *filesystems = doctor_read(doctor->proc, "filesystems", NULL);

    if (!filesystems) {
        finding_set(finding, FINDING_UNKNOWN, "%s/filesystems: %s", doctor->proc, strerror(errno));
        finding_advise(finding, PROC_ADVICE);
    } else if (strstr(filesystems, "\toverlay\n")) {
        finding_set(finding, FINDING_OK, "the kernel has overlay");
    } else if (has_module(doctor, "overlay")) {
        finding_set(finding, FINDING_OK, "the kernel has overlay, as a module that rkt loads");
    } else {
        finding_set(finding, FINDING_WARNING,
                    "the kernel has no overlay, nor modprobe a module: rkt copies each app's "
                    "image");
        finding_advise(finding, "install kmod and the kernel's modules, or a kernel with overlay");
    }
}

void doctor_pidfd(struct doctor *doctor, struct finding *finding)
{
    int r = doctor->pidfd_open();

    if (r == 0) {
        finding_set(finding, FINDING_OK, "the kernel has pidfd_open: ends of pods are seen");
        return;
    }
    finding_set(finding, FINDING_FAILED,
                "pidfd_open: %s: ends of pods are not seen, and nothing is held back",
                strerror(-r));
    finding_advise(finding, "upgrade the node's kernel to Linux 5.3 or newer");
}

void doctor_clock(struct doctor *doctor, struct finding *finding)
{
    int status = 0;

    int r = doctor->clock_status(&status);
    if (r < 0) {
        finding_set(finding, FINDING_UNKNOWN, "adjtimex: %s", strerror(-r));
        finding_advise(finding, "see what it says: timedatectl");
    } else if (status & STA_UNSYNC) {
        finding_set(finding, FINDING_WARNING,
                    "the clock is not synchronized: times in the "
                    "journal, in events and of certificates may be off");
        /* Which client there is cannot be known, nor whether there is any. */
        finding_advise(finding, "have an NTP client set it, such as systemd-timesyncd or chrony");
    } else {
        finding_set(finding, FINDING_OK, "the clock is synchronized");
    }
}
