/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "daemon/amend/rooms.h"
#include "tests/unit/launches.h"

#define DEFAULT_WITHOUT_MKNOD                                                          \
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID " \
    "CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SYS_CHROOT"
#define DEFAULT DEFAULT_WITHOUT_MKNOD " CAP_MKNOD CAP_AUDIT_WRITE CAP_SETFCAP"

static const struct room *room(void)
{
    const struct room *found = rooms;

    while (strcmp(found->name, "capabilities") != 0)
        found++;
    return found;
}

/* A list of the words. */
static json_t *split(const char *words)
{
    json_t *list = json_array();
    char copy[2048], *rest = copy;

    snprintf(copy, sizeof(copy), "%s", words);
    for (char *word; (word = strsep(&rest, " "));) {
        if (*word)
            json_array_append_new(list, json_string(word));
    }
    return list;
}

static void add_set(json_t *isolators, const char *name, const char *words)
{
    if (words)
        json_array_append_new(
            isolators, json_pack("{s:s, s:{s:o}}", "name", name, "value", "set", split(words)));
}

/* A launch whose container "c" has these sets; NULL: it has none. */
static struct launch *launch_with(struct config *config, const char *hash, const char *retain,
                                  const char *remove)
{
    struct launch *launch = make_launch(config, hash, NULL);
    json_t *isolators = json_array();

    add_set(isolators, MANIFEST_RETAIN_SET, retain);
    add_set(isolators, MANIFEST_REMOVE_SET, remove);
    json_array_append_new(isolators, json_pack("{s:s, s:{}}", "name", "resource/cpu", "value"));
    json_t *apps = json_object_get(launch->manifest_json, "apps");
    if (!hash) {
        apps = json_pack("[{s:s}]", "name", "c");
        json_object_set_new(launch->manifest_json, "apps", apps);
    }
    json_object_set_new(json_array_get(apps, 0), "app", json_pack("{s:o}", "isolators", isolators));
    launch->room = room();
    return launch;
}

/* The list in the isolator of that index. */
static json_t *set_of(const struct launch *launch, size_t isolator)
{
    const json_t *app = json_array_get(json_object_get(launch->manifest_json, "apps"), 0);
    const json_t *isolators = json_object_get(json_object_get(app, "app"), "isolators");

    return json_object_get(json_object_get(json_array_get(isolators, isolator), "value"), "set");
}

/* The set of that name is exactly these, in the order of their numbers. */
static void has_set(const struct launch *launch, const char *isolator, const char *words)
{
    json_t *expected = words ? split(words) : NULL;

    assert_int_equal(manifest_has_isolator(launch->manifest, 0, isolator), words != NULL);
    assert_int_equal(manifest_n_capabilities(launch->manifest, 0, isolator),
                     json_array_size(expected));
    for (size_t i = 0; i < json_array_size(expected); i++)
        assert_string_equal(manifest_capability(launch->manifest, 0, isolator, i),
                            json_string_value(json_array_get(expected, i)));
    json_decref(expected);
}

