/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Manifests and pod specs are written in short here, and so is what becomes of them:
 *
 *   mount points   "web: data /srv ro, tmp /tmp | log: data /data"
 *   volumes        "data /host/data ro, tmp /host/tmp"
 *   spec mounts    "web: data /srv ro, tmp /tmp sub=a/b"
 *   spec volumes   "data hostPath=/host/data, tmp emptyDir"
 */

#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>

#include "daemon/amend/rooms.h"
#include "tests/unit/launches.h"
#include "tests/unit/scratch.h"

#define WORDS_MAX 4

#define POD_FOLDER "/var/lib/kubelet/pods/1234/"
#define EMPTY_DIRS POD_FOLDER "volumes/kubernetes.io~empty-dir/"

/* Reads "word word, word word" into a list of what `make` makes of each part. */
static json_t *read_list(const char *text, json_t *(*make)(char **words))
{
    CLEANUP(freep) char *copy = strdup(text);
    char *rest = copy;
    json_t *list = json_array();

    for (char *part; (part = strsep(&rest, ","));) {
        char *words[WORDS_MAX + 1] = {NULL};
        size_t n = 0;
        for (char *word; n < WORDS_MAX && (word = strsep(&part, " "));) {
            if (*word)
                words[n++] = word;
        }
        if (n > 0)
            json_array_append_new(list, make(words));
    }
    return list;
}

/* The word of that beginning. Return: what follows it, or NULL. */
static const char *option(char **words, const char *beginning)
{
    for (size_t i = 1; words[i]; i++) {
        if (strncmp(words[i], beginning, strlen(beginning)) == 0)
            return words[i] + strlen(beginning);
    }
    return NULL;
}

static json_t *make_point(char **words)
{
    json_t *point = json_pack("{s:s, s:s}", "name", words[0], "path", words[1]);

    if (option(words, "ro"))
        json_object_set_new(point, "readOnly", json_true());
    return point;
}

static json_t *make_volume(char **words)
{
    json_t *volume =
        json_pack("{s:s, s:s, s:s}", "name", words[0], "kind", "host", "source", words[1]);

    if (option(words, "ro") || option(words, "rw"))
        json_object_set_new(volume, "readOnly", json_boolean(option(words, "ro") != NULL));
    return volume;
}

static json_t *make_spec_mount(char **words)
{
    json_t *mount = json_pack("{s:s, s:s}", "name", words[0], "mountPath", words[1]);

    if (option(words, "ro"))
        json_object_set_new(mount, "readOnly", json_true());
    if (option(words, "sub="))
        json_object_set_new(mount, "subPath", json_string(option(words, "sub=")));
    return mount;
}

static json_t *make_spec_volume(char **words)
{
    json_t *volume = json_pack("{s:s}", "name", words[0]);

    if (option(words, "hostPath="))
        json_object_set_new(volume, "hostPath",
                            json_pack("{s:s}", "path", option(words, "hostPath=")));
    else
        json_object_set_new(volume, words[1], json_object());
    return volume;
}

/* Reads "web: ... | log: ..."; `make` gets name and list, which it consumes. */
static json_t *read_groups(const char *text, json_t *(*make_entry)(char **words),
                           json_t *(*make)(const char *name, json_t *list))
{
    CLEANUP(freep) char *copy = strdup(text);
    char *rest = copy;
    json_t *groups = json_array();

    for (char *group; (group = strsep(&rest, "|"));) {
        char *name = strsep(&group, ":");
        name += strspn(name, " ");
        json_array_append_new(groups, make(name, read_list(group, make_entry)));
    }
    return groups;
}

static json_t *make_app(const char *name, json_t *points)
{
    return json_pack("{s:s, s:{s:o}}", "name", name, "app", "mountPoints", points);
}

static json_t *make_container(const char *name, json_t *mounts)
{
    return json_pack("{s:s, s:o}", "name", name, "volumeMounts", mounts);
}

static struct launch *launch_of(struct config *config, const char *points, const char *volumes)
{
    struct launch *launch = make_launch(config, "1", NULL);

