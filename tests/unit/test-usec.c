/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>

#include "lib/usec.h"

static void reads_what_systemd_writes(void **state)
{
    static const struct {
        const char *text;
        usec_t usec;
    } cases[] = {
        {"10s", 10 * USEC_SEC},
        {"5min", 5 * USEC_MINUTE},
        {"1h 30m", 90 * USEC_MINUTE},
        {"1h30min", 90 * USEC_MINUTE},
        {"250ms", 250 * USEC_MSEC},
        {"1.5s", 1500 * USEC_MSEC},
        {"0.000001s", 1},
        {"7", 7 * USEC_SEC},
        {"0", 0},
        {" 10 s ", 10 * USEC_SEC},
        {"2 weeks", 2 * USEC_WEEK},
        {"12us", 12},
        {"0.5 day", 12 * USEC_HOUR},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        usec_t usec = 1;
        assert_int_equal(usec_parse(cases[i].text, &usec), 0);
        assert_int_equal(usec, cases[i].usec);
    }
}

static void refuses_what_is_no_time(void **state)
{
    static const char *const cases[] = {"",    " ",   "s",     "ten",    "-1s",  "10x", "10s,",
                                        "1.s", ".5s", "1..5s", "1.5.5s", "1e3s", "+5"};
    usec_t usec;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++)
        assert_int_equal(usec_parse(cases[i], &usec), -EINVAL);
}

static void refuses_what_is_too_long(void **state)
{
    usec_t usec;

    (void)state;
    assert_int_equal(usec_parse("18446744073709551615us", &usec), 0);
    assert_int_equal(usec, USEC_MAX);
    assert_int_equal(usec_parse("18446744073709551616us", &usec), -ERANGE);
    assert_int_equal(usec_parse("18446744073709551615us 1us", &usec), -ERANGE);
    assert_int_equal(usec_parse("18446744073710s", &usec), -ERANGE);
    assert_int_equal(usec_parse("99999999999999999999999", &usec), -ERANGE);
}

static void writes_what_go_writes(void **state)
{
    static const struct {
        usec_t usec;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {1, "1\u00b5s"},
        {1500, "1.5ms"},
        {250 * USEC_MSEC, "250ms"},
        {10 * USEC_SEC, "10s"},
        {40 * USEC_SEC, "40s"},
        {80 * USEC_SEC, "1m20s"},
        {160 * USEC_SEC, "2m40s"},
        {300 * USEC_SEC, "5m0s"},
        {1500 * USEC_MSEC, "1.5s"},
        {USEC_HOUR, "1h0m0s"},
        {USEC_MINUTE + 1, "1m0.000001s"},
        {100 * USEC_HOUR + 61 * USEC_SEC, "100h1m1s"},
        {USEC_MAX, "5124095576h1m49.551615s"},
    };
    char buffer[USEC_GO_MAX];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++)
        assert_string_equal(usec_format_go(buffer, cases[i].usec), cases[i].text);
}

static void ends_instead_of_wrapping(void **state)
{
    (void)state;
    assert_int_equal(usec_add(1, 2), 3);
    assert_int_equal(usec_add(USEC_MAX, 1), USEC_MAX);
    assert_int_equal(usec_add(USEC_MAX - 1, 1), USEC_MAX);
    assert_int_equal(usec_sub(3, 2), 1);
    assert_int_equal(usec_sub(2, 3), 0);
}

static void takes_a_file_stamp_to_its_own_clock(void **state)
{
    wall_t now = {1000 * USEC_SEC};

    (void)state;
    assert_int_equal(usec_from_wall((wall_t){990 * USEC_SEC}, 50 * USEC_SEC, now), 40 * USEC_SEC);
    /* ahead by a tick, and from before the boot */
    assert_int_equal(usec_from_wall((wall_t){1001 * USEC_SEC}, 50 * USEC_SEC, now), 50 * USEC_SEC);
    assert_int_equal(usec_from_wall((wall_t){900 * USEC_SEC}, 50 * USEC_SEC, now), 0);
}

static void both_clocks_go(void **state)
{
    usec_t before = usec_now();

    (void)state;
    assert_true(before > 0);
    assert_true(usec_now() >= before);
    assert_true(wall_now().usec > UINT64_C(1479945600) * USEC_SEC);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_systemd_writes),
        cmocka_unit_test(refuses_what_is_no_time),
        cmocka_unit_test(refuses_what_is_too_long),
        cmocka_unit_test(writes_what_go_writes),
        cmocka_unit_test(ends_instead_of_wrapping),
        cmocka_unit_test(takes_a_file_stamp_to_its_own_clock),
        cmocka_unit_test(both_clocks_go),
    };

    return cmocka_run_group_tests_name("usec", tests, NULL, NULL);
}
