/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Metrics: that the text is Prometheus' format, that its numbers are true after launches whose
 * course is known, that a file of it is never half there, and that the manual, the alerts and
 * the dashboard speak of the metrics that there are.
 */

#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/message.h"
#include "tests/harness/exposition.h"
#include "tests/harness/kubelet.h"
#include "tests/harness/rkt.h"

#define FOLDER "/srv/textfile"
#define OUTPUT FOLDER "/gantry.prom"

/* Nobody is asked, unless a test says so. */
static int setup(void **state)
{
    rkt_setup(state);
    node_configure("[Kubelet]\nURL=\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    return 0;
}

static json_t *manifest_of(const char *name, const char *script)
{
    CLEANUP(json_decrefp) json_t *trace = trace_load("rkt-network");
    json_t *manifest = json_deep_copy(
        json_object_get(json_array_get(json_object_get(trace, "calls"), 0), "manifest"));
    json_t *app = json_object_get(json_array_get(json_object_get(manifest, "apps"), 0), "app");
    json_t *annotations = json_object_get(manifest, "annotations");

    json_object_set_new(app, "exec", json_pack("[s, s, s]", "sh", "-c", script));
    for (size_t i = 0; i < json_array_size(annotations); i++) {
        json_t *entry = json_array_get(annotations, i);
        if (strcmp(field(entry, "name"), "io.kubernetes.pod.uid") == 0 ||
            strcmp(field(entry, "name"), "io.kubernetes.pod.name") == 0)
            json_object_set_new(entry, "value", json_string(name));
    }
    return manifest;
}

static void runs_and_ends(const json_t *manifest, int status)
{
    int ended_with;
    CLEANUP(freep) char *uuid = rkt_launch(manifest, &ended_with);

    assert_int_equal(ended_with, status);
    journal_wait("MESSAGE_ID", message_info(MESSAGE_EXIT)->id, "GANTRY_RKT_UUID", uuid, NULL);
}

static void prepare_ends(const json_t *manifest, int status)
{
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);

    if (result.status != status)
        fail_msg("%d: %s", result.status, result.err);
}

/* The metrics as they are now; kept until the next call. */
static struct exposition now;

static void read_metrics(const char *text)
{
    exposition_deinit(&now);
    CLEANUP(freep) char *wrong = exposition_read(&now, text);
    if (wrong)
        fail_msg("%s", wrong);
}

static void look(void)
{
    CLEANUP(result_deinit) struct result result = run(node_built("gantryctl"), "metrics", NULL);

    assert_int_equal(result.status, 0);
    assert_string_equal(result.err, "");
    read_metrics(result.out);
}

static void is_number(const char *series, double expected)
{
    const json_t *number = json_object_get(now.samples, series);

    if (!number || json_real_value(number) != expected)
        fail_msg("%s is %g, not %g", series, number ? json_real_value(number) : -1, expected);
}

