/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "daemon/fly.h"
#include "tests/unit/launches.h"

#define MESSAGE "/var/lib/kubelet/pods/1234/containers/c/5678"

/* An app that mounts a host volume of its own at each of these paths, ended by NULL, and the
 * kubelet's file at `message`, or NULL. */
static struct launch *make_fly_launch(struct config *config, const char *const *paths,
                                      const char *message)
{
    struct launch *launch = make_launch(config, "1", NULL);
    json_t *points = json_array(), *volumes = json_array();
    char name[16];

    for (unsigned i = 0; i == 0 || paths[i - 1]; i++) {
        const char *path = paths[i] ? paths[i] : message;
        if (!path)
            break;
        snprintf(name, sizeof(name), "v%u", i);
        json_array_append_new(points, json_pack("{s:s, s:s}", "name", name, "path", path));
        json_array_append_new(volumes, json_pack("{s:s, s:s, s:s}", "name", name, "kind", "host",
                                                 "source", paths[i] ? "/srv/v" : MESSAGE));
    }
    json_t *root = json_pack("{s:[{s:s, s:{s:o}, s:[{s:s, s:s}]}], s:o}", "apps", "name", "c",
                             "app", "mountPoints", points, "annotations", "name",
                             "rkt.kubernetes.io/termination-message-path", "value", MESSAGE,
                             "volumes", volumes);
    manifest_free(launch->manifest);
    assert_int_equal(manifest_from_json(&launch->manifest, root, NULL), 0);
    return launch;
}

#define NESTED "under stage1-fly no mount can lie below another, or below /dev, /proc or /sys: "

static void no_mount_lies_below_another(void **state)
{
    static const struct {
        const char *paths[7], *reason;
    } rows[] = {
        {{NULL}, NULL},
        {{"/data", "/data-too", "/da", "/tmp/x", "/devices"}, NULL},
        {{"/etc/hosts", "/etc/resolv.conf", "/run/x", "/proc-too"}, NULL},
        {{"/data/sub", "/data"}, NESTED "/data and /data/sub"},
        {{"/data/a", "/data/a-b", "/data/a/b"}, NESTED "/data/a and /data/a/b"},
        {{"/data", "/x/../data/"}, NESTED "/data and /data"},
        {{"/a/b/c", "/a/x", "/a/b/c/d/e", "/a/c"}, NESTED "/a/b/c and /a/b/c/d/e"},
        {{"/dev/nvidia0"}, NESTED "/dev and /dev/nvidia0"},
        {{"/dev"}, NESTED "/dev and /dev"},
        {{"data", "proc/x"}, NESTED "/proc and /proc/x"},
        {{"/sys/fs/cgroup"}, NESTED "/sys and /sys/fs/cgroup"},
        {{"/"}, NESTED "/ and /dev"},
        {{"/var/run/secrets/x", "/run"}, NESTED "/run and /run/secrets/x"},
        {{"/var/run/secrets/x", "/run/docker.sock", "/var/runner"}, NULL},
    };
    CLEANUP(config_unrefp) struct config *config = make_config("");

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CLEANUP(launch_freep)
        struct launch *launch = make_fly_launch(config, rows[i].paths, NULL);
        CLEANUP(error_deinit) struct error error = ERROR_NULL;
        assert_int_equal(fly_check_mounts(launch, &error), rows[i].reason ? FLY_E_CANNOT : 0);
        if (rows[i].reason)
            assert_string_equal(error_message(&error), rows[i].reason);
    }
}

static void fly_mounts_host_volumes_and_each_once(void **state)
{
    static const char *const path[] = {"/data", NULL};
    static const char words[] = "stage1-fly mounts host volumes only, and each once";
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *twice = make_fly_launch(config, path, NULL);
    CLEANUP(launch_freep) struct launch *none = make_fly_launch(config, path, NULL);
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    CLEANUP(error_deinit) struct error other = ERROR_NULL;

    (void)state;
    manifest_add_mount(twice->manifest, 0, "v0", "/other", false);
    assert_int_equal(fly_check_mounts(twice, &error), FLY_E_CANNOT);
    assert_string_equal(error_message(&error), words);
    manifest_add_mount(none->manifest, 0, "image", "/other", false);
    assert_int_equal(fly_check_mounts(none, &other), FLY_E_CANNOT);
    assert_string_equal(error_message(&other), words);
}

static void the_termination_message_goes_where_it_does_not_fit(void **state)
{
    static const struct {
        const char *paths[2], *message, *note;
    } rows[] = {
        {{"/data"}, NULL, NULL},
        {{"/data"}, "/var/log/message", NULL},
        {{"/data"},
         "/dev/termination-log",
         "no termination message: stage1-fly cannot mount /dev/termination-log"},
        {{"/data"},
         "/data/message",
         "no termination message: stage1-fly cannot mount /data/message"},
    };
    CLEANUP(config_unrefp) struct config *config = make_config("");

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CLEANUP(launch_freep)
        struct launch *launch = make_fly_launch(config, rows[i].paths, rows[i].message);
        size_t n = manifest_n_mounts(launch->manifest, 0);
        assert_int_equal(fly_check_mounts(launch, NULL), 0);
        assert_int_equal(fly_drop_message(launch), 0);
        assert_int_equal(manifest_n_mounts(launch->manifest, 0), n - (rows[i].note ? 1 : 0));
        assert_int_equal(manifest_is_edited(launch->manifest), rows[i].note != NULL);
        assert_int_equal(launch->notes.n, rows[i].note ? 1 : 0);
        if (rows[i].note)
            assert_string_equal(launch->notes.list[0].text, rows[i].note);
        assert_string_equal(manifest_mount(launch->manifest, 0, 0).path, "/data");
    }
}

static void what_is_added_must_fit_too(void **state)
{
    static const char *const paths[] = {"/data/sub", "/var/run/x", NULL};
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = make_fly_launch(config, paths, NULL);

    (void)state;
    assert_true(fly_can_mount_at(launch, 0, "/usr/local/nvidia"));
    assert_true(fly_can_mount_at(launch, 0, "/data/other"));
    assert_false(fly_can_mount_at(launch, 0, "/data"));
    assert_false(fly_can_mount_at(launch, 0, "/data/sub/sub"));
    assert_false(fly_can_mount_at(launch, 0, "/run/x"));
}

static void the_kubelet_may_choose_it(void **state)
{
    CLEANUP(config_unrefp)
    struct config *config = make_config("[Namespaces]\nStage1Fly=example.com/of-ours:1\n");
    CLEANUP(launch_freep) struct launch *launch = make_launch(config, "1", NULL);

    (void)state;
    assert_false(fly_is_chosen(launch));
    launch->cmd.stage1_name = "coreos.com/rkt/stage1-kvm:1.30.0";
    assert_false(fly_is_chosen(launch));
    launch->cmd.stage1_name = "coreos.com/rkt/stage1-fly:1.29.0";
    assert_true(fly_is_chosen(launch));
    launch->cmd.stage1_name = "example.com/of-ours:1";
    assert_true(fly_is_chosen(launch));
    launch->cmd.stage1_name = NULL;
    launch->stage1_name = strdup("example.com/of-ours:1");
    assert_true(fly_is_chosen(launch));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_mount_lies_below_another),
        cmocka_unit_test(fly_mounts_host_volumes_and_each_once),
        cmocka_unit_test(the_termination_message_goes_where_it_does_not_fit),
        cmocka_unit_test(what_is_added_must_fit_too),
        cmocka_unit_test(the_kubelet_may_choose_it),
    };

    return cmocka_run_group_tests_name("fly", tests, NULL, NULL);
}
