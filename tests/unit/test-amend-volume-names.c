/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Volumes of one name, by what the manifest alone tells.
 */

#include "tests/unit/unit.h"

#include <stdio.h>

#include "daemon/amend/rooms.h"
#include "lib/bounds.h"
#include "tests/unit/launches.h"
#include "tests/unit/volumes.h"

static void host_network_is_repaired(void **state)
{
    (void)state;
    LAUNCH("a: hosts /etc/hosts ro, res /etc/resolv.conf ro | b: hosts /etc/hosts ro, res "
           "/etc/resolv.conf ro",
           "hosts /etc/hosts, res /etc/resolv.conf, hosts /etc/hosts ro, res /etc/resolv.conf ro, "
           "hosts /etc/hosts, res /etc/resolv.conf, hosts /etc/hosts ro, res /etc/resolv.conf ro");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch,
            "a: hosts-2 /etc/hosts ro, res-2 /etc/resolv.conf ro | b: hosts-2 /etc/hosts ro, "
            "res-2 /etc/resolv.conf ro",
            "hosts-2 /etc/hosts ro, res-2 /etc/resolv.conf ro");
    assert_int_equal(launch->notes.n, 2);
    assert_string_equal(launch->notes.list[0].text, "the name \"hosts\" stood for 4 volumes; each "
                                                    "that differs has its own now");
}

static void identical_volumes_become_one(void **state)
{
    (void)state;
    LAUNCH("a: v /v | b: v /w, t /t", "v /r, t /t, v /r rw, t /t rw, v /r");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v /v | b: v /w, t /t", "v /r, t /t");
}

static void each_mount_point_gets_its_own(void **state)
{
    (void)state;
    LAUNCH("a: v /v | b: v /v ro | c: v /v | d: v /v", "v /r, v /r ro, v /r/x, v /r");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v /v | b: v-2 /v ro | c: v-3 /v | d: v /v", "v /r, v-2 /r ro, v-3 /r/x");
}

static void names_that_are_taken_are_not_given(void **state)
{
    (void)state;
    LAUNCH("a: v /v, v-3 /image | b: v /v, v-2 /other", "v /r, v-2 /o, v /s");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v /v, v-3 /image | b: v-4 /v, v-2 /other", "v /r, v-2 /o, v-4 /s");
}

/* Of the two mounts of v in a, of w in b, the kubelet has lost the first. */
static void a_mount_point_is_of_its_apps_last_mount(void **state)
{
    (void)state;
    LAUNCH("a: v /v, w /w, end-a /end | b: v /v, w /w, end-b /end",
           "v /r/1, v /r/2, w /s/1, end-a /1, end-a /1, v /r/3, w /s/2, w /s/3, end-b /2, end-b "
           "/2");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v-2 /v, w /w, end-a /end | b: v-3 /v, w-3 /w, end-b /end",
            "v-2 /r/2, w /s/1, end-a /1, v-3 /r/3, w-3 /s/3, end-b /2");
}

/* Of two mounts of one volume in one container the kubelet has lost one. */
static void in_doubt_it_is_the_first_that_is_as_read_only(void **state)
{
    (void)state;
    LAUNCH("a: v /v ro, w /w", "v /r/a, v /r/b ro, w /s/a ro, w /s/b ro");
    assert_int_equal(amend_volumes(launch), 0);
    /* and what nobody mounts is left out */
    becomes(launch, "a: v-2 /v ro, w /w", "v-2 /r/b ro, w /s/a ro");
}

/* stage1-fly heeds the volume's readOnly only. */
static void a_guess_for_a_read_only_point_is_read_only(void **state)
{
    (void)state;
    LAUNCH("a: v /v ro", "v /r/a, v /r/b");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v /v ro", "v /r/a ro");
}

#define N_MANY BOUND_MANIFEST_VOLUMES

/* As kubelet 1.3 writes an app that mounts one volume so often; the one point that is left is that
 * of the last. */
static void many_of_one_name_are_repaired(void **state)
{
    static char volumes[65536];

    (void)state;
    for (size_t i = 0; i < N_MANY; i++)
        sprintf(volumes + strlen(volumes), "%s data /srv/%zu", i > 0 ? "," : "", i);
    LAUNCH("a: data /data", volumes);
    launch->may_wait = true;
    assert_int_equal(amend_volumes(launch), 0);
    assert_int_equal(manifest_n_volumes(launch->manifest), 1);
    assert_string_equal(manifest_volume(launch->manifest, 0).source, "/srv/1023");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_network_is_repaired),
        cmocka_unit_test(identical_volumes_become_one),
        cmocka_unit_test(each_mount_point_gets_its_own),
        cmocka_unit_test(names_that_are_taken_are_not_given),
        cmocka_unit_test(a_mount_point_is_of_its_apps_last_mount),
        cmocka_unit_test(in_doubt_it_is_the_first_that_is_as_read_only),
        cmocka_unit_test(a_guess_for_a_read_only_point_is_read_only),
        cmocka_unit_test(many_of_one_name_are_repaired),
    };

    return cmocka_run_group_tests_name("amend-volume-names", tests, NULL, NULL);
}
