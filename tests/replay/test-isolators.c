/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Capabilities and OOM scores, as the running apps have them.
 *
 * The kernel does not let anybody here lower an OOM score, as on a node that is a container itself:
 * else what happens then could not be tested.
 */

#include "tests/unit/unit.h"

#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>

#include "lib/message.h"
#include "tests/harness/kubelet.h"
#include "tests/harness/rkt.h"

#define BIT(number) (UINT64_C(1) << (number))
/* As appc has it: the fourteen of the default set. */
#define DEFAULT_SET UINT64_C(0xa80425fb)
#define ALL_SET UINT64_C(0x3fffffffff)

static const char *id_of(enum message message)
{
    return message_info(message)->id;
}

/* The manifest of the recording with two apps: "front" and "side". Their processes are known by
 * what is in their command lines. */
#define FRONT "front up"
#define SIDE "100000"

static json_t *manifest_of(const char *recording)
{
    CLEANUP(json_decrefp) json_t *trace = trace_load(recording);

    return json_deep_copy(
        json_object_get(json_array_get(json_object_get(trace, "calls"), 0), "manifest"));
}

static json_t *app_of(const json_t *manifest, size_t index)
{
    return json_object_get(json_array_get(json_object_get(manifest, "apps"), index), "app");
}

/* What the kubelet writes for a container that adds and drops these; NULL: nothing. */
static void set_capabilities(json_t *app, const char *add, const char *drop)
{
    json_t *isolators = json_array();

    if (add)
        json_array_append_new(isolators,
                              json_pack("{s:s, s:{s:[s]}}", "name",
                                        "os/linux/capabilities-retain-set", "value", "set", add));
    if (drop)
        json_array_append_new(isolators,
                              json_pack("{s:s, s:{s:[s]}}", "name",
                                        "os/linux/capabilities-remove-set", "value", "set", drop));
    json_object_set_new(app, "isolators", isolators);
}

/* The processes of a pod. */

static bool has_in_command_line(pid_t pid, const char *words)
{
    char path[64], text[512] = "";

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    for (size_t i = 0; i + 1 < n; i++)
        text[i] = text[i] ? text[i] : ' ';
    return strstr(text, words) && !strstr(text, "crun");
}

/* A descendant of the process with these words in its command line; 0 if there is none. */
static pid_t descendant_of(pid_t parent, const char *words)
{
    char path[64], text[512] = "", *end;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    for (char *p = text;; p = end) {
        pid_t pid = (pid_t)strtol(p, &end, 10);
        if (end == p)
            return 0;
        pid_t found = has_in_command_line(pid, words) ? pid : descendant_of(pid, words);
        if (found)
            return found;
    }
}

static pid_t wait_for_descendant(pid_t parent, const char *words)
{
    pid_t pid = 0;

    wait_for((pid = descendant_of(parent, words)) != 0);
    return pid;
}

static uint64_t capabilities_of(pid_t pid, const char *which)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    CLEANUP(freep) char *text = read_text(path);
    const char *line = strstr(text, which);
    assert_non_null(line);
    return strtoull(line + strlen(which) + 1, NULL, 16);
}

/* What nobody here has, nobody can give to an app. */
static void has_capabilities(pid_t pid, uint64_t mask)
{
    mask &= capabilities_of(getpid(), "CapBnd");
    assert_int_equal(capabilities_of(pid, "CapBnd"), mask);
    assert_int_equal(capabilities_of(pid, "CapEff"), mask);
    assert_int_equal(capabilities_of(pid, "CapPrm"), mask);
}

static int score_of(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
    CLEANUP(freep) char *text = read_text(path);
    return atoi(text);
}

static void set_score(pid_t pid, const char *score)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
    write_text(path, score);
    assert_int_equal(score_of(pid), atoi(score));
}

static pid_t launch(const json_t *manifest)
{
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&result);

    return rkt_run(uuid);
}

static void end_pod(pid_t pid)
{
    kill(pid, SIGTERM);
    finish(pid);
}

/* Capabilities. */

static void the_recorded_conflict_launches(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("caps-conflict");

    (void)state;
    pid_t pod = launch(manifest);
    has_capabilities(wait_for_descendant(pod, FRONT),
                     (DEFAULT_SET | BIT(CAP_NET_ADMIN)) & ~BIT(CAP_MKNOD));
    has_capabilities(wait_for_descendant(pod, SIDE), DEFAULT_SET);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_START), NULL);
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_LAUNCH), NULL);
    assert_non_null(strstr(field(entry, "MESSAGE"),
                           "capabilities: container \"front\" gets the default "
                           "capabilities, and CAP_NET_ADMIN, but not CAP_MKNOD"));
    end_pod(pod);
}

