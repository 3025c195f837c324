/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the kubelet answers, good and bad: what comes of it for the pod, and for others.
 */

#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/wait.h>

#include "lib/message.h"
#include "lib/podlist.h"
#include "tests/harness/plain.h"

static const char *id_of(enum message message)
{
    return message_info(message)->id;
}

/* 5,000 pods of the size that a kubelet's have, and what no kubelet has yet. */
static void serve_a_full_node(void)
{
    CLEANUP(json_decrefp)
    json_t *list = read_json(node_source("tests/unit/data/kubelet-pods.json"));
    json_t *items = json_object_get(list, "items");
    CLEANUP(json_decrefp) json_t *pods = json_array();

    for (unsigned i = 0; i < 5000; i++) {
        json_t *pod = json_deep_copy(json_array_get(items, i % json_array_size(items)));
        json_object_set_new(json_object_get(pod, "metadata"), "uid", json_sprintf("pod%u", i));
        json_object_set_new(pod, "fromTheFuture", json_pack("{s:[i, n, f]}", "a", 1, 1e300));
        json_array_append_new(pods, pod);
    }
    /* and a plain one, which asks for nothing that the manifest has not */
    json_object_set_new(json_array_get(pods, 4999), "spec", json_pack("{s:[]}", "containers"));
    kubelet_serves_pods(pods);
}

static void a_full_node_keeps_nobody_waiting(void **state)
{
    int status;

    (void)state;
    plain_configure(REQUIRED);
    serve_a_full_node();
    kubelet_holds(true);
    pid_t last = plain_begin("pod4999", "1");
    wait_for(kubelet_n_requests() == 1);
    /* another client is served meanwhile */
    assert_true(plain_is_known("pod4999"));
    assert_int_equal(waitpid(last, &status, WNOHANG), 0);
    kubelet_holds(false);
    assert_int_equal(finish(last), 0);
    assert_int_equal(kubelet_n_requests(), 1);
}

#define OK "HTTP/1.1 200 OK\r\n"

static void bad_answers_are_told_and_harm_nobody(void **state)
{
    static const struct {
        const char *bytes, *reason;
    } rows[] = {
        {"", "Server returned nothing (no headers, no data)"},
        {OK "\r\n{\"items\":[{\"metadata\":{\"uid\":\"pod0\"}", "the answer is not a list of pods"},
        {OK "\r\n", "the answer is not a list of pods"},
        {OK "\r\n[]", "the answer is not a list of pods"},
        {OK "\r\n{\"items\":{\"metadata\":{\"uid\":\"pod0\"}}}",
         "the answer is not a list of pods"},
        {OK "Content-Length: 1000\r\n\r\n{\"items\":[]}", "Transferred a partial file"},
        {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:10255/other\r\nContent-Length: 0\r\n\r\n",
         "it answers with HTTP status 302"},
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "it answers with HTTP status 403"},
        {"HTTP/1.1 204 No Content\r\n\r\n", "it answers with HTTP status 204"},
        {"HTTP/1.1 500 No\r\n\r\n{\"items\":[{\"metadata\":{\"uid\":\"pod0\"}}]}",
         "it answers with HTTP status 500"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CLEANUP(freep) char *told = NULL;
        kubelet_stop();
        kubelet_start();
        kubelet_serves(rows[i].bytes, strlen(rows[i].bytes));
        plain_configure(REQUIRED);
        plain_is_refused("pod0", rows[i].reason);
        assert_int_equal(kubelet_n_requests(), 1);
        assert_true(asprintf(&told,
                             "the kubelet cannot be asked for its pods at http://127.0.0.1:10255: "
                             "%s",
                             rows[i].reason) > 0);
        const json_t *entry =
            journal_wait("MESSAGE_ID", id_of(MESSAGE_KUBELET), "MESSAGE", told, NULL);
        assert_string_equal(field(entry, "GANTRY_REASON"), rows[i].reason);
        plain_configure("");
        plain_passes("pod0", "1");
        CLEANUP(freep) char *note = NULL;
        assert_true(asprintf(&note, NOT_DONE "%s", rows[i].reason) > 0);
        journal_wait("MESSAGE_ID", id_of(MESSAGE_LAUNCH), "GANTRY_NOTE", note, NULL);
        journal_forget();
    }
}

/* Has the kubelet answer with so many pods "fat" of that length, and pod0 at last. */
static void serve_fat_pods(size_t n, size_t size)
{
    static const char fat[] = "{\"metadata\":{\"uid\":\"fat\"},\"spec\":\"", fat_end[] = "\"},";
    static const char last[] = "{\"metadata\":{\"uid\":\"pod0\"},\"spec\":{\"containers\":[]}}]}";
    char *bytes = malloc(strlen(OK "\r\n") + 1024 + n * size), *p = bytes;

    p = stpcpy(p, OK "\r\n{\"items\":[");
    for (size_t i = 0; i < n; i++) {
        size_t length = size - strlen(fat) - strlen(fat_end) + 1;
        p = stpcpy(p, fat);
        memset(p, 'x', length);
        p = stpcpy(p + length, fat_end);
    }
    p = stpcpy(p, last);
    kubelet_serves(bytes, (size_t)(p - bytes));
    free(bytes);
}

