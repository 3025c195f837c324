/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "daemon/amend/rooms.h"
#include "daemon/binds.h"
#include "tests/unit/launches.h"
#include "tests/unit/mountns.h"
#include "tests/unit/scratch.h"

/* A launch whose volumes v0, v1, ... are these folders of the scratch, ended by NULL. */
static struct launch *launch_of(const struct scratch *scratch, struct config *config,
                                const char *const *names)
{
    char *sources[8] = {0};

    for (size_t i = 0; names[i]; i++)
        sources[i] = scratch_path(scratch, "%s", names[i]);
    struct launch *launch = make_launch(config, "1", (const char *const *)sources);
    for (size_t i = 0; names[i]; i++)
        free(sources[i]);
    launch->pid = getpid();
    launch->run_dir = scratch->path;
    return launch;
}

/* Enters the room as the walk does: on the loop, and again on the thread pool if it has to wait. */
static int enter(struct launch *launch)
{
    for (launch->room = rooms; strcmp(launch->room->name, "subpath") != 0; launch->room++)
        ;
    launch->may_wait = false;
    int r = launch->room->enter(launch);
    if (r != LAUNCH_E_WAIT)
        return r;
    assert_int_equal(launch->notes.n, 0);
    launch->may_wait = true;
    return launch->room->enter(launch);
}

static void make_folder(const struct scratch *scratch, const char *name)
{
    CLEANUP(freep) char *path = scratch_path(scratch, "%s", name);

    assert_int_equal(mkdir(path, 0755), 0);
}

static void is_mount_of(const struct scratch *scratch, const char *path, const char *expected)
{
    struct stat mounted, there;

    assert_int_equal(strncmp(path, scratch->path, strlen(scratch->path)), 0);
    assert_int_equal(stat(path, &mounted), 0);
    assert_int_equal(fstatat(scratch->fd, expected, &there, 0), 0);
    assert_int_equal(mounted.st_dev, there.st_dev);
    assert_int_equal(mounted.st_ino, there.st_ino);
}

static void without_a_subpath_there_is_nothing_to_do(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep)
    struct launch *launch = launch_of(*state, config, (const char *const[]){"v", NULL});

    assert_int_equal(amend_subpath(launch), 0);
    assert_int_equal(launch->notes.n, 0);
    assert_false(manifest_is_edited(launch->manifest));
    assert_null(launch->binds);
}

static void the_source_becomes_a_mount_of_the_subpath(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep)
    struct launch *launch = launch_of(scratch, config, (const char *const[]){"a", "b", "a", NULL});
    char note[256];

    make_folder(scratch, "a");
    make_folder(scratch, "b");
    scratch_write(scratch, "a/file", "");
    assert_int_equal(launch_add_subpath(launch, "v1", "new/er"), 0);
    assert_int_equal(launch_add_subpath(launch, "v2", "file"), 0);
    assert_int_equal(enter(launch), 0);

    CLEANUP(freep) char *a = scratch_path(scratch, "a");
    assert_string_equal(manifest_volume(launch->manifest, 0).source, a);
    is_mount_of(scratch, manifest_volume(launch->manifest, 1).source, "b/new/er");
    is_mount_of(scratch, manifest_volume(launch->manifest, 2).source, "a/file");
    assert_non_null(launch->binds);
    assert_string_equal(manifest_annotation(launch->manifest, BINDS_ANNOTATION), launch->binds);
    assert_int_equal(mountns_count(scratch->path), 2);
    assert_int_equal(launch->notes.n, 2);
    snprintf(note, sizeof(note), "volume \"v1\" is new/er, which was made, below %s/b",
             scratch->path);
    assert_string_equal(launch->notes.list[0].text, note);
    snprintf(note, sizeof(note), "volume \"v2\" is file below %s/a", scratch->path);
    assert_string_equal(launch->notes.list[1].text, note);

    launch->room->undo(launch);
    assert_int_equal(mountns_count(scratch->path), 0);
    launch->room->undo(launch);
}