static void an_app_has_what_kubernetes_means(void **state)
{
    static const struct {
        const char *add, *drop;
        uint64_t mask;
    } cases[] = {
        {"SYS_TIME", NULL, DEFAULT_SET | BIT(CAP_SYS_TIME)},
        {"sys_time", NULL, DEFAULT_SET | BIT(CAP_SYS_TIME)},
        {"CAP_SYS_TIME", NULL, DEFAULT_SET | BIT(CAP_SYS_TIME)},
        {NULL, "MKNOD", DEFAULT_SET & ~BIT(CAP_MKNOD)},
        {NULL, "CAP_MKNOD", DEFAULT_SET & ~BIT(CAP_MKNOD)},
        {NULL, "ALL", 0},
        {"NET_BIND_SERVICE", "ALL", BIT(CAP_NET_BIND_SERVICE)},
        {"ALL", NULL, ALL_SET},
        {"ALL", "SYS_ADMIN", ALL_SET & ~BIT(CAP_SYS_ADMIN)},
        {NULL, NULL, DEFAULT_SET},
    };
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("two-apps");

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        set_capabilities(app_of(manifest, 0), cases[i].add, cases[i].drop);
        pid_t pod = launch(manifest);
        has_capabilities(wait_for_descendant(pod, FRONT), cases[i].mask);
        has_capabilities(wait_for_descendant(pod, SIDE), DEFAULT_SET);
        end_pod(pod);
    }
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_UNREACHABLE)), 0);
}

static void an_unknown_name_is_refused(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("two-apps");

    (void)state;
    set_capabilities(app_of(manifest, 0), "NET_ADMIN", "NONSENSE");
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    assert_int_equal(result.status, 254);
    assert_string_equal(result.err, "launch of pod web/burst-node1: container \"front\": there "
                                    "is no such capability: NONSENSE\n");
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_REFUSAL), NULL);
    assert_string_equal(field(entry, "GANTRY_ROOM"), "capabilities");
}

/* OOM scores. */

/* The kubelet tells what the containers of the pod ask for. */
static void kubelet_tells(const json_t *manifest, json_t *front, json_t *side)
{
    json_t *spec =
        json_pack("{s:[{s:s, s:{s:o}}, {s:s, s:{s:o}}]}", "containers", "name", "front",
                  "resources", "requests", front, "name", "side", "resources", "requests", side);
    json_t *pods = json_pack("[o]", kubelet_pod(manifest, spec));

    kubelet_start();
    kubelet_serves_pods(pods);
    json_decref(pods);
    json_decref(spec);
}

#define HALF_GIB (UINT64_C(512) << 20)

static void burstable(const json_t *manifest)
{
    kubelet_tells(manifest, json_pack("{s:s}", "memory", "512Mi"), json_object());
}

static int burstable_score(void)
{
    struct sysinfo info;

    assert_int_equal(sysinfo(&info), 0);
    uint64_t total = (uint64_t)info.totalram * info.mem_unit;
    int score = 1000 - (int)(1000 * HALF_GIB / total);
    return score < 2 ? 2 : score;
}

/* Limits of both resources for both containers. */
static void guaranteed(const json_t *manifest)
{
    json_t *limits = json_pack("{s:s, s:s}", "cpu", "100m", "memory", "64Mi");
    json_t *spec =
        json_pack("{s:[{s:s, s:{s:O}}, {s:s, s:{s:O}}]}", "containers", "name", "front",
                  "resources", "limits", limits, "name", "side", "resources", "limits", limits);
    json_t *pods = json_pack("[o]", kubelet_pod(manifest, spec));

    kubelet_start();
    kubelet_serves_pods(pods);
    json_decref(pods);
    json_decref(spec);
    json_decref(limits);
}

static void rkt_starts_the_apps_with_their_scores(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("two-apps");

    (void)state;
    burstable(manifest);
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&result);
    /* nobody is there to see to it later */
    gantryd_end(SIGTERM);
    pid_t pod = rkt_run(uuid);
    assert_int_equal(score_of(wait_for_descendant(pod, FRONT)), burstable_score());
    /* in a Burstable pod one that asks for nothing is still worth a little more */
    assert_int_equal(score_of(wait_for_descendant(pod, SIDE)), 999);
    assert_int_equal(score_of(pod), 0);
    end_pod(pod);
    gantryd_start();
}

