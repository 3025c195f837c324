/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/amend/rooms.h"
#include "tests/unit/launches.h"
#include "tests/unit/scratch.h"

static struct config *config_for_us(const char *more)
{
    char text[512];

    snprintf(text, sizeof(text), "[HostPath]\nOwner=%u:%u\n%s", (unsigned)geteuid(),
             (unsigned)getegid(), more);
    return make_config(text);
}

static json_t *host_path(const char *name, const char *path, const char *type)
{
    return json_pack("{s:s, s:{s:s, s:s}}", "name", name, "hostPath", "path", path, "type", type);
}

/* The launch of a pod whose container mounts these volumes, a reference to each of which is
 * consumed; the second may be NULL. */
static struct launch *launch_with(struct config *config, json_t *first, json_t *second)
{
    struct launch *launch = make_launch(config, "1", NULL);
    json_t *mounts = json_array(), *volumes = json_pack("[o]", first);

    if (second)
        json_array_append_new(volumes, second);
    for (size_t i = 0; i < json_array_size(volumes); i++)
        json_array_append_new(mounts, json_pack("{s:O, s:s}", "name",
                                                json_object_get(json_array_get(volumes, i), "name"),
                                                "mountPath", "/data"));
    json_t *list =
        json_pack("{s:[{s:{s:s}, s:{s:[{s:s, s:o}], s:o}}]}", "items", "metadata", "uid", "1234",
                  "spec", "containers", "name", "c", "volumeMounts", mounts, "volumes", volumes);
    assert_int_equal(podspec_find(&launch->spec, list, "1234", NULL), 0);
    assert_non_null(launch->spec);
    json_decref(list);
    /* The manifest has them, too. */
    for (size_t i = 0; i < launch->spec->n_volumes; i++) {
        const struct podspec_volume *volume = &launch->spec->volumes[i];
        if (volume->host_path)
            manifest_add_host_volume(launch->manifest, volume->name, volume->host_path, false);
    }
    return launch;
}

static struct launch *launch_of_type(struct config *config, const char *path, const char *type)
{
    return launch_with(config, host_path("v", path, type), NULL);
}

/* As the walk does: on the loop, and again on the thread pool. */
static int enter(struct launch *launch)
{
    assert_int_equal(amend_hosttype(launch), LAUNCH_E_WAIT);
    launch->may_wait = true;
    return amend_hosttype(launch);
}

static void passes(const char *path, const char *type)
{
    CLEANUP(config_unrefp) struct config *config = config_for_us("");
    CLEANUP(launch_freep) struct launch *launch = launch_of_type(config, path, type);

    if (enter(launch) != 0)
        fail_msg("%s %s: %s", type, path, error_message(&launch->error));
    assert_int_equal(launch->notes.n, 0);
}

static void is_refused_in_words(const char *path, const char *type, const char *message)
{
    CLEANUP(config_unrefp) struct config *config = config_for_us("");
    CLEANUP(launch_freep) struct launch *launch = launch_of_type(config, path, type);

    assert_int_equal(enter(launch), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&launch->error), message);
}

static void is_refused(const char *path, const char *type, const char *noun)
{
    char message[512];

    snprintf(message, sizeof(message), "volume \"v\": hostPath type check failed: %s is not a %s",
             path, noun);
    is_refused_in_words(path, type, message);
}

enum what { FOLDER, FILE_, SOCKET, CHARACTER, NOTHING, N_WHATS };

static const char *paths[N_WHATS];

