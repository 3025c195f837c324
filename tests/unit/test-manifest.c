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

/* Editing. What an edited manifest is compared with: its whole text. */

static void has_text(const struct manifest *manifest, const char *expected)
{
    CLEANUP(freep) char *text = manifest_to_text(manifest);

    assert_non_null(text);
    assert_string_equal(text, expected);
}

/* Members that gantry does not know stand between those that it does. */
static const char editable[] =
    "{\"z\":1,\"apps\":[{\"q\":[],\"name\":\"a\",\"app\":{\"y\":{},\"environment\":[{\"name\":\"E\","
    "\"value\":\"1\",\"x\":null}],\"mountPoints\":[{\"name\":\"v\",\"path\":\"/p\",\"w\":0},{"
    "\"name\":\"u\",\"path\":\"/q\"}],\"isolators\":[{\"name\":\"resource/cpu\",\"value\":{}},{"
    "\"name\":\"os/linux/capabilities-retain-set\",\"value\":{\"set\":[\"A\"]},\"t\":true}],"
    "\"s\":\"\"},\"p\":2}],\"volumes\":[{\"o\":3,\"name\":\"v\",\"kind\":\"host\",\"source\":\"/s\""
    "},{\"name\":\"u\",\"kind\":\"empty\"}],\"annotations\":[{\"name\":\"n\",\"value\":\"1\",\"r\":"
    "4},{\"name\":\"m\",\"value\":\"2\"}],\"b\":null}";

/* Replaces the first `from` in `text`. Return: a string to free(). */
static char *with(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    char *result = NULL;

    if (!at)
        fail_msg("no %s in %s", from, text);
    assert_true(asprintf(&result, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) >= 0);
    return result;
}

typedef int edit_fn(struct manifest *manifest);

static int rename_volume(struct manifest *manifest)
{
    return manifest_set_volume_name(manifest, 0, "w");
}

static int move_volume(struct manifest *manifest)
{
    return manifest_set_volume_source(manifest, 0, "/t");
}

static int lock_volume(struct manifest *manifest)
{
    return manifest_set_volume_read_only(manifest, 0, true);
}

static int unlock_volume(struct manifest *manifest)
{
    return manifest_set_volume_read_only(manifest, 1, false);
}

static int add_volume(struct manifest *manifest)
{
    return manifest_add_host_volume(manifest, "w", "/t", true);
}

static int remove_volume(struct manifest *manifest)
{
    return manifest_remove_volumes(manifest, (const bool[]){true, false});
}

static int rename_mount(struct manifest *manifest)
{
    return manifest_set_mount_volume(manifest, 0, 0, "w");
}

static int lock_mount(struct manifest *manifest)
{
    return manifest_set_mount_read_only(manifest, 0, 1, true);
}

static int add_mount(struct manifest *manifest)
{
    return manifest_add_mount(manifest, 0, "w", "/r", false);
}

static int set_variable(struct manifest *manifest)
{
    return manifest_set_environment(manifest, 0, "E", "2");
}

static int add_variable(struct manifest *manifest)
{
    return manifest_set_environment(manifest, 0, "F", "2");
}

static int set_annotation(struct manifest *manifest)
{
    return manifest_set_annotation(manifest, "n", "2");
}

static int add_annotation(struct manifest *manifest)
{
    return manifest_set_annotation(manifest, "o", "2");
}

static int set_capabilities(struct manifest *manifest)
{
    static const char *const names[] = {"B", "C"};

    return manifest_set_capabilities(manifest, 0, MANIFEST_RETAIN_SET, names, 2);
}

static int add_capabilities(struct manifest *manifest)
{
    return manifest_set_capabilities(manifest, 0, MANIFEST_REMOVE_SET, NULL, 0);
}

static int add_score(struct manifest *manifest)
{
    return manifest_set_oom_score_adj(manifest, 0, -998);
}

static int remove_isolator(struct manifest *manifest)
{
    return manifest_remove_isolator(manifest, 0, MANIFEST_RETAIN_SET);
}

/* What is looked up is what is found by going through the lists. */
static void finds(const struct manifest *manifest, const char *name)
{
    size_t first = MANIFEST_NONE, n = 0;

    for (size_t i = manifest_n_volumes(manifest); i-- > 0;) {
        const char *found = manifest_volume(manifest, i).name;
        first = found && strcmp(found, name) == 0 ? i : first;
    }
    for (size_t i = 0; i < manifest_n_mounts(manifest, 0); i++) {
        const char *found = manifest_mount(manifest, 0, i).volume;
        n += found && strcmp(found, name) == 0;
    }
    assert_int_equal(manifest_find_volume(manifest, name), first);
    assert_int_equal(manifest_n_uses(manifest, name), n);
}