static void an_old_rkts_apps_get_them_later(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("two-apps");

    (void)state;
    burstable(manifest);
    setenv("RKT_STANDIN_OLD", "1", 1);
    pid_t pod = launch(manifest);
    unsetenv("RKT_STANDIN_OLD");
    pid_t front = wait_for_descendant(pod, FRONT), side = wait_for_descendant(pod, SIDE);
    wait_for(score_of(front) == burstable_score());
    wait_for(score_of(side) == 999);
    /* also a process that the app has begun itself, and nothing but the apps */
    wait_for(score_of(wait_for_descendant(front, "sleep")) == burstable_score());
    assert_int_equal(score_of(pod), 0);
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_OOMSCORE)), 0);
    end_pod(pod);
}

static void what_gantryd_did_not_finish_the_next_one_does(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("two-apps");

    (void)state;
    kubelet_tells(manifest, json_object(), json_object());
    setenv("RKT_STANDIN_OLD", "1", 1);
    pid_t pod = launch(manifest);
    unsetenv("RKT_STANDIN_OLD");
    pid_t front = wait_for_descendant(pod, FRONT);
    wait_for(score_of(front) == 1000);
    gantryd_end(SIGKILL);
    set_score(front, "0");
    gantryd_start();
    wait_for(score_of(front) == 1000);
    end_pod(pod);
}

/* It has the port that the pod offers. */
static void remove_first_app(json_t *manifest)
{
    json_array_remove(json_object_get(manifest, "apps"), 0);
    json_object_del(manifest, "ports");
}

static void fly_gets_it_too(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("two-apps");
    pid_t family[4];

    (void)state;
    remove_first_app(manifest);
    json_object_set_new(
        app_of(manifest, 0), "exec",
        json_pack("[s, s, s]", "sh", "-c", "sleep '777' & sh -c 'sleep 778; true' & wait"));
    kubelet_tells(manifest, json_object(), json_object());
    CLEANUP(result_deinit)
    struct result result =
        rkt_prepare(manifest, "--stage1-name=coreos.com/rkt/stage1-fly:1.30.0", NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&result);
    family[0] = rkt_run(uuid);
    /* the quotes tell them from the shell that begins them */
    family[1] = wait_for_descendant(family[0], "sleep 777");
    family[2] = wait_for_descendant(family[0], "sh -c sleep 778");
    family[3] = wait_for_descendant(family[2], "sleep 778");
    for (size_t i = 0; i < N_ELEMENTS(family); i++)
        wait_for(score_of(family[i]) == 1000);

    /* whatever it had begun before the first look */
    gantryd_end(SIGKILL);
    for (size_t i = 0; i < N_ELEMENTS(family); i++)
        set_score(family[i], "0");
    gantryd_start();
    for (size_t i = 0; i < N_ELEMENTS(family); i++)
        wait_for(score_of(family[i]) == 1000);
    for (size_t i = N_ELEMENTS(family); i-- > 0;)
        kill(family[i], SIGKILL);
    finish(family[0]);
}

/* The recorded pod with one app only, by another UID. */
static json_t *manifest_of_one(const char *uid)
{
    json_t *manifest = manifest_of("two-apps");
    const json_t *annotations = json_object_get(manifest, "annotations");

    remove_first_app(manifest);
    for (size_t i = 0; i < json_array_size(annotations); i++) {
        json_t *entry = json_array_get(annotations, i);
        if (strcmp(field(entry, "name"), "io.kubernetes.pod.uid") == 0)
            json_object_set_new(entry, "value", json_string(uid));
    }
    return manifest;
}

/* Runs it under fly, where a score is set by nobody but gantryd, and waits until it has it. */
static pid_t run_with_score(const json_t *manifest)
{
    kubelet_tells(manifest, json_object(), json_object());
    CLEANUP(result_deinit)
    struct result result =
        rkt_prepare(manifest, "--stage1-name=coreos.com/rkt/stage1-fly:1.30.0", NULL);
    CLEANUP(freep) char *uuid = rkt_uuid(&result);
    pid_t pod = rkt_run(uuid);
    wait_for(score_of(pod) == 1000);
    return pod;
}

static void who_has_its_pid_by_now_keeps_his_score(void **state)
{
    static const char state_file[] = NODE_STATE "/pods/gone.json";
    char *const argv[] = {"sleep", "1000", NULL};
    CLEANUP(json_decrefp) json_t *gone = manifest_of_one("gone");
    CLEANUP(json_decrefp) json_t *other = manifest_of_one("other");

    (void)state;
    pid_t pod = run_with_score(gone);
    gantryd_end(SIGKILL);
    end_pod(pod);
    kubelet_stop();
    pid_t heir = start_argv("/bin/sleep", argv);
    CLEANUP(json_decrefp) json_t *known = read_json(state_file);
    json_object_set_new(json_array_get(json_object_get(known, "rktPods"), 0), "pid",
                        json_integer(heir));
    assert_int_equal(json_dump_file(known, state_file, 0), 0);
    gantryd_start();
    /* who came later has been looked at, and so has the other one */
    pod = run_with_score(other);
    assert_int_equal(score_of(heir), 0);
    end_pod(pod);
    end_pod(heir);
}

