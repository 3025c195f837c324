/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whether the journal keeps what gantry tells, and can explain it.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/doctor/doctor.h"
#include "lib/message.h"

/* journalctl --flush does nothing if it was called since the boot, and it always was. */
#define RESTART "systemctl restart systemd-journald.service"
#define MAKE_FOLDER \
    "mkdir -p /var/log/journal && systemd-tmpfiles --create --prefix /var/log/journal && " RESTART
#define MAKE_PERSISTENT                           \
    "mkdir -p /etc/systemd/journald.conf.d && "   \
    "printf '[Journal]\\nStorage=persistent\\n' " \
    ">/etc/systemd/journald.conf.d/99-persistent.conf && " RESTART

/* Return: when it was written to; 0 if it is not there, or not for us to see. */
static uint64_t written_at(const char *folder, const char *machine_id)
{
    char path[256];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s/system.journal", folder, machine_id);
    return stat(path, &st) < 0 ? 0 : wall_from_timespec(&st.st_mtim).usec;
}

/* journald writes to /run until it goes over to /var, or because it is to; what it has left in the
 * other place, if anything, is older. */
void doctor_journal(struct doctor *doctor, struct finding *finding)
{
    char run[256];

    snprintf(run, sizeof(run), "%s/log/journal", doctor->run);
    uint64_t kept = written_at(doctor->journals, doctor->machine_id);
    if (kept > 0 && kept >= written_at(run, doctor->machine_id)) {
        finding_set(finding, FINDING_OK, "the journal is kept in %s", doctor->journals);
    } else if (access(doctor->journals, F_OK) < 0) {
        finding_set(finding, FINDING_WARNING,
                    "the journal is lost at the next boot: there is no %s", doctor->journals);
        finding_mend(finding, MAKE_FOLDER);
    } else {
        finding_set(finding, FINDING_WARNING,
                    "the journal is lost at the next boot: journald does not write to %s",
                    doctor->journals);
        finding_mend(finding, MAKE_PERSISTENT);
    }
}

/* Whether gantry's is among the catalogs that systemd looks for: in /usr alone, wherever gantry is
 * installed. */
static bool is_systemds_catalog(const struct doctor *doctor)
{
    static const char *const folders[] = {"lib/systemd/catalog", "local/lib/systemd/catalog"};

    for (size_t i = 0; i < N_ELEMENTS(folders); i++) {
        char path[256];
        snprintf(path, sizeof(path), "%s/%s/gantry.catalog", doctor->usr, folders[i]);
        if (access(path, F_OK) == 0)
            return true;
    }
    return false;
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
    if (is_systemds_catalog(doctor))
        finding_mend(finding, "journalctl --update-catalog");
    else
        finding_advise(finding, "%s explains them: systemd takes catalogs of /usr alone",
                       doctor->manual);
}
