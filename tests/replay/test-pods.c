/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods from launch to end and to the next launch: back-off as the kubelet meets it, ends and their
 * evidence, what outlives gantryd, and what is forgotten.
 */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "lib/message.h"
#include "tests/harness/rkt.h"

static const char *id_of(enum message message)
{
    return message_info(message)->id;
}

/* A manifest of the kubelet's with one container that runs this, as pod default/NAME with UID NAME.
 */
static json_t *manifest_of(const char *name, const char *hash, const char *script)
{
    CLEANUP(json_decrefp) json_t *trace = trace_load("rkt-network");
    json_t *manifest = json_deep_copy(
        json_object_get(json_array_get(json_object_get(trace, "calls"), 0), "manifest"));
    json_t *app = json_array_get(json_object_get(manifest, "apps"), 0);
    json_t *annotations = json_object_get(manifest, "annotations");

    json_object_set_new(json_object_get(app, "app"), "exec",
                        json_pack("[s, s, s]", "sh", "-c", script));
    json_object_set_new(json_array_get(json_object_get(app, "annotations"), 0), "value",
                        json_string(hash));
    for (size_t i = 0; i < json_array_size(annotations); i++) {
        json_t *entry = json_array_get(annotations, i);
        if (strcmp(field(entry, "name"), "io.kubernetes.pod.uid") == 0 ||
            strcmp(field(entry, "name"), "io.kubernetes.pod.name") == 0)
            json_object_set_new(entry, "value", json_string(name));
    }
    return manifest;
}

static int64_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static json_t *newest_run(const char *name)
{
    return json_array_get(json_object_get(explain(name), "rktPods"), 0);
}

static bool is_in_state(const char *name, const char *state)
{
    return strcmp(field(explain(name), "state"), state) == 0;
}

static void configure(const char *text)
{
    node_configure(text);
    gantryd_end(SIGTERM);
    gantryd_start();
}

static void kubelet_is_refused(const json_t *manifest, const char *message)
{
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);

    assert_int_equal(result.status, 254);
    assert_string_equal(result.out, "");
    assert_string_equal(result.err, message);
}

/* Launches it and waits until gantryd has noted its end. */
static void runs_and_ends(const json_t *manifest, const char *name, int status)
{
    int ended_with;
    CLEANUP(freep) char *uuid = rkt_launch(manifest, &ended_with);

    assert_int_equal(ended_with, status);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_EXIT), "GANTRY_RKT_UUID", uuid, NULL);
    assert_string_equal(field(newest_run(name), "uuid"), uuid);
}

static void a_crash_loop_is_held_back_longer_each_time(void **state)
{
    static const struct {
        const char *delay, *usec;
    } rows[] = {{"500ms", "500000"}, {"1s", "1000000"}, {"2s", "2000000"}, {"2s", "2000000"}};
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("loop", "1", "exit 3");
    char message[256];

    (void)state;
    configure("[BackOff]\nInitial=500ms\nMax=2s\n");
    runs_and_ends(manifest, "loop", 3);
    assert_true(is_in_state("loop", "ended"));
    runs_and_ends(manifest, "loop", 3);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        assert_true(is_in_state("loop", "held"));
        snprintf(message, sizeof(message),
                 "Back-off %s restarting failed container=app pod=loop_default(loop)\n",
                 rows[i].delay);
        kubelet_is_refused(manifest, message);
        const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_BACKOFF),
                                           "GANTRY_BACKOFF_USEC", rows[i].usec, NULL);
        assert_string_equal(field(entry, "GANTRY_CONTAINER"), "app");
        assert_string_equal(field(entry, "GANTRY_POD_UID"), "loop");
        journal_wait("MESSAGE_ID", id_of(MESSAGE_RELEASE), "GANTRY_BACKOFF_USEC", rows[i].usec,
                     "GANTRY_REFUSED", "1", NULL);
        journal_forget();
        assert_true(is_in_state("loop", "ended"));
        runs_and_ends(manifest, "loop", 3);
    }
    /* the last two rows refuse with the same words, but with a launch between them */
    assert_int_equal(number(json_object_get(explain("loop"), "refused"), "times"), 1);
    /* rkt was called for each launch that was let through, and for no other */
    CLEANUP(json_decrefp) json_t *calls = recorded_calls();
    assert_int_equal(json_array_size(calls), 2 * 6);
}