static void explain_shows(const char *line, const char *qos_class, int front, int side)
{
    CLEANUP(result_deinit)
    struct result result = run(node_built("gantryctl"), "explain", "burst-node1", NULL);
    CLEANUP(result_deinit)
    struct result json = run(node_built("gantryctl"), "--json", "explain", "burst-node1", NULL);
    CLEANUP(json_decrefp) json_t *pod = json_loads(json.out, 0, NULL);
    const json_t *scores = json_object_get(pod, "oomScores");

    if (!strstr(result.out, line))
        fail_msg("%s", result.out);
    assert_string_equal(field(pod, "qosClass"), qos_class);
    assert_int_equal(json_array_size(scores), 2);
    assert_string_equal(field(json_array_get(scores, 0), "container"), "front");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(scores, 0), "oomScoreAdj")),
                     front);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(scores, 1), "oomScoreAdj")),
                     side);
}

static void explain_shows_class_and_scores(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("two-apps");
    char line[128];

    (void)state;
    burstable(manifest);
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    assert_int_equal(result.status, 0);
    snprintf(line, sizeof(line), "\n  QoS class  Burstable; OOM scores: front %d, side 999\n",
             burstable_score());
    explain_shows(line, "Burstable", burstable_score(), 999);
    snprintf(line, sizeof(line),
             "\n               oomscore: QoS class Burstable; OOM scores: "
             "front %d, side 999\n",
             burstable_score());
    explain_shows(line, "Burstable", burstable_score(), 999);
    gantryd_end(SIGKILL);
    gantryd_start();
    explain_shows("\n  QoS class  Burstable; ", "Burstable", burstable_score(), 999);
}

static void without_the_kubelet_nobody_has_one(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("two-apps");

    (void)state;
    pid_t pod = launch(manifest);
    assert_int_equal(score_of(wait_for_descendant(pod, FRONT)), 0);
    CLEANUP(result_deinit)
    struct result result = run(node_built("gantryctl"), "explain", "burst-node1", NULL);
    assert_int_equal(result.status, 0);
    assert_null(strstr(result.out, "QoS"));
    end_pod(pod);
}

static void where_lowering_is_forbidden_the_pod_runs_with_a_warning(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("two-apps");

    (void)state;
    guaranteed(manifest);
    pid_t pod = launch(manifest);
    assert_int_equal(score_of(wait_for_descendant(pod, FRONT)), 0);
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_OOMSCORE), NULL);
    assert_string_equal(
        field(entry, "MESSAGE"),
        "pod web/burst-node1: container \"front\" does not get OOM score -998: Permission "
        "denied; container \"side\" does not get OOM score -998: Permission denied");
    assert_string_equal(field(entry, "PRIORITY"), "4");
    assert_string_equal(field(entry, "GANTRY_POD_NAME"), "burst-node1");
    assert_int_equal(strlen(field(entry, "GANTRY_RKT_UUID")), 36);
    explain_shows("\n  QoS class  Guaranteed; OOM scores: front -998, side -998\n", "Guaranteed",
                  -998, -998);
    end_pod(pod);

    /* the next run of the pod has nothing new to tell, but is counted */
    pod = launch(manifest);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_OOMSCORE), "GANTRY_REPEATED", "2", NULL);
    end_pod(pod);
}

static int setup(void **state)
{
    rkt_setup(state);
    node_configure("[BackOff]\nInitial=0\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    return 0;
}

static int teardown(void **state)
{
    kubelet_stop();
    return rkt_teardown(state);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(the_recorded_conflict_launches),
        TEST(an_app_has_what_kubernetes_means),
        TEST(an_unknown_name_is_refused),
        TEST(rkt_starts_the_apps_with_their_scores),
        TEST(an_old_rkts_apps_get_them_later),
        TEST(what_gantryd_did_not_finish_the_next_one_does),
        TEST(fly_gets_it_too),
        TEST(who_has_its_pid_by_now_keeps_his_score),
        TEST(explain_shows_class_and_scores),
        TEST(without_the_kubelet_nobody_has_one),
        TEST(where_lowering_is_forbidden_the_pod_runs_with_a_warning),
    };

    node_enter();
    assert_int_equal(prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0), 0);
    return cmocka_run_group_tests_name("isolators", tests, NULL, NULL);
}