static unsigned n_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void what_is_the_same_is_mounted_once(void **state)
{
    static const struct {
        const char *volume, *path;
    } subpaths[] = {{"v0", "x"}, {"v1", "x"}, {"v2", "x"}, {"v3", "y"}, {"v4", "y"}};
    const struct scratch *scratch = *state;
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep)
    struct launch *launch =
        launch_of(scratch, config, (const char *const[]){"a", "b", "a", "a", "a", NULL});
    const char *sources[N_ELEMENTS(subpaths)];
    unsigned n_before = n_descriptors();

    make_folder(scratch, "a");
    make_folder(scratch, "b");
    make_folder(scratch, "a/x");
    for (size_t i = 0; i < N_ELEMENTS(subpaths); i++)
        assert_int_equal(launch_add_subpath(launch, subpaths[i].volume, subpaths[i].path), 0);
    assert_int_equal(enter(launch), 0);
    for (size_t i = 0; i < N_ELEMENTS(subpaths); i++)
        sources[i] = manifest_volume(launch->manifest, i).source;
    is_mount_of(scratch, sources[0], "a/x");
    is_mount_of(scratch, sources[1], "b/x");
    assert_string_equal(sources[2], sources[0]);
    is_mount_of(scratch, sources[3], "a/y");
    assert_string_equal(sources[4], sources[3]);
    assert_int_equal(mountns_count(scratch->path), 3);
    assert_int_equal(n_descriptors(), n_before);
    assert_int_equal(launch->notes.n, 5);
    undo_subpath(launch);
    assert_int_equal(mountns_count(scratch->path), 0);
}

static bool kernel_has_cached(void)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED};
    CLEANUP(fd_closep) int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));

    return fd >= 0;
}

static void what_the_kernel_knows_is_mounted_on_the_loop(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP(config_unrefp) struct config *config = make_config("");
    unsigned n_before = n_descriptors();
    struct launch *launch = launch_of(scratch, config, (const char *const[]){"a", "b", NULL});

    make_folder(scratch, "a");
    make_folder(scratch, "a/there");
    make_folder(scratch, "b");
    assert_int_equal(launch_add_subpath(launch, "v0", "there"), 0);
    if (kernel_has_cached()) {
        assert_int_equal(amend_subpath(launch), 0);
        is_mount_of(scratch, manifest_volume(launch->manifest, 0).source, "a/there");
        undo_subpath(launch);
        assert_int_equal(n_descriptors(), n_before);
    } else {
        assert_int_equal(amend_subpath(launch), LAUNCH_E_WAIT);
    }
    launch_free(launch);
}

static void what_has_to_be_made_is_not_begun_on_the_loop(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP(config_unrefp) struct config *config = make_config("");
    unsigned n_before = n_descriptors();
    struct launch *launch = launch_of(scratch, config, (const char *const[]){"a", "b", NULL});

    make_folder(scratch, "a");
    make_folder(scratch, "b");
    assert_int_equal(launch_add_subpath(launch, "v0", "."), 0);
    assert_int_equal(launch_add_subpath(launch, "v1", "new"), 0);
    assert_int_equal(amend_subpath(launch), LAUNCH_E_WAIT);
    assert_null(launch->binds);
    assert_int_equal(mountns_count(scratch->path), 0);
    assert_int_equal(faccessat(scratch->fd, "b/new", F_OK, 0), -1);
    launch->may_wait = true;
    assert_int_equal(amend_subpath(launch), 0);
    is_mount_of(scratch, manifest_volume(launch->manifest, 0).source, "a");
    is_mount_of(scratch, manifest_volume(launch->manifest, 1).source, "b/new");
    undo_subpath(launch);
    launch_free(launch);
    assert_int_equal(n_descriptors(), n_before);
}

static void what_is_open_goes_with_the_launch(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP(config_unrefp) struct config *config = make_config("");
    unsigned n_before = n_descriptors();
    struct launch *launch = launch_of(scratch, config, (const char *const[]){"a", NULL});

    make_folder(scratch, "a");
    assert_int_equal(launch_add_subpath(launch, "v0", "."), 0);
    assert_int_equal(launch_add_subpath(launch, "v0", "new"), 0);
    assert_int_equal(amend_subpath(launch), LAUNCH_E_WAIT);
    assert_int_equal(n_descriptors(), n_before + kernel_has_cached());
    launch_free(launch);
    assert_int_equal(n_descriptors(), n_before);
}