static void is_same_text(const char *a, const char *b)
{
    assert_int_equal(a != NULL, b != NULL);
    assert_true(!a || strcmp(a, b) == 0);
}

/* What is told of the volumes is what one is told who reads the text. */
static void tells_what_it_holds(const struct manifest *manifest, const char *text)
{
    CLEANUP(manifest_freep) struct manifest *again = parse(text);

    assert_int_equal(manifest_n_volumes(manifest), manifest_n_volumes(again));
    for (size_t i = 0; i <= manifest_n_volumes(again); i++) {
        struct manifest_volume told = manifest_volume(manifest, i);
        struct manifest_volume read = manifest_volume(again, i);
        is_same_text(told.name, read.name);
        is_same_text(told.kind, read.kind);
        is_same_text(told.source, read.source);
        assert_int_equal(told.read_only, read.read_only);
    }
}

static void an_edit_changes_that_and_nothing_else(void **state)
{
    static const struct {
        edit_fn *edit;
        const char *from, *to;
    } cases[] = {
        {rename_volume, "\"o\":3,\"name\":\"v\"", "\"o\":3,\"name\":\"w\""},
        {move_volume, "\"/s\"", "\"/t\""},
        {lock_volume, "\"source\":\"/s\"", "\"source\":\"/s\",\"readOnly\":true"},
        {unlock_volume, "\"kind\":\"empty\"", "\"kind\":\"empty\",\"readOnly\":false"},
        {add_volume, "\"kind\":\"empty\"}",
         "\"kind\":\"empty\"},{\"name\":\"w\",\"kind\":\"host\",\"source\":\"/t\",\"readOnly\":true}"},
        {remove_volume, "{\"o\":3,\"name\":\"v\",\"kind\":\"host\",\"source\":\"/s\"},", ""},
        {rename_mount, "{\"name\":\"v\",\"path\"", "{\"name\":\"w\",\"path\""},
        {lock_mount, "\"path\":\"/q\"", "\"path\":\"/q\",\"readOnly\":true"},
        {add_mount, "\"path\":\"/q\"}",
         "\"path\":\"/q\"},{\"name\":\"w\",\"path\":\"/r\",\"readOnly\":false}"},
        {set_variable, "\"value\":\"1\",\"x\"", "\"value\":\"2\",\"x\""},
        {add_variable, "\"x\":null}", "\"x\":null},{\"name\":\"F\",\"value\":\"2\"}"},
        {set_annotation, "\"value\":\"1\",\"r\"", "\"value\":\"2\",\"r\""},
        {add_annotation, "\"value\":\"2\"}]", "\"value\":\"2\"},{\"name\":\"o\",\"value\":\"2\"}]"},
        {set_capabilities, "[\"A\"]", "[\"B\",\"C\"]"},
        {add_capabilities, "\"t\":true}",
         "\"t\":true},{\"name\":\"os/linux/capabilities-remove-set\",\"value\":{\"set\":[]}}"},
        {add_score, "\"t\":true}",
         "\"t\":true},{\"name\":\"os/linux/oom-score-adj\",\"value\":-998}"},
        {remove_isolator,
         ",{\"name\":\"os/linux/capabilities-retain-set\",\"value\":{\"set\":[\"A\"]},\"t\":true}",
         ""},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(manifest_freep) struct manifest *manifest = parse(editable);
        CLEANUP(freep) char *expected = with(editable, cases[i].from, cases[i].to);
        assert_false(manifest_is_edited(manifest));
        has_text(manifest, editable);
        assert_int_equal(cases[i].edit(manifest), 0);
        assert_true(manifest_is_edited(manifest));
        has_text(manifest, expected);
        tells_what_it_holds(manifest, expected);
        finds(manifest, "v");
        finds(manifest, "w");
        finds(manifest, "x");
    }
}

