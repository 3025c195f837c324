/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where the volumes of a pod spec are, and what of it the manifest grants.
 */

#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>

#include "daemon/amend/rooms.h"
#include "lib/bounds.h"
#include "tests/unit/launches.h"
#include "tests/unit/scratch.h"
#include "tests/unit/volumes.h"

/* The subPath x fits the source /r/a/x as well. */
static void the_root_explains_all_mounts(void **state)
{
    (void)state;
    LAUNCH("a: v /p | b: v /p", "v /r/a/x, v /r/x");
    tell(launch, "b: v /p sub=x | a: v /p sub=a/x", "v nfs");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v /p | b: v-2 /p", "v /r, v-2 /r");

    CLEANUP(launch_freep)
    struct launch *again = launch_of(config, "a: v /p | b: v /p", "v /r/x, v /r/a/x");
    tell(again, "a: v /p sub=x | b: v /p sub=a/x", "v nfs");
    assert_int_equal(amend_volumes(again), 0);
    becomes(again, "a: v /p | b: v-2 /p", "v /r, v-2 /r");
}

static void a_subpath_of_a_later_kubelet_gets_its_root(void **state)
{
    (void)state;
    LAUNCH("a: u1 /data/a, u2 /etc/hosts | b: u3 /data/a ro, u4 /all",
           "u1 /k/scratch/one/two rw, u2 /k/hosts, u3 /k/scratch/one/two ro, u4 /k/scratch");
    tell(launch, "a: v /data/a sub=one//two | b: v /data/a ro sub=one/two, v /all", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: u1 /data/a, u2 /etc/hosts | b: u3 /data/a ro, u4 /all",
            "u1 /k/scratch, u2 /k/hosts, u3 /k/scratch ro, u4 /k/scratch");
    assert_int_equal(launch->n_subpaths, 2);
    is_for_part(launch, 0, "u1", "one//two");
    is_for_part(launch, 1, "u3", "one/two");
    assert_int_equal(launch->notes.n, 0);
}

static void the_kubelets_own_subpaths_are_left_alone(void **state)
{
    (void)state;
    LAUNCH("a: u1 /p", "u1 " POD_FOLDER "volume-subpaths/v/a/0");
    tell(launch, "a: v /p sub=x", "v emptyDir");
    is_untouched(launch);
}

/* Its keys are symlinks of the kubelet's, and no container can write to it. */
static void a_subpath_of_what_the_kubelet_writes_stays(void **state)
{
    (void)state;
    LAUNCH("a: u1 /p", "u1 " POD_FOLDER "volumes/kubernetes.io~configmap/v/nginx.conf");
    tell(launch, "a: v /p sub=nginx.conf", "v configMap");
    assert_int_equal(amend_volumes(launch), 0);
    assert_int_equal(launch->n_subpaths, 0);
    assert_string_equal(manifest_volume(launch->manifest, 0).source,
                        POD_FOLDER "volumes/kubernetes.io~configmap/v/nginx.conf");
    assert_true(manifest_volume(launch->manifest, 0).read_only);
}

/* An old kubelet joins them as text. */
static void a_subpath_does_not_lead_to_what_the_kubelet_writes(void **state)
{
    static const char *const sources[] = {
        POD_FOLDER "volumes/kubernetes.io~secret/other",
        POD_FOLDER "volumes/kubernetes.io~empty-dir/v/../../kubernetes.io~secret/other",
        POD_FOLDER "volumes/kubernetes.io~secret/../kubernetes.io~secret/other",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(sources); i++) {
        CLEANUP(freep) char *volumes = NULL;
        assert_true(asprintf(&volumes, "u1 %s", sources[i]) > 0);
        LAUNCH("a: u1 /p", volumes);
        tell(launch, "a: v /p sub=../../kubernetes.io~secret/other", "v nfs");
        launch->may_wait = true;
        int r = amend_volumes(launch);
        /* or the room subpath refuses it */
        assert_true(r == LAUNCH_E_REFUSED || (r == 0 && launch->n_subpaths == 1));
    }
}