static void any_end_counts(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("done", "1", "exit 0");

    (void)state;
    runs_and_ends(manifest, "done", 0);
    runs_and_ends(manifest, "done", 0);
    kubelet_is_refused(manifest,
                       "Back-off 10s restarting failed container=app pod=done_default(done)\n");
}

static void the_container_that_ended_the_pod_is_named(void **state)
{
    CLEANUP(json_decrefp) json_t *trace = trace_load("crash-loop");
    const json_t *manifest =
        json_object_get(json_array_get(json_object_get(trace, "calls"), 0), "manifest");
    static const char uid[] = "26abae1a7cab5161f16b2094334c7b79";

    (void)state;
    /* ok exits with 0 at once, bad with 7 after three seconds */
    runs_and_ends(manifest, uid, 7);
    assert_string_equal(field(explain(uid), "endedBy"), "bad");
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_EXIT), NULL);
    assert_string_equal(field(entry, "GANTRY_CONTAINER"), "bad");
    assert_string_equal(field(entry, "GANTRY_EXIT_STATUS"), "7");
    assert_string_equal(field(entry, "GANTRY_POD_NAME"), "once-node1");
    assert_int_equal(json_array_size(json_object_get(newest_run(uid), "apps")), 2);
    runs_and_ends(manifest, uid, 7);
    kubelet_is_refused(manifest, "Back-off 10s restarting failed container=bad "
                                 "pod=once-node1_default(26abae1a7cab5161f16b2094334c7b79)\n");
}

static void an_end_is_found_without_overlay_too(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("plain", "1", "exit 5");

    (void)state;
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, "--no-overlay", NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&result);
    assert_int_equal(finish(rkt_run(uuid)), 5);
    const json_t *entry =
        journal_wait("MESSAGE_ID", id_of(MESSAGE_EXIT), "GANTRY_RKT_UUID", uuid, NULL);
    assert_string_equal(field(entry, "GANTRY_EXIT_STATUS"), "5");
    assert_int_equal(number(newest_run("plain"), "exitStatus"), 5);
}

static void fly_without_a_unit_ends_with_an_unknown_status(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("fly", "1", "exit 5");

    (void)state;
    CLEANUP(result_deinit)
    struct result result =
        rkt_prepare(manifest, "--stage1-name=coreos.com/rkt/stage1-fly:1.30.0", NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&result);
    assert_int_equal(finish(rkt_run(uuid)), 5);
    const json_t *entry =
        journal_wait("MESSAGE_ID", id_of(MESSAGE_EXIT), "GANTRY_RKT_UUID", uuid, NULL);
    assert_string_equal(field(entry, "GANTRY_EXIT_STATUS"), "");
    assert_string_equal(field(entry, "GANTRY_CONTAINER"), "app");
    assert_null(json_object_get(newest_run("fly"), "exitStatus"));
}

static void a_changed_spec_is_not_held_back(void **state)
{
    CLEANUP(json_decrefp) json_t *old = manifest_of("patched", "1", "exit 3");
    CLEANUP(json_decrefp) json_t *new = manifest_of("patched", "2", "exit 3");

    (void)state;
    runs_and_ends(old, "patched", 3);
    runs_and_ends(old, "patched", 3);
    kubelet_is_refused(
        old, "Back-off 10s restarting failed container=app pod=patched_default(patched)\n");
    runs_and_ends(new, "patched", 3);
    runs_and_ends(new, "patched", 3);
    kubelet_is_refused(
        new, "Back-off 10s restarting failed container=app pod=patched_default(patched)\n");
}

static void pods_of_others_are_never_held_back(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("mine", "1", "exit 3");

    (void)state;
    json_array_clear(json_object_get(manifest, "annotations"));
    for (unsigned i = 0; i < 4; i++) {
        int status;
        CLEANUP(freep) char *uuid = rkt_launch(manifest, &status);
        assert_int_equal(status, 3);
    }
    CLEANUP(json_decrefp) json_t *reply = api_call("io.gantry.Node.List", NULL);
    assert_int_equal(json_array_size(json_object_get(json_object_get(reply, "parameters"), "pods")),
                     0);
}

static void a_back_off_outlives_gantryd(void **state)
{
    static const int signals[] = {SIGTERM, SIGKILL};
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("loop", "1", "exit 3");

    (void)state;
    runs_and_ends(manifest, "loop", 3);
    runs_and_ends(manifest, "loop", 3);
    int64_t finished_at = number(newest_run("loop"), "finishedAt");
    for (size_t i = 0; i < N_ELEMENTS(signals); i++) {
        gantryd_end(signals[i]);
        gantryd_start();
        kubelet_is_refused(manifest,
                           "Back-off 10s restarting failed container=app pod=loop_default(loop)\n");
        assert_true(llabs(number(newest_run("loop"), "finishedAt") - finished_at) < 10000);
        assert_int_equal(number(explain("loop"), "backoffUSec"), 10 * USEC_SEC);
    }
}