static void names_are_looked_up_as_they_are_now(void **state)
{
    CLEANUP(manifest_freep)
    struct manifest *manifest = parse(
        "{\"volumes\":[{\"name\":\"v\"},{},{\"name\":\"w\"},{\"name\":\"v\"},{\"name\":\"w\"}],"
        "\"apps\":[{\"app\":{\"mountPoints\":[{\"name\":\"v\"},{\"path\":\"/p\"},{\"name\":\"w\"},"
        "{\"name\":\"v\"}]},\"mounts\":[{\"volume\":\"m\"},{\"volume\":\"m\"}]}]}");

    (void)state;
    assert_int_equal(manifest_n_uses(manifest, "m"), 2);
    /* the first of its name, and one that is not */
    assert_int_equal(manifest_set_volume_name(manifest, 0, "x"), 0);
    finds(manifest, "v");
    assert_int_equal(manifest_set_volume_name(manifest, 4, "v"), 0);
    assert_int_equal(manifest_set_volume_name(manifest, 1, "y"), 0);
    assert_int_equal(manifest_set_mount_volume(manifest, 0, 1, "y"), 0);
    assert_int_equal(manifest_set_mount_volume(manifest, 0, 3, "w"), 0);
    assert_int_equal(manifest_remove_mount(manifest, 0, 0), 0);
    for (const char *name = "v\0w\0x\0y\0"; *name; name += 2)
        finds(manifest, name);
    assert_int_equal(
        manifest_remove_volumes(manifest, (const bool[]){true, false, true, true, false}), 0);
    assert_int_equal(manifest_n_volumes(manifest), 2);
    for (const char *name = "v\0w\0x\0y\0"; *name; name += 2)
        finds(manifest, name);
}

static void what_is_set_is_what_is_read(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = parse(editable);
    int score;

    (void)state;
    assert_false(manifest_oom_score_adj(manifest, 0, &score));
    assert_int_equal(manifest_set_oom_score_adj(manifest, 0, 12), 0);
    assert_int_equal(manifest_set_oom_score_adj(manifest, 0, -1000), 0);
    assert_true(manifest_oom_score_adj(manifest, 0, &score));
    assert_int_equal(score, -1000);
    assert_int_equal(manifest_set_environment(manifest, 0, "F", "x"), 0);
    assert_string_equal(manifest_environment(manifest, 0, "F"), "x");
    assert_int_equal(manifest_set_annotation(manifest, "o", "y"), 0);
    assert_string_equal(manifest_annotation(manifest, "o"), "y");
    assert_int_equal(manifest_add_host_volume(manifest, "w", "/t", true), 0);
    assert_int_equal(manifest_n_volumes(manifest), 3);
    assert_string_equal(manifest_volume(manifest, 2).source, "/t");
    assert_true(manifest_volume(manifest, 2).read_only);
    assert_int_equal(manifest_add_mount(manifest, 0, "w", "/r", true), 0);
    assert_int_equal(manifest_n_mounts(manifest, 0), 3);
    assert_string_equal(manifest_mount(manifest, 0, 2).volume, "w");
    assert_string_equal(manifest_mount(manifest, 0, 2).path, "/r");
    assert_true(manifest_mount(manifest, 0, 2).read_only);
    assert_string_equal(manifest_capability(manifest, 0, MANIFEST_RETAIN_SET, 0), "A");
    assert_null(manifest_capability(manifest, 0, MANIFEST_RETAIN_SET, 1));
    assert_int_equal(manifest_remove_isolator(manifest, 0, MANIFEST_RETAIN_SET), 0);
    assert_false(manifest_has_isolator(manifest, 0, MANIFEST_RETAIN_SET));
    assert_int_equal(manifest_n_capabilities(manifest, 0, MANIFEST_RETAIN_SET), 0);
}

static void a_list_that_is_missing_is_made(void **state)
{
    static const char *const bare[] = {
        "{\"apps\":[{\"app\":{}}]}",
        /* Go writes an empty list as null */
        "{\"apps\":[{\"app\":{\"environment\":null,\"mountPoints\":null,\"isolators\":null}}],"
        "\"volumes\":null,\"annotations\":null}",
    };
    static const char *const name = "A";

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(bare); i++) {
        CLEANUP(manifest_freep) struct manifest *manifest = parse(bare[i]);
        assert_int_equal(manifest_set_environment(manifest, 0, "E", "1"), 0);
        assert_int_equal(manifest_add_mount(manifest, 0, "v", "/p", false), 0);
        assert_int_equal(manifest_set_capabilities(manifest, 0, MANIFEST_RETAIN_SET, &name, 1), 0);
        assert_int_equal(manifest_add_host_volume(manifest, "v", "/s", false), 0);
        assert_int_equal(manifest_set_annotation(manifest, "n", "1"), 0);
        has_text(manifest,
                 "{\"apps\":[{\"app\":{\"environment\":[{\"name\":\"E\",\"value\":\"1\"}],"
                 "\"mountPoints\":[{\"name\":\"v\",\"path\":\"/p\",\"readOnly\":false}],"
                 "\"isolators\":[{\"name\":\"os/linux/capabilities-retain-set\",\"value\":{\"set\":"
                 "[\"A\"]}}]}}],\"volumes\":[{\"name\":\"v\",\"kind\":\"host\",\"source\":\"/s\","
                 "\"readOnly\":false}],\"annotations\":[{\"name\":\"n\",\"value\":\"1\"}]}");
    }
}

