/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>

#include "lib/unreachable.h"
#include "tests/unit/scratch.h"

static void each_one_counts(void **state)
{
    CLEANUP(freep) char *socket = scratch_path(*state, "io.gantry.Node");
    CLEANUP(freep) char *path = scratch_path(*state, "unreachable");
    struct stat st;

    assert_int_equal(unreachable_read(socket), 0);
    for (unsigned n = 1; n <= 3; n++) {
        unreachable_add(socket);
        assert_int_equal(unreachable_read(socket), n);
    }
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
}

static void without_its_folder_nothing_is_counted(void **state)
{
    CLEANUP(freep) char *socket = scratch_path(*state, "gone/io.gantry.Node");

    unreachable_add(socket);
    assert_int_equal(unreachable_read(socket), 0);
}

/* A pod cannot get there, but somebody who configures another Socket= may. */
static void what_is_no_file_is_left_alone(void **state)
{
    CLEANUP(freep) char *socket = scratch_path(*state, "io.gantry.Node");
    CLEANUP(freep) char *path = scratch_path(*state, "unreachable");
    CLEANUP(freep) char *other = scratch_path(*state, "other");
    struct stat st;

    scratch_write(*state, "other", "other's");
    assert_int_equal(symlink(other, path), 0);
    unreachable_add(socket);
    assert_int_equal(unreachable_read(socket), 0);
    assert_int_equal(stat(other, &st), 0);
    assert_int_equal(st.st_size, strlen("other's"));

    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    unreachable_add(socket); /* it does not wait for a reader */
    assert_int_equal(unreachable_read(socket), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_one_counts, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(without_its_folder_nothing_is_counted, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_file_is_left_alone, scratch_setup,
                                        scratch_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