    /* The manifest stands on this very object. */
    json_object_set_new(launch->manifest_json, "apps", read_groups(points, make_point, make_app));
    json_object_set_new(launch->manifest_json, "volumes", read_list(volumes, make_volume));
    return launch;
}

static void tell(struct launch *launch, const char *mounts, const char *volumes)
{
    json_t *list =
        json_pack("{s:[{s:{s:s}, s:{s:o, s:o}}]}", "items", "metadata", "uid", launch->identity.uid,
                  "spec", "containers", read_groups(mounts, make_spec_mount, make_container),
                  "volumes", read_list(volumes, make_spec_volume));

    assert_int_equal(podspec_find(&launch->spec, list, launch->identity.uid), 0);
    assert_non_null(launch->spec);
    json_decref(list);
}

static void print_points(FILE *f, const struct manifest *manifest)
{
    for (size_t app = 0; app < manifest_n_apps(manifest); app++) {
        fprintf(f, "%s%s:", app > 0 ? " | " : "", manifest_app(manifest, app).name);
        for (size_t i = 0; i < manifest_n_mounts(manifest, app); i++) {
            struct manifest_mount mount = manifest_mount(manifest, app, i);
            fprintf(f, "%s %s %s%s", i > 0 ? "," : "", mount.volume, mount.path,
                    mount.read_only ? " ro" : "");
        }
    }
}

static void print_volumes(FILE *f, const struct manifest *manifest)
{
    for (size_t i = 0; i < manifest_n_volumes(manifest); i++) {
        struct manifest_volume volume = manifest_volume(manifest, i);
        fprintf(f, "%s%s %s%s", i > 0 ? ", " : "", volume.name, volume.source,
                volume.read_only ? " ro" : "");
    }
}

static void becomes(const struct launch *launch, const char *points, const char *volumes)
{
    char text[2][1024] = {"", ""};

    FILE *f = fmemopen(text[0], sizeof(text[0]), "w");
    print_points(f, launch->manifest);
    fclose(f);
    f = fmemopen(text[1], sizeof(text[1]), "w");
    print_volumes(f, launch->manifest);
    fclose(f);
    assert_string_equal(text[0], points);
    assert_string_equal(text[1], volumes);
}

static void is_for_part(const struct launch *launch, size_t index, const char *volume,
                        const char *path)
{
    assert_true(index < launch->n_subpaths);
    assert_string_equal(launch->subpaths[index].volume, volume);
    assert_string_equal(launch->subpaths[index].path, path);
}

static void is_untouched(struct launch *launch)
{
    assert_int_equal(amend_volumes(launch), 0);
    assert_false(manifest_is_edited(launch->manifest));
    assert_int_equal(launch->notes.n, 0);
    assert_int_equal(launch->n_subpaths, 0);
}

static void is_refused(struct launch *launch, const char *message)
{
    assert_int_equal(amend_volumes(launch), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&launch->error), message);
}

#define LAUNCH(points, volumes)                                     \
    CLEANUP(config_unrefp) struct config *config = make_config(""); \
    CLEANUP(launch_freep)                                           \
    struct launch *launch = launch_of(config, points, volumes)

/* Names, by the manifest alone. */

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

static void good_manifests_are_left_alone(void **state)
{
    static const char points[] =
        "a: u1 /data, u2 /data/sub ro, u3 /etc/hosts, image /var | b: u4 //data/";
    static const char volumes[] = "u1 /srv//x/, u2 /k/v ro, u3 /k/hosts, u4 /srv/x, unused /u";

    (void)state;
    LAUNCH(points, volumes);
    is_untouched(launch);
    tell(launch, "a: d /data/, k /data/sub ro sub=. | b: d /data | z: d /data",
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
    json_object_set_new(launch->manifest_json, "volumes", read_list("v /a, v /b", make_volume));
    is_untouched(launch);
    assert_int_equal(amend_volumes(without), 0);
}

/* With the pod spec. */

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
    becomes(launch, "a: v-2 /two ro, v /one", "v /r, v-2 /r ro");
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
    becomes(launch, "a: v /two, v-3 /one", "v /r, v-3 /r");
    assert_int_equal(launch->n_subpaths, 2);
    is_for_part(launch, 0, "v-3", "x");
    is_for_part(launch, 1, "v", "y");
}