static void kubernetes_meaning_becomes_one_set(void **state)
{
    static const char every[] =
        "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID "
        "CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST "
        "CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO "
        "CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE "
        "CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE "
        "CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM "
        "CAP_BLOCK_SUSPEND CAP_AUDIT_READ";
    static const struct {
        const char *added, *dropped, *retain, *remove, *note;
    } cases[] = {
        /* as recorded of a kubelet */
        {"NET_ADMIN", "MKNOD",
         "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID "
         "CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_CHROOT "
         "CAP_AUDIT_WRITE CAP_SETFCAP",
         NULL,
         "container \"c\" gets the default capabilities, and CAP_NET_ADMIN, but not CAP_MKNOD"},
        /* to rkt these would be all */
        {"SYS_TIME", NULL,
         "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID "
         "CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SYS_CHROOT CAP_SYS_TIME CAP_MKNOD "
         "CAP_AUDIT_WRITE CAP_SETFCAP",
         NULL, "container \"c\" gets the default capabilities, and CAP_SYS_TIME"},
        {"CAP_SYS_TIME", NULL,
         "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID "
         "CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SYS_CHROOT CAP_SYS_TIME CAP_MKNOD "
         "CAP_AUDIT_WRITE CAP_SETFCAP",
         NULL, "container \"c\" gets the default capabilities, and CAP_SYS_TIME"},
        /* one that it has anyway */
        {"CHOWN", NULL, DEFAULT, NULL, "container \"c\" gets the default capabilities"},
        /* to rkt these would be none */
        {NULL, "mknod setfcap audit_write", DEFAULT_WITHOUT_MKNOD, NULL,
         "container \"c\" gets the default capabilities, but not CAP_MKNOD, CAP_AUDIT_WRITE, "
         "CAP_SETFCAP"},
        {NULL, "SYS_ADMIN", DEFAULT, NULL, "container \"c\" gets the default capabilities"},
        /* what is added by name counts more than what is dropped */
        {"NET_BIND_SERVICE", "ALL", "CAP_NET_BIND_SERVICE", NULL,
         "container \"c\" gets of all capabilities: CAP_NET_BIND_SERVICE"},
        {"KILL", "KILL", DEFAULT, NULL, "container \"c\" gets the default capabilities"},
        {"KILL BPF", "all", "CAP_KILL CAP_BPF", NULL,
         "container \"c\" gets of all capabilities: CAP_KILL, CAP_BPF"},
        {"ALL", NULL, every, NULL, "container \"c\" gets all capabilities"},
        {"ALL KILL", NULL, every, NULL, "container \"c\" gets all capabilities"},
        /* rkt takes no empty set */
        {NULL, "ALL", NULL, DEFAULT, "container \"c\" gets of all capabilities: none"},
        {"ALL", "ALL", NULL, DEFAULT, "container \"c\" gets of all capabilities: none"},
    };
    CLEANUP(config_unrefp) struct config *config = make_config("");

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(launch_freep)
        struct launch *launch = launch_with(config, "1", cases[i].added, cases[i].dropped);
        assert_int_equal(amend_capabilities(launch), 0);
        has_set(launch, MANIFEST_RETAIN_SET, cases[i].retain);
        has_set(launch, MANIFEST_REMOVE_SET, cases[i].remove);
        assert_int_equal(launch->notes.n, 1);
        assert_string_equal(launch->notes.list[0].text, cases[i].note);
        assert_string_equal(launch->notes.list[0].room, "capabilities");
        assert_true(manifest_has_isolator(launch->manifest, 0, "resource/cpu"));
    }
}

static void all_less_one_is_all_less_one(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = launch_with(config, "1", "ALL", "SYS_ADMIN");

    (void)state;
    assert_int_equal(amend_capabilities(launch), 0);
    assert_int_equal(manifest_n_capabilities(launch->manifest, 0, MANIFEST_RETAIN_SET), 37);
    for (size_t i = 0; i < 37; i++)
        assert_string_not_equal(manifest_capability(launch->manifest, 0, MANIFEST_RETAIN_SET, i),
                                "CAP_SYS_ADMIN");
    assert_false(manifest_has_isolator(launch->manifest, 0, MANIFEST_REMOVE_SET));
}

static void what_rkt_understands_is_left_alone(void **state)
{
    static const struct {
        const char *retain, *remove;
    } cases[] = {
        {NULL, NULL},
        {NULL, "CAP_MKNOD"},
        {NULL, "CAP_SYS_ADMIN"},
        {DEFAULT " CAP_NET_ADMIN", NULL},
    };
    CLEANUP(config_unrefp) struct config *config = make_config("");

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(launch_freep)
        struct launch *launch = launch_with(config, "1", cases[i].retain, cases[i].remove);
        assert_int_equal(amend_capabilities(launch), 0);
        assert_false(manifest_is_edited(launch->manifest));
        assert_int_equal(launch->notes.n, 0);
    }
}

static void other_pods_mean_what_rkt_reads(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = launch_with(config, NULL, "CAP_KILL", NULL);
    CLEANUP(launch_freep) struct launch *bad = launch_with(config, NULL, "NONSENSE", "CAP_KILL");

    (void)state;
    assert_int_equal(amend_capabilities(launch), 0);
    assert_int_equal(amend_capabilities(bad), 0);
    assert_false(manifest_is_edited(launch->manifest));
    assert_false(manifest_is_edited(bad->manifest));
}