static void what_is_not_there_cannot_be_edited(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = parse("{\"apps\":[{\"name\":\"bare\"}]}");

    (void)state;
    assert_true(manifest_set_volume_name(manifest, 0, "v") < 0);
    assert_true(manifest_set_volume_source(manifest, 0, "/s") < 0);
    assert_true(manifest_set_volume_read_only(manifest, 0, true) < 0);
    assert_true(manifest_set_mount_volume(manifest, 0, 0, "v") < 0);
    assert_true(manifest_set_mount_read_only(manifest, 0, 0, true) < 0);
    assert_true(manifest_add_mount(manifest, 0, "v", "/p", false) < 0);
    assert_true(manifest_set_environment(manifest, 0, "E", "1") < 0);
    assert_true(manifest_set_oom_score_adj(manifest, 0, 1) < 0);
    assert_true(manifest_set_oom_score_adj(manifest, 7, 1) < 0);
    assert_int_equal(manifest_remove_isolator(manifest, 0, MANIFEST_RETAIN_SET), 0);
    has_text(manifest, "{\"apps\":[{\"name\":\"bare\"}]}");
}

/* As appc has it, and rkt goes by. */
static void of_two_isolators_the_last_is_meant(void **state)
{
    CLEANUP(manifest_freep)
    struct manifest *manifest = parse(
        "{\"apps\":[{\"app\":{\"isolators\":[{\"name\":\"os/linux/oom-score-adj\",\"value\":1},"
        "{\"name\":\"os/linux/oom-score-adj\",\"value\":2},{\"name\":\"x\"}]}}],"
        "\"volumes\":[{\"name\":\"v\"},{\"name\":\"v\"}]}");
    int value = 0;

    (void)state;
    assert_true(manifest_oom_score_adj(manifest, 0, &value));
    assert_int_equal(value, 2);
    assert_false(manifest_is_edited(manifest));
    assert_int_equal(manifest_set_oom_score_adj(manifest, 0, 3), 0);
    assert_int_equal(manifest_set_volume_name(manifest, 1, "w"), 0);
    has_text(
        manifest,
        "{\"apps\":[{\"app\":{\"isolators\":[{\"name\":\"os/linux/oom-score-adj\",\"value\":3},"
        "{\"name\":\"x\"}]}}],\"volumes\":[{\"name\":\"v\"},{\"name\":\"w\"}]}");
    assert_int_equal(manifest_remove_isolator(manifest, 0, MANIFEST_OOM_SCORE_ADJ), 0);
    has_text(manifest, "{\"apps\":[{\"app\":{\"isolators\":[{\"name\":\"x\"}]}}],"
                       "\"volumes\":[{\"name\":\"v\"},{\"name\":\"w\"}]}");
}

/* Of sets of capabilities rkt takes all together. */
static void sets_of_one_kind_are_one(void **state)
{
#define RETAIN(set) "{\"name\":\"" MANIFEST_RETAIN_SET "\",\"value\":{\"set\":[" set "]}}"
    CLEANUP(manifest_freep)
    struct manifest *manifest = parse(
        "{\"apps\":[{\"app\":{\"isolators\":[" RETAIN("\"A\",\"B\"") ",{\"name\":\"x\"}," RETAIN(
            "") "," RETAIN("\"C\"") ",{\"name\":\"" MANIFEST_REMOVE_SET
                                    "\",\"value\":{\"set\":[\"D\"]}}]}}]}");
    static const char *const names[] = {"A", "B", "C"};

    (void)state;
    assert_int_equal(manifest_n_capabilities(manifest, 0, MANIFEST_RETAIN_SET), 3);
    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        assert_string_equal(manifest_capability(manifest, 0, MANIFEST_RETAIN_SET, i), names[i]);
    assert_null(manifest_capability(manifest, 0, MANIFEST_RETAIN_SET, 3));
    assert_int_equal(
        manifest_set_capabilities(manifest, 0, MANIFEST_RETAIN_SET, (const char *const[]){"E"}, 1),
        0);
    has_text(manifest, "{\"apps\":[{\"app\":{\"isolators\":[{\"name\":\"x\"}," RETAIN(
                           "\"E\"") ",{\"name\":\"" MANIFEST_REMOVE_SET
                                    "\",\"value\":{\"set\":[\"D\"]}}]}}]}");
}

