/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/agreement.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "daemon/own/pods.h"
#include "daemon/process.h"
#include "daemon/rktdir.h"
#include "lib/adopt.h"

/* A pod of which gantryd has let the launch pass: so long rkt may take until it has the lock. */
#define STARTS_WITHIN (10 * USEC_SEC)

/* A rkt pod that runs, as one of the two sees it. */
struct seen {
    char *uuid;
    char *pod; /* NAMESPACE/NAME */
    char *data_dir;
    char *unit; /* NULL: none, or not known */
    pid_t pid;
    uint64_t start_ticks;
    bool is_own; /* of gantry's own: no kubelet knows it */
    bool is_young;
    bool runs_for_rkt;
    bool has_process;
};

struct agreement {
    struct config *config;
    struct seen *believed, *running;
    size_t n_believed, n_running;
    char *looking_in; /* a data directory */
    char *unreadable; /* the one that could not be read */
    int result;       /* -errno: why */
};

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

static struct seen *add(struct seen **list, size_t *n)
{
    struct seen *grown = reallocarray(*list, *n + 1, sizeof(*grown));

    if (!grown)
        return NULL;
    *list = grown;
    grown[*n] = (struct seen){0};
    return &grown[(*n)++];
}

static bool is_whole(const struct seen *seen)
{
    return seen->uuid && seen->pod && seen->data_dir;
}

static char *name_of(const char *namespace, const char *name)
{
    char *text = NULL;

    return asprintf(&text, "%s/%s", namespace, name) < 0 ? NULL : text;
}

static int take_down(struct pod *pod, void *userdata)
{
    struct agreement *agreement = userdata;

    for (const struct rktpod *rktpod = pod->rktpods; rktpod; rktpod = rktpod->next) {
        if (rktpod->ended || rktpod->uuid[0] == '\0')
            continue;
        struct seen *seen = add(&agreement->believed, &agreement->n_believed);
        if (!seen)
            return -ENOMEM;
        *seen = (struct seen){
            .uuid = copy(rktpod->uuid),
            .pod = name_of(pod->namespace, pod->name),
            .data_dir = copy(rktpod->data_dir),
            .unit = copy(rktpod->unit),
            .pid = rktpod->pid,
            .start_ticks = rktpod->start_ticks,
            .is_own = pod->is_own,
            .is_young = usec_sub(usec_now(), rktpod->started_at) < STARTS_WITHIN,
        };
        if (!is_whole(seen))
            return -ENOMEM;
    }
    return 0;
}

struct agreement *agreement_new(const struct node *node)
{
    struct agreement *agreement = calloc(1, sizeof(*agreement));

    if (!agreement)
        return NULL;
    agreement->config = config_ref(node->config);
    if (pods_for_each(&node->pods, take_down, agreement) < 0)
        return agreement_free(agreement);
    return agreement;
}

/* One that runs and is the kubelet's, or of gantry's own. */
static int take_running(const struct rktdir_pod *pod, void *userdata)
{
    struct agreement *agreement = userdata;
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    struct pod_identity identity;

    if (!pod->is_running)
        return 0;
    for (size_t i = 0; i < agreement->n_believed; i++) {
        if (strcmp(agreement->believed[i].uuid, pod->uuid) == 0)
            agreement->believed[i].runs_for_rkt = true;
    }
    if (manifest_parse(&manifest, pod->manifest, pod->length, NULL) != 0 ||
        !manifest_identity(manifest, &identity))
        return 0;
    const char *mark = manifest_annotation(manifest, ADOPT_ANNOTATION);
    struct seen *seen = add(&agreement->running, &agreement->n_running);
    if (!seen)
        return -ENOMEM;
    *seen = (struct seen){
        .uuid = copy(pod->uuid),
        .pod = name_of(identity.namespace, identity.name),
        .data_dir = copy(agreement->looking_in),
        .is_own = mark && strcmp(mark, "true") == 0,
    };
    return is_whole(seen) ? 0 : -ENOMEM;
}

static void look_in(struct agreement *agreement, char *data_dir)
{
    agreement->looking_in = data_dir;
    int r = rktdir_for_each(data_dir, take_running, agreement);
    if (r < 0 && agreement->result == 0) {
        agreement->result = r;
        agreement->unreadable = data_dir;
    }
}

/* Whether an earlier one, or the configured one, is the same directory. */
static bool was_looked_in(const struct agreement *agreement, size_t index)
{
    const char *data_dir = agreement->believed[index].data_dir;

    for (size_t i = 0; i < index; i++) {
        if (strcmp(agreement->believed[i].data_dir, data_dir) == 0)
            return true;
    }
    return strcmp(agreement->config->rkt.data_dir, data_dir) == 0;
}