static void the_reader_forgives_nothing(void **state)
{
#define COUNTER "# HELP a_total x\n# TYPE a_total counter\n"
#define HISTOGRAM "# HELP h x\n# TYPE h histogram\n"
    static const char *const cases[][2] = {
        {"a_total 1\n", "a sample of another metric"},
        {"# TYPE a_total counter\na_total 1\n", "TYPE does not follow"},
        {"# HELP a_total x\na_total 1\n", "a sample of another metric"},
        {"# HELP a_total x\n", "HELP without TYPE"},
        {"# HELP a_total\n# TYPE a_total counter\na_total 1\n", "no HELP"},
        {"# HELP a_total x\\t\n# TYPE a_total counter\na_total 1\n", "a bad escape"},
        {"# HELP a x\n# TYPE a counter\na 1\n", "counters, and only they"},
        {"# HELP a_total x\n# TYPE a_total gauge\na_total 1\n", "counters, and only they"},
        {"# HELP a x\n# TYPE a counting\na 1\n", "an unknown TYPE"},
        {COUNTER, "no samples"},
        {COUNTER "b_total 1\n", "a sample of another metric"},
        {COUNTER "a_total 1", "a line without an end"},
        {COUNTER "a_total\n", "no sample"},
        {COUNTER "a_total x\n", "no sample"},
        {COUNTER "a_total 1,5\n", "no number"},
        {COUNTER "a_total -1\n", "a number below zero"},
        {COUNTER "\n", "no sample"},
        {COUNTER "a_total 1\na_total 1\n", "a series twice"},
        {COUNTER "a_total{l=\"x\"} 1\na_total{l=\"x\"} 2\n", "a series twice"},
        {COUNTER "a_total 1\n" COUNTER "a_total 1\n", "a metric twice"},
        {COUNTER "a_total{l=\"a\"b\"} 1\n", "no sample"},
        {COUNTER "a_total{l=\"a\\tb\"} 1\n", "no sample"},
        {COUNTER "a_total{l=\"a} 1\n", "no sample"},
        {COUNTER "a_total{l=a} 1\n", "no sample"},
        {COUNTER "a_total{1=\"a\"} 1\n", "no sample"},
        {HISTOGRAM "h 1\n", "a sample of another metric"},
        {HISTOGRAM "h_bucket{le=\"+Inf\"} 1\nh_sum 1\n", "without sum or count"},
        {HISTOGRAM "h_bucket{le=\"+Inf\"} 1\nh_count 1\n", "without sum or count"},
        {HISTOGRAM "h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n", "+Inf is not the count"},
        {HISTOGRAM "h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n", "+Inf is not the count"},
        {HISTOGRAM "h_bucket{le=\"1\"} 2\nh_bucket{le=\"2\"} 1\n", "not cumulative"},
        {HISTOGRAM "h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\n", "not cumulative"},
        {HISTOGRAM "h_bucket{x=\"2\"} 1\n", "a bucket without a bound"},
    };
    static const char good[] =
        COUNTER "a_total{l=\"a\\\"b\\\\c\\nd\",m=\"x\"} 1\na_total 2\n" HISTOGRAM
                "h_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1.5\nh_count 2\n";

    (void)state;
    read_metrics(good);
    is_number("a_total", 2);
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct exposition exposition;
        CLEANUP(freep) char *wrong = exposition_read(&exposition, cases[i][0]);
        if (!wrong || !strstr(wrong, cases[i][1]))
            fail_msg("case %zu: %s, not %s", i, wrong ? wrong : "nothing", cases[i][1]);
        exposition_deinit(&exposition);
    }
}

static void at_first_there_are_zeros(void **state)
{
    time_t before = time(NULL) - 60;

    (void)state;
    look();
    is_number("gantry_up", 1);
    is_number("gantry_build_info{version=\"" PACKAGE_VERSION "\"}", 1);
    is_number("gantry_launches_total{result=\"forwarded\"}", 0);
    is_number("gantry_refusals_total{room=\"gpus\"}", 0);
    is_number("gantry_launch_seconds_bucket{le=\"+Inf\"}", 0);
    is_number("gantry_unreachable_total", 0);
    const json_t *start = json_object_get(now.samples, "gantry_start_time_seconds");
    assert_true(json_real_value(start) > (double)before);
    assert_true(json_real_value(start) <= (double)time(NULL) + 1);
}

