/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whether the journal keeps what gantry tells, and can explain it.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/doctor/doctor.h"
#include "lib/message.h"

#define MAKE_FOLDER                                                                        \
    "mkdir -p /var/log/journal && systemd-tmpfiles --create --prefix /var/log/journal && " \
    "journalctl --flush"
#define MAKE_PERSISTENT                                    \
    "mkdir -p /etc/systemd/journald.conf.d && "            \
    "printf '[Journal]\\nStorage=persistent\\n' "          \
    ">/etc/systemd/journald.conf.d/99-persistent.conf && " \
    "systemctl restart systemd-journald.service && journalctl --flush"

/* journald writes to /run until it goes over to /var, and takes what it has in /run away then. */
void doctor_journal(struct doctor *doctor, struct finding *finding)
{
    char kept[256], lost[256];

    snprintf(kept, sizeof(kept), "%s/%s", doctor->journals, doctor->machine_id);
    snprintf(lost, sizeof(lost), "%s/log/journal/%s", doctor->run, doctor->machine_id);
    if (access(lost, F_OK) < 0 && access(kept, F_OK) == 0) {
        finding_set(finding, FINDING_OK, "the journal is kept in %s", kept);
    } else if (access(doctor->journals, F_OK) < 0) {
        finding_set(finding, FINDING_WARNING,
                    "the journal is lost at the next boot: there is no %s", doctor->journals);
        finding_mend(finding, MAKE_FOLDER);
    } else {
        finding_set(finding, FINDING_WARNING,
                    "the journal is lost at the next boot: journald does not write to %s", kept);
        finding_mend(finding, MAKE_PERSISTENT);
    }
}

void doctor_catalog(struct doctor *doctor, struct finding *finding)
{
    unsigned n_missing = 0;

    for (enum message message = 0; message < N_MESSAGES; message++) {
        CLEANUP(freep) char *text = NULL;
        sd_id128_t id;
        if (sd_id128_from_string(message_info(message)->id, &id) < 0 ||
            doctor->get_catalog(id, &text) < 0)
            n_missing++;
    }
    if (n_missing == 0) {
        finding_set(finding, FINDING_OK, "journalctl -x explains all %d messages", N_MESSAGES);
        return;
    }
    finding_set(finding, FINDING_WARNING,
                "journalctl -x does not explain %u of %d messages: they are not in the catalog",
                n_missing, N_MESSAGES);
    finding_mend(finding, "journalctl --update-catalog");
}
