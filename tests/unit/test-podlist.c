/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <jansson.h>
#include <stdio.h>

#include "lib/podlist.h"

/* Writes each entry on a line of its own. */
static int note(void *userdata, const char *text, size_t length, bool is_cut)
{
    fprintf(userdata, "%.*s%s\n", (int)length, text, is_cut ? "..." : "");
    return 0;
}

/* Return: what podlist_add() or else podlist_end() returned; the entries in *notedp, to free(). */
static int read_list(const char *text, size_t piece, char **notedp)
{
    struct podlist list = {0};
    size_t size, length = strlen(text);
    FILE *f = open_memstream(notedp, &size);
    int r = 0;

    for (size_t at = 0; r == 0 && at < length; at += piece)
        r = podlist_add(&list, text + at, length - at < piece ? length - at : piece, note, f);
    fclose(f);
    if (r == 0)
        r = podlist_end(&list);
    podlist_deinit(&list);
    return r;
}

static void pods_come_one_by_one(void **state)
{
    static const struct {
        const char *text, *noted;
    } cases[] = {
        {"{\"items\":[]}", ""},
        {"{\"items\":null}", ""},
        {"{\"items\":[{}]}", "{}\n"},
        {" {\"kind\":\"PodList\",\"metadata\":{\"items\":[1]},\"items\" : [ {\"a\":[{}]} ,{\"b\":\"]}\\\"}\"} "
         "],\"x\":\"items\",\"y\":[2]} ",
         "{\"a\":[{}]} \n{\"b\":\"]}\\\"}\"} \n"},
        /* what is no pod, and what is no JSON, costs nobody else */
        {"{\"items\":[null,7,\"a,b\",[],[[]],{},tru,{\"\\u0000\":1}]}",
         "null\n7\n\"a,b\"\n[]\n[[]]\n{}\ntru\n{\"\\u0000\":1}\n"},
        {"{\"items\":[{\"a\":\"\\\\\"},{\"b\":\"\\\\\\\"]\"}]}",
         "{\"a\":\"\\\\\"}\n{\"b\":\"\\\\\\\"]\"}\n"},
        {"{\"items\":[{} {},1]}", "{} {}\n1\n"},
        {"{\"Items\":[1],\"item\":[2],\"itemss\":[3],\"items1234\":[4],\"items\":[5]}", "5\n"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        for (size_t piece = 1; piece <= strlen(cases[i].text); piece++) {
            CLEANUP(freep) char *noted = NULL;
            assert_int_equal(read_list(cases[i].text, piece, &noted), 0);
            assert_string_equal(noted, cases[i].noted);
        }
    }
}

static void what_is_no_list_is_none(void **state)
{
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "[{\"items\":[]}]",
        "7",
        "}",
        "]",
        "<html>",
        "{\"items\":{}}",
        "{\"items\":7}",
        "{\"items\":[",
        "{\"items\":[{}",
        "{\"items\":[{}]",
        "{\"items\":[{}]}}",
        "{\"items\":[{}]} {}",
        "{\"items\":[{}}}",
        "{\"items\":[}}",
        "{\"items\":[,{}]}",
        "{\"items\":[{},]}",
        "{\"items\":[1],\"items\":[2]}",
        "{\"\\u0069tems\":[{}]}",
        "{\"items\" [1]}",
        "{\"items\":[\"a]}",
        "{\"items\":[{]}]}",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
        for (size_t piece = 1; piece <= 32; piece++) {
            CLEANUP(freep) char *noted = NULL;
            if (read_list(texts[i], piece, &noted) != PODLIST_E_INVALID)
                fail_msg("%s", texts[i]);
        }
    }
}

/* What was kept of a pod that is too long. */
struct kept {
    size_t length;
    bool is_cut;
    unsigned n_others;
};

static int keep(void *userdata, const char *text, size_t length, bool is_cut)
{
    struct kept *kept = userdata;

    if (length < 16) {
        kept->n_others++;
        return 0;
    }
    assert_memory_equal(text, "{\"uid\":\"x\",\"a\":\"yyyy", 20);
    kept->length = length;
    kept->is_cut = is_cut;
    return 0;
}

static void of_a_pod_that_is_too_long_the_beginning_is_kept(void **state)
{
    static char piece[1 << 20];
    struct podlist list = {0};
    struct kept kept = {0};
    static const char begin[] = "{\"items\":[{},{\"uid\":\"x\",\"a\":\"", end[] = "\"},{}]}";

    (void)state;
    memset(piece, 'y', sizeof(piece));
    assert_int_equal(podlist_add(&list, begin, strlen(begin), keep, &kept), 0);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(podlist_add(&list, piece, sizeof(piece), keep, &kept), 0);
    assert_int_equal(podlist_add(&list, end, strlen(end), keep, &kept), 0);
    assert_int_equal(podlist_end(&list), 0);
    assert_int_equal(kept.length, PODLIST_POD_MAX);
    assert_true(kept.is_cut);
    assert_int_equal(kept.n_others, 2);
    assert_true(list.pod.size <= 2 * PODLIST_POD_MAX);
    podlist_deinit(&list);
}

/* Nor is there an end to what can be sent besides. */
static void what_is_around_the_pods_has_a_bound(void **state)
{
    static char piece[1 << 20];
    struct podlist list = {0};
    int r = podlist_add(&list, "{\"x\":\"", 6, note, NULL);

    (void)state;
    memset(piece, 'y', sizeof(piece));
    assert_int_equal(r, 0);
    for (unsigned i = 0; r == 0 && i < 20; i++)
        r = podlist_add(&list, piece, sizeof(piece), note, NULL);
    assert_int_equal(r, PODLIST_E_INVALID);
    podlist_deinit(&list);
}

static int stop(void *userdata, const char *text, size_t length, bool is_cut)
{
    (void)text;
    (void)length;
    (void)is_cut;
    return ++*(int *)userdata;
}

static void who_reads_may_stop(void **state)
{
    struct podlist list = {0};
    int n = 41;

    (void)state;
    assert_int_equal(podlist_add(&list, "{\"items\":[{},{}]}", 17, stop, &n), 42);
    podlist_deinit(&list);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_come_one_by_one),
        cmocka_unit_test(what_is_no_list_is_none),
        cmocka_unit_test(of_a_pod_that_is_too_long_the_beginning_is_kept),
        cmocka_unit_test(what_is_around_the_pods_has_a_bound),
        cmocka_unit_test(who_reads_may_stop),
    };

    return cmocka_run_group_tests_name("podlist", tests, NULL, NULL);
}
