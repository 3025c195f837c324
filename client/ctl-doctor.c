/* SPDX-License-Identifier: Apache-2.0 */

/*
 * gantryctl doctor: what a node needs for gantry to work, looked at one by one. What can be seen
 * from here is seen here; the rest gantryd looks at from within its sandbox.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl.h"
#include "client/doctor/doctor.h"
#include "client/terminal.h"

/* In the order in which one mends: nothing rests on what comes later. gantryctl(1) has it, too. */
static const struct check {
    const char *name;
    const char *title;
    doctor_check_fn *look; /* NULL: gantryd does */
} checks[] = {
    {"configuration", "configuration", doctor_configuration},
    {"systemd", "systemd", doctor_systemd},
    {"cgroup", "cgroups", doctor_cgroup},
    {"overlay", "overlay", doctor_overlay},
    {"pidfd", "pidfds", doctor_pidfd},
    {"clock", "clock", doctor_clock},
    {"rkt", "the real rkt", doctor_rkt},
    {"stage1", "its stage1s", doctor_stage1},
    {"units", "units", doctor_units},
    {"socket", "API socket", doctor_socket},
    {"openat2", "openat2", NULL},
    {"state-clock", "clock and state", NULL},
    {"state", "rkt and state", NULL},
    {"kubelet", "kubelet", doctor_kubelet},
    {"kubelet-pods", "kubelet's /pods", NULL},
    {"journal", "journal", doctor_journal},
    {"catalog", "catalog", doctor_catalog},
};

static const enum colour colours[N_FINDING_STATUSES] = {
    [FINDING_OK] = COLOUR_GOOD,
    [FINDING_WARNING] = COLOUR_WAITS,
    [FINDING_FAILED] = COLOUR_BAD,
    [FINDING_UNKNOWN] = COLOUR_FAINT,
};

static void look(const struct check *check, struct doctor *doctor, struct finding *finding)
{
    if (check->look) {
        check->look(doctor, finding);
    } else if (doctor->asked) {
        finding_from_json(finding, doctor->asked, check->name);
    } else {
        finding_set(finding, FINDING_UNKNOWN, "%s",
                    doctor->not_asked ? doctor->not_asked : strerror(ENOMEM));
        if (doctor->to_ask)
            finding_mend(finding, "%s", doctor->to_ask);
    }
}

static void print_finding(const struct check *check, const struct finding *finding)
{
    printf("%s%-7s%s  %-15s  %s\n", terminal_colour(colours[finding->status]),
           finding_status_name(finding->status), terminal_colour(COLOUR_NONE), check->title,
           finding->found ? finding->found : "");
    if (finding->remedy)
        printf("         %s\n", finding->remedy);
    fflush(stdout);
}

/* Return: an exit status. */
static int look_at_all(const struct ctl *ctl, struct doctor *doctor)
{
    CLEANUP(json_decrefp) json_t *list = json_array();
    bool has_failed = false;
    int r = 0;

    for (size_t i = 0; r == 0 && i < N_ELEMENTS(checks); i++) {
        CLEANUP(finding_deinit) struct finding finding = {0};
        look(&checks[i], doctor, &finding);
        has_failed = has_failed || finding.status == FINDING_FAILED;
        if (ctl->json)
            r = json_array_append_new(list, finding_to_json(checks[i].name, &finding));
        else
            print_finding(&checks[i], &finding);
    }
    if (r < 0)
        fprintf(stderr, "gantryctl: %s\n", strerror(ENOMEM));
    else if (ctl->json)
        ctl_print_json(list, false);
    return r < 0 || has_failed ? EXIT_FAILED : 0;
}

/* The first fault is kept, but one that is more than a warning comes before. */
static void take_fault(void *userdata, bool is_warning, const char *message)
{
    struct doctor *faults = userdata;

    faults->n_config_faults++;
    if (!faults->config_fault || (!is_warning && !faults->config_is_bad)) {
        free(faults->config_fault);
        faults->config_fault = strdup(message);
    }
    faults->config_is_bad = faults->config_is_bad || !is_warning;
}

int ctl_doctor(const struct ctl *ctl)
{
    CLEANUP(config_unrefp) struct config *config = NULL;
    CLEANUP(doctor_deinit) struct doctor doctor = doctor_of_node();

    if (config_load(&config, doctor.config_path, CONFIG_ALL, take_fault, &doctor) < 0) {
        fprintf(stderr, "gantryctl: %s\n", strerror(ENOMEM));
        return EXIT_FAILED;
    }
    doctor.config = config;
    return look_at_all(ctl, &doctor);
}