static void removing_what_is_not_there_is_no_edit(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = parse(editable);

    (void)state;
    assert_int_equal(manifest_remove_isolator(manifest, 0, MANIFEST_REMOVE_SET), 0);
    assert_int_equal(manifest_remove_volumes(manifest, (const bool[]){false, false}), 0);
    assert_false(manifest_is_edited(manifest));
}

/* What the kubelet or an image's maker put into a manifest reaches rkt as it was. */
static void odd_values_survive_an_edit(void **state)
{
    static const char *const odd[] = {
        "9223372036854775807",
        "-9223372036854775808",
        "0",
        "1.5",
        "-0.25",
        "1e300",
        "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x9a\x80\"",
        "\"a\\u0000b\"",
        "\"\\\"\\\\\\n\\t\\u001f\"",
        "[[],{},[null,true,false]]",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(odd); i++) {
        char text[256], expected[256];
        snprintf(text, sizeof(text), "{\"odd\":%s,\"volumes\":[{\"odd\":%s}]}", odd[i], odd[i]);
        snprintf(expected, sizeof(expected),
                 "{\"odd\":%s,\"volumes\":[{\"odd\":%s,\"name\":\"v\"}]}", odd[i], odd[i]);
        CLEANUP(manifest_freep) struct manifest *manifest = parse(text);
        assert_int_equal(manifest_set_volume_name(manifest, 0, "v"), 0);
        CLEANUP(freep) char *edited = manifest_to_text(manifest);
        /* other spellings of the same value are none of our business */
        CLEANUP(manifest_freep) struct manifest *again = parse(edited);
        CLEANUP(manifest_freep) struct manifest *meant = parse(expected);
        CLEANUP(freep) char *a = manifest_to_text(again);
        CLEANUP(freep) char *b = manifest_to_text(meant);
        assert_string_equal(a, b);
        if (odd[i][0] != '1' && odd[i][1] != '\\')
            assert_string_equal(edited, expected);
    }
}

/* rkt reads numbers of any size in members that it does not know. */
static void a_number_too_large_is_left_to_rkt(void **state)
{
    static const char *const numbers[] = {"9223372036854775808", "1e400"};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(numbers); i++) {
        struct manifest *manifest = NULL;
        char text[128];
        snprintf(text, sizeof(text), "{\"odd\":%s}", numbers[i]);
        assert_int_equal(manifest_parse(&manifest, text, strlen(text), NULL), MANIFEST_E_INVALID);
        assert_null(manifest);
    }
}

static void of_members_of_one_name_the_last_one_counts(void **state)
{
    CLEANUP(manifest_freep)
    struct manifest *manifest =
        parse("{\"volumes\":[{\"name\":\"a\",\"kind\":\"host\",\"name\":\"b\"}],\"x\":1,\"x\":2}");

    (void)state;
    /* as in Go */
    assert_string_equal(manifest_volume(manifest, 0).name, "b");
    assert_int_equal(manifest_set_volume_name(manifest, 0, "c"), 0);
    has_text(manifest, "{\"volumes\":[{\"name\":\"c\",\"kind\":\"host\"}],\"x\":2}");
}

static void what_is_written_is_valid_whatever_it_says(void **state)
{
    CLEANUP(manifest_freep) struct manifest *manifest = parse("{}");

    (void)state;
    assert_int_equal(manifest_set_annotation(manifest, "n", "\"\\\n\x01\xe2\x82\xac"), 0);
    CLEANUP(freep) char *text = manifest_to_text(manifest);
    CLEANUP(manifest_freep) struct manifest *again = parse(text);
    assert_string_equal(manifest_annotation(again, "n"), "\"\\\n\x01\xe2\x82\xac");

    /* what is no UTF-8 cannot be JSON, and is not written */
    CLEANUP(manifest_freep) struct manifest *bad = parse("{}");
    assert_true(manifest_set_annotation(bad, "n", "\xff") < 0);
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
        cmocka_unit_test(an_edit_changes_that_and_nothing_else),
        cmocka_unit_test(names_are_looked_up_as_they_are_now),
        cmocka_unit_test(what_is_set_is_what_is_read),
        cmocka_unit_test(a_list_that_is_missing_is_made),
        cmocka_unit_test(what_is_not_there_cannot_be_edited),
        cmocka_unit_test(of_two_isolators_the_last_is_meant),
        cmocka_unit_test(sets_of_one_kind_are_one),
        cmocka_unit_test(removing_what_is_not_there_is_no_edit),
        cmocka_unit_test(odd_values_survive_an_edit),
        cmocka_unit_test(a_number_too_large_is_left_to_rkt),
        cmocka_unit_test(of_members_of_one_name_the_last_one_counts),
        cmocka_unit_test(what_is_written_is_valid_whatever_it_says),
    };

    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
