/* SPDX-License-Identifier: Apache-2.0 */

/*
 * gantry itself: its configuration, its units, its socket and who answers there.
 */

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "client/connection.h"
#include "client/doctor/doctor.h"

/* gantryd may itself wait for the kubelet, for half of what a launch may take at most. */
#define ANSWERS_WITHIN (10 * USEC_SEC)

/* Of an answer of systemctl's. */
#define WORD_SIZE 64

#define START_SOCKET "systemctl enable --now gantryd.socket"
#define START_ALL "systemctl restart gantryd.socket gantryd.service"

static bool has_more_files(const struct doctor *doctor)
{
    CLEANUP(freep) char *pattern = NULL;
    glob_t found = {0};

    if (asprintf(&pattern, "%s.d/*.conf", doctor->config_path) < 0)
        pattern = NULL;
    bool has = pattern && glob(pattern, 0, NULL, &found) == 0;
    globfree(&found);
    return has;
}

static void judge_configuration(const struct doctor *doctor, struct finding *finding)
{
    const char *path = doctor->config_path;

    if (has_more_files(doctor))
        finding_set(finding, FINDING_OK, "%s and what is in %s.d are valid", path, path);
    else if (access(path, F_OK) == 0)
        finding_set(finding, FINDING_OK, "%s is valid", path);
    else
        finding_set(finding, FINDING_OK, "%s is not there: the defaults hold", path);
}

void doctor_configuration(struct doctor *doctor, struct finding *finding)
{
    if (!doctor->config_fault) {
        judge_configuration(doctor, finding);
        return;
    }
    finding_set(finding, doctor->config_is_bad ? FINDING_FAILED : FINDING_WARNING, "%s",
                doctor->config_fault);
    if (doctor->n_config_faults > 1) {
        CLEANUP(freep) char *first = finding->found;
        finding->found = NULL;
        finding_set(finding, finding->status, "%s (and %u more)", first ? first : "",
                    doctor->n_config_faults - 1);
    }
    finding_advise(finding, "mend all that gantryd --check-config tells, then: " START_ALL);
}

/* The units. */

/* The word that systemctl answers of a unit, "" if it has none. Return: as doctor_run(). */
static int ask_systemctl(const struct doctor *doctor, const char *verb, const char *unit,
                         char word[static WORD_SIZE])
{
    char *argv[] = {(char *)doctor->systemctl, (char *)verb, (char *)unit, NULL};

    int r = doctor_run(argv, word, WORD_SIZE);
    word[strcspn(word, "\n")] = '\0';
    return r;
}

/* Return: true if the unit is masked; a mask in /run goes with an option only. */
static bool judge_mask(const struct doctor *doctor, const char *unit, struct finding *finding)
{
    char enabled[WORD_SIZE];

    ask_systemctl(doctor, "is-enabled", unit, enabled);
    if (strncmp(enabled, "masked", strlen("masked")) != 0)
        return false;
    finding_set(finding, FINDING_FAILED, "%s is %s", unit, enabled);
    finding_mend(finding, "systemctl unmask %s%s && " START_SOCKET,
                 strcmp(enabled, "masked-runtime") == 0 ? "--runtime " : "", unit);
    return true;
}

static void judge_socket(const struct doctor *doctor, struct finding *finding)
{
    char enabled[WORD_SIZE], active[WORD_SIZE];

    int is_enabled = ask_systemctl(doctor, "is-enabled", "gantryd.socket", enabled);
    int is_active = ask_systemctl(doctor, "is-active", "gantryd.socket", active);
    int r = is_enabled < 0 ? is_enabled : is_active < 0 ? is_active : 0;
    if (r < 0 || active[0] == '\0') {
        finding_set(finding, FINDING_UNKNOWN, "systemd cannot be asked: %s%s%s", doctor->systemctl,
                    r < 0 ? ": " : " fails", r < 0 ? strerror(-r) : "");
        finding_advise(finding, "see why systemd does not answer: systemctl status");
        return;
    }
    bool is_known = enabled[0] && strcmp(enabled, "not-found") != 0;
    finding_set(finding,
                is_active != 0    ? FINDING_FAILED
                : is_enabled != 0 ? FINDING_WARNING
                                  : FINDING_OK,
                "gantryd.socket is %s and %s", is_known ? enabled : "not known to systemd", active);
    if (!is_known)
        finding_advise(finding, "install gantry again: its unit files are not there");
    else if (finding->status != FINDING_OK)
        finding_mend(finding, START_SOCKET);
}

void doctor_units(struct doctor *doctor, struct finding *finding)
{
    if (!judge_mask(doctor, "gantryd.socket", finding) &&
        !judge_mask(doctor, "gantryd.service", finding))
        judge_socket(doctor, finding);
    free(doctor->to_start);
    doctor->to_start = finding->remedy ? strdup(finding->remedy) : NULL;
}