static void every_launch_and_end_is_counted(void **state)
{
    CLEANUP(json_decrefp) json_t *loop = manifest_of("loop", "exit 3");
    CLEANUP(json_decrefp) json_t *done = manifest_of("done", "exit 0");
    CLEANUP(json_decrefp) json_t *bad = manifest_of("bad", "exit 0");
    CLEANUP(json_decrefp) json_t *reply = NULL;

    (void)state;
    runs_and_ends(loop, 3);
    runs_and_ends(loop, 3);
    prepare_ends(loop, 254);
    prepare_ends(loop, 254);
    runs_and_ends(done, 0);
    json_array_append_new(
        json_object_get(bad, "volumes"),
        json_pack("{s:s, s:s, s:s}", "name", "bad", "kind", "host", "source", "/proc/gantry"));
    prepare_ends(bad, 254);
    /* one that the drop-in would not send */
    reply = api_call("io.gantry.Node.Launch",
                     json_pack("{s:s, s:[s, s], s:s, s:{}}", "id", "x", "argv", "rkt", "fetch",
                               "directory", "/", "environment"));
    assert_string_equal(field(reply, "error"), "io.gantry.Node.Failed");

    look();
    is_number("gantry_launches_total{result=\"forwarded\"}", 6);
    is_number("gantry_launches_total{result=\"refused\"}", 3);
    is_number("gantry_launches_total{result=\"failed\"}", 1);
    is_number("gantry_refusals_total{room=\"backoff\"}", 2);
    is_number("gantry_refusals_total{room=\"hostpath\"}", 1);
    is_number("gantry_refusals_total{room=\"gpus\"}", 0);
    is_number("gantry_launch_seconds_count", 10);
    is_number("gantry_launch_seconds_bucket{le=\"+Inf\"}", 10);
    double sum = json_real_value(json_object_get(now.samples, "gantry_launch_seconds_sum"));
    assert_true(sum > 0);
    is_number("gantry_pod_starts_total", 3);
    is_number("gantry_pod_exits_total{result=\"failed\"}", 2);
    is_number("gantry_pod_exits_total{result=\"succeeded\"}", 1);
    is_number("gantry_pod_exits_total{result=\"unknown\"}", 0);
    is_number("gantry_backoff_pods", 1);
    is_number("gantry_pods{state=\"held\"}", 1);
    is_number("gantry_pods{state=\"ended\"}", 1);
    is_number("gantry_pods{state=\"starting\"}", 1);
    is_number("gantry_pods{state=\"running\"}", 0);
    is_number("gantry_kubelet_fetches_total{result=\"failed\"}", 0);
    is_number("gantry_unreachable_total", 0);

    /* what is counted begins anew with gantryd, what is known does not */
    gantryd_end(SIGTERM);
    gantryd_start();
    look();
    is_number("gantry_launches_total{result=\"refused\"}", 0);
    is_number("gantry_backoff_pods", 1);
}