static void parts_and_wholes_do_not_meet(void **state)
{
    (void)state;
    LAUNCH("a: v /p | b: v /p | c: v /p", "v /r/x, v /r, v /r/x, v /r ro");
    tell(launch, "a: v /p sub=x | b: v /p, v /q ro | c: v /p sub=x/", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v-4 /p | b: v-2 /p, v-3 /q ro | c: v /p",
            "v /r, v-2 /r, v-3 /r ro, v-4 /r");
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
    LAUNCH("a: v /p", "v /r/x ro, v /r/y ro");
    tell(launch, "a: v /p sub=x", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: v /p ro", "v /r ro");

    CLEANUP(launch_freep)
    struct launch *again = launch_of(config, "a: v /p", "v /r/x ro, v /r/y ro, v /r/x");
    tell(again, "a: v /p sub=x", "v emptyDir");
    assert_int_equal(amend_volumes(again), 0);
    becomes(again, "a: v-3 /p", "v-3 /r");
}

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
    becomes(launch, "a: v-4 /r ro, v-3 /p ro, v-2 /q ro",
            "v-2 /srv/x ro, v-3 /srv/x ro, v-4 /srv/x ro");
    is_for_part(launch, 0, "v-3", "y");
}

/* The search for roots is on the loop; what is counted here is the instructions, by hand. */
#define N_MANY 200

