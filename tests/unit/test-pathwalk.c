/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "lib/pathwalk.h"
#include "tests/unit/scratch.h"

/* The scratch folder is the walk's root, and the one who runs the test is whom it trusts. */
static struct pathwalk_rules rules_for(const struct scratch *scratch)
{
    return (struct pathwalk_rules){
        .root_fd = scratch->fd,
        .root_uid = geteuid(),
        .mode = 0755,
        .uid = geteuid(),
        .gid = getegid(),
    };
}

static int make_in(const struct scratch *scratch, const char *path, struct error *error)
{
    struct pathwalk_rules rules = rules_for(scratch);
    struct pathwalk_made made = PATHWALK_MADE_NULL;

    int r = pathwalk_make(&rules, path, &made, error);
    if (r == 0)
        pathwalk_made_deinit(&made);
    else
        pathwalk_undo(&made);
    return r;
}

static void makes(const struct scratch *scratch, const char *path)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;

    if (make_in(scratch, path, &error) != 0)
        fail_msg("%s: %s", path, error_message(&error));
}

static void refuses(const struct scratch *scratch, const char *path, const char *reason)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;

    assert_int_equal(make_in(scratch, path, &error), PATHWALK_E_REFUSED);
    assert_string_equal(error_message(&error), reason);
}

