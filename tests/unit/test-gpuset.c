/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "lib/gpuset.h"

static void numbers_are_read(void **state)
{
    static const struct {
        const char *text;
        gpuset_t set;
    } cases[] = {
        {"0", 1}, {"0,1", 3}, {"3,0", 9}, {"1,1", 2}, {"63", UINT64_C(1) << 63}, {"007", 0x80},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        gpuset_t set = 42;
        assert_int_equal(gpuset_parse(&set, cases[i].text), 0);
        assert_true(set == cases[i].set);
    }
}

static void what_is_no_list_is_refused(void **state)
{
    static const char *const texts[] = {
        "",    ",",    "0,", ",0",  "0,,1", "64",    "-1",  "+1",
        "0 1", "0, 1", " 0", "0x1", "all",  "GPU-1", "0-3", "18446744073709551616",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
        gpuset_t set = 42;
        assert_int_equal(gpuset_parse(&set, texts[i]), GPUSET_E_INVALID);
        assert_true(set == 42);
    }
}

static void a_set_is_written_as_it_is_read(void **state)
{
    static const gpuset_t sets[] = {1, 5, UINT64_C(1) << 63, UINT64_MAX, 0x8000000000000001};
    char text[GPUSET_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(sets); i++) {
        gpuset_t set;
        assert_int_equal(gpuset_parse(&set, gpuset_format(text, sets[i])), 0);
        assert_true(set == sets[i]);
    }
    assert_string_equal(gpuset_format(text, 5), "0,2");
    assert_string_equal(gpuset_format(text, 0), "");
}

static void the_first_of_a_set_are_taken(void **state)
{
    (void)state;
    assert_int_equal(gpuset_count(0), 0);
    assert_int_equal(gpuset_count(UINT64_MAX), 64);
    assert_true(gpuset_first(0xf0, 2) == 0x30);
    assert_true(gpuset_first(0xf0, 0) == 0);
    assert_true(gpuset_first(0xf0, 64) == 0xf0);
    assert_true(gpuset_has(4, 2) && !gpuset_has(4, 1));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(a_set_is_written_as_it_is_read),
        cmocka_unit_test(the_first_of_a_set_are_taken),
    };

    return cmocka_run_group_tests_name("gpuset", tests, NULL, NULL);
}