static void a_pod_that_runs_is_taken_up_again(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("long", "1", "sleep 1000");

    (void)state;
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&result);
    pid_t pid = rkt_run(uuid);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_START), "GANTRY_RKT_UUID", uuid, NULL);
    assert_int_equal(number(newest_run("long"), "pid"), pid);
    gantryd_end(SIGKILL);
    gantryd_start();
    assert_string_equal(field(explain("long"), "state"), "running");
    kill(pid, SIGTERM);
    finish(pid);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_EXIT), "GANTRY_RKT_UUID", uuid, NULL);
    assert_true(is_in_state("long", "ended"));
}

/* The time of a file's last change, in microseconds since 1970. */
static int64_t changed_at(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return (int64_t)wall_from_timespec(&st.st_mtim).usec;
}

static void an_end_that_nobody_saw_has_the_time_of_its_evidence(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("unseen", "1", "sleep 1; exit 3");
    char status_file[256], note[256];

    (void)state;
    for (unsigned with_note = 0; with_note < 2; with_note++) {
        CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, "--no-overlay", NULL);
        CLEANUP(freep) char *uuid = rkt_uuid(&result);
        pid_t pid = rkt_run(uuid);
        journal_wait("MESSAGE_ID", id_of(MESSAGE_START), "GANTRY_RKT_UUID", uuid, NULL);
        gantryd_end(SIGKILL);
        assert_int_equal(finish(pid), 3);
        snprintf(status_file, sizeof(status_file),
                 "/var/lib/rkt/pods/run/%s/stage1/rootfs/rkt/status/app", uuid);
        snprintf(note, sizeof(note), "/var/lib/kubelet/pods/unseen/finished-%s", uuid);
        usleep(300000);
        if (with_note) {
            make_folders("/var/lib/kubelet/pods/unseen");
            write_text(note, "");
        }
        usleep(300000);
        int64_t now = (int64_t)wall_now().usec;
        gantryd_start();
        int64_t known = number(newest_run("unseen"), "finishedAt");
        int64_t evidence = changed_at(with_note ? note : status_file);
        assert_true(llabs(known - evidence) < 10000);
        assert_true(evidence < now - 200000);
        assert_int_equal(number(newest_run("unseen"), "exitStatus"), 3);
        assert_string_equal(field(explain("unseen"), "endedBy"), "app");
        journal_wait("MESSAGE_ID", id_of(MESSAGE_EXIT), "GANTRY_RKT_UUID", uuid, NULL);
    }
    /* the second end counts from its own time, so a restart is held back from then on */
    assert_true(is_in_state("unseen", "held"));
}

static void the_pod_is_forgotten_with_its_last_rkt_pod(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("gone", "1", "exit 3");
    int status;

    (void)state;
    CLEANUP(freep) char *first = rkt_launch(manifest, &status);
    CLEANUP(freep) char *second = rkt_launch(manifest, &status);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_EXIT), "GANTRY_RKT_UUID", second, NULL);
    assert_int_equal(json_array_size(json_object_get(explain("gone"), "rktPods")), 2);

    CLEANUP(result_deinit)
    struct result removed = run(node_built("rkt"), GLOBAL_OPTIONS, "rm", second, NULL);
    assert_int_equal(removed.status, 0);
    wait_for(json_array_size(json_object_get(explain("gone"), "rktPods")) == 1);
    assert_string_equal(field(newest_run("gone"), "uuid"), first);
    assert_true(is_there(NODE_STATE "/pods/gone.json"));

    CLEANUP(result_deinit)
    struct result collected =
        run(node_built("rkt"), GLOBAL_OPTIONS, "gc", "--grace-period=0s", NULL);
    assert_int_equal(collected.status, 0);
    wait_for(!explain("gone"));
    wait_for(!is_there(NODE_STATE "/pods/gone.json"));
    journal_wait("MESSAGE_ID", id_of(MESSAGE_FORGET), "GANTRY_POD_NAME", "gone", NULL);
    /* and its next launch is a first one */
    CLEANUP(freep) char *third = rkt_launch(manifest, &status);
    assert_int_equal(status, 3);
}