/* The socket. */

static void not_permitted(const struct doctor *doctor, struct finding *finding)
{
    finding_set(finding, FINDING_UNKNOWN, "gantryd cannot be asked at %s: not permitted",
                doctor->config->daemon.socket);
    finding_advise(finding, AS_ROOT);
}

/* Where the units are well, it hangs, or somebody has taken the socket away; or it ends as soon as
 * it is started. */
static void does_not_answer(const struct doctor *doctor, struct finding *finding, const char *why)
{
    char active[WORD_SIZE];

    finding_set(finding, FINDING_FAILED, "gantryd cannot be asked at %s: %s",
                doctor->config->daemon.socket, why);
    if (doctor->to_start) {
        finding_mend(finding, "%s", doctor->to_start);
        return;
    }
    ask_systemctl(doctor, "is-active", "gantryd.service", active);
    if (strcmp(active, "activating") == 0 || strcmp(active, "failed") == 0)
        finding_advise(finding, "see why gantryd does not start: journalctl -u gantryd.service");
    else
        finding_mend(finding, START_ALL);
}

static void failed_to_ask(const struct doctor *doctor, struct finding *finding, int code)
{
    if (code == -EACCES || code == -EPERM)
        not_permitted(doctor, finding);
    else
        does_not_answer(doctor, finding, code > 0 ? "it closes the connection" : strerror(-code));
}

/* One call on a connection of its own. Return: 0 and the reply, to json_decref(); as connection_*.
 */
static int ask(const char *socket, const char *method, json_t **messagep,
               struct varlink_reply *reply)
{
    CLEANUP(connection_close) struct connection connection = CONNECTION_NULL;
    CLEANUP(json_decrefp)
    json_t *call = json_pack("{s:s, s:{}}", "method", method, "parameters");
    usec_t deadline = usec_add(usec_now(), ANSWERS_WITHIN);
    size_t length;

    CLEANUP(freep) char *message = call ? varlink_encode(call, &length) : NULL;
    if (!message)
        return -ENOMEM;
    int r = connection_open(&connection, socket, deadline);
    if (r == 0)
        r = connection_send(&connection, message, length, deadline);
    /* One that does not take us in may have sent why before it closed. */
    if (r == 0 || r == CONNECTION_E_CLOSED)
        r = connection_receive(&connection, messagep, reply, deadline, NULL);
    return r;
}

static bool is_not_permitted(const struct varlink_reply *reply)
{
    return reply->error && strcmp(reply->error, "io.gantry.Node.NotPermitted") == 0;
}

static void take_info(struct doctor *doctor, struct finding *finding, const json_t *info)
{
    const char *socket = doctor->config->daemon.socket;
    const char *version = json_string_value(json_object_get(info, "version"));

    if (version && strcmp(version, PACKAGE_VERSION) == 0) {
        finding_set(finding, FINDING_OK, "gantryd %s answers at %s", version, socket);
    } else {
        finding_set(finding, FINDING_WARNING, "gantryd %s answers at %s, and gantryctl is %s",
                    version ? version : "", socket, PACKAGE_VERSION);
        finding_mend(finding, "systemctl restart gantryd.service");
    }
}

/* What it has found itself. */
static void take_findings(struct doctor *doctor)
{
    CLEANUP(json_decrefp) json_t *message = NULL;
    struct varlink_reply reply = {0};

    int r = ask(doctor->config->daemon.socket, "io.gantry.Node.Check", &message, &reply);
    if (r == 0 && !reply.error) {
        doctor->asked = json_incref(json_object_get(reply.parameters, "checks"));
        return;
    }
    free(doctor->not_asked);
    free(doctor->to_ask);
    if (asprintf(&doctor->not_asked, "gantryd does not tell: %s",
                 r < 0   ? strerror(-r)
                 : r > 0 ? "it closes the connection"
                         : reply.error) < 0)
        doctor->not_asked = NULL;
    doctor->to_ask = strdup("systemctl restart gantryd.service");
}

void doctor_socket(struct doctor *doctor, struct finding *finding)
{
    CLEANUP(json_decrefp) json_t *message = NULL;
    struct varlink_reply reply = {0};

    int r = ask(doctor->config->daemon.socket, "org.varlink.service.GetInfo", &message, &reply);
    if (r != 0) {
        failed_to_ask(doctor, finding, r);
    } else if (is_not_permitted(&reply)) {
        not_permitted(doctor, finding);
    } else if (reply.error) {
        does_not_answer(doctor, finding, reply.error);
    } else {
        take_info(doctor, finding, reply.parameters);
        take_findings(doctor);
        return;
    }
    free(doctor->not_asked);
    free(doctor->to_ask);
    doctor->not_asked = strdup("gantryd cannot be asked");
    doctor->to_ask = finding->remedy ? strdup(finding->remedy) : NULL;
}
