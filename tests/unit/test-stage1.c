/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "daemon/stage1.h"
#include "tests/unit/scratch.h"

/* A program in the place of rkt. Return: its path, borrowed. */
static const char *make_rkt(void **state, const char *script)
{
    const struct scratch *scratch = *state;
    static char path[128], text[512];

    snprintf(path, sizeof(path), "%s/rkt", scratch->path);
    snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
    scratch_write(scratch, "rkt", text);
    assert_int_equal(chmod(path, 0755), 0);
    return path;
}

static void rkt_is_asked_for_the_image(void **state)
{
    const char *rkt =
        make_rkt(state, "[ $# = 4 ] && [ \"$*\" = '--dir=/data image cat-manifest fly:1' ]");

    assert_int_equal(stage1_find(rkt, "/data", "fly:1"), 0);
    assert_int_equal(stage1_find(rkt, "/data", "fly:2"), STAGE1_E_NOT_FOUND);
    assert_int_equal(stage1_find(rkt, "/other", "fly:1"), STAGE1_E_NOT_FOUND);
}

static void one_that_cannot_be_asked_is_told(void **state)
{
    (void)state;
    assert_int_equal(stage1_find("/nonexistent/rkt", "/data", "fly:1"), -ENOENT);
}

static void one_that_hangs_is_killed(void **state)
{
    assert_int_equal(stage1_find(make_rkt(state, "exec sleep 600"), "/data", "fly:1"), -ETIMEDOUT);
    /* and nothing of it is left */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void it_inherits_nothing(void **state)
{
    setenv("SYSTEMD_NSPAWN_SHARE_NS_IPC", "1", 1);
    assert_int_equal(
        stage1_find(make_rkt(state,
                             "[ -z \"$SYSTEMD_NSPAWN_SHARE_NS_IPC\" ] && [ ! -t 0 ] && echo words "
                             "&& ! read line"),
                    "/data", "fly:1"),
        0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(rkt_is_asked_for_the_image),
        TEST(one_that_cannot_be_asked_is_told),
        TEST(one_that_hangs_is_killed),
        TEST(it_inherits_nothing),
    };

    return cmocka_run_group_tests_name("stage1", tests, NULL, NULL);
}
