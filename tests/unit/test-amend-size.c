/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "daemon/amend/rooms.h"
#include "lib/bounds.h"
#include "tests/unit/launches.h"
#include "tests/unit/volumes.h"

/* `n` entries "PREFIXn SUFFIX", with commas. Borrowed until the next call but one. */
static const char *entries(size_t n, const char *prefix, const char *suffix)
{
    static char texts[2][1 << 17];
    static unsigned turn;
    char *text = texts[turn++ % 2];
    FILE *f = fmemopen(text, sizeof(texts[0]), "w");

    for (size_t i = 0; i < n; i++)
        fprintf(f, "%s%s%zu %s", i > 0 ? "," : "", prefix, i, suffix);
    fclose(f);
    return text;
}

static void passes(const char *points, const char *volumes)
{
    LAUNCH(points, volumes);
    assert_int_equal(amend_size(launch), 0);
    assert_int_equal(launch->notes.n, 0);
    assert_false(manifest_is_edited(launch->manifest));
}

static void is_too_large(const char *points, const char *volumes, const char *message)
{
    LAUNCH(points, volumes);
    assert_int_equal(amend_size(launch), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&launch->error), message);
}

static void what_is_longer_than_its_bound_is_refused(void **state)
{
    CLEANUP(freep) char *points = NULL;

    (void)state;
    passes("a: v /v", entries(BOUND_MANIFEST_VOLUMES, "v", "/srv"));
    is_too_large("a: v /v", entries(BOUND_MANIFEST_VOLUMES + 1, "v", "/srv"),
                 "the pod manifest has 1025 volumes; gantry takes 1024");
    assert_true(asprintf(&points, "a: | web: %s", entries(BOUND_MOUNT_POINTS + 1, "v", "/data")) >
                0);
    is_too_large(points, "", "container \"web\" has 1025 mountPoints; gantry takes 1024");
    free(points);
    assert_true(asprintf(&points, "a: x /x | web: %s", entries(BOUND_MOUNT_POINTS, "v", "/data")) >
                0);
    is_too_large(points, "", "the pod manifest has 1025 mountPoints in all; gantry takes 1024");
}

static void apps_are_counted(void **state)
{
    char points[1024] = "a:";

    (void)state;
    for (size_t i = 1; i < BOUND_CONTAINERS; i++)
        strcat(points, " | a:");
    passes(points, "");
    strcat(points, " | a:");
    is_too_large(points, "", "the pod manifest has 65 apps; gantry takes 64");
}

/* Each may have to be made. */
static void folders_are_counted(void **state)
{
    char deep[64] = "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p"; /* 16 */

    (void)state;
    passes("a: v /v", entries(BOUND_FOLDERS / 16, "v", deep));
    strcat(deep, "/q");
    is_too_large("a: v /v", entries(BOUND_FOLDERS / 16, "v", deep),
                 "the pod manifest has more than 8192 folders in the sources of its volumes");
}

/* The room hostpath refuses it, in words of its own. */
static void what_is_longer_than_a_path_is_no_folder(void **state)
{
    CLEANUP(freep) char *volumes = malloc(3 * BOUND_FOLDERS);
    size_t n = (size_t)sprintf(volumes, "v ");

    (void)state;
    while (n < 3 * BOUND_FOLDERS - 3)
        n += (size_t)sprintf(volumes + n, "/a");
    passes("a: v /v", volumes);
}

static void what_the_kubelet_tells_is_measured_there(void **state)
{
    (void)state;
    LAUNCH("a: v /v", "v /srv");
    launch->is_too_large = true;
    error_set(&launch->error, 0, "container \"a\" has 513 volumeMounts; gantry takes 512");
    assert_int_equal(amend_size(launch), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&launch->error),
                        "container \"a\" has 513 volumeMounts; gantry takes 512");
}

static void pods_of_others_are_not_measured(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = make_launch(config, NULL, NULL);
    CLEANUP(launch_freep) struct launch *without = launch_new(config, 0);
    json_t *apps = json_array();

    (void)state;
    for (size_t i = 0; i <= BOUND_CONTAINERS; i++)
        json_array_append_new(apps, json_object());
    json_object_set_new(launch->manifest_json, "apps", apps);
    remake_manifest(launch);
    assert_int_equal(amend_size(launch), 0);
    assert_int_equal(amend_size(without), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_longer_than_its_bound_is_refused),
        cmocka_unit_test(apps_are_counted),
        cmocka_unit_test(folders_are_counted),
        cmocka_unit_test(what_is_longer_than_a_path_is_no_folder),
        cmocka_unit_test(what_the_kubelet_tells_is_measured_there),
        cmocka_unit_test(pods_of_others_are_not_measured),
    };

    return cmocka_run_group_tests_name("amend-size", tests, NULL, NULL);
}