static void many_are_not_mounted_on_the_loop(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep)
    struct launch *launch = launch_of(scratch, config, (const char *const[]){"a", NULL});

    make_folder(scratch, "a");
    for (size_t i = 0; i < 17; i++)
        assert_int_equal(launch_add_subpath(launch, "v0", "."), 0);
    assert_int_equal(amend_subpath(launch), LAUNCH_E_WAIT);
    assert_null(launch->binds);
}

/* The one sub path of volume v1 is refused, and the one of v0, which is good, is unmounted. */
static void is_refused(const struct scratch *scratch, const char *path, const char *reason)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep)
    struct launch *launch = launch_of(scratch, config, (const char *const[]){"a", "b", NULL});
    char message[256];

    assert_int_equal(launch_add_subpath(launch, "v0", "."), 0);
    assert_int_equal(launch_add_subpath(launch, "v1", path), 0);
    assert_int_equal(enter(launch), LAUNCH_E_REFUSED);
    snprintf(message, sizeof(message), "volume \"v1\": subPath %s: %s", path, reason);
    assert_string_equal(error_message(&launch->error), message);
    assert_int_equal(mountns_count(scratch->path), 0);
    assert_null(launch->binds);
}

static void what_leads_out_is_refused_and_all_is_taken_back(void **state)
{
    const struct scratch *scratch = *state;

    make_folder(scratch, "a");
    make_folder(scratch, "b");
    assert_int_equal(symlinkat("/etc", scratch->fd, "b/link"), 0);
    is_refused(scratch, "link", "link: a symlink, and none is followed");
    is_refused(scratch, "link/x", "link: a symlink, and none is followed");
    is_refused(scratch, "/etc", "an absolute path");
    is_refused(scratch, "x/../..", "`..` in it");
    CLEANUP(freep) char *folder = scratch_path(scratch, "subpaths");
    assert_int_equal(rmdir(folder), 0);
}

static void a_device_is_had_only_of_the_hosts_dev(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep)
    struct launch *strange = launch_of(scratch, config, (const char *const[]){"a", NULL});
    CLEANUP(launch_freep)
    struct launch *own = make_launch(config, "1", (const char *const[]){"/dev", NULL});
    unsigned n_before = n_descriptors();
    struct stat null, mounted;

    make_folder(scratch, "a");
    assert_int_equal(stat("/dev/null", &null), 0);
    assert_int_equal(mknodat(scratch->fd, "a/null", S_IFCHR | 0666, null.st_rdev), 0);
    assert_int_equal(launch_add_subpath(strange, "v0", "null"), 0);
    assert_int_equal(enter(strange), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&strange->error),
                        "volume \"v0\": subPath null: a device, and none of /dev");
    assert_int_equal(mountns_count(scratch->path), 0);

    own->pid = getpid();
    own->run_dir = scratch->path;
    assert_int_equal(launch_add_subpath(own, "v0", "null"), 0);
    assert_int_equal(enter(own), 0);
    assert_int_equal(stat(manifest_volume(own->manifest, 0).source, &mounted), 0);
    assert_int_equal(mounted.st_rdev, null.st_rdev);
    undo_subpath(own);
    own = launch_free(own);
    strange = launch_free(strange);
    assert_int_equal(n_descriptors(), n_before);
}

static void a_volume_that_is_not_there_is_refused(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep)
    struct launch *gone = launch_of(scratch, config, (const char *const[]){"a", NULL});
    CLEANUP(launch_freep)
    struct launch *unnamed = launch_of(scratch, config, (const char *const[]){"a", NULL});
    char message[256];

    assert_int_equal(launch_add_subpath(gone, "v0", "x"), 0);
    assert_int_equal(enter(gone), LAUNCH_E_REFUSED);
    snprintf(message, sizeof(message), "volume \"v0\": %s/a: No such file or directory",
             scratch->path);
    assert_string_equal(error_message(&gone->error), message);

    assert_int_equal(launch_add_subpath(unnamed, "another", "x"), 0);
    assert_int_equal(enter(unnamed), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&unnamed->error),
                        "volume \"another\": subPath x: the volume is none of the host's");
}