static void what_was_removed_while_gantryd_was_away_is_forgotten(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("gone", "1", "exit 3");
    int status;

    (void)state;
    CLEANUP(freep) char *uuid = rkt_launch(manifest, &status);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_EXIT), "GANTRY_RKT_UUID", uuid, NULL);
    wait_for(is_in_state("gone", "ended"));
    gantryd_end(SIGTERM);
    CLEANUP(result_deinit)
    struct result removed = run(node_built("rkt"), GLOBAL_OPTIONS, "rm", uuid, NULL);
    assert_int_equal(removed.status, 0);
    gantryd_start();
    wait_for(!explain("gone"));
}

static void the_pod_is_forgotten_when_long_untouched(void **state)
{
    CLEANUP(json_decrefp) json_t *ended = manifest_of("ended", "1", "exit 3");
    CLEANUP(json_decrefp) json_t *prepared = manifest_of("prepared", "1", "exit 3");
    CLEANUP(json_decrefp) json_t *running = manifest_of("running", "1", "sleep 1000");

    (void)state;
    configure("[BackOff]\nInitial=100ms\nMax=200ms\n");
    CLEANUP(result_deinit) struct result result = rkt_prepare(running, NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&result);
    pid_t pid = rkt_run(uuid);
    wait_for(is_in_state("running", "running"));
    CLEANUP(result_deinit) struct result only = rkt_prepare(prepared, NULL);
    runs_and_ends(ended, "ended", 3);
    wait_for(!explain("ended"));
    wait_for(!explain("prepared"));
    /* one that runs is not, however long */
    assert_true(is_in_state("running", "running"));
    kill(pid, SIGTERM);
    finish(pid);
    wait_for(!explain("running"));
}

static void a_pod_that_runs_is_not_forgotten(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("stays", "1", "sleep 100");
    CLEANUP(result_deinit) struct result result = {0};

    (void)state;
    configure("[BackOff]\nInitial=100ms\nMax=200ms\n");
    result = rkt_prepare(manifest, NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&result);
    pid_t pid = rkt_run(uuid);
    wait_for(explain("stays") && is_in_state("stays", "running"));
    /* The next one is prepared, but does not run; the other one goes on. */
    CLEANUP(result_deinit) struct result next = rkt_prepare(manifest, NULL);
    assert_int_equal(next.status, 0);
    usleep(1000000);
    assert_non_null(explain("stays"));
    assert_int_equal(kill(pid, SIGTERM), 0);
    finish(pid);
}

static void a_launch_round_gantryd_counts_when_it_is_seen(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("round", "1", "exit 3");
    int status;

    (void)state;
    runs_and_ends(manifest, "round", 3);
    /* prepared by rkt itself, as when gantryd cannot be reached; run by way of us */
    write_text("/run/node/round.json", "");
    assert_int_equal(json_dump_file(manifest, "/run/node/round.json", 0), 0);
    CLEANUP(result_deinit)
    struct result direct = run("/run/recorder/next", GLOBAL_OPTIONS, "prepare", "--quiet",
                               "--pod-manifest", "/run/node/round.json", NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&direct);
    status = finish(rkt_run(uuid));
    assert_int_equal(status, 3);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_EXIT), "GANTRY_RKT_UUID", uuid, NULL);
    kubelet_is_refused(manifest,
                       "Back-off 10s restarting failed container=app pod=round_default(round)\n");
}

static void the_operator_ends_a_back_off(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("loop", "1", "exit 3");

    (void)state;
    runs_and_ends(manifest, "loop", 3);
    runs_and_ends(manifest, "loop", 3);
    assert_true(is_in_state("loop", "held"));
    CLEANUP(result_deinit)
    struct result reset = run(node_built("gantryctl"), "reset", "default/loop", NULL);
    assert_int_equal(reset.status, 0);
    assert_string_equal(reset.out, "pod default/loop: the next restart goes at once\n");
    journal_wait("MESSAGE_ID", id_of(MESSAGE_RESET), "GANTRY_POD_NAME", "loop", NULL);
    runs_and_ends(manifest, "loop", 3);
}

