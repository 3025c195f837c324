/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "lib/manifest.h"

/* The kubelet's members (contract section 2), no more than is needed here. */
static const char kubelet_made[] =
    "{\"acVersion\":\"0.8.9+git\",\"acKind\":\"PodManifest\",\"apps\":["
    "{\"name\":\"front\",\"image\":{\"id\":\"sha512-0\"},\"annotations\":["
    "{\"name\":\"rkt.kubernetes.io/container-hash\",\"value\":\"3032725915\"},"
    "{\"name\":\"io.kubernetes.container.name\",\"value\":\"Front\"}]},"
    "{\"name\":\"side\",\"image\":{\"id\":\"sha512-0\"},\"annotations\":["
    "{\"name\":\"rkt.kubernetes.io/container-hash\",\"value\":\"4134629666\"}]}],"
    "\"volumes\":["
    "{\"name\":\"cache\",\"kind\":\"host\",\"source\":\"/srv/cache\",\"readOnly\":false},"
    "{\"name\":\"scratch\",\"kind\":\"empty\"}],"
    "\"isolators\":null,\"annotations\":["
    "{\"name\":\"rkt.kubernetes.io/managed-by-kubelet\",\"value\":\"true\"},"
    "{\"name\":\"io.kubernetes.pod.uid\",\"value\":\"b2b630fe\"},"
    "{\"name\":\"io.kubernetes.pod.name\",\"value\":\"web\"},"
    "{\"name\":\"io.kubernetes.pod.namespace\",\"value\":\"default\"},"
    "{\"name\":\"io.kubernetes.pod.name\",\"value\":\"second\"}]}";

static struct manifest *parse(const char *text)
{
    struct manifest *manifest = NULL;

    assert_int_equal(manifest_parse(&manifest, text, strlen(text), NULL), 0);
    return manifest;
}

static void tells_who_the_pod_is(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = parse(kubelet_made);
    struct pod_identity identity;

    (void)state;
    assert_true(manifest_identity(manifest, &identity));
    assert_string_equal(identity.uid, "b2b630fe");
    assert_string_equal(identity.namespace, "default");
    /* the first of two, as appc has it */
    assert_string_equal(identity.name, "web");
}

static void tells_its_containers(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = parse(kubelet_made);
    CLEANUP(freep) char *hashes = NULL;

    (void)state;
    assert_int_equal(manifest_n_apps(manifest), 2);
    assert_string_equal(manifest_app(manifest, 0).name, "front");
    assert_string_equal(manifest_app(manifest, 0).container, "Front");
    assert_string_equal(manifest_app(manifest, 1).container, "side");
    assert_string_equal(manifest_container_of(manifest, "front"), "Front");
    assert_string_equal(manifest_container_of(manifest, "nobody"), "nobody");
    assert_int_equal(manifest_hashes(manifest, &hashes), 0);
    assert_string_equal(hashes, "Front=3032725915,side=4134629666");
}

static void tells_its_volumes(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = parse(kubelet_made);

    (void)state;
    assert_int_equal(manifest_n_volumes(manifest), 2);
    assert_string_equal(manifest_volume(manifest, 0).name, "cache");
    assert_string_equal(manifest_volume(manifest, 0).kind, "host");
    assert_string_equal(manifest_volume(manifest, 0).source, "/srv/cache");
    assert_string_equal(manifest_volume(manifest, 1).kind, "empty");
    assert_null(manifest_volume(manifest, 1).source);
}

