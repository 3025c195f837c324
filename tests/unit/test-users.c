/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>

#include "lib/users.h"

static void names_have_numbers(void **state)
{
    uid_t uid = 1;
    gid_t gid = 1;

    (void)state;
    assert_int_equal(user_find("root", &uid), 0);
    assert_int_equal(uid, 0);
    assert_int_equal(group_find("root", &gid), 0);
    assert_int_equal(gid, 0);
}

static void a_name_that_nobody_has_is_not_found(void **state)
{
    uid_t uid = 1;
    gid_t gid = 1;

    (void)state;
    assert_int_equal(user_find("no such user", &uid), -ENOENT);
    assert_int_equal(group_find("no such group", &gid), -ENOENT);
    assert_int_equal(uid, 1);
    assert_int_equal(gid, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_numbers),
        cmocka_unit_test(a_name_that_nobody_has_is_not_found),
    };

    return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}