static void gantryctl_shows_it_all(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("loop", "1", "exit 3");
    char expected[512];

    (void)state;
    CLEANUP(result_deinit) struct result none = run(node_built("gantryctl"), "list", NULL);
    assert_string_equal(none.out, "No pods are known.\n");
    runs_and_ends(manifest, "loop", 3);
    runs_and_ends(manifest, "loop", 3);
    kubelet_is_refused(manifest,
                       "Back-off 10s restarting failed container=app pod=loop_default(loop)\n");
    const char *uuid = field(newest_run("loop"), "uuid");

    CLEANUP(result_deinit) struct result list = run(node_built("gantryctl"), "list", NULL);
    assert_int_equal(list.status, 0);
    assert_non_null(strstr(list.out, "POD"));
    assert_non_null(strstr(list.out, "default/loop held"));
    assert_non_null(strstr(list.out, "app: 3, "));

    CLEANUP(result_deinit)
    struct result explained = run(node_built("gantryctl"), "explain", uuid, NULL);
    assert_int_equal(explained.status, 0);
    assert_non_null(strstr(explained.out, "pod default/loop\n  UID        loop\n"));
    assert_non_null(strstr(explained.out, "held back: a restart has to wait another "));
    snprintf(expected, sizeof(expected), "  rkt pod    %s: began ", uuid);
    assert_non_null(strstr(explained.out, expected));
    assert_non_null(strstr(explained.out, " with status 3 (app: 3)\n"));
    assert_non_null(strstr(explained.out, "backoff: a restart; the next one has to wait 10s\n"));
    assert_non_null(strstr(
        explained.out, "Back-off 10s restarting failed container=app pod=loop_default(loop)\n"));

    CLEANUP(result_deinit)
    struct result json = run(node_built("gantryctl"), "--json", "list", NULL);
    CLEANUP(json_decrefp) json_t *pods = json_loads(json.out, 0, NULL);
    assert_string_equal(field(json_array_get(pods, 0), "state"), "held");
}

