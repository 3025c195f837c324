/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "daemon/amend/rooms.h"
#include "tests/unit/launches.h"
#include "tests/unit/scratch.h"

static const struct room *hostpath(void)
{
    const struct room *room = rooms;

    while (strcmp(room->name, "hostpath") != 0)
        room++;
    return room;
}

/* Whom the room makes folders for: the tests may be run by anybody. */
static struct config *config_for_us(const char *more)
{
    char text[256];

    snprintf(text, sizeof(text), "[HostPath]\nOwner=%u:%u\n%s", (unsigned)geteuid(),
             (unsigned)getegid(), more);
    return make_config(text);
}

/* Enters the room as the walk does: on the loop, and again on the thread pool if it has to wait. */
static int enter(struct launch *launch)
{
    launch->room = hostpath();
    launch->may_wait = false;
    int r = amend_hostpath(launch);
    if (r != LAUNCH_E_WAIT)
        return r;
    assert_int_equal(launch->notes.n, 0);
    launch->may_wait = true;
    return amend_hostpath(launch);
}

static void makes_what_is_missing_and_notes_it(void **state)
{
    CLEANUP(config_unrefp) struct config *config = config_for_us("Mode=0750\n");
    CLEANUP(freep) char *path = scratch_path(*state, "a/b");
    const char *const sources[] = {path, path, NULL};
    CLEANUP(launch_freep) struct launch *launch = make_launch(config, "1", sources);
    char note[512];
    struct stat st;

    assert_int_equal(enter(launch), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
    /* once, for the volume that came first */
    assert_int_equal(launch->notes.n, 1);
    snprintf(note, sizeof(note), "made %s (0750 %u:%u) for volume \"v0\"", path,
             (unsigned)geteuid(), (unsigned)getegid());
    assert_string_equal(launch->notes.list[0].text, note);
    assert_string_equal(launch->notes.list[0].room, "hostpath");
}

static void does_not_wait_for_what_the_kernel_knows(void **state)
{
    CLEANUP(config_unrefp) struct config *config = config_for_us("");
    struct scratch *scratch = *state;
    const char *const there[] = {scratch->path, NULL}, *const none[] = {"/none/at/all", NULL};
    CLEANUP(launch_freep) struct launch *easy = make_launch(config, "1", there);
    CLEANUP(launch_freep) struct launch *hard = make_launch(config, "1", none);
    CLEANUP(launch_freep) struct launch *empty = make_launch(config, "1", NULL);

    /* A kernel before 5.12 tells nothing without asking. */
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED};
    CLEANUP(fd_closep)
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, scratch->path, &how, sizeof(how));
    assert_int_equal(amend_hostpath(easy), fd >= 0 ? 0 : LAUNCH_E_WAIT);
    assert_int_equal(easy->notes.n, 0);
    assert_int_equal(amend_hostpath(empty), 0);
    assert_int_equal(amend_hostpath(hard), LAUNCH_E_WAIT);
}

static void refuses_all_or_makes_all(void **state)
{
    CLEANUP(config_unrefp) struct config *config = config_for_us("");
    CLEANUP(freep) char *good = scratch_path(*state, "good/x");
    const char *const sources[] = {good, "relative", NULL};
    CLEANUP(launch_freep) struct launch *launch = make_launch(config, NULL, sources);

    assert_int_equal(enter(launch), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&launch->error),
                        "volume \"v1\": relative: not an absolute path");
    assert_int_not_equal(access(good, F_OK), 0);
    CLEANUP(freep) char *parent = scratch_path(*state, "good");
    assert_int_not_equal(access(parent, F_OK), 0);
}

static void only_reports_if_told_so(void **state)
{
    CLEANUP(config_unrefp) struct config *config = config_for_us("Create=no\n");
    CLEANUP(freep) char *path = scratch_path(*state, "none");
    const char *const sources[] = {path, NULL};
    CLEANUP(launch_freep) struct launch *launch = make_launch(config, "1", sources);

    assert_int_equal(enter(launch), 0);
    assert_int_equal(launch->notes.n, 1);
    assert_non_null(strstr(launch->notes.list[0].text, "is missing, and not made (Create=no)"));
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(makes_what_is_missing_and_notes_it),
        TEST(does_not_wait_for_what_the_kernel_knows),
        TEST(refuses_all_or_makes_all),
        TEST(only_reports_if_told_so),
    };

    return cmocka_run_group_tests_name("amend-hostpath", tests, NULL, NULL);
}