static void the_time_that_a_launch_waits_is_measured(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("slow", "exit 0");

    (void)state;
    /* The loop's timers begin with its turn, a little before the launch does. */
    node_configure("[Kubelet]\nTimeout=1s\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    kubelet_start();
    kubelet_serves(NULL, 0);
    prepare_ends(manifest, 0);
    kubelet_stop();
    look();
    is_number("gantry_launch_seconds_bucket{le=\"0.5\"}", 0);
    is_number("gantry_launch_seconds_bucket{le=\"+Inf\"}", 1);
    double sum = json_real_value(json_object_get(now.samples, "gantry_launch_seconds_sum"));
    assert_true(sum > 0.5);
    is_number("gantry_kubelet_fetches_total{result=\"failed\"}", 1);
}

static void fetches_of_the_kubelet_are_counted(void **state)
{
    CLEANUP(json_decrefp) json_t *pods = json_array();
    CLEANUP(json_decrefp) json_t *one = manifest_of("one", "exit 0");
    CLEANUP(json_decrefp) json_t *two = manifest_of("two", "exit 0");

    (void)state;
    node_configure("");
    gantryd_end(SIGTERM);
    gantryd_start();
    kubelet_start();
    kubelet_serves_pods(pods);
    prepare_ends(one, 0);
    look();
    is_number("gantry_kubelet_fetches_total{result=\"answered\"}", 1);
    is_number("gantry_kubelet_fetches_total{result=\"failed\"}", 0);
    kubelet_stop();
    prepare_ends(two, 0);
    look();
    is_number("gantry_kubelet_fetches_total{result=\"answered\"}", 1);
    is_number("gantry_kubelet_fetches_total{result=\"failed\"}", 1);

    /* what is refused for want of its answer is the kubelet's */
    node_configure("[Kubelet]\nRequired=yes\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    prepare_ends(two, 254);
    look();
    is_number("gantry_refusals_total{room=\"kubelet\"}", 1);
    is_number("gantry_refusals_total{room=\"volumes\"}", 0);
}

/* The file itself says that gantryd is not there; only what else went wrong has words. */
static int write_output(void)
{
    CLEANUP(result_deinit)
    struct result result = run(node_built("gantryctl"), "metrics", "--output", OUTPUT, NULL);

    assert_string_equal(result.out, "");
    if (result.status != 1)
        assert_string_equal(result.err, "");
    return result.status;
}

static void read_output(void)
{
    CLEANUP(freep) char *text = read_text(OUTPUT);

    assert_non_null(text);
    read_metrics(text);
}

static void launches_without_gantryd_are_counted(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("alone", "exit 0");

    (void)state;
    assert_int_equal(mkdir(FOLDER, 0755), 0);
    gantryd_end(SIGTERM);
    assert_int_equal(rename(NODE_SOCKET, NODE_SOCKET ".away"), 0);
    prepare_ends(manifest, 0);
    prepare_ends(manifest, 0);

    CLEANUP(result_deinit) struct result result = run(node_built("gantryctl"), "metrics", NULL);
    assert_int_equal(result.status, 3);
    assert_string_equal(result.out, "");
    assert_non_null(strstr(result.err, "gantryd cannot be asked"));
    assert_int_equal(write_output(), 3);
    read_output();
    is_number("gantry_up", 0);
    is_number("gantry_unreachable_total", 2);
    assert_int_equal(json_object_size(now.samples), 2);

    assert_int_equal(rename(NODE_SOCKET ".away", NODE_SOCKET), 0);
    gantryd_start();
    assert_int_equal(write_output(), 0);
    read_output();
    is_number("gantry_up", 1);
    is_number("gantry_unreachable_total", 2);
    is_number("gantry_launches_total{result=\"forwarded\"}", 0);
}

static size_t n_entries(const char *path)
{
    DIR *folder = opendir(path);
    size_t n = 0;

    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        n += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(folder);
    return n;
}

/* No file that node_exporter reads is there before it is whole. */
static void a_file_is_replaced_at_once(void **state)
{
    _Alignas(struct inotify_event) char events[4096];
    struct stat st;
    bool moved = false;

    (void)state;
    assert_int_equal(mkdir(FOLDER, 0755), 0);
    write_text(OUTPUT, "old");
    assert_int_equal(link(OUTPUT, "/srv/old"), 0);
    CLEANUP(fd_closep) int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    assert_true(inotify_add_watch(fd, FOLDER, IN_CREATE | IN_MODIFY | IN_MOVED_TO) >= 0);

    umask(0077);
    assert_int_equal(write_output(), 0);
    umask(0022);
    read_output();
    assert_int_equal(stat(OUTPUT, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0644);
    assert_int_equal(n_entries(FOLDER), 1);
    CLEANUP(freep) char *old = read_text("/srv/old");
    assert_string_equal(old, "old");

    ssize_t n = read(fd, events, sizeof(events));
    assert_true(n > 0);
    for (char *at = events; at < events + n;) {
        const struct inotify_event *event = (const struct inotify_event *)at;
        const char *dot = strrchr(event->name, '.');
        if (event->mask & IN_MOVED_TO) {
            assert_string_equal(event->name, "gantry.prom");
            moved = true;
        } else if (dot && strcmp(dot, ".prom") == 0) {
            fail_msg("%s was written to", event->name);
        }
        at += sizeof(*event) + event->len;
    }
    assert_true(moved);
}

static void a_file_that_cannot_be_written_is_told(void **state)
{
    (void)state;
    CLEANUP(result_deinit)
    struct result result = run(node_built("gantryctl"), "metrics", "--output", OUTPUT, NULL);
    assert_int_equal(result.status, 1);
    assert_string_equal(result.err, "gantryctl: " OUTPUT ": No such file or directory\n");

    /* what cannot be replaced leaves nothing behind */
    make_folders(OUTPUT);
    assert_int_equal(write_output(), 1);
    assert_int_equal(n_entries(FOLDER), 1);
}

/* A rename would take the node's /dev/null away. */
static void what_is_no_file_is_not_replaced(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(mkdir(FOLDER, 0755), 0);
    write_text("/srv/other", "other");
    assert_int_equal(symlink("/srv/other", OUTPUT), 0);
    assert_int_equal(write_output(), 1);
    assert_int_equal(lstat(OUTPUT, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(unlink(OUTPUT), 0);
    assert_int_equal(mknod(OUTPUT, S_IFCHR | 0666, makedev(1, 3)), 0);
    assert_int_equal(write_output(), 1);
    assert_int_equal(lstat(OUTPUT, &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

/* Whether a sample of the metric has the label: any value of it, or that one. */
static bool has_label(const char *metric, const char *label, const char *value)
{
    CLEANUP(freep) char *begin = NULL, *part = NULL;
    const char *series;
    json_t *number;

    assert_true(asprintf(&begin, "%s{", metric) > 0);
    assert_true(asprintf(&part, value ? "%s=\"%s\"" : "%s=\"", label, value) > 0);
    json_object_foreach(now.samples, series, number)
    {
        if (strncmp(series, begin, strlen(begin)) == 0 && strstr(series, part))
            return true;
    }
    return false;
}

/* The selectors behind a metric's name, up to the brace that closes them. The values of = and !=
 * have to be there, where they are no variable of Grafana's; what Prometheus itself adds is not
 * ours. */
static void labels_are_there(const char *metric, const char *text)
{
    char label[64], operator[3], value[128];
    int length;

    while (*text != '}' &&
           sscanf(text, "%63[a-z_]%2[=!~]\"%127[^\"]\"%n", label, operator, value, &length) == 3) {
        bool is_fixed = strchr(operator, '~') == NULL && !strchr(value, '$');
        if (strcmp(label, "instance") != 0 && strcmp(label, "job") != 0 &&
            !has_label(metric, label, is_fixed ? value : NULL))
            fail_msg("%s has no label %s of %s", metric, label, value);
        text += length;
        text += strspn(text, ", ");
    }
    if (*text != '}')
        fail_msg("these are no selectors of %s: %s", metric, text);
}

/* The metrics that a text speaks of have to be there, with the labels. Return: how many names there
 * were. */
static size_t are_there(const char *text)
{
    static const char *const parts[] = {"_bucket", "_sum", "_count"};
    size_t n = 0;

    while ((text = strstr(text, "gantry_"))) {
        char name[128];
        snprintf(name, sizeof(name), "%.*s",
                 (int)strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_"), text);
        text += strlen(name);
        n++;
        if (text[0] == '{' && text[1] >= 'a' && strpbrk(text, "=}") && *strpbrk(text, "=}") == '=')
            labels_are_there(name, text + 1);
        if (json_object_get(now.metrics, name))
            continue;
        for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
            char *part = strstr(name, parts[i]);
            if (part && strcmp(part, parts[i]) == 0)
                *part = '\0';
        }
        if (strcmp(field(now.metrics, name), "histogram") != 0)
            fail_msg("there is no metric %s", name);
    }
    return n;
}

/* The section METRICS of gantryd(8). */
static void the_manual_explains_each(void **state)
{
    CLEANUP(freep) char *manual = read_text(node_source("man/gantryd.8.scd"));
    const char *name;
    json_t *type;

    (void)state;
    look();
    char *section = strstr(manual, "\n# METRICS\n");
    assert_non_null(section);
    char *end = strstr(section + 1, "\n# ");
    assert_non_null(end);
    *end = '\0';
    assert_true(are_there(section) > 0);
    json_object_foreach(now.metrics, name, type)
    {
        char entry[256];
        snprintf(entry, sizeof(entry), "\n*%s*", name);
        if (!strstr(section, entry))
            fail_msg("gantryd(8) does not explain %s", name);
    }
}

static void the_alerts_are_of_what_there_is(void **state)
{
    CLEANUP(freep) char *text = read_text(node_source("docs/operating.md"));

    (void)state;
    look();
    assert_true(are_there(text) > 0);
}

/* Whether a metric of the expression has the label. */
static bool knows_label(const char *expression, const char *label)
{
    for (const char *p = expression; (p = strstr(p, "gantry_")); p++) {
        CLEANUP(freep) char *name = strndup(p, strspn(p, "abcdefghijklmnopqrstuvwxyz_"));
        if (has_label(name, label, NULL))
            return true;
    }
    return strcmp(label, "instance") == 0;
}

/* The labels that stand behind `before` in a text are ones of the expression's. */
static void are_labels_of(const char *expression, const char *text, const char *before)
{
    while ((text = strstr(text, before))) {
        char label[64];
        text += strlen(before);
        assert_int_equal(sscanf(text, "%63[a-z_]", label), 1);
        if (!knows_label(expression, label))
            fail_msg("%s has no label %s", expression, label);
    }
}

static size_t walk(const json_t *json)
{
    const char *expression = json_string_value(json_object_get(json, "expr"));
    const char *legend = json_string_value(json_object_get(json, "legendFormat"));
    size_t n = 0, i;
    const char *key;
    json_t *value;

    if (expression)
        are_labels_of(expression, expression, "by (");
    if (expression && legend)
        are_labels_of(expression, legend, "{{");
    json_array_foreach(json, i, value) n += walk(value);
    json_object_foreach((json_t *)json, key, value)
    {
        if (strcmp(key, "expr") == 0 || strcmp(key, "query") == 0)
            n += json_is_string(value) ? are_there(json_string_value(value)) : 0;
        n += walk(value);
    }
    return n;
}

static void the_dashboard_asks_for_what_there_is(void **state)
{
    CLEANUP(json_decrefp) json_t *board = read_json(node_source("contrib/grafana/gantry.json"));

    (void)state;
    look();
    assert_true(walk(board) >= 10);
    assert_true(json_array_size(json_object_get(board, "panels")) > 0);
}

static int finish_group(void **state)
{
    (void)state;
    exposition_deinit(&now);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reader_forgives_nothing),
        cmocka_unit_test_setup_teardown(at_first_there_are_zeros, setup, rkt_teardown),
        cmocka_unit_test_setup_teardown(every_launch_and_end_is_counted, setup, rkt_teardown),
        cmocka_unit_test_setup_teardown(the_time_that_a_launch_waits_is_measured, setup,
                                        rkt_teardown),
        cmocka_unit_test_setup_teardown(fetches_of_the_kubelet_are_counted, setup, rkt_teardown),
        cmocka_unit_test_setup_teardown(launches_without_gantryd_are_counted, setup, rkt_teardown),
        cmocka_unit_test_setup_teardown(a_file_is_replaced_at_once, setup, rkt_teardown),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_written_is_told, setup, rkt_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_file_is_not_replaced, setup, rkt_teardown),
        cmocka_unit_test_setup_teardown(the_manual_explains_each, setup, rkt_teardown),
        cmocka_unit_test_setup_teardown(the_alerts_are_of_what_there_is, setup, rkt_teardown),
        cmocka_unit_test_setup_teardown(the_dashboard_asks_for_what_there_is, setup, rkt_teardown),
    };

    node_enter();
    return cmocka_run_group_tests(tests, NULL, finish_group);
}