/* One of each: a folder, a file, a socket, a device, nothing. */
static void make_one_of_each(const struct scratch *scratch)
{
    static char text[N_WHATS][128];
    static const char *const names[N_WHATS] = {"folder", "file", "socket", "/dev/null", "none"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    for (size_t i = 0; i < N_WHATS; i++) {
        if (names[i][0] == '/')
            snprintf(text[i], sizeof(text[i]), "%s", names[i]);
        else
            snprintf(text[i], sizeof(text[i]), "%s/%s", scratch->path, names[i]);
        paths[i] = text[i];
    }
    assert_int_equal(mkdir(paths[FOLDER], 0755), 0);
    scratch_write(scratch, "file", "");
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", paths[SOCKET]);
    CLEANUP(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void each_type_takes_its_own_and_nothing_else(void **state)
{
    static const struct {
        const char *type;
        bool takes[N_WHATS];
        const char *noun;
    } rows[] = {
        {"Directory", {[FOLDER] = true}, "directory"},
        {"DirectoryOrCreate", {[FOLDER] = true, [NOTHING] = true}, "directory"},
        {"File", {[FILE_] = true, [SOCKET] = true, [CHARACTER] = true}, "file"},
        {"Socket", {[SOCKET] = true}, "socket file"},
        {"CharDevice", {[CHARACTER] = true}, "character device"},
        {"BlockDevice", {0}, "block device"},
    };

    make_one_of_each(*state);
    for (size_t row = 0; row < N_ELEMENTS(rows); row++) {
        for (size_t i = 0; i < N_WHATS; i++) {
            if (rows[row].takes[i])
                passes(paths[i], rows[row].type);
            else
                is_refused(paths[i], rows[row].type, rows[row].noun);
        }
    }
    assert_int_not_equal(access(paths[NOTHING], F_OK), 0);
}

static void an_unknown_type_is_refused(void **state)
{
    (void)state;
    is_refused_in_words("/", "Dir", "volume \"v\": Dir is an invalid volume type");
}

static void links_are_followed(void **state)
{
    CLEANUP(freep) char *link = scratch_path(*state, "link");

    make_one_of_each(*state);
    assert_int_equal(symlink("folder", link), 0);
    passes(link, "Directory");
    is_refused(link, "File", "file");
}

static void a_missing_file_is_made(void **state)
{
    CLEANUP(config_unrefp) struct config *config = config_for_us("");
    CLEANUP(freep) char *path = scratch_path(*state, "made");
    CLEANUP(launch_freep) struct launch *launch = launch_of_type(config, path, "FileOrCreate");
    char note[256];
    struct stat st;

    mode_t mask = umask(077);
    assert_int_equal(enter(launch), 0);
    umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0644);
    snprintf(note, sizeof(note), "made the file %s (0644 %s) for volume \"v\"", path,
             config->hostpath.owner);
    assert_int_equal(launch->notes.n, 1);
    assert_string_equal(launch->notes.list[0].text, note);

    /* now it is there */
    passes(path, "FileOrCreate");
    is_refused(((const struct scratch *)*state)->path, "FileOrCreate", "file");
}

static void a_missing_folder_is_not_made_for_a_file(void **state)
{
    CLEANUP(freep) char *path = scratch_path(*state, "none/file");
    CLEANUP(freep) char *folder = scratch_path(*state, "none");
    char refusal[512];

    snprintf(refusal, sizeof(refusal), "volume \"v\": %s: %s: No such file or directory", path,
             folder);
    is_refused_in_words(path, "FileOrCreate", refusal);
    assert_int_not_equal(access(folder, F_OK), 0);
}

static void nothing_is_made_where_it_is_denied(void **state)
{
    char text[256];

    snprintf(text, sizeof(text), "Deny=%s\n", ((const struct scratch *)*state)->path);
    CLEANUP(config_unrefp) struct config *config = config_for_us(text);
    CLEANUP(freep) char *path = scratch_path(*state, "file");
    CLEANUP(launch_freep) struct launch *launch = launch_of_type(config, path, "FileOrCreate");
    assert_int_equal(enter(launch), LAUNCH_E_REFUSED);
    assert_non_null(strstr(error_message(&launch->error), "no file is ever made there (Deny=)"));
}

static void nothing_is_made_if_told_so(void **state)
{
    CLEANUP(config_unrefp) struct config *config = config_for_us("Create=no\n");
    CLEANUP(freep) char *path = scratch_path(*state, "file");
    CLEANUP(launch_freep) struct launch *launch = launch_of_type(config, path, "FileOrCreate");

    assert_int_equal(enter(launch), 0);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_refusal_takes_the_files_back(void **state)
{
    CLEANUP(config_unrefp) struct config *config = config_for_us("");
    CLEANUP(freep) char *path = scratch_path(*state, "file");
    CLEANUP(launch_freep)
    struct launch *launch = launch_with(config, host_path("v", path, "FileOrCreate"),
                                        host_path("w", "/dev/null", "Directory"));

    assert_int_equal(enter(launch), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&launch->error),
                        "volume \"w\": hostPath type check failed: /dev/null is not a directory");
    assert_int_not_equal(access(path, F_OK), 0);
}

/* Whoever answers in the kubelet's place must not have files made. */
static void what_the_manifest_has_not_is_not_made(void **state)
{
    CLEANUP(config_unrefp) struct config *config = config_for_us("");
    CLEANUP(freep) char *path = scratch_path(*state, "file");
    CLEANUP(launch_freep) struct launch *launch = launch_of_type(config, path, "FileOrCreate");

    manifest_set_volume_source(launch->manifest, 0, "/elsewhere");
    assert_int_equal(enter(launch), 0);
    assert_int_not_equal(access(path, F_OK), 0);
}

/* No type, not mounted, of an app that this pod does not have, no spec at all. What has a type is
 * not for the loop: how much there is to look through is the pod author's choice. */
static void what_nobody_asked_for_is_not_looked_at(void **state)
{
    CLEANUP(config_unrefp) struct config *config = config_for_us("");
    CLEANUP(launch_freep) struct launch *launch = launch_of_type(config, "/none", "");
    CLEANUP(launch_freep) struct launch *unmounted = launch_of_type(config, "/none", "Directory");
    CLEANUP(launch_freep) struct launch *foreign = launch_of_type(config, "/none", "Directory");
    CLEANUP(launch_freep) struct launch *unknown = make_launch(config, "1", NULL);

    (void)state;
    assert_int_equal(amend_hosttype(launch), 0);
    unmounted->spec->containers[0].mounts[0].volume[0] = 'w';
    assert_int_equal(enter(unmounted), 0);
    foreign->spec->containers[0].name[0] = 'z';
    assert_int_equal(enter(foreign), 0);
    assert_int_equal(amend_hosttype(unknown), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(each_type_takes_its_own_and_nothing_else),
        TEST(an_unknown_type_is_refused),
        TEST(links_are_followed),
        TEST(a_missing_file_is_made),
        TEST(a_missing_folder_is_not_made_for_a_file),
        TEST(nothing_is_made_where_it_is_denied),
        TEST(nothing_is_made_if_told_so),
        TEST(a_refusal_takes_the_files_back),
        TEST(what_the_manifest_has_not_is_not_made),
        TEST(what_nobody_asked_for_is_not_looked_at),
    };

    return cmocka_run_group_tests_name("amend-hosttype", tests, NULL, NULL);
}