static void many_host_paths_are_mounted(void **state)
{
    char points[16384] = "a:", volumes[16384] = "", mounts[16384] = "a:", told[16384] = "";

    (void)state;
    for (size_t i = 0; i < N_MANY; i++) {
        char *comma = i > 0 ? "," : "";
        /* each tenth mount point is lost, each fifth is of a part */
        bool part = i % 5 == 1;
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
    assert_int_equal(manifest_n_volumes(launch->manifest), N_MANY);
    assert_int_equal(launch->n_subpaths, N_MANY / 5);
    for (size_t i = 0; i < N_MANY; i++) {
        struct manifest_mount mount = manifest_mount(launch->manifest, 0, i);
        size_t volume = manifest_find_volume(launch->manifest, mount.volume);
        char source[32];
        snprintf(source, sizeof(source), "/srv/%s", mount.path + strlen("/p"));
        assert_int_not_equal(volume, MANIFEST_NONE);
        assert_string_equal(manifest_volume(launch->manifest, volume).source, source);
    }
}

/* As kubelet 1.3 writes an app that mounts one volume so often. Which of them the one point that is
 * left means cannot be told here. */
static void many_of_one_name_are_repaired(void **state)
{
    char volumes[16384] = "";

    (void)state;
    for (size_t i = 0; i < N_MANY; i++)
        sprintf(volumes + strlen(volumes), "%s data /srv/%zu", i > 0 ? "," : "", i);
    LAUNCH("a: data /data", volumes);
    launch->may_wait = true;
    assert_int_equal(amend_volumes(launch), 0);
    assert_int_equal(manifest_n_volumes(launch->manifest), 1);
    assert_string_equal(manifest_volume(launch->manifest, 0).source, "/srv/0");
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

static void an_images_mount_point_gives_way(void **state)
{
    (void)state;
    LAUNCH("a: volume-data /data/, u1 /data | b: volume-data /data", "u1 /r");
    tell(launch, "a: v /data | b: v /data", "v emptyDir");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: u1 /data | b: u1 /data", "u1 /r");
    assert_int_equal(launch->notes.n, 2);
    assert_string_equal(launch->notes.list[0].text,
                        "container \"a\": /data was mounted on twice, volume \"v\" stays");
    assert_string_equal(launch->notes.list[1].text,
                        "container \"b\": /data was missing, volume \"v\"");
}

static void paths_are_compared_as_the_kubelet_makes_them(void **state)
{
    (void)state;
    LAUNCH("a: u1 /data, v /w", "u1 /r, v /s, v /s");
    tell(launch, "a: r data/x/.., v /w, v lost/../there/", "r hostPath=/r, v hostPath=/s");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: u1 /data, v /w, v-2 /there", "u1 /r, v /s, v-2 /s");

    CLEANUP(launch_freep)
    struct launch *both = launch_of(config, "a: u1 /data, u2 /data/", "u1 /r, u2 /s");
    tell(both, "a: r /data, s /data/", "r hostPath=/r, s hostPath=/s");
    is_untouched(both);
}

static void the_specs_own_hosts_file_stays(void **state)
{
    (void)state;
    LAUNCH("a: u1 /etc/hosts, u2 /etc/hosts", "u1 /k/hosts, u2 /srv/hosts");
    tell(launch, "a: v /etc/hosts", "v hostPath=/srv/hosts");
    assert_int_equal(amend_volumes(launch), 0);
    becomes(launch, "a: u2 /etc/hosts", "u1 /k/hosts, u2 /srv/hosts");
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
    becomes(launch, "a: v-2 /p ro, v /q", "v /r, v-2 /r ro");
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
        cmocka_unit_test(host_network_is_repaired),
        cmocka_unit_test(identical_volumes_become_one),
        cmocka_unit_test(each_mount_point_gets_its_own),
        cmocka_unit_test(names_that_are_taken_are_not_given),
        cmocka_unit_test(a_mount_point_is_of_its_apps_last_mount),
        cmocka_unit_test(in_doubt_it_is_the_first_that_is_as_read_only),
        cmocka_unit_test(a_guess_for_a_read_only_point_is_read_only),
        cmocka_unit_test(good_manifests_are_left_alone),
        cmocka_unit_test(pods_of_others_are_left_alone),
        cmocka_unit_test(a_volume_of_two_containers_with_different_read_only),
        cmocka_unit_test(a_lost_mount_is_restored),
        cmocka_unit_test(no_app_mounts_a_volume_twice),
        cmocka_unit_test(a_lost_subpath_is_restored),
        cmocka_unit_test(parts_and_wholes_do_not_meet),
        cmocka_unit_test(a_part_is_nobodys_whole),
        cmocka_unit_test(a_part_is_as_writable_as_spec_and_manifest_say),
        cmocka_unit_test(the_root_explains_all_mounts),
        cmocka_unit_test(a_subpath_of_a_later_kubelet_gets_its_root),
        cmocka_unit_test(the_kubelets_own_subpaths_are_left_alone),
        cmocka_unit_test(a_subpath_of_what_the_kubelet_writes_stays),
        cmocka_unit_test(a_subpath_is_not_the_kubelets_by_its_name),
        cmocka_unit_test(the_root_that_explains_most_is_taken),
        cmocka_unit_test(what_cannot_be_found_is_refused),
        cmocka_unit_test(the_spec_grants_nothing),
        cmocka_unit_test(the_manifest_grants_host_paths),
        cmocka_unit_test(many_host_paths_are_mounted),
        cmocka_unit_test(many_of_one_name_are_repaired),
        cmocka_unit_test_setup_teardown(the_kubelets_folder_is_looked_for, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(an_images_mount_point_gives_way),
        cmocka_unit_test(paths_are_compared_as_the_kubelet_makes_them),
        cmocka_unit_test(the_specs_own_hosts_file_stays),
        cmocka_unit_test(read_only_is_added_and_never_taken),
        cmocka_unit_test(a_guess_is_never_writable),
        cmocka_unit_test(api_data_is_read_only_by_its_source),
        cmocka_unit_test(api_data_is_read_only_by_its_type),
        cmocka_unit_test(api_data_can_be_left_writable),
    };

    return cmocka_run_group_tests_name("amend-volumes", tests, NULL, NULL);
}
