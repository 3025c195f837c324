/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/metrics.h"

#include <errno.h>

#include "daemon/node.h"
#include "lib/exposition.h"

int metrics_init(struct metrics *metrics)
{
    size_t n_rooms = 0;

    while (rooms[n_rooms].name)
        n_rooms++;
    *metrics = (struct metrics){.started_at = wall_now(),
                                .n_refusals = calloc(n_rooms, sizeof(*metrics->n_refusals))};
    return metrics->n_refusals ? 0 : -ENOMEM;
}

void metrics_deinit(struct metrics *metrics)
{
    free(metrics->n_refusals);
    metrics->n_refusals = NULL;
}

static enum launch_result result_of(const struct launch *launch)
{
    if (launch->refused_by)
        return RESULT_REFUSED;
    return launch->failure != 0 ? RESULT_FAILED : RESULT_FORWARDED;
}

void metrics_count_launch(struct metrics *metrics, const struct launch *launch)
{
    metrics->n_launches[result_of(launch)]++;
    if (launch->refused_by)
        metrics->n_refusals[launch->refused_by - rooms]++;
    metrics->n_starts += launch->has_started;
    histogram_add(&metrics->launch_time, usec_sub(usec_now(), launch->now));
}

void metrics_count_exit(struct metrics *metrics, int status)
{
    enum run_result result = status == 0 ? RUN_SUCCEEDED : RUN_FAILED;

    metrics->n_exits[status == STATUS_UNKNOWN ? RUN_UNKNOWN : result]++;
}

/* The samples of each metric. */

static void write_results(FILE *text, const char *name, const char *const *words,
                          const uint64_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        exposition_count(text, name, "result", words[i], numbers[i]);
}

static void write_build_info(FILE *text, const char *name, const struct node *node)
{
    (void)node;
    exposition_count(text, name, "version", PACKAGE_VERSION, 1);
}

static void write_start_time(FILE *text, const char *name, const struct node *node)
{
    exposition_seconds(text, name, node->metrics.started_at.usec);
}

static void write_launches(FILE *text, const char *name, const struct node *node)
{
    static const char *const words[] = {
        [RESULT_FORWARDED] = "forwarded", [RESULT_REFUSED] = "refused", [RESULT_FAILED] = "failed"};

    write_results(text, name, words, node->metrics.n_launches, N_LAUNCH_RESULTS);
}

static void write_refusals(FILE *text, const char *name, const struct node *node)
{
    for (size_t i = 0; rooms[i].name; i++)
        exposition_count(text, name, "room", rooms[i].name, node->metrics.n_refusals[i]);
}

static void write_launch_time(FILE *text, const char *name, const struct node *node)
{
    exposition_histogram(text, name, &node->metrics.launch_time);
}

static int count_state(struct pod *pod, void *userdata)
{
    uint64_t *n_state = userdata;

    n_state[pod->life.state]++;
    return 0;
}

static void write_pods(FILE *text, const char *name, const struct node *node)
{
    uint64_t n_state[N_LIFE_STATES] = {0};

    pods_for_each(&node->pods, count_state, n_state);
    for (size_t i = 0; i < N_LIFE_STATES; i++)
        exposition_count(text, name, "state", life_state_name((enum life_state)i), n_state[i]);
}

static void write_backoff(FILE *text, const char *name, const struct node *node)
{
    exposition_count(text, name, NULL, NULL, node->pods.n_held);
}

static void write_starts(FILE *text, const char *name, const struct node *node)
{
    exposition_count(text, name, NULL, NULL, node->metrics.n_starts);
}

static void write_exits(FILE *text, const char *name, const struct node *node)
{
    static const char *const words[] = {
        [RUN_SUCCEEDED] = "succeeded", [RUN_FAILED] = "failed", [RUN_UNKNOWN] = "unknown"};

    write_results(text, name, words, node->metrics.n_exits, N_RUN_RESULTS);
}

static void write_fetches(FILE *text, const char *name, const struct node *node)
{
    static const char *const words[] = {[FETCH_ANSWERED] = "answered", [FETCH_FAILED] = "failed"};

    write_results(text, name, words, node->metrics.n_fetches, N_FETCH_RESULTS);
}

/* gantryd(8) explains each. Only what somebody can act upon is here; the help says how. */
static const struct {
    const char *name;
    const char *type;
    const char *help;
    void (*write)(FILE *text, const char *name, const struct node *node);
} table[] = {
    {"gantry_build_info", "gauge", "The version of gantryd that runs. Always 1.", write_build_info},
    {"gantry_start_time_seconds", "gauge",
     "When gantryd started, since 1970. If it changes often, look at gantryd.service.",
     write_start_time},
    {"gantry_launches_total", "counter",
     "Launches that gantryd answered, by what came of them. For failed ones see gantryd's warnings.",
     write_launches},
    {"gantry_refusals_total", "counter",
     "Launches that were refused, by the room that did it. gantryctl explain POD tells why.",
     write_refusals},
    {"gantry_launch_seconds", "histogram",
     "How long launches waited for gantryd's answer. Slow ones wait for the kubelet or for disks.",
     write_launch_time},
    {"gantry_pods", "gauge", "Pods that are known, by state. gantryctl list names them.",
     write_pods},
    {"gantry_backoff_pods", "gauge",
     "Pods that keep ending, and whose restart is held back now. gantryctl list names them.",
     write_backoff},
    {"gantry_pod_starts_total", "counter", "Runs of pods that began.", write_starts},
    {"gantry_pod_exits_total", "counter",
     "Runs of pods that ended, by how. Those that failed had an exit status that is not 0.",
     write_exits},
    {"gantry_kubelet_fetches_total", "counter",
     "How often the kubelet was asked for its pods. Where it fails, see URL= in gantry.conf.",
     write_fetches},
};

char *metrics_text(const struct node *node)
{
    char *bytes = NULL;
    size_t size;
    FILE *text = open_memstream(&bytes, &size);

    if (!text)
        return NULL;
    for (size_t i = 0; i < N_ELEMENTS(table); i++) {
        exposition_metric(text, table[i].name, table[i].type, table[i].help);
        table[i].write(text, table[i].name, node);
    }
    bool failed = ferror(text);
    if (fclose(text) != 0 || failed) {
        free(bytes);
        return NULL;
    }
    return bytes;
}