void agreement_look(struct agreement *agreement)
{
    look_in(agreement, agreement->config->rkt.data_dir);
    for (size_t i = 0; i < agreement->n_believed; i++) {
        if (!was_looked_in(agreement, i))
            look_in(agreement, agreement->believed[i].data_dir);
    }
    for (size_t i = 0; i < agreement->n_believed; i++) {
        struct seen *seen = &agreement->believed[i];
        uint64_t ticks;
        seen->has_process =
            process_start_ticks(seen->pid, &ticks) == 0 && ticks == seen->start_ticks;
    }
}

/* Whether gantryd still takes it for a running one. */
static bool is_believed(const struct node *node, const struct seen *seen)
{
    const struct rktpod *rktpod = pods_find_rktpod(&node->pods, seen->uuid);

    return rktpod && !rktpod->ended;
}

/* Who starts the pod again once it has ended. */
static const char *what_follows(const struct node *node, const struct seen *seen)
{
    if (!seen->is_own)
        return "the kubelet starts the pod again";
    if (ownpods_find(node->ownpods, strchr(seen->pod, '/') + 1))
        return "gantryd starts the pod again if its restart policy says so";
    return "gantryctl run starts the pod again";
}

/* gantryd believes that it runs, and rkt does not. */
static void say_believed(struct finding *finding, const struct node *node, const struct seen *seen)
{
    finding_set(finding, FINDING_FAILED,
                "gantryd takes rkt pod %s of %s for running; in %s/pods it does not run",
                seen->uuid, seen->pod, seen->data_dir);
    /* Only a kernel without pidfds keeps that from gantryd. */
    if (!seen->has_process)
        finding_advise(finding, "no process of it is left, and a gantryd that starts anew sees "
                                "that: systemctl restart gantryd.service");
    else if (seen->unit)
        finding_mend(finding, "systemctl stop %s  # %s", seen->unit, what_follows(node, seen));
    else
        finding_mend(finding, "kill %d  # %s", (int)seen->pid, what_follows(node, seen));
}

/* It runs, and gantryd does not know. One that it takes for ended was there when it started, on a
 * kernel that lets nobody watch a process; another launch would come to the same. */
static void say_running(struct finding *finding, const struct agreement *agreement,
                        const struct node *node, const struct seen *seen)
{
    if (pods_find_rktpod(&node->pods, seen->uuid)) {
        finding_set(finding, FINDING_WARNING,
                    "rkt pod %s of %s runs, and gantryd takes it for ended: it cannot watch it",
                    seen->uuid, seen->pod);
        finding_advise(finding, "upgrade the node's kernel to Linux 5.3 or newer");
        return;
    }
    finding_set(finding, FINDING_WARNING,
                "rkt pod %s of %s runs, and was started without gantryd: its end will not be seen",
                seen->uuid, seen->pod);
    finding_mend(finding, "%s --dir=%s stop %s  # %s", agreement->config->rkt.path, seen->data_dir,
                 seen->uuid, what_follows(node, seen));
}

/* What is worst comes last, and stays. */
static size_t say_disagreements(const struct agreement *agreement, const struct node *node,
                                struct finding *finding)
{
    size_t n = 0;

    for (size_t i = 0; i < agreement->n_running; i++) {
        const struct seen *seen = &agreement->running[i];
        if (!is_believed(node, seen)) {
            say_running(finding, agreement, node, seen);
            n++;
        }
    }
    for (size_t i = 0; i < agreement->n_believed; i++) {
        const struct seen *seen = &agreement->believed[i];
        if (!seen->runs_for_rkt && !seen->is_young && is_believed(node, seen)) {
            say_believed(finding, node, seen);
            n++;
        }
    }
    return n;
}

void agreement_judge(const struct agreement *agreement, const struct node *node,
                     struct finding *finding)
{
    if (agreement->result < 0) {
        finding_set(finding, FINDING_FAILED, "%s: %s", agreement->unreadable,
                    strerror(-agreement->result));
        finding_advise(finding, "write rkt's --dir into gantry.conf, DataDirectory= of [Rkt]");
        return;
    }
    size_t n = say_disagreements(agreement, node, finding);
    if (n == 0) {
        finding_set(finding, FINDING_OK, "%zu pods run, as gantryd knows them",
                    agreement->n_running);
    } else if (n > 1) {
        CLEANUP(freep) char *first = finding->found;
        finding->found = NULL;
        finding_set(finding, finding->status, "%s (and %zu more)", first ? first : "", n - 1);
    }
}

static void free_list(struct seen *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].uuid);
        free(list[i].pod);
        free(list[i].data_dir);
        free(list[i].unit);
    }
    free(list);
}

struct agreement *agreement_free(struct agreement *agreement)
{
    if (!agreement)
        return NULL;
    config_unref(agreement->config);
    free_list(agreement->believed, agreement->n_believed);
    free_list(agreement->running, agreement->n_running);
    free(agreement);
    return NULL;
}