static bool exists(const struct scratch *scratch, const char *name)
{
    struct stat st;

    return fstatat(scratch->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void mkdir_in(const struct scratch *scratch, const char *name, mode_t mode)
{
    assert_int_equal(mkdirat(scratch->fd, name, 0700), 0);
    CLEANUP(freep) char *path = scratch_path(scratch, "%s", name);
    assert_int_equal(chmod(path, mode), 0);
}

static void link_in(const struct scratch *scratch, const char *target, const char *name)
{
    assert_int_equal(symlinkat(target, scratch->fd, name), 0);
}

static void makes_the_missing_folders_only(void **state)
{
    struct scratch *scratch = *state;
    struct stat st;

    mkdir_in(scratch, "srv", 0711);
    makes(scratch, "/srv/cache/not//there/");
    assert_int_equal(fstatat(scratch->fd, "srv", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0711);
    assert_int_equal(fstatat(scratch->fd, "srv/cache", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_int_equal(fstatat(scratch->fd, "srv/cache/not/there", &st, 0), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0755);
    /* and again, when nothing is missing */
    makes(scratch, "/srv/cache/not/there");
    makes(scratch, "/");
    makes(scratch, "/./srv/./new");
    assert_true(exists(scratch, "srv/new"));
}

static void gives_the_mode_and_owner_it_was_told(void **state)
{
    struct scratch *scratch = *state;
    struct pathwalk_rules rules = rules_for(scratch);
    struct pathwalk_made made = PATHWALK_MADE_NULL;
    struct stat st;

    /* whatever the umask, and a set-group-id folder above */
    mkdir_in(scratch, "team", 02755);
    mode_t umask_before = umask(077);
    rules.mode = 01777;
    if (geteuid() == 0) {
        rules.uid = 1234;
        rules.gid = 4321;
    }
    assert_int_equal(pathwalk_make(&rules, "/team/a/b", &made, NULL), 0);
    umask(umask_before);
    pathwalk_made_deinit(&made);
    assert_int_equal(fstatat(scratch->fd, "team/a/b", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 01777);
    assert_int_equal(st.st_uid, rules.uid);
    assert_int_equal(st.st_gid, rules.gid);
}

static void leaves_alone_what_is_there(void **state)
{
    struct scratch *scratch = *state;

    scratch_write(scratch, "file", "");
    assert_int_equal(mknodat(scratch->fd, "fifo", S_IFIFO | 0600, 0), 0);
    makes(scratch, "/file");
    makes(scratch, "/fifo");
    refuses(scratch, "/file/below", "/file: not a directory");
    refuses(scratch, "/file/", "/file: not a directory");
    refuses(scratch, "/fifo/a/b", "/fifo: not a directory");
}

static void refuses_a_path_that_means_something_else(void **state)
{
    struct scratch *scratch = *state;
    char longest[PATH_MAX + 2], name[NAME_MAX + 3];

    refuses(scratch, "srv", "not an absolute path");
    refuses(scratch, "", "not an absolute path");
    refuses(scratch, "/..", "`..` leads above the root folder");
    mkdir_in(scratch, "srv", 0755);
    refuses(scratch, "/srv/../../etc/x", "`..` leads above the root folder");
    refuses(scratch, "/srv/missing/../x", "`..` out of a folder that does not exist");
    assert_false(exists(scratch, "srv/missing"));
    /* one that stays inside is what the kernel takes it for */
    makes(scratch, "/srv/../srv/here");
    assert_true(exists(scratch, "srv/here"));

    memset(longest, 'a', sizeof(longest));
    longest[0] = '/';
    longest[PATH_MAX] = '\0';
    refuses(scratch, longest, "longer than 4095 bytes");
    memset(name, 'a', sizeof(name));
    name[0] = '/';
    name[NAME_MAX + 2] = '\0';
    refuses(scratch, name, "File name too long");
    name[NAME_MAX + 1] = '\0';
    makes(scratch, name);
}

static void makes_a_path_as_long_as_can_be(void **state)
{
    struct scratch *scratch = *state;
    char path[PATH_MAX];

    for (size_t i = 0; i + 1 < sizeof(path); i++)
        path[i] = i % 2 ? 'd' : '/';
    path[sizeof(path) - 1] = '\0';
    makes(scratch, path);
}

static void follows_links_that_only_root_controls(void **state)
{
    struct scratch *scratch = *state;

    mkdir_in(scratch, "data", 0755);
    mkdir_in(scratch, "data/deep", 0755);
    link_in(scratch, "/data", "absolute");
    link_in(scratch, "data/deep///", "relative");
    link_in(scratch, "../data/./deep", "data/up");
    link_in(scratch, "absolute/up", "chain");
    makes(scratch, "/absolute/a");
    makes(scratch, "/relative/b");
    makes(scratch, "/data/up/c");
    makes(scratch, "/chain/d/e");
    /* `..` behind a link is the folder above its target */
    makes(scratch, "/relative/../f");
    assert_true(exists(scratch, "data/a"));
    assert_true(exists(scratch, "data/deep/b"));
    assert_true(exists(scratch, "data/deep/c"));
    assert_true(exists(scratch, "data/deep/d/e"));
    assert_true(exists(scratch, "data/f"));
}

static void refuses_links_that_lead_nowhere(void **state)
{
    struct scratch *scratch = *state;

    mkdir_in(scratch, "data", 0755);
    link_in(scratch, "/data/gone", "dangling");
    link_in(scratch, "gone/far", "data/dangling");
    link_in(scratch, "loop2", "loop1");
    link_in(scratch, "loop1", "loop2");
    link_in(scratch, "../..", "data/above");
    refuses(scratch, "/dangling", "a symlink on the way points to nothing");
    refuses(scratch, "/dangling/x", "a symlink on the way points to nothing");
    refuses(scratch, "/data/dangling/x", "a symlink on the way points to nothing");
    refuses(scratch, "/loop1/x", "too many symlinks, or a loop of them");
    refuses(scratch, "/data/above/x", "`..` leads above the root folder");
    assert_false(exists(scratch, "data/gone"));
    assert_false(exists(scratch, "x"));
}

static const char untrusted[] = "a symlink on the way that not only root controls";

static void refuses_links_that_others_may_have_made(void **state)
{
    struct scratch *scratch = *state;

    mkdir_in(scratch, "data", 0755);
    mkdir_in(scratch, "others", 0757);
    link_in(scratch, "/data", "others/link");
    mkdir_in(scratch, "group", 0775);
    link_in(scratch, "/data", "group/link");
    mkdir_in(scratch, "sticky", 01777);
    link_in(scratch, "/data", "sticky/link");
    refuses(scratch, "/others/link/x", untrusted);
    refuses(scratch, "/group/link/x", untrusted);
    refuses(scratch, "/sticky/link/x", untrusted);
    /* a folder of root's own inside one for everybody: it may have been put there, link and all */
    mkdir_in(scratch, "others/pod", 0755);
    link_in(scratch, "/data", "others/pod/link");
    refuses(scratch, "/others/pod/link/x", untrusted);
    assert_false(exists(scratch, "data/x"));
    /* but in a sticky one nobody else can have moved it */
    mkdir_in(scratch, "sticky/root", 0755);
    link_in(scratch, "/data", "sticky/root/link");
    makes(scratch, "/sticky/root/link/x");
    assert_true(exists(scratch, "data/x"));
    /* and without a link on the way, a folder for everybody is as good as any */
    makes(scratch, "/others/a/b");
    assert_true(exists(scratch, "others/a/b"));
}

static void refuses_links_of_other_owners(void **state)
{
    struct scratch *scratch = *state;
    struct pathwalk_rules rules = rules_for(scratch);
    struct pathwalk_made made = PATHWALK_MADE_NULL;
    CLEANUP(error_deinit) struct error error = ERROR_NULL;

    /* The one to trust is somebody else now, so everything here is a stranger's. */
    rules.root_uid = geteuid() + 1;
    mkdir_in(scratch, "data", 0755);
    link_in(scratch, "data", "link");
    assert_int_equal(pathwalk_make(&rules, "/link/x", &made, &error), PATHWALK_E_REFUSED);
    assert_string_equal(error_message(&error), untrusted);
    assert_int_equal(made.n_folders, 0);
}

static void never_makes_anything_in_denied_places(void **state)
{
    static const char reason[] = "no folder is ever made there (Deny=)";
    static const char *const deny[] = {"/proc", "/run/gantry/", "/later", NULL};
    struct scratch *scratch = *state;
    struct pathwalk_rules rules = rules_for(scratch);
    static const char *const cases[] = {
        "/proc/x",    "/proc/sub/x", "/run/gantry", "/run/gantry/x",
        "/by-link/x", "/later",      "/later/x",
    };

    rules.deny = deny;
    mkdir_in(scratch, "proc", 0755);
    mkdir_in(scratch, "proc/sub", 0755);
    mkdir_in(scratch, "run", 0755);
    link_in(scratch, "proc/sub", "by-link");
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct pathwalk_made made = PATHWALK_MADE_NULL;
        CLEANUP(error_deinit) struct error error = ERROR_NULL;
        assert_int_equal(pathwalk_make(&rules, cases[i], &made, &error), PATHWALK_E_REFUSED);
        assert_string_equal(error_message(&error), reason);
        assert_int_equal(made.n_folders, 0);
    }

    /* what is there is nobody's business, and a name that only begins the same is another one */
    struct pathwalk_made made = PATHWALK_MADE_NULL;
    assert_int_equal(pathwalk_make(&rules, "/proc/sub", &made, NULL), 0);
    assert_int_equal(pathwalk_make(&rules, "/process/x", &made, NULL), 0);
    assert_int_equal(pathwalk_make(&rules, "/run/gantry2", &made, NULL), 0);
    pathwalk_made_deinit(&made);
}

static void knows_a_denied_folder_by_another_name(void **state)
{
    static const char *const deny[] = {"/secret", NULL};
    struct scratch *scratch = *state;
    struct pathwalk_rules rules = rules_for(scratch);
    struct pathwalk_made made = PATHWALK_MADE_NULL;
    CLEANUP(freep) char *secret = scratch_path(scratch, "secret");
    CLEANUP(freep) char *other = scratch_path(scratch, "other");

    if (geteuid() != 0)
        fail_msg("bind mounts need root");
    rules.deny = deny;
    mkdir_in(scratch, "secret", 0755);
    mkdir_in(scratch, "other", 0755);
    assert_int_equal(mount(secret, other, "none", MS_BIND, NULL), 0);
    int r = pathwalk_make(&rules, "/other/x", &made, NULL);
    assert_int_equal(umount2(other, MNT_DETACH), 0);
    assert_int_equal(r, PATHWALK_E_REFUSED);
}

static void knows_a_denied_folder_that_is_missing_by_another_name(void **state)
{
    static const char *const deny[] = {"/link/secret/inner", NULL};
    struct scratch *scratch = *state;
    struct pathwalk_rules rules = rules_for(scratch);
    struct pathwalk_made made = PATHWALK_MADE_NULL;

    rules.deny = deny;
    mkdir_in(scratch, "real", 0755);
    CLEANUP(freep) char *link = scratch_path(scratch, "link");
    assert_int_equal(symlink("real", link), 0);
    assert_int_equal(pathwalk_make(&rules, "/real/secret/inner", &made, NULL), PATHWALK_E_REFUSED);
    assert_int_equal(pathwalk_make(&rules, "/link/secret/inner/x", &made, NULL),
                     PATHWALK_E_REFUSED);
    pathwalk_undo(&made);
    assert_int_equal(pathwalk_make(&rules, "/link/secret/innermost", &made, NULL), 0);
    pathwalk_made_deinit(&made);
}

static void takes_back_what_it_made(void **state)
{
    struct scratch *scratch = *state;
    struct pathwalk_rules rules = rules_for(scratch);
    struct pathwalk_made made = PATHWALK_MADE_NULL;

    mkdir_in(scratch, "srv", 0755);
    assert_int_equal(pathwalk_make(&rules, "/srv/a/b/c", &made, NULL), 0);
    assert_int_equal(pathwalk_make(&rules, "/srv/a/d", &made, NULL), 0);
    assert_int_equal(made.n_folders, 4);
    pathwalk_undo(&made);
    assert_true(exists(scratch, "srv"));
    assert_false(exists(scratch, "srv/a"));
}

static void leaves_what_others_use_or_replaced(void **state)
{
    struct scratch *scratch = *state;
    struct pathwalk_rules rules = rules_for(scratch);
    struct pathwalk_made made = PATHWALK_MADE_NULL;

    assert_int_equal(pathwalk_make(&rules, "/a/b", &made, NULL), 0);
    scratch_write(scratch, "a/used", "");
    assert_int_equal(pathwalk_make(&rules, "/c", &made, NULL), 0);
    /* moved away, not removed: a new folder could be given the old one's inode number */
    assert_int_equal(renameat(scratch->fd, "c", scratch->fd, "moved"), 0);
    mkdir_in(scratch, "c", 0755);
    pathwalk_undo(&made);
    assert_false(exists(scratch, "a/b"));
    assert_true(exists(scratch, "a/used"));
    assert_true(exists(scratch, "c"));
}

static void a_full_file_system_leaves_nothing_half_made(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP(freep) char *full = scratch_path(scratch, "full");

    if (geteuid() != 0)
        fail_msg("a file system of its own needs root");
    mkdir_in(scratch, "full", 0755);
    /* the root and three more */
    assert_int_equal(mount("tmpfs", full, "tmpfs", 0, "nr_inodes=4,mode=0755"), 0);
    refuses(scratch, "/full/a/b/c/d", "No space left on device");
    bool left = exists(scratch, "full/a");
    assert_int_equal(mount(NULL, full, "none", MS_REMOUNT | MS_RDONLY, NULL), 0);
    refuses(scratch, "/full/x", "Read-only file system");
    assert_int_equal(umount2(full, MNT_DETACH), 0);
    assert_false(left);
}

#define RACERS 8
#define ROUNDS 200

static void *race(void *data)
{
    struct scratch *scratch = data;
    char path[64];

    for (int i = 0; i < ROUNDS; i++) {
        snprintf(path, sizeof(path), "/race/%d/a/b/c", i);
        if (make_in(scratch, path, NULL) != 0)
            return data;
    }
    return NULL;
}

static void two_that_make_the_same_both_succeed(void **state)
{
    pthread_t threads[RACERS];

    for (size_t i = 0; i < RACERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, *state), 0);
    for (size_t i = 0; i < RACERS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

static int make_file_in(const struct scratch *scratch, const char *path, struct pathwalk_made *made,
                        struct error *error)
{
    struct pathwalk_rules rules = rules_for(scratch);
    static const char *const deny[] = {"/denied", NULL};

    rules.mode = 0640;
    rules.deny = deny;
    return pathwalk_make_file(&rules, path, made, error);
}

static void makes_a_file_where_there_is_a_folder(void **state)
{
    struct scratch *scratch = *state;
    struct pathwalk_made made = PATHWALK_MADE_NULL;
    struct stat st;

    mkdir_in(scratch, "srv", 0755);
    mode_t mask = umask(077);
    assert_int_equal(make_file_in(scratch, "/srv//file", &made, NULL), 0);
    umask(mask);
    assert_int_equal(fstatat(scratch->fd, "srv/file", &st, 0), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0640);
    /* what is there is left alone */
    assert_int_equal(make_file_in(scratch, "/srv/file", &made, NULL), 0);
    assert_int_equal(make_file_in(scratch, "/srv", &made, NULL), 0);
    assert_int_equal(made.n_folders, 1);
    pathwalk_made_deinit(&made);
}

static void refuses_files_by_the_same_rules(void **state)
{
    static const struct {
        const char *path, *reason;
    } rows[] = {
        {"/none/file", "/none: No such file or directory"},
        {"/file/", "/file: No such file or directory"},
        {"/denied/file", "no file is ever made there (Deny=)"},
        {"/others/link/file", "a symlink on the way that not only root controls"},
        {"/dangling", "a symlink on the way points to nothing"},
        {"file", "not an absolute path"},
    };
    struct scratch *scratch = *state;
    struct pathwalk_made made = PATHWALK_MADE_NULL;

    mkdir_in(scratch, "denied", 0755);
    mkdir_in(scratch, "others", 0757);
    link_in(scratch, "/", "others/link");
    link_in(scratch, "/nothing", "dangling");
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CLEANUP(error_deinit) struct error error = ERROR_NULL;
        assert_int_equal(make_file_in(scratch, rows[i].path, &made, &error), PATHWALK_E_REFUSED);
        assert_string_equal(error_message(&error), rows[i].reason);
    }
    assert_int_equal(made.n_folders, 0);
    assert_false(exists(scratch, "none"));
    assert_false(exists(scratch, "nothing"));
}

static void takes_back_files_that_nobody_wrote_to(void **state)
{
    struct scratch *scratch = *state;
    struct pathwalk_made made = PATHWALK_MADE_NULL;

    assert_int_equal(make_file_in(scratch, "/empty", &made, NULL), 0);
    assert_int_equal(make_file_in(scratch, "/used", &made, NULL), 0);
    assert_int_equal(make_file_in(scratch, "/replaced", &made, NULL), 0);
    scratch_write(scratch, "used", "text");
    scratch_write(scratch, "other", "");
    assert_int_equal(renameat(scratch->fd, "other", scratch->fd, "replaced"), 0);
    pathwalk_undo(&made);
    assert_false(exists(scratch, "empty"));
    assert_true(exists(scratch, "used"));
    assert_true(exists(scratch, "replaced"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(makes_the_missing_folders_only),
        TEST(gives_the_mode_and_owner_it_was_told),
        TEST(leaves_alone_what_is_there),
        TEST(refuses_a_path_that_means_something_else),
        TEST(makes_a_path_as_long_as_can_be),
        TEST(follows_links_that_only_root_controls),
        TEST(refuses_links_that_lead_nowhere),
        TEST(refuses_links_that_others_may_have_made),
        TEST(refuses_links_of_other_owners),
        TEST(never_makes_anything_in_denied_places),
        TEST(knows_a_denied_folder_by_another_name),
        TEST(knows_a_denied_folder_that_is_missing_by_another_name),
        TEST(takes_back_what_it_made),
        TEST(leaves_what_others_use_or_replaced),
        TEST(a_full_file_system_leaves_nothing_half_made),
        TEST(two_that_make_the_same_both_succeed),
        TEST(makes_a_file_where_there_is_a_folder),
        TEST(refuses_files_by_the_same_rules),
        TEST(takes_back_files_that_nobody_wrote_to),
    };

    return cmocka_run_group_tests_name("pathwalk", tests, NULL, NULL);
}