static void only_the_kubelets_pods_have_an_identity(void **state)
{
    static const char *const annotations[] = {
        "",
        "{\"name\":\"io.kubernetes.pod.uid\",\"value\":\"1\"},"
        "{\"name\":\"io.kubernetes.pod.name\",\"value\":\"n\"},"
        "{\"name\":\"io.kubernetes.pod.namespace\",\"value\":\"s\"}",
        "{\"name\":\"rkt.kubernetes.io/managed-by-kubelet\",\"value\":\"true\"},"
        "{\"name\":\"io.kubernetes.pod.uid\",\"value\":\"../../etc\"},"
        "{\"name\":\"io.kubernetes.pod.name\",\"value\":\"n\"},"
        "{\"name\":\"io.kubernetes.pod.namespace\",\"value\":\"s\"}",
        "{\"name\":\"rkt.kubernetes.io/managed-by-kubelet\",\"value\":\"true\"},"
        "{\"name\":\"io.kubernetes.pod.uid\",\"value\":\"1\\u0000\"},"
        "{\"name\":\"io.kubernetes.pod.name\",\"value\":\"n\"},"
        "{\"name\":\"io.kubernetes.pod.namespace\",\"value\":\"s\"}",
        "{\"name\":\"rkt.kubernetes.io/managed-by-kubelet\",\"value\":\"true\"},"
        "{\"name\":\"io.kubernetes.pod.uid\",\"value\":\"1\"},"
        "{\"name\":\"io.kubernetes.pod.name\",\"value\":\"n\"}",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(annotations); i++) {
        char text[1024];
        struct pod_identity identity;
        snprintf(text, sizeof(text), "{\"annotations\":[%s]}", annotations[i]);
        CLEANUP(manifest_freep) struct manifest *manifest = parse(text);
        assert_false(manifest_identity(manifest, &identity));
    }
}

static void a_uid_can_be_a_file_name(void **state)
{
    char longest[POD_UID_MAX + 2];

    (void)state;
    assert_true(pod_uid_is_valid("26abae1a7cab5161f16b2094334c7b79"));
    assert_true(pod_uid_is_valid("a152a539-e72d-11f1-9621-c2288bf2bbd9"));
    assert_false(pod_uid_is_valid(""));
    assert_false(pod_uid_is_valid("."));
    assert_false(pod_uid_is_valid(".."));
    assert_false(pod_uid_is_valid("a/b"));
    assert_false(pod_uid_is_valid("a b"));
    memset(longest, 'x', sizeof(longest));
    longest[POD_UID_MAX + 1] = '\0';
    assert_false(pod_uid_is_valid(longest));
    longest[POD_UID_MAX] = '\0';
    assert_true(pod_uid_is_valid(longest));
}

static void what_is_of_another_type_is_absent(void **state)
{
    CLEANUP(manifest_freep)
    struct manifest *manifest =
        parse("{\"apps\":{\"name\":1},\"volumes\":[7,{\"name\":[],\"kind\":\"host\",\"source\":{}},"
              "{\"source\":\"/a\\u0000b\"}],\"annotations\":\"none\"}");
    CLEANUP(freep) char *hashes = NULL;
    struct pod_identity identity;

    (void)state;
    assert_int_equal(manifest_n_apps(manifest), 0);
    assert_int_equal(manifest_n_volumes(manifest), 3);
    assert_null(manifest_volume(manifest, 0).kind);
    assert_null(manifest_volume(manifest, 1).name);
    assert_null(manifest_volume(manifest, 1).source);
    assert_null(manifest_volume(manifest, 2).source);
    assert_false(manifest_identity(manifest, &identity));
    assert_int_equal(manifest_hashes(manifest, &hashes), 0);
    assert_string_equal(hashes, "");
}

static void what_is_no_object_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "line 1, column 0: '[' or '{' expected near end of file"},
        {"[]", "not a JSON object"},
        {"{\"apps\":\n  }", "line 2, column 3: unexpected token near '}'"},
        {"{} {}", "line 1, column 4: end of file expected near '{'"},
        {"{\"a\":\"\xff\"}", "line 1, column 6: unable to decode byte 0xff near '\"'"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(error_deinit) struct error error = ERROR_NULL;
        struct manifest *manifest = NULL;
        int r = manifest_parse(&manifest, cases[i].text, strlen(cases[i].text), &error);
        assert_int_equal(r, MANIFEST_E_INVALID);
        assert_null(manifest);
        assert_string_equal(error_message(&error), cases[i].message);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_who_the_pod_is),
        cmocka_unit_test(tells_its_containers),
        cmocka_unit_test(tells_its_volumes),
        cmocka_unit_test(only_the_kubelets_pods_have_an_identity),
        cmocka_unit_test(a_uid_can_be_a_file_name),
        cmocka_unit_test(what_is_of_another_type_is_absent),
        cmocka_unit_test(what_is_no_object_is_refused),
    };

    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
