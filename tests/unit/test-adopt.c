/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "lib/adopt.h"

static const struct pod_identity who = {"uid-1", "web", "shop"};

static json_t *parse(const char *text)
{
    json_error_t at;
    json_t *json = json_loads(text, 0, &at);

    if (!json)
        fail_msg("%s: %s", text, at.text);
    return json;
}

/* An adopted manifest; the JSON is consumed. */
static struct manifest *adopt(const char *text, unsigned restarts)
{
    json_t *json = parse(text);
    struct manifest *manifest = NULL;

    assert_int_equal(adopt_manifest(json, &who, restarts), 0);
    assert_int_equal(manifest_from_json(&manifest, json, NULL), 0);
    return manifest;
}

static void says_who_the_pod_is(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = adopt("{\"apps\":[{\"name\":\"a\"}]}", 3);
    struct pod_identity identity;

    (void)state;
    assert_true(manifest_identity(manifest, &identity));
    assert_string_equal(identity.uid, "uid-1");
    assert_string_equal(identity.name, "web");
    assert_string_equal(identity.namespace, "shop");
    assert_string_equal(manifest_annotation(manifest, ADOPT_ANNOTATION), "true");
    assert_string_equal(manifest_annotation(manifest, "rkt.kubernetes.io/restart-count"), "3");
    assert_string_equal(manifest_app(manifest, 0).container, "a");
    assert_non_null(manifest_app(manifest, 0).hash);
}

static void is_no_longer_the_kubelets(void **state)
{
    CLEANUP(manifest_freep)
    struct manifest *manifest = adopt(
        "{\"annotations\":[{\"name\":\"rkt.kubernetes.io/managed-by-kubelet\",\"value\":\"true\"},"
        "{\"name\":\"io.kubernetes.pod.uid\",\"value\":\"other\"},{\"name\":\"kept\",\"value\":"
        "\"1\"}]}",
        0);
    struct pod_identity identity;

    (void)state;
    assert_null(manifest_annotation(manifest, "rkt.kubernetes.io/managed-by-kubelet"));
    assert_true(manifest_identity(manifest, &identity));
    assert_string_equal(identity.uid, "uid-1");
    assert_string_equal(manifest_annotation(manifest, "kept"), "1");
}

static char *hashes_of(const char *text, unsigned restarts)
{
    CLEANUP(manifest_freep) struct manifest *manifest = adopt(text, restarts);
    char *hashes = NULL;

    assert_int_equal(manifest_hashes(manifest, &hashes), 0);
    return hashes;
}

static void hashes_change_with_the_app_alone(void **state)
{
    CLEANUP(freep) char *one = hashes_of("{\"apps\":[{\"name\":\"a\",\"x\":1,\"y\":2}]}", 0);
    CLEANUP(freep) char *same = hashes_of("{\"apps\":[{\"y\":2,\"name\":\"a\",\"x\":1}]}", 9);
    CLEANUP(freep) char *other = hashes_of("{\"apps\":[{\"name\":\"a\",\"x\":1,\"y\":3}]}", 0);

    (void)state;
    assert_string_equal(one, same);
    assert_string_not_equal(one, other);

    /* What was adopted is adopted again without a change. */
    json_auto_t *json = parse("{\"apps\":[{\"name\":\"a\"}]}");
    assert_int_equal(adopt_manifest(json, &who, 1), 0);
    json_auto_t *before = json_deep_copy(json);
    assert_int_equal(adopt_manifest(json, &who, 1), 0);
    CLEANUP(freep) char *text = json_dumps(json_object_get(json, "apps"), JSON_SORT_KEYS);
    assert_non_null(text);
    assert_int_equal(json_array_size(json_object_get(json, "annotations")),
                     json_array_size(json_object_get(before, "annotations")));
}

static void adds_up_limits(void **state)
{
    static const char app[] =
        "{\"app\":{\"isolators\":[{\"name\":\"resource/memory\",\"value\":{\"limit\":\"64Mi\"}},"
        "{\"name\":\"resource/cpu\",\"value\":{\"limit\":\"500m\"}}]}}";
    static const char unlimited[] =
        "{\"app\":{\"isolators\":[{\"name\":\"resource/cpu\",\"value\":{\"limit\":\"1\"}}]}}";
    json_auto_t *two = json_pack("{s:[o, o]}", "apps", parse(app), parse(app));
    json_auto_t *one = json_pack("{s:[o, o]}", "apps", parse(app), parse(unlimited));
    json_auto_t *none = parse("{}");

    (void)state;
    assert_int_equal(adopt_limits(two).memory, 128 << 20);
    assert_int_equal(adopt_limits(two).cpu, 1000);
    assert_int_equal(adopt_limits(one).memory, 0);
    assert_int_equal(adopt_limits(one).cpu, 1500);
    assert_int_equal(adopt_limits(none).memory, 0);
    assert_int_equal(adopt_limits(none).cpu, 0);
}

static void finds_the_last_line(void **state)
{
    static const struct {
        const char *output, *line;
    } cases[] = {
        {"a\n", "a"}, {"a", "a"}, {"a\nb\n", "b"}, {"a\nb \r\n\n", "b"}, {"\nb", "b"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(freep) char *line = adopt_last_line(cases[i].output);
        assert_string_equal(line, cases[i].line);
    }
    assert_null(adopt_last_line(""));
    assert_null(adopt_last_line("\n \n"));
}

static void finds_all_uuids(void **state)
{
#define A "0f6e8f4c-6c1b-4f4e-9d3a-000000000001"
#define B "0f6e8f4c-6c1b-4f4e-9d3a-000000000002"
    static const struct {
        const char *output, *first, *second;
    } cases[] = {
        {"", NULL, NULL},
        {"\n", NULL, NULL},
        {"no such image\n", NULL, NULL},
        {"a word that is as long as a UUID is.\n", NULL, NULL},
        {A, A, NULL},
        {A "\r\n\n", A, NULL},
        {A "\n" B "\n", A, B},
        {"0f6e8f4c-6c1b" B "\n", B, NULL},
        {A "\n0f6e8f4c-6c1b", A, NULL},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(json_decrefp) json_t *uuids = json_array();
        CLEANUP(json_decrefp) json_t *meant = json_array();
        if (cases[i].first)
            json_array_append_new(meant, json_string(cases[i].first));
        if (cases[i].second)
            json_array_append_new(meant, json_string(cases[i].second));
        assert_int_equal(adopt_uuids(cases[i].output, uuids), json_array_size(meant));
        assert_true(json_equal(uuids, meant));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_who_the_pod_is),
        cmocka_unit_test(is_no_longer_the_kubelets),
        cmocka_unit_test(hashes_change_with_the_app_alone),
        cmocka_unit_test(adds_up_limits),
        cmocka_unit_test(finds_the_last_line),
        cmocka_unit_test(finds_all_uuids),
    };

    return cmocka_run_group_tests_name("adopt", tests, NULL, NULL);
}