static void it_never_goes_on_with_the_path_as_a_string(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep)
    struct launch *launch = launch_of(scratch, config, (const char *const[]){"a", NULL});

    make_folder(scratch, "a");
    launch->run_dir = "/proc/nothing";
    assert_int_equal(launch_add_subpath(launch, "v0", "x"), 0);
    assert_int_equal(enter(launch), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&launch->error),
                        "subPaths cannot be mounted: No such file or directory");
}

/* A component that a thread swaps for a symlink to the outside and back, all the time. */

#define TRIES 10000

struct swapper {
    int root_fd;
    atomic_bool is_over;
};

static void *swap(void *data)
{
    struct swapper *swapper = data;

    while (!swapper->is_over)
        syscall(SYS_renameat2, swapper->root_fd, "a", swapper->root_fd, "link", RENAME_EXCHANGE);
    return NULL;
}

/* Return: whether the launch was let through; what it mounted is not from outside. */
static bool try_race(const struct scratch *scratch, struct config *config)
{
    CLEANUP(launch_freep)
    struct launch *launch = launch_of(scratch, config, (const char *const[]){"root", NULL});

    assert_int_equal(launch_add_subpath(launch, "v0", "a/b"), 0);
    int r = enter(launch);
    if (r != 0) {
        assert_int_equal(r, LAUNCH_E_REFUSED);
        assert_string_equal(error_message(&launch->error),
                            "volume \"v0\": subPath a/b: a: a symlink, and none is followed");
        return false;
    }
    is_mount_of(scratch, manifest_volume(launch->manifest, 0).source, "inside");
    launch->room->undo(launch);
    return true;
}

static void a_race_never_mounts_the_outside(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP(config_unrefp) struct config *config = make_config("");
    struct swapper swapper = {0};
    unsigned n_mounted = 0, n_refused = 0;
    pthread_t thread;

    make_folder(scratch, "root");
    make_folder(scratch, "root/a");
    make_folder(scratch, "root/a/b");
    make_folder(scratch, "outside");
    make_folder(scratch, "outside/b");
    assert_int_equal(symlinkat("../outside", scratch->fd, "root/link"), 0);
    /* what is inside by another name, which nobody swaps */
    make_folder(scratch, "inside");
    CLEANUP(freep) char *name = scratch_path(scratch, "root/a/b");
    CLEANUP(freep) char *inside = scratch_path(scratch, "inside");
    assert_int_equal(mount(name, inside, NULL, MS_BIND, NULL), 0);

    CLEANUP(fd_closep) int root_fd = openat(scratch->fd, "root", O_PATH | O_CLOEXEC);
    swapper.root_fd = root_fd;
    assert_int_equal(pthread_create(&thread, NULL, swap, &swapper), 0);
    /* Until both has been met: the thread may be late. */
    while (n_mounted + n_refused < TRIES || n_mounted == 0 || n_refused == 0) {
        if (try_race(scratch, config))
            n_mounted++;
        else
            n_refused++;
    }
    swapper.is_over = true;
    pthread_join(thread, NULL);
    print_message("# %u mounted, %u refused\n", n_mounted, n_refused);
    assert_int_equal(umount(inside), 0);
    assert_int_equal(mountns_count(scratch->path), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(without_a_subpath_there_is_nothing_to_do),
        TEST(the_source_becomes_a_mount_of_the_subpath),
        TEST(what_is_the_same_is_mounted_once),
        TEST(what_the_kernel_knows_is_mounted_on_the_loop),
        TEST(what_has_to_be_made_is_not_begun_on_the_loop),
        TEST(what_is_open_goes_with_the_launch),
        TEST(many_are_not_mounted_on_the_loop),
        TEST(what_leads_out_is_refused_and_all_is_taken_back),
        TEST(a_device_is_had_only_of_the_hosts_dev),
        TEST(a_volume_that_is_not_there_is_refused),
        TEST(it_never_goes_on_with_the_path_as_a_string),
        TEST(a_race_never_mounts_the_outside),
    };

    mountns_enter();
    return cmocka_run_group_tests_name("amend-subpath", tests, NULL, NULL);
}