/* A node's pods are as many and as long as their authors like. */
static void an_answer_may_be_long(void **state)
{
    (void)state;
    plain_configure(REQUIRED);
    serve_fat_pods(96, 1 << 20);
    plain_passes("pod0", "1");
}

/* What came before the end of an answer is as good as it is. */
static void what_has_come_whole_counts(void **state)
{
    static const char half[] =
        OK "\r\n{\"items\":[{\"metadata\":{\"uid\":\"pod0\"},\"spec\":{\"containers\":[]}},{";

    (void)state;
    plain_configure(REQUIRED);
    kubelet_serves(half, strlen(half));
    plain_passes("pod0", "1");
    journal_wait("MESSAGE_ID", id_of(MESSAGE_KUBELET), "GANTRY_REASON",
                 "the answer is not a list of pods", NULL);
}

static void a_wrong_type_anywhere_costs_only_its_pod(void **state)
{
    static const char *const oddities[] = {
        "null",
        "7",
        "\"pod0\"",
        "[]",
        "{}",
        "{\"metadata\":[]}",
        "{\"metadata\":{\"uid\":7}}",
        "{\"metadata\":{\"uid\":\"pod1\"},\"spec\":[]}",
        "{\"metadata\":{\"uid\":\"pod1\",\"annotations\":\"x\"},\"spec\":{\"containers\":{}}}",
        "{\"metadata\":{\"uid\":\"pod1\",\"annotations\":{\"a\":\"\\u0000\"}}}",
    };

    (void)state;
    plain_configure(REQUIRED);
    for (size_t i = 0; i < N_ELEMENTS(oddities); i++) {
        CLEANUP(json_decrefp)
        json_t *odd = json_loads(oddities[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        CLEANUP(json_decrefp) json_t *pods = json_pack("[O, o]", odd, plain_pod("pod0"));
        char hash[16];
        assert_non_null(pods);
        kubelet_serves_pods(pods);
        snprintf(hash, sizeof(hash), "%zu", i);
        plain_passes("pod0", hash);
        if (strstr(oddities[i], "\"pod1\""))
            plain_passes("pod1", hash);
        else
            plain_is_refused("pod1", "it does not know the pod");
    }
}

#define GOOD(uid) "{\"metadata\":{\"uid\":\"" uid "\"},\"spec\":{\"containers\":[]}},"
/* It names pod0, too. */
#define ODD(uid)                                                                               \
    "{\"metadata\":{\"uid\":\"" uid "\"},\"spec\":{\"volumes\":[{\"flexVolume\":{\"options\":" \
    "{\"uid\":\"pod0\",\"\\u0000\":\"\"}}}]}},"

/* Whoever writes a pod can choose these, but for no other pod: neither theirs nor all others' specs
 * may get lost by it. */
static void what_cannot_be_read_costs_only_its_pod(void **state)
{
    static const char list[] = OK "\r\n{\"items\":[" ODD("odd") GOOD("pod0") "{}]}";
    static const char words[] =
        "launch of pod default/%s: what the kubelet tells of the pod cannot "
        "be read: %s\n";
    char message[256];

    (void)state;
    plain_configure("");
    kubelet_serves(list, strlen(list));
    CLEANUP(result_deinit) struct result odd = plain_prepare("odd", "1");
    snprintf(message, sizeof(message), words, "odd",
             "NUL byte in object key not supported near '\"\\u0000\"'");
    assert_string_equal(odd.err, message);
    assert_int_equal(odd.status, 254);
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_REFUSAL), NULL);
    assert_string_equal(field(entry, "GANTRY_ROOM"), "kubelet");
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_KUBELET)), 0);
    plain_configure(REQUIRED);
    plain_passes("pod0", "1");

    /* and so with one that is longer than is kept */
    plain_configure("");
    serve_fat_pods(1, PODLIST_POD_MAX + 1);
    CLEANUP(result_deinit) struct result fat = plain_prepare("fat", "1");
    snprintf(message, sizeof(message), words, "fat", "it has more than 8388608 bytes");
    assert_string_equal(fat.err, message);
    plain_configure(REQUIRED);
    plain_passes("pod0", "1");
}

/* Its own entry has come before it is asked for, and one that may be anybody's comes after that. */
static void who_comes_late_is_not_refused_for_another_pods_entry(void **state)
{
#define HALF OK "\r\n{\"items\":[" GOOD("pod0") GOOD("pod1")
    static const char list[] = HALF ODD("odd") "{}]}";

    (void)state;
    plain_configure(REQUIRED);
    kubelet_serves(list, strlen(list));
    kubelet_holds_after(strlen(HALF));
    plain_passes("pod1", "1");
    pid_t late = plain_begin("pod0", "1");
    wait_for(plain_is_known("pod0"));
    kubelet_holds(false);
    assert_int_equal(finish(late), 0);
    assert_int_equal(kubelet_n_requests(), 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, plain_setup, plain_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(a_full_node_keeps_nobody_waiting),
        TEST(bad_answers_are_told_and_harm_nobody),
        TEST(an_answer_may_be_long),
        TEST(what_has_come_whole_counts),
        TEST(a_wrong_type_anywhere_costs_only_its_pod),
        TEST(what_cannot_be_read_costs_only_its_pod),
        TEST(who_comes_late_is_not_refused_for_another_pods_entry),
    };

    node_enter();
    return cmocka_run_group_tests_name("kubelet-answers", tests, NULL, NULL);
}
