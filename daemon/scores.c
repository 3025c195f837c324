/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/scores.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "daemon/node.h"
#include "daemon/process.h"
#include "daemon/rktdir.h"
#include "lib/manifest.h"

/* After 0.1, 0.3, 0.7, ... and at last 51.1 seconds. */
#define FIRST_MSEC 100
#define N_LOOKS 9
#define LAST_USEC (((1U << N_LOOKS) - 1) * FIRST_MSEC * USEC_MSEC)

struct app {
    char *unit; /* "NAME.service" */
    char *container;
    int score;
    bool is_done;
    int failure; /* -errno: the kernel does not allow it */
};

struct scores {
    struct node *node;
    struct scores *next;
    struct pod *pod; /* a reference */
    uv_timer_t timer;
    unsigned n_looks;
    bool is_looking;
    bool is_closing; /* the node lets go of it */

    /* The rkt pod, which may be dropped meanwhile. */
    char *data_dir;
    char uuid[RKT_UUID_SIZE]; /* "" while it is not known */
    pid_t pid;
    uint64_t start_ticks;

    /* A look, on the thread pool. */
    uv_work_t work;
    struct app *apps;
    size_t n_apps;
    bool is_read; /* the apps are */
    bool is_over; /* nothing is left to do */
};

static void scores_free(struct scores *scores)
{
    for (size_t i = 0; i < scores->n_apps; i++) {
        free(scores->apps[i].unit);
        free(scores->apps[i].container);
    }
    free(scores->apps);
    free(scores->data_dir);
    pod_unref(scores->pod);
    free(scores);
}

/* On the thread pool: which app has to have which score. */

static int add_app(struct scores *scores, const struct manifest_app *app, int score)
{
    struct app *new = &scores->apps[scores->n_apps];

    *new = (struct app){.score = score, .container = strdup(app->container)};
    if (asprintf(&new->unit, "%s.service", app->name) < 0)
        new->unit = NULL;
    scores->n_apps++;
    return new->unit &&new->container ? 0 : -ENOMEM;
}

static int add_apps(struct scores *scores, const struct manifest *manifest)
{
    int r = 0;

    scores->apps = calloc(manifest_n_apps(manifest) + 1, sizeof(*scores->apps));
    if (!scores->apps)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < manifest_n_apps(manifest); i++) {
        struct manifest_app app = manifest_app(manifest, i);
        int score;
        if (app.name && manifest_oom_score_adj(manifest, i, &score))
            r = add_app(scores, &app, score);
    }
    return r;
}

/* From the manifest as rkt has stored it. Return: false if there are none. */
static bool read_apps(struct scores *scores)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    CLEANUP(freep) char *text = NULL;
    size_t length;

    scores->is_read = true;
    return rktdir_read_manifest(scores->data_dir, scores->uuid, &text, &length) == 0 &&
           manifest_parse(&manifest, text, length, NULL) == 0 && add_apps(scores, manifest) == 0 &&
           scores->n_apps > 0;
}

/* On the thread pool: one look. */

/* A process of the app. One that ends meanwhile is none any more. */
static void look_at_process(struct app *app, int proc_fd, bool *seenp, bool *changedp)
{
    int r = process_set_oom_score(proc_fd, app->score);

    if (r == -EACCES || r == -EPERM)
        app->failure = r;
    *seenp = *seenp || r >= 0;
    *changedp = *changedp || r > 0;
}

/* An app may have begun another process before the score of the first was changed: so it is done
 * with when there was nothing to change. */
static void conclude_app(struct app *app, bool seen, bool changed)
{
    app->is_done = app->failure < 0 || (seen && !changed);
}

static void look_at_app(struct app *app, const int *proc_fds, size_t n)
{
    bool seen = false, changed = false;

    for (size_t i = 0; i < n; i++) {
        if (process_is_in_unit(proc_fds[i], app->unit))
            look_at_process(app, proc_fds[i], &seen, &changed);
    }
    conclude_app(app, seen, changed);
}

static void close_tree(int *proc_fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(proc_fds[i]);
    free(proc_fds);
}

static void look_below(struct scores *scores)
{
    int *proc_fds;
    size_t n;

    if (process_open_tree(scores->pid, &proc_fds, &n) < 0)
        return;
    for (size_t i = 0; i < scores->n_apps; i++) {
        if (!scores->apps[i].is_done)
            look_at_app(&scores->apps[i], proc_fds, n);
    }
    close_tree(proc_fds, n);
}

/* The pod's process and all that it has begun: under fly that is the app. A kvm is one process,
 * with the app's own inside. */
static void look_at_self(struct scores *scores)
{
    CLEANUP(fd_closep) int proc_fd = process_open_proc(scores->pid);
    struct app *app = &scores->apps[0];
    bool seen = false, changed = false;
    int *proc_fds;
    size_t n;

    /* First: what it begins from here on has the score of itself. */
    look_at_process(app, proc_fd, &seen, &changed);
    if (process_open_tree(scores->pid, &proc_fds, &n) < 0)
        return;
    for (size_t i = 0; i < n; i++)
        look_at_process(app, proc_fds[i], &seen, &changed);
    conclude_app(app, seen, changed);
    close_tree(proc_fds, n);
}