/* gantryctl run takes appc's manifests, which go to rkt as they are, and Kubernetes Pods. */
static void an_own_pod_means_what_its_manifest_was_made_from(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *appc = launch_with(config, "1", "CAP_NET_ADMIN", NULL);
    CLEANUP(launch_freep) struct launch *kubernetes = launch_with(config, "1", "NET_ADMIN", "ALL");
    struct podspec spec = {.n_refs = 2};

    (void)state;
    appc->is_own = kubernetes->is_own = true;
    kubernetes->spec = &spec;
    assert_int_equal(amend_capabilities(appc), 0);
    assert_false(manifest_is_edited(appc->manifest));
    assert_int_equal(amend_capabilities(kubernetes), 0);
    has_set(kubernetes, MANIFEST_RETAIN_SET, "CAP_NET_ADMIN");
}

static void unknown_names_are_named(void **state)
{
    static const struct {
        const char *retain, *remove, *message;
    } cases[] = {
        {"NET_ADMIN NONSENSE", NULL, "container \"c\": there is no such capability: NONSENSE"},
        {"CAP_CAP_KILL", "KILL FOO BAR",
         "container \"c\": there is no such capability: CAP_CAP_KILL, FOO, BAR"},
        {NULL, "CAP_ALL 12 CAP_",
         "container \"c\": there is no such capability: CAP_ALL, 12, CAP_"},
    };
    CLEANUP(config_unrefp) struct config *config = make_config("");

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(launch_freep)
        struct launch *launch = launch_with(config, "1", cases[i].retain, cases[i].remove);
        assert_int_equal(amend_capabilities(launch), LAUNCH_E_REFUSED);
        assert_string_equal(error_message(&launch->error), cases[i].message);
        assert_false(manifest_is_edited(launch->manifest));
    }
}

/* Nobody reads more of them, and the loop does not work for it. */
static void of_many_unknown_names_some_are_named(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep)
    struct launch *launch = launch_with(config, "1", "A B C D E F G H I", "K L MKNOD");
    CLEANUP(launch_freep) struct launch *eight = launch_with(config, "1", "A B C D E F G H", NULL);
    CLEANUP(launch_freep) struct launch *long_one = launch_with(config, "1", "", NULL);
    static char name[1 << 20];

    (void)state;
    assert_int_equal(amend_capabilities(launch), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&launch->error),
                        "container \"c\": there is no such capability: A, B, C, D, E, F, G, H, and "
                        "3 more");
    assert_int_equal(amend_capabilities(eight), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&eight->error),
                        "container \"c\": there is no such capability: A, B, C, D, E, F, G, H");
    memset(name, 'x', sizeof(name) - 1);
    json_array_append_new(set_of(long_one, 0), json_string(name));
    json_array_append_new(set_of(long_one, 0), json_string("B"));
    assert_int_equal(amend_capabilities(long_one), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&long_one->error),
                        "container \"c\": there is no such capability: "
                        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx ... xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, B");
}

static void a_list_has_an_end(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *good = launch_with(config, "1", "", "KILL");
    CLEANUP(launch_freep) struct launch *bad = launch_with(config, "1", "KILL", "");

    (void)state;
    for (size_t i = 0; i < 256; i++)
        json_array_append_new(set_of(good, 0), json_string("NET_ADMIN"));
    assert_int_equal(amend_capabilities(good), 0);
    for (size_t i = 0; i < 300000; i++)
        json_array_append_new(set_of(bad, 1), json_string("Z"));
    assert_int_equal(amend_capabilities(bad), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&bad->error),
                        "container \"c\": a list of 300000 capabilities, of 256 at most");
}

static void what_is_no_name_is_none(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = launch_with(config, "1", "KILL", NULL);

    (void)state;
    json_array_append_new(set_of(launch, 0), json_integer(5));
    assert_int_equal(amend_capabilities(launch), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&launch->error),
                        "container \"c\": there is no such capability: (no name)");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(kubernetes_meaning_becomes_one_set),
        cmocka_unit_test(all_less_one_is_all_less_one),
        cmocka_unit_test(what_rkt_understands_is_left_alone),
        cmocka_unit_test(other_pods_mean_what_rkt_reads),
        cmocka_unit_test(an_own_pod_means_what_its_manifest_was_made_from),
        cmocka_unit_test(unknown_names_are_named),
        cmocka_unit_test(of_many_unknown_names_some_are_named),
        cmocka_unit_test(a_list_has_an_end),
        cmocka_unit_test(what_is_no_name_is_none),
    };

    return cmocka_run_group_tests_name("amend-capabilities", tests, NULL, NULL);
}