static void gantryctl_says_what_is_wrong(void **state)
{
    static const struct {
        const char *verb, *argument;
        int status;
        const char *message;
    } cases[] = {
        {"explain", "nobody", 4,
         "gantryctl: no pod has the name or UID \"nobody\"\n"
         "See: gantryctl list\n"},
        {"reset", "nobody", 4,
         "gantryctl: no pod has the name or UID \"nobody\"\n"
         "See: gantryctl list\n"},
    };
    static const struct {
        const char *verb, *argument, *first_line;
    } usages[] = {
        {"explain", "", "gantryctl: gantryd does not take that as a pod\n"},
        {"dance", NULL, "gantryctl: no such verb: dance\n"},
        {"explain", NULL, "gantryctl: one POD is needed by explain\n"},
        {"list", "web", "gantryctl: no argument is taken by list\n"},
        {"explain", "\xff", "gantryctl: the argument is not UTF-8\n"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(result_deinit)
        struct result result = run(node_built("gantryctl"), cases[i].verb, cases[i].argument, NULL);
        assert_int_equal(result.status, cases[i].status);
        assert_string_equal(result.err, cases[i].message);
    }
    for (size_t i = 0; i < N_ELEMENTS(usages); i++) {
        CLEANUP(result_deinit)
        struct result result =
            run(node_built("gantryctl"), usages[i].verb, usages[i].argument, NULL);
        assert_int_equal(result.status, 2);
        assert_int_equal(strncmp(result.err, usages[i].first_line, strlen(usages[i].first_line)),
                         0);
    }
    write_text(NODE_CONFIG, "[Daemon]\nSocket=/run/node/none\n");
    CLEANUP(result_deinit) struct result unreachable = run(node_built("gantryctl"), "list", NULL);
    assert_int_equal(unreachable.status, 3);
    assert_string_equal(unreachable.err,
                        "gantryctl: gantryd cannot be asked: /run/node/none: No such file or "
                        "directory\nSee: systemctl status gantryd.socket gantryd.service\n");
}

/* Has gantryctl run where its standard output is a terminal of 80 columns. Return: what came there,
 * to free(). */
static char *on_terminal(const char *arguments)
{
    CLEANUP(freep) char *command = NULL;

    assert_true(asprintf(&command, "stty cols 80; exec %s %s", node_built("gantryctl"), arguments) >
                0);
    CLEANUP(result_deinit)
    struct result result =
        run("/usr/bin/script", "--quiet", "--return", "--command", command, "/dev/null", NULL);
    assert_int_equal(result.status, 0);
    return strdup(result.out);
}

static bool comes_to_terminal(const char *arguments, const char *words)
{
    CLEANUP(freep) char *text = on_terminal(arguments);

    return strstr(text, words);
}

static void gantryctl_pages_what_may_be_long(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("loop", "1", "exit 3");

    (void)state;
    runs_and_ends(manifest, "loop", 3);
    setenv("GANTRY_PAGER", "tr a-z A-Z", 1);
    assert_true(comes_to_terminal("list", "DEFAULT/LOOP"));
    assert_true(comes_to_terminal("explain loop", "POD DEFAULT/LOOP"));
    assert_true(comes_to_terminal("--no-pager list", "default/loop"));
    assert_true(comes_to_terminal("--no-pager explain loop", "pod default/loop"));
    assert_true(comes_to_terminal("gpus", "GPU"));
    assert_false(comes_to_terminal("metrics", "GANTRY"));
    unsetenv("GANTRY_PAGER");
}

/* The UID is cut off where the line is too short. */
static void a_line_is_as_wide_as_the_operator_says(void **state)
{
    static const char uid[] = "a-uid-of-more-than-thirty-six-characters";
    CLEANUP(json_decrefp) json_t *manifest = manifest_of(uid, "1", "exit 3");

    (void)state;
    runs_and_ends(manifest, uid, 3);
    setenv("COLUMNS", "300", 1);
    assert_true(comes_to_terminal("--no-pager list", uid));
    setenv("COLUMNS", "60", 1);
    CLEANUP(freep) char *text = on_terminal("--no-pager list");
    unsetenv("COLUMNS");
    assert_non_null(strstr(text, "POD"));
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
        assert_true(strlen(line) <= 60 + strlen("\033[0m\033[33m\r"));
}

static void what_is_printed_in_vain_is_told(void **state)
{
    CLEANUP(freep) char *command = NULL;

    (void)state;
    assert_true(asprintf(&command, "%s --help >/dev/full", node_built("gantryctl")) > 0);
    CLEANUP(result_deinit) struct result result = run("/bin/sh", "-c", command, NULL);
    assert_int_equal(result.status, 1);
    assert_string_equal(result.err,
                        "gantryctl: not all could be printed: No space left on device\n");
}

static void gantryctl_fails_as(const char *uid, int status, const char *message)
{
    CLEANUP(result_deinit)
    struct result copied = run("/bin/cp", node_built("gantryctl"), "/srv/gantryctl", NULL);
    assert_int_equal(copied.status, 0);
    CLEANUP(result_deinit)
    struct result result =
        run("/usr/bin/setpriv", "--reuid", uid, "--clear-groups", "/srv/gantryctl", "list", NULL);
    assert_int_equal(result.status, status);
    assert_string_equal(result.err, message);
}

static void gantryctl_says_who_may_ask(void **state)
{
    static const char words[] =
        "gantryctl: only root may ask that; what changes nothing, also whom AllowUsers= names\n"
        "Try: sudo gantryctl ...\n";

    (void)state;
    /* the kernel turns it away, or gantryd does */
    assert_int_equal(chmod(NODE_SOCKET, 0600), 0);
    gantryctl_fails_as("65534", 3, words);
    assert_int_equal(chmod(NODE_SOCKET, 0666), 0);
    gantryctl_fails_as("65534", 3, words);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rkt_setup, rkt_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(a_crash_loop_is_held_back_longer_each_time),
        TEST(any_end_counts),
        TEST(the_container_that_ended_the_pod_is_named),
        TEST(an_end_is_found_without_overlay_too),
        TEST(fly_without_a_unit_ends_with_an_unknown_status),
        TEST(a_changed_spec_is_not_held_back),
        TEST(pods_of_others_are_never_held_back),
        TEST(a_back_off_outlives_gantryd),
        TEST(a_pod_that_runs_is_taken_up_again),
        TEST(an_end_that_nobody_saw_has_the_time_of_its_evidence),
        TEST(the_pod_is_forgotten_with_its_last_rkt_pod),
        TEST(what_was_removed_while_gantryd_was_away_is_forgotten),
        TEST(the_pod_is_forgotten_when_long_untouched),
        TEST(a_pod_that_runs_is_not_forgotten),
        TEST(a_launch_round_gantryd_counts_when_it_is_seen),
        TEST(the_operator_ends_a_back_off),
        TEST(gantryctl_shows_it_all),
        TEST(gantryctl_says_what_is_wrong),
        TEST(gantryctl_says_who_may_ask),
        TEST(gantryctl_pages_what_may_be_long),
        TEST(a_line_is_as_wide_as_the_operator_says),
        TEST(what_is_printed_in_vain_is_told),
    };

    node_enter();
    return cmocka_run_group_tests_name("pods", tests, NULL, NULL);
}
