/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whether the real rkt is where it is said to be, and of a version with which all works.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/doctor/doctor.h"

#define RELEASES "https://github.com/rkt/rkt/releases/tag/v1.30.0"

/* Return: one in its usual places, NULL if there is none. */
static const char *find_rkt(const struct doctor *doctor)
{
    for (const char *const *rkt = doctor->rkts; *rkt; rkt++) {
        if (access(*rkt, X_OK) == 0 && !doctor_is_same_file(*rkt, doctor->dropin))
            return *rkt;
    }
    return NULL;
}

static void mend_path(const struct doctor *doctor, struct finding *finding)
{
    const char *found = find_rkt(doctor), *rkt = doctor->config->rkt.path;

    if (found && strcmp(found, rkt) != 0)
        finding_mend(finding,
                     "mkdir -p %s.d && printf '[Rkt]\\nPath=%s\\n' >%s.d/99-rkt.conf && systemctl "
                     "try-reload-or-restart gantryd.service",
                     doctor->config_path, found, doctor->config_path);
    else
        finding_advise(finding, "write where rkt is into %s, Path= of [Rkt]; or install it: %s",
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
        finding_advise(finding, "install rkt 1.30.0: %s", RELEASES);
        return;
    }
    const char *missing = lacks(minor);
    finding_set(finding, missing[0] ? FINDING_WARNING : FINDING_OK, "rkt %s at %s%s", version, rkt,
                missing);
    if (missing[0])
        finding_advise(finding, "install rkt 1.30.0: %s", RELEASES);
}

void doctor_rkt(struct doctor *doctor, struct finding *finding)
{
    char *rkt = doctor->config->rkt.path, out[1024];
    char *argv[] = {rkt, "version", NULL};

    if (doctor_is_same_file(rkt, doctor->dropin)) {
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
        return;
    }
    if (r == -ETIMEDOUT)
        finding_set(finding, FINDING_FAILED, "`%s version` does not end", rkt);
    else if (r < 0)
        finding_set(finding, FINDING_FAILED, "`%s version` cannot be run: %s", rkt, strerror(-r));
    else
        finding_set(finding, FINDING_FAILED, "`%s version` fails: exit status %d", rkt, r);
    finding_advise(finding, "see what it does: %s version", rkt);
}
