/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/checks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/agreement.h"
#include "daemon/kubelet.h"
#include "lib/beneath.h"

/* A UID that no pod has: whoever asks for it learns whether the kubelet answers. */
#define NO_POD "gantryctl-doctor"

/* A file's stamp is coarse, and may be a tick ahead. */
#define STAMP_AHEAD USEC_SEC

enum check {
    CHECK_KUBELET,
    CHECK_STATE,
    CHECK_OPENAT2,
    CHECK_CLOCK,
    N_CHECKS,
};

static const char *const names[N_CHECKS] = {
    [CHECK_KUBELET] = "kubelet-pods",
    [CHECK_STATE] = "state",
    [CHECK_OPENAT2] = "openat2",
    [CHECK_CLOCK] = "state-clock",
};

struct checks {
    uv_work_t work;
    struct node *node;
    struct config *config;
    struct agreement *agreement;
    struct finding findings[N_CHECKS];
    unsigned n_open; /* of the kubelet's answer and the work on files */
    checks_done_fn *done;
    void *userdata;
};

static void end_one(struct checks *checks)
{
    json_t *list = json_array();

    if (--checks->n_open > 0) {
        json_decref(list);
        return;
    }
    for (size_t i = 0; i < N_CHECKS; i++) {
        json_array_append_new(list, finding_to_json(names[i], &checks->findings[i]));
        finding_deinit(&checks->findings[i]);
    }
    checks->done(checks->userdata, list);
    agreement_free(checks->agreement);
    config_unref(checks->config);
    free(checks);
}

/* The kubelet's /pods. Without them pods run, but with Required=yes; there may be no kubelet. */

static void kubelet_answered(void *userdata, int result, struct podspec *spec, const char *reason)
{
    struct checks *checks = userdata;
    struct finding *finding = &checks->findings[CHECK_KUBELET];
    const char *url = checks->config->kubelet.url;

    (void)spec;
    if (result == KUBELET_E_UNANSWERED) {
        finding_set(finding, checks->config->kubelet.required ? FINDING_FAILED : FINDING_WARNING,
                    "the kubelet cannot be asked at %s: %s", url, reason);
        finding_advise(finding,
                       "if there is one, give it --read-only-port=10255, or write where it "
                       "answers into gantry.conf, URL= of [Kubelet]");
    } else {
        finding_set(finding, FINDING_OK, "the kubelet answers at %s", url);
    }
    end_one(checks);
}

static void ask_kubelet(struct checks *checks)
{
    struct finding *finding = &checks->findings[CHECK_KUBELET];

    if (checks->config->kubelet.url[0] != '\0') {
        kubelet_ask(checks->node->kubelet, checks->config, NO_POD, kubelet_answered, checks);
        return;
    }
    finding_set(finding, FINDING_WARNING, "the kubelet is not asked: URL= of [Kubelet] is empty");
    finding_advise(finding, "write where it answers into gantry.conf, URL= of [Kubelet]; "
                            "by default it is http://127.0.0.1:10255");
    end_one(checks);
}

/* On the thread pool. */

static void look_at_openat2(struct finding *finding)
{
    CLEANUP(fd_closep) int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct beneath found = {.fd = -1};

    if (beneath_open(root_fd, "", BENEATH_AT_ONCE, &found, NULL) == 0 &&
        found.way == BENEATH_AT_ONCE) {
        finding_set(finding, FINDING_OK, "subPaths are opened by openat2");
    } else {
        finding_set(finding, FINDING_WARNING,
                    "openat2 is not there or denied: subPaths are walked step by step, as safely "
                    "but slower");
        finding_advise(
            finding,
            "have Linux 5.6 and systemd 247, or newer; where they are, see what denies it: systemctl cat gantryd.service");
    }
    fd_close(found.fd);
}

/* Return: when the newest file of the state was written; 0 if there is none. */
static uint64_t newest_state(const char *run_dir)
{
    CLEANUP(freep) char *path = NULL;
    uint64_t newest = 0;
    struct stat st;

    if (asprintf(&path, "%s/pods", run_dir) < 0) {
        path = NULL;
        return 0;
    }
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, 0) < 0)
            continue;
        uint64_t written = wall_from_timespec(&st.st_mtim).usec;
        newest = written > newest ? written : newest;
    }
    if (dir)
        closedir(dir);
    return newest;
}

static void look_at_clock(struct finding *finding, const char *run_dir)
{
    uint64_t ahead = usec_sub(newest_state(run_dir), wall_now().usec);
    char span[USEC_GO_MAX];

    if (ahead <= STAMP_AHEAD) {
        finding_set(finding, FINDING_OK, "no state of a pod is from the future");
        return;
    }
    /* Only ends that gantryd has not seen are dated by this clock: by the files that are left. */
    finding_set(finding, FINDING_WARNING,
                "the clock went back: the newest state of a pod is from %s in the future",
                usec_format_go(span, ahead / USEC_SEC * USEC_SEC));
    finding_advise(finding, "set the clock if it is wrong now; if it is right, this passes when "
                            "the pod is launched again or ends, or in that time");
}

static void look(uv_work_t *work)
{
    struct checks *checks = container_of(work, struct checks, work);

    look_at_openat2(&checks->findings[CHECK_OPENAT2]);
    look_at_clock(&checks->findings[CHECK_CLOCK], checks->node->run_dir);
    agreement_look(checks->agreement);
}

static void looked(uv_work_t *work, int status)
{
    struct checks *checks = container_of(work, struct checks, work);

    (void)status;
    agreement_judge(checks->agreement, checks->node, &checks->findings[CHECK_STATE]);
    end_one(checks);
}

void checks_run(struct node *node, checks_done_fn *done, void *userdata)
{
    struct checks *checks = calloc(1, sizeof(*checks));
    struct agreement *agreement = agreement_new(node);

    if (!checks || !agreement) {
        free(checks);
        agreement_free(agreement);
        done(userdata, NULL);
        return;
    }
    checks->node = node;
    checks->config = config_ref(node->config);
    checks->agreement = agreement;
    checks->n_open = 2;
    checks->done = done;
    checks->userdata = userdata;
    uv_queue_work(node->loop, &checks->work, look, looked);
    ask_kubelet(checks);
}
