/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a pod's author may make as long as he likes: it must neither lead past gantryd, nor be in
 * the way of other pods.
 */

#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>

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

/* Pod default/long, which mounts the subPath "part" of /srv/v. With what `name` and `value`, JSON,
 * are in the manifest besides. The kubelet tells of it. */
static char *make_pod(const char *name, const char *value)
{
    static const char spec[] = "{\"containers\":[{\"name\":\"c\",\"volumeMounts\":[{\"name\":\"v\","
                               "\"mountPath\":\"/data\",\"subPath\":\"part\"}]}],\"volumes\":[{"
                               "\"name\":\"v\",\"hostPath\":{\"path\":\"/srv/v\"}}]}";
    static const char format[] =
        "{\"%s\":%s,\"volumes\":[{\"name\":\"v-0\",\"kind\":\"host\",\"source\":\"/srv/v/part\"}],"
        "\"apps\":[{\"name\":\"c\",\"app\":{\"mountPoints\":[{\"name\":\"v-0\",\"path\":\"/data\"}]}}],"
        "\"annotations\":[{\"name\":\"rkt.kubernetes.io/managed-by-kubelet\",\"value\":\"true\"},"
        "{\"name\":\"io.kubernetes.pod.uid\",\"value\":\"long\"},"
        "{\"name\":\"io.kubernetes.pod.name\",\"value\":\"long\"},"
        "{\"name\":\"io.kubernetes.pod.namespace\",\"value\":\"default\"}]}";
    char *text = NULL;

    assert_true(asprintf(&text, format, name, value) > 0);
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
    CLEANUP(freep) char *text = make_pod("x", value);
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
    CLEANUP(freep) char *text = make_pod("x", value);
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

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(the_longest_question_has_an_answer),
        TEST(an_answer_that_is_too_long_is_a_refusal),
    };

    node_enter();
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
