/* SPDX-License-Identifier: Apache-2.0 */
#include "client/doctor/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <systemd/sd-journal.h>

static int open_pidfd(void)
{
    CLEANUP(fd_closep) int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

    return fd < 0 ? -errno : 0;
}

static int ask_clock(int *statusp)
{
    struct timex timex = {0};

    if (adjtimex(&timex) < 0)
        return -errno;
    *statusp = timex.status;
    return 0;
}

struct doctor doctor_of_node(void)
{
    static const char *const rkts[] = {"/usr/bin/rkt", "/usr/local/bin/rkt", "/opt/bin/rkt",
                                       "/opt/rkt/rkt", NULL};
    struct doctor doctor = {
        .config_path = config_path(),
        .proc = "/proc",
        .usr = "/usr",
        .run = "/run",
        .journals = "/var/log/journal",
        .dropin = LIBEXECDIR "/gantry/rkt",
        .example = DOCDIR "/kubelet.service.d/10-gantry.conf",
        .override = "/etc/systemd/system/kubelet.service.d/10-gantry.conf",
        .manual = DOCDIR "/operating.md",
        .systemctl = "systemctl",
        .modprobe = "modprobe",
        .rkts = rkts,
        .pidfd_open = open_pidfd,
        .clock_status = ask_clock,
        .get_catalog = sd_journal_get_catalog_for_message_id,
    };
    sd_id128_t id;

    if (sd_id128_get_machine(&id) == 0)
        sd_id128_to_string(id, doctor.machine_id);
    return doctor;
}

void doctor_deinit(struct doctor *doctor)
{
    free(doctor->config_fault);
    free(doctor->to_start);
    json_decref(doctor->asked);
    free(doctor->not_asked);
    free(doctor->to_ask);
}
