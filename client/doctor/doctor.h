/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The checks of gantryctl doctor. Each looks at one thing that gantry needs, and leaves a finding:
 * what there is, and, unless it is as it should be, what mends it. None changes anything, and none
 * waits for long. Where things are is told by a struct doctor, so that the tests can break them.
 */

#include <jansson.h>
#include <systemd/sd-id128.h>

#include "lib/config.h"
#include "lib/finding.h"

struct doctor {
    const struct config *config;
    char *config_fault; /* the first one; NULL: there is none */
    bool config_is_bad; /* gantryd does not start with it; else it was a warning */
    unsigned n_config_faults;

    const char *config_path;
    const char *proc;     /* /proc */
    const char *usr;      /* /usr: rkt's stage1s, systemd's catalogs */
    const char *run;      /* /run */
    const char *journals; /* /var/log/journal */
    char machine_id[SD_ID128_STRING_MAX];
    const char *dropin;      /* the drop-in rkt, as it is installed */
    const char *example;     /* the kubelet's drop-in unit file, as an example, */
    const char *override;    /* and where systemd reads it */
    const char *manual;      /* docs/operating.md, as it is installed */
    const char *systemctl;   /* a program's name, */
    const char *modprobe;    /* and another's */
    const char *const *rkts; /* where rkt usually is; ended by NULL */
    /* What the kernel and the catalog say: as pidfd_open(2), adjtimex(2) and
       sd_journal_get_catalog_for_message_id(3). */
    int (*pidfd_open)(void); /* Return: 0 or -errno */
    int (*clock_status)(int *statusp);
    int (*get_catalog)(sd_id128_t id, char **textp);

    char *to_start;  /* what mends the units; NULL: they are well, or not looked at yet */
    json_t *asked;   /* what gantryd has found; NULL: it could not be asked, */
    char *not_asked; /* and why, */
    char *to_ask;    /* and what mends that */
};

#define AS_ROOT "run gantryctl doctor as root"

/* Where everything is on a node; the configuration is still to be set. doctor_deinit() is due. */
struct doctor doctor_of_node(void);
void doctor_deinit(struct doctor *doctor);

typedef void doctor_check_fn(struct doctor *doctor, struct finding *finding);

/* client/doctor/gantry.c. The socket's comes after the units', and keeps what gantryd has found. */
doctor_check_fn doctor_configuration, doctor_units, doctor_socket;
/* client/doctor/kubelet.c */
doctor_check_fn doctor_kubelet;
/* client/doctor/rkt.c, client/doctor/stage1.c */
doctor_check_fn doctor_rkt, doctor_stage1;
/* client/doctor/system.c */
doctor_check_fn doctor_systemd, doctor_cgroup, doctor_overlay, doctor_pidfd, doctor_clock;
/* client/doctor/journal.c */
doctor_check_fn doctor_journal, doctor_catalog;

/* Runs a program, without input and in an environment of its own, for 5 seconds at most, and takes
 * the beginning of what it prints on standard output, ended by a NUL.
 * Return: its exit status, 128 and the signal that ended it; -ETIMEDOUT: it was killed; -errno if
 * it cannot be run. */
int doctor_run(char *const *argv, char *out, size_t size);

/* Reads a small file of `folder`, ended by a NUL. Return: a string to free(), NULL and errno. */
char *doctor_read(const char *folder, const char *name, size_t *lengthp);

/* Whether two paths lead to one file that is there. */
bool doctor_is_same_file(const char *a, const char *b);