static bool all_are_done(const struct scores *scores)
{
    for (size_t i = 0; i < scores->n_apps; i++) {
        if (!scores->apps[i].is_done)
            return false;
    }
    return true;
}

static bool is_running(const struct scores *scores)
{
    uint64_t ticks;

    return process_start_ticks(scores->pid, &ticks) == 0 && ticks == scores->start_ticks;
}

static void look(uv_work_t *work)
{
    struct scores *scores = container_of(work, struct scores, work);

    if (scores->uuid[0] == '\0' &&
        rktdir_resolve_pid(scores->data_dir, scores->pid, scores->uuid) != 0)
        return;
    if (!is_running(scores) || (!scores->is_read && !read_apps(scores))) {
        scores->is_over = true;
        return;
    }
    enum rktdir_process process = rktdir_process(scores->data_dir, scores->uuid, NULL);
    if (process == RKTDIR_PROCESS_HAS_APPS)
        look_below(scores);
    else if (process == RKTDIR_PROCESS_IS_APP && scores->n_apps == 1)
        look_at_self(scores);
    scores->is_over = all_are_done(scores);
}

/* On the loop again. */

/* What the kernel did not allow. Return: to free(), NULL if there is nothing, or no memory. */
static char *forbidden_in_words(const struct scores *scores)
{
    char *words = NULL, *more;

    for (size_t i = 0; i < scores->n_apps; i++) {
        const struct app *app = &scores->apps[i];
        if (app->failure == 0)
            continue;
        int n = asprintf(&more, "%s%scontainer \"%s\" does not get OOM score %d: %s",
                         words ? words : "", words ? "; " : "", app->container, app->score,
                         strerror(-app->failure));
        free(words);
        if (n < 0)
            return NULL;
        words = more;
    }
    return words;
}

static void tell_forbidden(struct scores *scores)
{
    CLEANUP(freep) char *words = forbidden_in_words(scores);

    if (!words)
        return;
    CLEANUP(event_deinit) struct event event;
    pod_event(&event, scores->pod, MESSAGE_OOMSCORE, "%s", words);
    event_add(&event, "GANTRY_RKT_UUID", "%s", scores->uuid);
    events_emit(&scores->node->events, &event, &scores->pod->oom_repeat, usec_now());
}

static void closed(uv_handle_t *handle)
{
    scores_free(container_of((uv_timer_t *)handle, struct scores, timer));
}

static void end(struct scores *scores)
{
    for (struct scores **slot = &scores->node->scores; *slot; slot = &(*slot)->next) {
        if (*slot == scores) {
            *slot = scores->next;
            break;
        }
    }
    uv_close((uv_handle_t *)&scores->timer, closed);
}

static void fired(uv_timer_t *timer);

static void looked(uv_work_t *work, int status)
{
    struct scores *scores = container_of(work, struct scores, work);

    (void)status;
    scores->is_looking = false;
    if (scores->is_closing) {
        uv_close((uv_handle_t *)&scores->timer, closed);
        return;
    }
    scores->n_looks++;
    if (scores->is_over || scores->n_looks == N_LOOKS) {
        tell_forbidden(scores);
        end(scores);
    } else {
        uv_timer_start(&scores->timer, fired, (uint64_t)FIRST_MSEC << scores->n_looks, 0);
    }
}

static void fired(uv_timer_t *timer)
{
    struct scores *scores = container_of(timer, struct scores, timer);

    scores->is_looking = true;
    uv_queue_work(timer->loop, &scores->work, look, looked);
}

void scores_begin(struct node *node, const struct rktpod *rktpod)
{
    if (usec_sub(usec_now(), rktpod->started_at) > LAST_USEC)
        return;
    struct scores *scores = calloc(1, sizeof(*scores));
    if (!scores)
        return;
    scores->node = node;
    scores->pod = pod_ref(rktpod->pod);
    scores->data_dir = strdup(rktpod->data_dir);
    scores->pid = rktpod->pid;
    scores->start_ticks = rktpod->start_ticks;
    snprintf(scores->uuid, sizeof(scores->uuid), "%s", rktpod->uuid);
    if (!scores->data_dir) {
        scores_free(scores);
        return;
    }
    uv_timer_init(node->loop, &scores->timer);
    scores->next = node->scores;
    node->scores = scores;
    uv_timer_start(&scores->timer, fired, FIRST_MSEC, 0);
}

void scores_close(struct node *node)
{
    for (struct scores *scores; (scores = node->scores);) {
        node->scores = scores->next;
        scores->is_closing = true;
        if (!scores->is_looking)
            uv_close((uv_handle_t *)&scores->timer, closed);
    }
}
