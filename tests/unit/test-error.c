/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>

#include "lib/error.h"

static void is_wrapped_on_the_way_up(void **state)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;

    (void)state;
    assert_int_equal(error_set(&error, 1, "%s: not a directory", "/srv/cache"), 1);
    assert_int_equal(error_wrap(&error, 2, "volume \"%s\"", "cache"), 2);
    assert_int_equal(error_wrap(&error, -EIO, "launch of pod %s", "default/web"), -EIO);
    assert_string_equal(error_message(&error),
                        "launch of pod default/web: volume \"cache\": /srv/cache: not a directory");
}

static void the_last_one_set_stands(void **state)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;

    (void)state;
    error_set(&error, 1, "first");
    error_set(&error, 1, "second");
    assert_string_equal(error_message(&error), "second");
}

static void words_of_a_pods_have_an_end(void **state)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    static char name[1 << 20];

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    error_set(&error, 1, "volume \"%s\": not a directory", name);
    assert_int_equal(strlen(error_message(&error)), ERROR_MAX);
    error_wrap(&error, 1, "launch of pod default/web");
    assert_int_equal(strlen(error_message(&error)), ERROR_MAX);
    assert_memory_equal(error_message(&error), "launch of pod default/web: volume \"xx", 36);
    assert_non_null(strstr(error_message(&error), "xx\": not a directory"));
    error_set(&error, 1, "/srv/\xff: not a directory");
    assert_string_equal(error_message(&error), "/srv/?: not a directory");
}

static void nobody_may_want_it(void **state)
{
    struct error error = ERROR_NULL;

    (void)state;
    assert_int_equal(error_set(NULL, 7, "unheard"), 7);
    assert_int_equal(error_wrap(NULL, 8, "unheard"), 8);
    /* what was never set is not wrapped into something */
    assert_int_equal(error_wrap(&error, 9, "prefix"), 9);
    assert_string_equal(error_message(&error), "out of memory");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_wrapped_on_the_way_up),
        cmocka_unit_test(the_last_one_set_stands),
        cmocka_unit_test(words_of_a_pods_have_an_end),
        cmocka_unit_test(nobody_may_want_it),
    };

    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
