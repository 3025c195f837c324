/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "daemon/amend/rooms.h"
#include "tests/unit/launches.h"
#include "tests/unit/volumes.h"

#define EMPTY_DIRS POD_FOLDER "volumes/kubernetes.io~empty-dir/"

static void good_manifests_are_left_alone(void **state)
{
    static const char points[] =
        "a: u1 /data, u2 /data/sub ro, u3 /etc/hosts, image /var | b: u4 //data/";
    static const char volumes[] = "u1 /srv//x/, u2 /k/v ro, u3 /k/hosts, u4 /srv/x, unused /u";

    (void)state;
    LAUNCH(points, volumes);
    is_untouched(launch);
    tell(launch, "a: d /data, k /data/sub ro sub=. | b: d //data/ | z: d /data",
         "d hostPath=/srv/x, k emptyDir");
    is_untouched(launch);
    becomes(launch, points, volumes);
}

static void pods_of_others_are_left_alone(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = make_launch(config, NULL, NULL);
    CLEANUP(launch_freep) struct launch *without = launch_new(config, 0);

    (void)state;
    json_object_set_new(launch->manifest_json, "volumes",
                        json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s}]", "name", "v", "kind", "host",
                                  "source", "/a", "name", "v", "kind", "host", "source", "/b"));
    remake_manifest(launch);
    is_untouched(launch);
    assert_int_equal(amend_volumes(without), 0);
}