/* The pod's author writes the subPath, and it must be walked whatever it is called. */
static void a_subpath_is_not_the_kubelets_by_its_name(void **state)
{
    (void)state;
    LAUNCH("a: u1 /p", "u1 /k/v/volume-subpaths/evil");
    tell(launch, "a: v /p sub=volume-subpaths/evil", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: u1 /p", "u1 /k/v");
    is_for_part(launch, 0, "u1", "volume-subpaths/evil");

    CLEANUP(launch_freep)
    struct launch *other =
        launch_of(config, "a: u1 /p", "u1 /var/lib/kubelet/pods/4321/volume-subpaths/v/x");
    tell(other, "a: v /p sub=x", "v emptyDir");
    assert_int_equal(amend_volumes(other), 0);
    is_for_part(other, 0, "u1", "x");

    CLEANUP(launch_freep)
    struct launch *dots = launch_of(config, "a: u1 /p", "u1 " POD_FOLDER "volume-subpaths/../x");
    tell(dots, "a: v /p sub=x", "v emptyDir");
    assert_int_equal(amend_volumes(dots), 0);
    is_for_part(dots, 0, "u1", "x");

    CLEANUP(launch_freep)
    struct launch *joined = launch_of(config, "a: u1 /p", "u1 " POD_FOLDER "volume-subpaths/x");
    tell(joined, "a: v /p sub=../../volume-subpaths/x", "v nfs");
    is_refused(joined, "container \"a\": mount /p: volume \"v\" cannot be found on the host");
}

/* What the spec says of the volume's place does not hold if the kubelet has another one. */
static void the_root_that_explains_most_is_taken(void **state)
{
    (void)state;
    LAUNCH("a: u1 /p, u2 /q, u3 /r", "u1 " POD_FOLDER "volume-subpaths/v/a/0, u2 /k/v/x, u3 /k/v");
    tell(launch, "a: v /p sub=x, v /q sub=x, v /r", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: u1 /p, u2 /q, u3 /r",
            "u1 " POD_FOLDER "volume-subpaths/v/a/0, u2 /k/v, u3 /k/v");
    assert_int_equal(launch->n_subpaths, 1);
}

static void what_cannot_be_found_is_refused(void **state)
{
    (void)state;
    LAUNCH("a: u1 /p", "u1 /etc");
    tell(launch, "a: v /p sub=../etc", "v nfs");
    is_refused(launch, "container \"a\": mount /p: volume \"v\" cannot be found on the host");

    CLEANUP(launch_freep)
    struct launch *again = launch_of(config, "a:", "u1 /etc");
    tell(again, "a: v /p", "w emptyDir");
    is_refused(again, "container \"a\": mount /p: volume \"v\" cannot be found on the host");
}

/* Whoever holds the kubelet's port may say what they like of the pod. */
static void the_spec_grants_nothing(void **state)
{
    static const struct {
        const char *mounts, *volumes;
    } inventions[] = {
        {"a: x /x", "x hostPath=/"},
        {"a: v /p, x /x", "v hostPath=/srv/v, x hostPath=/srv"},
        {"a: x /x sub=v", "x hostPath=/"},
        {"a: x /x sub=other", "x hostPath=/srv/v"},
        /* the root is right for the one, but not for the other */
        {"a: v /p sub=srv/v, v /x", "v hostPath=/"},
        {"a: v /p sub=v, v /x sub=w", "v hostPath=/srv"},
        {"a: ../../../../../../../.. /x", "../../../../../../../.. emptyDir"},
        {"a: v /p sub=../etc", "v hostPath=/srv"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(inventions); i++) {
        LAUNCH("a: u1 /p", "u1 /srv/v");
        tell(launch, inventions[i].mounts, inventions[i].volumes);
        launch->may_wait = true;
        assert_int_equal(amend_volumes(launch), LAUNCH_E_REFUSED);
        assert_non_null(strstr(error_message(&launch->error), "cannot be found on the host"));
    }
}

static void the_manifest_grants_host_paths(void **state)
{
    (void)state;
    LAUNCH("a: v /r", "v /srv/x/y ro, v /srv/x ro, v /srv/x ro");
    tell(launch, "a: v /p sub=y, v /q, v /r", "v hostPath=/srv/x");
    assert_int_equal(amend_volumes(launch), 0);
    /* writable it is nowhere */
    becomes(launch, "a: v-5 /r ro, v-3 /p ro, v-4 /q ro",
            "v-3 /srv/x ro, v-4 /srv/x ro, v-5 /srv/x ro");
    is_for_part(launch, 0, "v-3", "y");
}

/* As many as there may be. */
#define N_MANY BOUND_MOUNTS
#define TEXT_SIZE 65536

static void many_host_paths_are_mounted(void **state)
{
    static char points[TEXT_SIZE] = "a:", volumes[TEXT_SIZE],
                mounts[TEXT_SIZE] = "a:", told[TEXT_SIZE];
    size_t n_lost = 0, n_parts = 0;

    (void)state;
    for (size_t i = 0; i < N_MANY; i++) {
        char *comma = i > 0 ? "," : "";
        /* each tenth mount point is lost, each fifth is of a part */
        bool part = i % 5 == 1;
        n_lost += i % 10 == 0;
        n_parts += part;
        if (i % 10 != 0)
            sprintf(points + strlen(points), "%s v%zu /p%zu", i > 1 ? "," : "", i, i);
        sprintf(volumes + strlen(volumes), "%s v%zu /srv/%zu%s", comma, i, i, part ? "/x" : "");
        sprintf(mounts + strlen(mounts), "%s v%zu /p%zu%s", comma, i, i, part ? " sub=x" : "");
        sprintf(told + strlen(told), "%s v%zu hostPath=/srv/%zu", comma, i, i);
    }
    LAUNCH(points, volumes);
    tell(launch, mounts, told);
    assert_int_equal(amend_volumes(launch), LAUNCH_E_WAIT);
    assert_false(manifest_is_edited(launch->manifest));
    launch->may_wait = true;
    assert_int_equal(amend_volumes(launch), 0);
    assert_int_equal(manifest_n_mounts(launch->manifest, 0), N_MANY);
    assert_int_equal(manifest_n_volumes(launch->manifest), N_MANY + n_lost);
    assert_int_equal(launch->n_subpaths, n_parts);
    for (size_t i = 0; i < N_MANY; i++) {
        struct manifest_mount mount = manifest_mount(launch->manifest, 0, i);
        size_t volume = manifest_find_volume(launch->manifest, mount.volume);
        char source[32];
        snprintf(source, sizeof(source), "/srv/%s", mount.path + strlen("/p"));
        assert_int_not_equal(volume, MANIFEST_NONE);
        assert_string_equal(manifest_volume(launch->manifest, volume).source, source);
    }
}

static void the_kubelets_folder_is_looked_for(void **state)
{
    CLEANUP(freep) char *folder = scratch_path(*state, "pods/1234/volumes/kubernetes.io~empty-dir");
    char text[512], volumes[600];

    snprintf(text, sizeof(text), "[Kubelet]\nRootDirectory=%s\n",
             ((const struct scratch *)*state)->path);
    CLEANUP(config_unrefp) struct config *config = make_config(text);
    CLEANUP(launch_freep) struct launch *launch = launch_of(config, "a:", "");
    tell(launch, "a: v /p", "v emptyDir");
    assert_int_equal(amend_volumes(launch), LAUNCH_E_WAIT);
    assert_false(manifest_is_edited(launch->manifest));
    launch->may_wait = true;
    is_refused(launch, "container \"a\": mount /p: volume \"v\" cannot be found on the host");

    for (char *slash = folder + strlen(((const struct scratch *)*state)->path); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(folder, 0755);
        *slash = '/';
    }
    mkdir(folder, 0755);
    snprintf(volumes, sizeof(volumes), "%s/v", folder);
    assert_int_equal(mkdir(volumes, 0755), 0);
    assert_int_equal(amend_volumes(launch), 0);
    snprintf(volumes, sizeof(volumes), "v-2 %s/v", folder);
    becomes(launch, "a: v-2 /p", volumes);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_explains_all_mounts),
        cmocka_unit_test(a_subpath_of_a_later_kubelet_gets_its_root),
        cmocka_unit_test(the_kubelets_own_subpaths_are_left_alone),
        cmocka_unit_test(a_subpath_of_what_the_kubelet_writes_stays),
        cmocka_unit_test(a_subpath_does_not_lead_to_what_the_kubelet_writes),
        cmocka_unit_test(a_subpath_is_not_the_kubelets_by_its_name),
        cmocka_unit_test(the_root_that_explains_most_is_taken),
        cmocka_unit_test(what_cannot_be_found_is_refused),
        cmocka_unit_test(the_spec_grants_nothing),
        cmocka_unit_test(the_manifest_grants_host_paths),
        cmocka_unit_test(many_host_paths_are_mounted),
        cmocka_unit_test_setup_teardown(the_kubelets_folder_is_looked_for, scratch_setup,
                                        scratch_teardown),
    };

    return cmocka_run_group_tests_name("amend-volume-roots", tests, NULL, NULL);
}
