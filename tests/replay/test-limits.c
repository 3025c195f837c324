/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a pod's author may make as long as he likes: it must neither lead past gantryd, nor be in
 * the way of other pods.
 */

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "lib/message.h"
#include "lib/varlink.h"
#include "tests/harness/kubelet.h"

#define MANIFEST "/run/node/manifest.json"

static int setup(void **state)
{
    node_setup(state);
    kubelet_start();
    make_folders("/srv/v/part");
    return 0;
}

static int teardown(void **state)
{
    kubelet_stop();
    return node_teardown(state);
}

/* The manifest of pod default/UID, which mounts the subPath "part" of /srv/v, and has `value`,
 * JSON, in it besides. */
static char *make_manifest(const char *uid, const char *value)
{
    static const char format[] =
        "{\"x\":%s,\"volumes\":[{\"name\":\"v-0\",\"kind\":\"host\",\"source\":\"/srv/v/part\"}],"
        "\"apps\":[{\"name\":\"c\",\"app\":{\"mountPoints\":[{\"name\":\"v-0\",\"path\":\"/data\"}]}}],"
        "\"annotations\":[{\"name\":\"rkt.kubernetes.io/managed-by-kubelet\",\"value\":\"true\"},"
        "{\"name\":\"io.kubernetes.pod.uid\",\"value\":\"%s\"},"
        "{\"name\":\"io.kubernetes.pod.name\",\"value\":\"%s\"},"
        "{\"name\":\"io.kubernetes.pod.namespace\",\"value\":\"default\"}]}";
    char *text = NULL;

    assert_true(asprintf(&text, format, value, uid, uid) > 0);
    return text;
}

/* The same of pod default/long, of which the kubelet tells. */
static char *make_pod(const char *value)
{
    static const char spec[] = "{\"containers\":[{\"name\":\"c\",\"volumeMounts\":[{\"name\":\"v\","
                               "\"mountPath\":\"/data\",\"subPath\":\"part\"}]}],\"volumes\":[{"
                               "\"name\":\"v\",\"hostPath\":{\"path\":\"/srv/v\"}}]}";
    char *text = make_manifest("long", value);
    CLEANUP(json_decrefp) json_t *manifest = json_loads(text, 0, NULL);
    CLEANUP(json_decrefp) json_t *pod_spec = json_loads(spec, 0, NULL);

    assert_non_null(manifest);
    CLEANUP(json_decrefp) json_t *pods = json_pack("[o]", kubelet_pod(manifest, pod_spec));
    kubelet_serves_pods(pods);
    return text;
}

static struct result prepare(const char *text)
{
    write_text(MANIFEST, text);
    return run(node_built("rkt"), "prepare", "--quiet", "--pod-manifest", MANIFEST, NULL);
}

/* Begins the prepare of such a pod, in a process of its own. */
static pid_t begin(const char *uid, const char *value)
{
    CLEANUP(freep) char *text = make_manifest(uid, value);
    char path[128];
    char *const argv[] = {"rkt", "prepare", "--quiet", "--pod-manifest", path, NULL};

    snprintf(path, sizeof(path), "/run/node/%s.json", uid);
    write_text(path, text);
    return start_argv(node_built("rkt"), argv);
}

/* Whether all is sent, and the answer is waited for. */
static bool is_receiving(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
    CLEANUP(freep) char *text = read_text(path);
    return text && strtol(text, NULL, 10) == SYS_recvfrom;
}

static bool is_known(const char *uid)
{
    CLEANUP(json_decrefp)
    json_t *reply = api_call("io.gantry.Node.Explain", json_pack("{s:s}", "pod", uid));

    return !json_object_get(reply, "error");
}

/* A JSON list of so many times the same, in so many bytes at most. */
static char *list_of(const char *entry, size_t size)
{
    size_t length = strlen(entry), n = (size - 1) / (length + 1);
    char *list = malloc(size + 1), *p = list;

    *p++ = '[';
    for (size_t i = 0; i < n; i++) {
        p = mempcpy(p, entry, length);
        *p++ = ',';
    }
    p[-1] = ']';
    *p = '\0';
    return list;
}

/* Each byte of it takes two in the answer. */
static void the_longest_question_has_an_answer(void **state)
{
    CLEANUP(freep)
    char *value = list_of("\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\"", VARLINK_CALL_MAX - 2048);
    CLEANUP(freep) char *text = make_pod(value);
    CLEANUP(result_deinit) struct result result = prepare(text);
    CLEANUP(json_decrefp) json_t *calls = recorded_calls();

    (void)state;
    assert_string_equal(result.err, "");
    assert_int_equal(result.status, 0);
    const char *amended = field(json_array_get(calls, 0), "manifest");
    assert_true(strlen(amended) > VARLINK_CALL_MAX - 4096);
    assert_non_null(strstr(amended, "\"source\":\"/run/gantry/subpaths/"));
    assert_int_equal(journal_count("MESSAGE_ID", message_info(MESSAGE_UNREACHABLE)->id), 0);
}

/* Nothing of a kubelet's makes a manifest that much longer; numbers do, which are written out. */
static void an_answer_that_is_too_long_is_a_refusal(void **state)
{
    CLEANUP(freep) char *value = list_of("0.1", 3 << 20);
    CLEANUP(freep) char *text = make_pod(value);
    CLEANUP(result_deinit) struct result result = prepare(text);
    CLEANUP(json_decrefp) json_t *calls = recorded_calls();

    (void)state;
    assert_int_equal(result.status, 254);
    assert_int_equal(json_array_size(calls), 0);
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_REFUSAL)->id, NULL);
    assert_string_equal(field(entry, "GANTRY_ROOM"), "forward");
    assert_non_null(strstr(result.err, "launch of pod default/long: its manifest would have "));
    assert_non_null(strstr(result.err, " bytes with what is amended, and may have 6291456\n"));
}

/* What is long is read by few at a time, and not by who serves the others. */
static void long_launches_wait_for_each_other_and_nobody_for_them(void **state)
{
    CLEANUP(freep) char *value = list_of("0", VARLINK_LONG + 1);
    CLEANUP(json_decrefp) json_t *none = json_array();
    char uid[16];
    pid_t pids[8];
    size_t n_known = 0;

    (void)state;
    node_configure("[Kubelet]\nTimeout=30s\n[Launch]\nRequestTimeout=1min\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    kubelet_serves_pods(none);
    kubelet_holds(true);
    for (size_t i = 0; i < N_ELEMENTS(pids); i++) {
        snprintf(uid, sizeof(uid), "pod%zu", i);
        pids[i] = begin(uid, value);
    }
    for (size_t i = 0; i < N_ELEMENTS(pids); i++)
        wait_for(is_receiving(pids[i]));
    /* those that are read wait for the kubelet; a short one comes as far as they */
    pid_t short_one = begin("short", "[]");
    wait_for(is_known("short"));
    for (size_t tries = 0; tries < 200 && n_known < N_ELEMENTS(pids); tries++) {
        n_known = 0;
        for (size_t i = 0; i < N_ELEMENTS(pids); i++) {
            snprintf(uid, sizeof(uid), "pod%zu", i);
            n_known += is_known(uid);
        }
    }
    assert_int_equal(n_known, 4);
    kubelet_holds(false);
    assert_int_equal(finish(short_one), 0);
    for (size_t i = 0; i < N_ELEMENTS(pids); i++)
        assert_int_equal(finish(pids[i]), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(the_longest_question_has_an_answer),
        TEST(an_answer_that_is_too_long_is_a_refusal),
        TEST(long_launches_wait_for_each_other_and_nobody_for_them),
    };

    node_enter();
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
