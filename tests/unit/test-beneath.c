/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "lib/beneath.h"
#include "tests/unit/scratch.h"

static const enum beneath_way ways[] = {BENEATH_AT_ONCE, BENEATH_BY_COMPONENT};

static void make_folder(const struct scratch *scratch, const char *name, mode_t mode)
{
    CLEANUP(freep) char *path = scratch_path(scratch, "%s", name);

    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void make_link(const struct scratch *scratch, const char *name, const char *target)
{
    CLEANUP(freep) char *path = scratch_path(scratch, "%s", name);

    assert_int_equal(symlink(target, path), 0);
}

static int open_root(const struct scratch *scratch)
{
    CLEANUP(freep) char *path = scratch_path(scratch, "root");
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

/* Whether openat2(2) is there, and knows that: a way that is not taken hides what it does wrong. */
static bool kernel_has(uint64_t resolve)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = resolve};
    CLEANUP(fd_closep) int fd = (int)syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how));

    return fd >= 0;
}

static enum beneath_way way_to_be_taken(enum beneath_way way)
{
    return kernel_has(RESOLVE_BENEATH) ? way : BENEATH_BY_COMPONENT;
}

/* The path is opened, either way, and is that file of the scratch folder. */
static void leads_to(const struct scratch *scratch, const char *path, const char *expected,
                     bool is_made)
{
    CLEANUP(fd_closep) int root_fd = open_root(scratch);
    struct stat opened, there;

    for (size_t i = 0; i < N_ELEMENTS(ways); i++) {
        CLEANUP(error_deinit) struct error error = ERROR_NULL;
        struct beneath found;
        if (beneath_open(root_fd, path, ways[i], &found, &error) != 0)
            fail_msg("%s: %s", path, error_message(&error));
        CLEANUP(fd_closep) int fd = found.fd;
        bool made = is_made && i == 0;
        assert_int_equal(found.made, made);
        assert_int_equal(found.way, made ? BENEATH_BY_COMPONENT : way_to_be_taken(ways[i]));
        assert_int_equal(fstat(fd, &opened), 0);
        assert_int_equal(fstatat(scratch->fd, expected, &there, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(opened.st_dev, there.st_dev);
        assert_int_equal(opened.st_ino, there.st_ino);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
}

static void is_refused(const struct scratch *scratch, const char *path, const char *message)
{
    CLEANUP(fd_closep) int root_fd = open_root(scratch);

    for (size_t i = 0; i < N_ELEMENTS(ways); i++) {
        CLEANUP(error_deinit) struct error error = ERROR_NULL;
        struct beneath found = {.fd = -1};
        assert_int_equal(beneath_open(root_fd, path, ways[i], &found, &error), BENEATH_E_REFUSED);
        assert_string_equal(error_message(&error), message);
        assert_int_equal(found.fd, -1);
    }
}

static void what_is_there_is_opened_whatever_it_is(void **state)
{
    const struct scratch *scratch = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    make_folder(scratch, "root", 0755);
    make_folder(scratch, "root/a", 0755);
    make_folder(scratch, "root/a/b", 0700);
    make_folder(scratch, "root/..c", 0755);
    scratch_write(scratch, "root/a/file", "");
    CLEANUP(freep) char *fifo = scratch_path(scratch, "root/fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    CLEANUP(freep) char *path = scratch_path(scratch, "root/socket");
    strcpy(address.sun_path, path);
    CLEANUP(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);

    leads_to(scratch, "a", "root/a", false);
    leads_to(scratch, "a/b", "root/a/b", false);
    leads_to(scratch, "./a//./b/", "root/a/b", false);
    leads_to(scratch, "..c", "root/..c", false);
    leads_to(scratch, "a/file", "root/a/file", false);
    leads_to(scratch, "fifo", "root/fifo", false);
    leads_to(scratch, "socket", "root/socket", false);
    leads_to(scratch, ".", "root", false);
    leads_to(scratch, "", "root", false);
}

static void what_leads_out_or_may_is_refused_in_words(void **state)
{
    const struct scratch *scratch = *state;
    char longest[4200], name[300];

    make_folder(scratch, "root", 0755);
    make_folder(scratch, "root/a", 0755);
    make_folder(scratch, "outside", 0755);
    scratch_write(scratch, "root/file", "");
    make_link(scratch, "root/a/out", "../../outside");
    make_link(scratch, "root/in", "a");
    make_link(scratch, "root/absolute", "/");
    make_link(scratch, "root/gone", "nothing");
    make_link(scratch, "root/magic", "/proc/self/root");

    is_refused(scratch, "/a", "an absolute path");
    is_refused(scratch, "..", "`..` in it");
    is_refused(scratch, "a/../a", "`..` in it");
    is_refused(scratch, "new/..", "`..` in it");
    is_refused(scratch, "a/out", "a/out: a symlink, and none is followed");
    is_refused(scratch, "a//out/new", "a/out: a symlink, and none is followed");
    is_refused(scratch, "in", "in: a symlink, and none is followed");
    is_refused(scratch, "in/out", "in: a symlink, and none is followed");
    is_refused(scratch, "absolute/etc", "absolute: a symlink, and none is followed");
    is_refused(scratch, "gone", "gone: a symlink, and none is followed");
    is_refused(scratch, "magic/etc", "magic: a symlink, and none is followed");
    is_refused(scratch, "file/x", "file: not a directory");

    memset(longest, 'a', sizeof(longest));
    longest[4096] = '\0';
    is_refused(scratch, longest, "longer than 4095 bytes");
    memset(name, 'a', sizeof(name));
    name[256] = '\0';
    CLEANUP(freep) char *message = NULL;
    assert_true(asprintf(&message, "%s: File name too long", name) > 0);
    is_refused(scratch, name, message);

    CLEANUP(freep) char *made = scratch_path(scratch, "root/new");
    assert_int_equal(access(made, F_OK), -1);
    CLEANUP(freep) char *outside = scratch_path(scratch, "outside");
    assert_int_equal(rmdir(outside), 0);
}

static void asks_for_time(int root_fd, const char *path)
{
    struct beneath found = {.fd = -1};

    assert_int_equal(beneath_open(root_fd, path, BENEATH_CACHED, &found, NULL), BENEATH_E_WAIT);
    assert_int_equal(found.fd, -1);
}

static void what_is_not_known_by_heart_asks_for_time(void **state)
{
    const struct scratch *scratch = *state;
    struct stat opened, there;
    struct beneath found;

    make_folder(scratch, "root", 0755);
    make_folder(scratch, "root/a", 0755);
    scratch_write(scratch, "root/a/file", "");
    make_link(scratch, "root/link", "a");
    CLEANUP(fd_closep) int root_fd = open_root(scratch);
    if (kernel_has(RESOLVE_CACHED)) {
        /* its file system is asked nothing: it is in memory, or was just written to */
        assert_int_equal(beneath_open(root_fd, "a/file", BENEATH_CACHED, &found, NULL), 0);
        CLEANUP(fd_closep) int fd = found.fd;
        assert_false(found.made);
        assert_int_equal(fstat(fd, &opened), 0);
        assert_int_equal(fstatat(root_fd, "a/file", &there, 0), 0);
        assert_int_equal(opened.st_ino, there.st_ino);
    } else {
        asks_for_time(root_fd, "a/file");
    }
    asks_for_time(root_fd, "link/file");
    asks_for_time(root_fd, "a/new");
    assert_int_equal(faccessat(root_fd, "a/new", F_OK, 0), -1);
    assert_int_equal(beneath_open(root_fd, "..", BENEATH_CACHED, &found, NULL), BENEATH_E_REFUSED);
}

static void has_mode(const struct scratch *scratch, const char *name, mode_t mode, gid_t gid)
{
    struct stat st;

    assert_int_equal(fstatat(scratch->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 07777, mode);
    assert_int_equal(st.st_uid, geteuid());
    assert_int_equal(st.st_gid, gid);
}

static void what_is_missing_is_made_like_the_root(void **state)
{
    const struct scratch *scratch = *state;
    mode_t before = umask(077);

    make_folder(scratch, "root", 0777);
    make_folder(scratch, "root/a", 0700);
    leads_to(scratch, "a/b/c", "root/a/b/c", true);
    has_mode(scratch, "root/a", 0700, getegid());
    has_mode(scratch, "root/a/b", 0777, getegid());
    has_mode(scratch, "root/a/b/c", 0777, getegid());
    umask(before);
}

/* mkdirat(2) as the code under test calls it: somebody may be quick, and put another folder in the
 * place of the one that was made. */
static int rivals_root_fd = -1;

int __real_mkdirat(int dir_fd, const char *name, mode_t mode);
int __wrap_mkdirat(int dir_fd, const char *name, mode_t mode);

int __wrap_mkdirat(int dir_fd, const char *name, mode_t mode)
{
    int r = __real_mkdirat(dir_fd, name, mode);

    if (r == 0 && rivals_root_fd >= 0)
        assert_int_equal(
            syscall(SYS_renameat2, dir_fd, name, rivals_root_fd, "rival", RENAME_EXCHANGE), 0);
    return r;
}

/* The folder root/rival stands where root/NAME was made; it keeps its mode. */
static void a_rival_takes_its_place(const struct scratch *scratch, const char *name)
{
    CLEANUP(fd_closep) int root_fd = open_root(scratch);
    struct beneath found;
    struct stat st;

    rivals_root_fd = root_fd;
    int r = beneath_open(root_fd, name, BENEATH_BY_COMPONENT, &found, NULL);
    rivals_root_fd = -1;
    assert_int_equal(r, 0);
    assert_int_equal(fstat(found.fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    fd_close(found.fd);
}

static void what_stands_there_instead_keeps_its_mode(void **state)
{
    const struct scratch *scratch = *state;

    make_folder(scratch, "root", 0777);
    make_folder(scratch, "root/rival", 0700);
    scratch_write(scratch, "root/rival/file", "");
    a_rival_takes_its_place(scratch, "a");
    /* Only root can make one that is somebody else's. */
    if (geteuid() == 0) {
        CLEANUP(freep) char *rival = scratch_path(scratch, "root/rival");
        assert_int_equal(chmod(rival, 0700), 0);
        assert_int_equal(chown(rival, 1234, (gid_t)-1), 0);
        a_rival_takes_its_place(scratch, "b");
    }
}

static void a_setgid_root_hands_its_group_down(void **state)
{
    const struct scratch *scratch = *state;
    /* Another group can be had by root only; the others have the bit to go by. */
    gid_t gid = geteuid() == 0 ? 1234 : getegid();

    make_folder(scratch, "root", 0755);
    CLEANUP(freep) char *root = scratch_path(scratch, "root");
    assert_int_equal(chown(root, (uid_t)-1, gid), 0);
    assert_int_equal(chmod(root, 02775), 0);
    leads_to(scratch, "a/b", "root/a/b", true);
    has_mode(scratch, "root/a", 02775, gid);
    has_mode(scratch, "root/a/b", 02775, gid);
}

/* A component that becomes a symlink to the outside and back, all the time, by a process of its own
 * as a container has: threads would take turns under valgrind, in step for ever. */

#define TRIES 10000

struct swapper {
    pid_t pid;
    atomic_ulong *n_swaps; /* shared with it */
};

static void swap_for_ever(int root_fd, atomic_ulong *n_swaps)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails ends without its children */
    for (;;) {
        if (syscall(SYS_renameat2, root_fd, "a", root_fd, "link", RENAME_EXCHANGE) == 0)
            (*n_swaps)++;
    }
}

static void begin_to_swap(struct swapper *swapper, int root_fd)
{
    swapper->n_swaps = mmap(NULL, sizeof(*swapper->n_swaps), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(swapper->n_swaps, MAP_FAILED);
    swapper->pid = fork();
    assert_true(swapper->pid >= 0);
    if (swapper->pid == 0)
        swap_for_ever(root_fd, swapper->n_swaps);
}

static void end_swapping(struct swapper *swapper, int root_fd)
{
    struct stat st;

    assert_int_equal(kill(swapper->pid, SIGKILL), 0);
    assert_int_equal(waitpid(swapper->pid, NULL, 0), swapper->pid);
    munmap(swapper->n_swaps, sizeof(*swapper->n_swaps));
    assert_int_equal(fstatat(root_fd, "a", &st, AT_SYMLINK_NOFOLLOW), 0);
    if (S_ISLNK(st.st_mode))
        syscall(SYS_renameat2, root_fd, "a", root_fd, "link", RENAME_EXCHANGE);
}

/* Opens `path`, made if it is missing. Return: it, or -1 if it is refused. */
static int open_racing(int root_fd, const char *path, enum beneath_way way)
{
    struct beneath found;

    return beneath_open(root_fd, path, way, &found, NULL) == 0 ? found.fd : -1;
}

static void a_swap_never_leads_out(const struct scratch *scratch, enum beneath_way way)
{
    struct swapper swapper;
    struct stat st, inside;
    unsigned n_inside = 0, n_refused = 0;

    CLEANUP(fd_closep) int root_fd = open_root(scratch);
    assert_int_equal(fstatat(scratch->fd, "root/a/b", &inside, 0), 0);
    begin_to_swap(&swapper, root_fd);
    /* Until all has been met: the process may be late. */
    for (unsigned i = 0; i < TRIES || n_inside == 0 || n_refused == 0 || *swapper.n_swaps == 0;
         i++) {
        char name[32];
        CLEANUP(fd_closep) int found = open_racing(root_fd, "a/b", way);
        n_inside += found >= 0;
        n_refused += found < 0;
        if (found >= 0) {
            assert_int_equal(fstat(found, &st), 0);
            assert_int_equal(st.st_ino, inside.st_ino);
            assert_int_equal(st.st_dev, inside.st_dev);
        }
        snprintf(name, sizeof(name), "a/b/%u", i % 64);
        fd_close(open_racing(root_fd, name, way));
    }
    end_swapping(&swapper, root_fd);
    /* and nothing was made there */
    CLEANUP(freep) char *outside = scratch_path(scratch, "outside/b");
    assert_int_equal(rmdir(outside), 0);
    assert_int_equal(mkdir(outside, 0755), 0);
}

static void a_race_never_leads_out(void **state)
{
    const struct scratch *scratch = *state;

    make_folder(scratch, "root", 0755);
    make_folder(scratch, "root/a", 0755);
    make_folder(scratch, "root/a/b", 0755);
    make_folder(scratch, "outside", 0755);
    make_folder(scratch, "outside/b", 0755);
    make_link(scratch, "root/link", "../outside");
    for (size_t i = 0; i < N_ELEMENTS(ways); i++)
        a_swap_never_leads_out(scratch, ways[i]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(what_is_there_is_opened_whatever_it_is),
        TEST(what_leads_out_or_may_is_refused_in_words),
        TEST(what_is_not_known_by_heart_asks_for_time),
        TEST(what_is_missing_is_made_like_the_root),
        TEST(what_stands_there_instead_keeps_its_mode),
        TEST(a_setgid_root_hands_its_group_down),
        TEST(a_race_never_leads_out),
    };

    return cmocka_run_group_tests_name("beneath", tests, NULL, NULL);
}