static void a_volume_of_two_containers_with_different_read_only(void **state)
{
    (void)state;
    LAUNCH("a: v /v | b: v /w ro", "v /r, v /r ro");
    tell(launch, "a: v /v | b: v /w ro", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v /v | b: v-2 /w ro", "v /r, v-2 /r ro");
    assert_int_equal(launch->n_subpaths, 0);
}

static void a_lost_mount_is_restored(void **state)
{
    (void)state;
    LAUNCH("a: v /two ro", "v /r, v /r ro");
    tell(launch, "a: v /one, v /two ro", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v-2 /two ro, v-3 /one", "v-2 /r ro, v-3 /r");
    assert_int_equal(launch->notes.n, 2);
    assert_string_equal(launch->notes.list[1].text,
                        "container \"a\": /one was missing, volume \"v\"");
}

/* stage1-fly takes no volume that one app mounts twice. */
static void no_app_mounts_a_volume_twice(void **state)
{
    (void)state;
    LAUNCH("a: v /two", "v /r, v /r");
    tell(launch, "a: v /one, v /two", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v /two, v-2 /one", "v /r, v-2 /r");
}

static void a_lost_subpath_is_restored(void **state)
{
    (void)state;
    LAUNCH("a: v /two", "v /r/x, v /r/y");
    tell(launch, "a: v /one sub=x, v /two sub=y", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v-2 /two, v-3 /one", "v-2 /r, v-3 /r");
    assert_int_equal(launch->n_subpaths, 2);
    is_for_part(launch, 0, "v-3", "x");
    is_for_part(launch, 1, "v-2", "y");
}

static void parts_and_wholes_do_not_meet(void **state)
{
    (void)state;
    LAUNCH("a: v /p | b: v /p | c: v /p", "v /r/x, v /r, v /r/x, v /r ro");
    tell(launch, "a: v /p sub=x | b: v /p, v /q ro | c: v /p sub=x/", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v-4 /p | b: v-5 /p, v-6 /q ro | c: v /p",
            "v /r, v-4 /r, v-5 /r, v-6 /r ro");
    assert_int_equal(launch->n_subpaths, 2);
    is_for_part(launch, 0, "v-4", "x");
    is_for_part(launch, 1, "v", "x/");
}

static void a_part_is_nobodys_whole(void **state)
{
    (void)state;
    LAUNCH("a: v /p | b:", "v " EMPTY_DIRS "v/x");
    tell(launch, "a: v /p sub=x | b: v /q", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v /p | b: v-2 /q", "v " EMPTY_DIRS "v, v-2 " EMPTY_DIRS "v");
    is_for_part(launch, 0, "v", "x");
}

static void a_part_is_as_writable_as_spec_and_manifest_say(void **state)
{
    (void)state;
    LAUNCH("a: v /q", "v /r/x ro, v /r/y ro");
    tell(launch, "a: v /p sub=x, v /q sub=y", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v /q ro, v-3 /p ro", "v /r ro, v-3 /r ro");

    CLEANUP(launch_freep)
    struct launch *again = launch_of(config, "a: v /q", "v /r/x ro, v /r/y ro, v /r/x");
    tell(again, "a: v /p sub=x, v /q ro sub=y", "v emptyDir");
    assert_int_equal(amend_volumes(again), 0);
    becomes(again, "a: v-5 /q ro, v-4 /p", "v-4 /r, v-5 /r ro");
}

/* stage1-fly heeds the volume's readOnly only. */
static void a_part_that_is_read_only_is_so_in_both_places(void **state)
{
    (void)state;
    LAUNCH("a: u1 /p", "u1 /r/x");
    tell(launch, "a: v /p ro sub=x", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: u1 /p ro", "u1 /r ro");
    is_for_part(launch, 0, "u1", "x");
}

/* Kubelets that give volumes names of their own write one for each source, as read-only as its
 * first mount, and rkt goes by that. */
static void what_is_mounted_read_only_can_be_written_to_beside(void **state)
{
    (void)state;
    LAUNCH("a: u1 /ro ro, u1 /rw", "u1 /r ro");
    tell(launch, "a: v /ro ro, v /rw", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: u1 /ro ro, v-2 /rw", "u1 /r ro, v-2 /r");
    assert_int_equal(launch->notes.n, 1);
    assert_string_equal(launch->notes.list[0].text,
                        "container \"a\": /rw can be written to now, volume \"v\"");

    CLEANUP(launch_freep)
    struct launch *parts = launch_of(config, "a: u1 /ro ro, u1 /rw", "u1 /r/x ro");
    tell(parts, "a: v /ro ro sub=x, v /rw sub=x", "v nfs");
    assert_int_equal(amend_volumes(parts), 0);
    becomes(parts, "a: v-2 /ro ro, v-3 /rw", "v-2 /r ro, v-3 /r");
    is_for_part(parts, 0, "v-2", "x");
    is_for_part(parts, 1, "v-3", "x");
}

/* But only by the word of both. */
static void what_the_kubelet_or_the_spec_has_read_only_stays_so(void **state)
{
    static const struct {
        const char *points, *mounts;
    } rows[] = {
        {"a: u1 /p ro, u1 /q ro", "a: v /p ro, v /q"},
        {"a: u1 /p ro, u1 /q", "a: v /p ro, v /q ro"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        LAUNCH(rows[i].points, "u1 /r ro");
        tell(launch, rows[i].mounts, "v emptyDir");
        assert_int_equal(amend_volumes(launch), 0);
        becomes(launch, "a: u1 /p ro, u1 /q ro", "u1 /r ro");
    }
}

static void an_images_mount_point_gives_way(void **state)
{
    (void)state;
    LAUNCH("a: volume-data /data/, u1 /data | b: volume-data /data", "u1 /r");
    tell(launch, "a: v /data | b: v /data", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: u1 /data | b: v-2 /data", "u1 /r, v-2 /r");
    assert_int_equal(launch->notes.n, 2);
    assert_string_equal(launch->notes.list[0].text,
                        "container \"a\": /data was mounted on twice, volume \"v\" stays");
    assert_string_equal(launch->notes.list[1].text,
                        "container \"b\": /data was missing, volume \"v\"");

    CLEANUP(launch_freep)
    struct launch *dots = launch_of(config, "a: volume-x-data /x/../data, u1 /data", "u1 /r");
    tell(dots, "a: v /data", "v emptyDir");
    assert_int_equal(amend_volumes(dots), 0);
    becomes(dots, "a: u1 /data", "u1 /r");
}

/* Docker's images choose their names: of VOLUME /data it is volume-data, as a volume of the pod may
 * be called, too. Kubelet 1.3 would show it what a subPath as a string leads to. */
static void an_images_mount_point_is_not_the_pods(void **state)
{
    (void)state;
    LAUNCH("a: volume-data /p | b: volume-data /data", "volume-data /r/link");
    tell(launch, "a: volume-data /p sub=link | b:", "volume-data nfs");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: volume-data /p | b: volume-data-2 /data", "volume-data /r");
    is_for_part(launch, 0, "volume-data", "link");
    assert_string_equal(launch->notes.list[0].text,
                        "container \"b\": /data is the image's, and not of volume \"volume-data\"");

    /* nor at the path of another volume's mount */
    CLEANUP(launch_freep)
    struct launch *other = launch_of(config, "a: volume-data /p | b: volume-data /data, w /data",
                                     "volume-data /r/link, w /s");
    tell(other, "a: volume-data /p sub=link | b: w /data", "volume-data nfs, w nfs");
    assert_int_equal(amend_volumes(other), 0);
    becomes(other, "a: volume-data /p | b: w /data", "volume-data /r, w /s");
}

/* None that is known does it. */
static void a_mount_that_shows_the_subpath_as_a_string_is_refused(void **state)
{
    (void)state;
    LAUNCH("a: u1 /p, u1 /q", "u1 /r//link/");
    tell(launch, "a: v /p sub=link", "v nfs");
    is_refused(launch,
               "container \"a\": mount /q: the pod spec has no subPath link of volume \"v\" there");
}

/* Whatever it is that there is much of. */
static void what_is_large_is_not_for_the_loop(void **state)
{
    char text[8192] = "a: v /0", spec[8192] = "a: v /0";

    (void)state;
    for (size_t i = 1; i < 200; i++) {
        sprintf(text + strlen(text), ", v /%zu", i);
        sprintf(spec + strlen(spec), ", v /%zu", i);
    }
    LAUNCH("a: v /0", "v /r");
    tell(launch, spec, "v nfs");
    assert_int_equal(amend_volumes(launch), LAUNCH_E_WAIT);
    CLEANUP(launch_freep) struct launch *points = launch_of(config, text, "v /r");
    assert_int_equal(amend_volumes(points), LAUNCH_E_WAIT);
    points->may_wait = true;
    assert_int_equal(amend_volumes(points), 0);
}

/* As it is written: `..` too, and before 1.8 a relative one. */
static void paths_are_compared_as_the_kubelet_writes_them(void **state)
{
    static const char *const relative[] = {"a: u1 data/x", "a: u1 /data/x"};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(relative); i++) {
        LAUNCH(relative[i], "u1 /r");
        tell(launch, "a: v data/x", "v nfs");
        is_untouched(launch);
    }
    LAUNCH("a: u1 /x/../data", "u1 /r/link");
    tell(launch, "a: v /x/../data sub=link", "v nfs");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: u1 /x/../data", "u1 /r");
    is_for_part(launch, 0, "u1", "link");

    CLEANUP(launch_freep) struct launch *whole = launch_of(config, "a: u1 /x/../data", "u1 /r");
    tell(whole, "a: v /x/../data", "v nfs");
    is_untouched(whole);
}

static void mounts_at_one_place_are_each_their_own(void **state)
{
    (void)state;
    LAUNCH("a: u1 /data, u2 /data/, u3 /x/../data", "u1 /r, u2 /s, u3 /t/x");
    tell(launch, "a: u /x/../data sub=x, s /data/, r /data", "r nfs, s nfs, u nfs");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: u1 /data, u2 /data/, u3 /x/../data", "u1 /r, u2 /s, u3 /t");
    is_for_part(launch, 0, "u3", "x");

    /* of which kubelet 1.3 has lost one */
    CLEANUP(launch_freep) struct launch *lost = launch_of(config, "a: v /data/", "v /r/x, v /r/y");
    tell(lost, "a: v /data sub=x, v /data/ sub=y", "v nfs");
    assert_int_equal(amend_volumes(lost), 0);
    becomes(lost, "a: v-2 /data/, v-3 /data", "v-2 /r, v-3 /r");
    is_for_part(lost, 0, "v-3", "x");
    is_for_part(lost, 1, "v-2", "y");
}

/* Kubelet 1.3 mounts its own there, too. */
static void the_specs_own_hosts_file_stays(void **state)
{
    static const char *const types[] = {"v hostPath=/srv", "v nfs"};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        LAUNCH("a: own /etc/hosts, v /etc/hosts",
               "own " POD_FOLDER "containers/a/etc-hosts, v /srv/hosts");
        tell(launch, "a: v /etc/hosts sub=hosts", types[i]);
        assert_int_equal(amend_volumes(launch), 0);
        becomes(launch, "a: v /etc/hosts", "own " POD_FOLDER "containers/a/etc-hosts, v /srv");
        is_for_part(launch, 0, "v", "hosts");
    }
}

static void read_only_is_added_and_never_taken(void **state)
{
    (void)state;
    LAUNCH("a: u1 /p, u2 /q ro, u3 /r ro | b: u1 /p", "u1 /x, u2 /y, u3 /z ro");
    tell(launch, "a: v /p ro, w /q ro, z /r | b: v /p", "v emptyDir, w emptyDir, z emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v-2 /p ro, u2 /q ro, u3 /r ro | b: u1 /p",
            "u1 /x, u2 /y ro, u3 /z ro, v-2 /x ro");
    assert_int_equal(launch->notes.n, 2);
    assert_string_equal(launch->notes.list[0].text,
                        "container \"a\": /p is read-only now, volume \"v\"");
}

static void a_guess_is_never_writable(void **state)
{
    (void)state;
    LAUNCH("a: v /p ro", "v /r, v /r ro");
    tell(launch, "a: v /p, v /q", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v-2 /p ro, v-3 /q", "v-2 /r ro, v-3 /r");
}

/* CVE-2017-1002102 */

#define POD_VOLUMES POD_FOLDER "volumes/kubernetes.io~"

static void api_data_is_read_only_by_its_source(void **state)
{
    (void)state;
    LAUNCH("a: u1 /1, u2 /2 ro, u3 /3, u4 /4, u5 /5, u6 /6 | b: u1 /1",
           "u1 " POD_VOLUMES "secret/s, u2 " POD_VOLUMES "configmap/c/part ro, u3 " POD_VOLUMES
           "downward-api//d, u4 " POD_VOLUMES "projected/p, u5 " POD_VOLUMES
           "empty-dir/e, u6 /var/lib/kubelet/pods/1234/volumes/kubernetes.io~secret");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: u1 /1 ro, u2 /2 ro, u3 /3 ro, u4 /4 ro, u5 /5, u6 /6 | b: u1 /1 ro",
            "u1 " POD_VOLUMES "secret/s ro, u2 " POD_VOLUMES "configmap/c/part ro, u3 " POD_VOLUMES
            "downward-api//d ro, u4 " POD_VOLUMES "projected/p ro, u5 " POD_VOLUMES
            "empty-dir/e, u6 /var/lib/kubelet/pods/1234/volumes/kubernetes.io~secret");
    assert_int_equal(launch->notes.n, 3);
    assert_string_equal(launch->notes.list[0].text,
                        "volume \"u1\" is read-only now: " POD_VOLUMES "secret/s");
}

static void api_data_is_read_only_by_its_type(void **state)
{
    (void)state;
    LAUNCH("a: u1 /1, u2 /2, u3 /3, u4 /4, u5 /5, u6 /6",
           "u1 /k/1, u2 /k/2, u3 /k/3, u4 /k/4, u5 /k/5, u6 " POD_FOLDER "volume-subpaths/s/a/0");
    tell(launch, "a: s /1, c /2, d /3, p /4, e /5, s /6 sub=x",
         "s secret, c configMap, d downwardAPI, p projected, e emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: u1 /1 ro, u2 /2 ro, u3 /3 ro, u4 /4 ro, u5 /5, u6 /6 ro",
            "u1 /k/1 ro, u2 /k/2 ro, u3 /k/3 ro, u4 /k/4 ro, u5 /k/5, u6 " POD_FOLDER
            "volume-subpaths/s/a/0 ro");
    assert_int_equal(launch->notes.n, 5);
}

static void api_data_can_be_left_writable(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("[Volumes]\nReadOnlySecrets=no\n");
    CLEANUP(launch_freep)
    struct launch *launch = launch_of(config, "a: u1 /1", "u1 " POD_VOLUMES "secret/s");

    (void)state;
    is_untouched(launch);
    tell(launch, "a: s /1", "s secret");
    is_untouched(launch);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_manifests_are_left_alone),
        cmocka_unit_test(pods_of_others_are_left_alone),
        cmocka_unit_test(a_volume_of_two_containers_with_different_read_only),
        cmocka_unit_test(a_lost_mount_is_restored),
        cmocka_unit_test(no_app_mounts_a_volume_twice),
        cmocka_unit_test(a_lost_subpath_is_restored),
        cmocka_unit_test(parts_and_wholes_do_not_meet),
        cmocka_unit_test(a_part_is_nobodys_whole),
        cmocka_unit_test(a_part_is_as_writable_as_spec_and_manifest_say),
        cmocka_unit_test(a_part_that_is_read_only_is_so_in_both_places),
        cmocka_unit_test(what_is_mounted_read_only_can_be_written_to_beside),
        cmocka_unit_test(what_the_kubelet_or_the_spec_has_read_only_stays_so),
        cmocka_unit_test(an_images_mount_point_gives_way),
        cmocka_unit_test(an_images_mount_point_is_not_the_pods),
        cmocka_unit_test(a_mount_that_shows_the_subpath_as_a_string_is_refused),
        cmocka_unit_test(what_is_large_is_not_for_the_loop),
        cmocka_unit_test(paths_are_compared_as_the_kubelet_writes_them),
        cmocka_unit_test(mounts_at_one_place_are_each_their_own),
        cmocka_unit_test(the_specs_own_hosts_file_stays),
        cmocka_unit_test(read_only_is_added_and_never_taken),
        cmocka_unit_test(a_guess_is_never_writable),
        cmocka_unit_test(api_data_is_read_only_by_its_source),
        cmocka_unit_test(api_data_is_read_only_by_its_type),
        cmocka_unit_test(api_data_can_be_left_writable),
    };

    return cmocka_run_group_tests_name("amend-volumes", tests, NULL, NULL);
}
