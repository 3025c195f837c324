/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "lib/backoff.h"

static const struct backoff_limits limits = {.initial = 10 * USEC_SEC, .max = 5 * USEC_MINUTE};

/* One restart of an instance that ran for `ran`: checks what it had to wait, and allows it as soon
 * as it may. Return: when it was allowed. */
static usec_t restart(struct backoff *backoff, usec_t started_at, usec_t ran, usec_t wait)
{
    usec_t finished_at = started_at + ran;
    usec_t due = backoff_due(backoff, &limits, finished_at);

    assert_int_equal(due, wait == 0 ? 0 : finished_at + wait);
    usec_t now = due > finished_at ? due : finished_at;
    backoff_allow(backoff, &limits, finished_at, now);
    return now;
}

static void doubles_from_ten_seconds_to_five_minutes(void **state)
{
    static const unsigned waits[] = {0, 10, 20, 40, 80, 160, 300, 300, 300};
    struct backoff backoff = {0};
    usec_t now = USEC_SEC;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(waits); i++)
        now = restart(&backoff, now, 3 * USEC_SEC, waits[i] * USEC_SEC);
}

static void a_launch_that_came_late_doubles_once(void **state)
{
    struct backoff backoff = {0};

    (void)state;
    backoff_allow(&backoff, &limits, 0, 1);
    assert_int_equal(backoff.delay, 10 * USEC_SEC);
    backoff_allow(&backoff, &limits, 5 * USEC_SEC, 500 * USEC_SEC);
    assert_int_equal(backoff.delay, 20 * USEC_SEC);
}

static void starts_anew_after_a_run_of_more_than_twice_the_cap(void **state)
{
    struct backoff backoff = {0};
    usec_t now = USEC_SEC;

    (void)state;
    now = restart(&backoff, now, USEC_SEC, 0);
    now = restart(&backoff, now, USEC_SEC, 10 * USEC_SEC);
    now = restart(&backoff, now, USEC_SEC, 20 * USEC_SEC);
    /* exactly twice the cap is not more than it */
    now = restart(&backoff, now, 10 * USEC_MINUTE, 40 * USEC_SEC);
    now = restart(&backoff, now, 10 * USEC_MINUTE + 1, 0);
    restart(&backoff, now, USEC_SEC, 10 * USEC_SEC);
}

static void zero_switches_it_off(void **state)
{
    static const struct backoff_limits off = {.initial = 0, .max = 5 * USEC_MINUTE};
    struct backoff backoff = {0};

    (void)state;
    for (usec_t now = 1; now < 10; now++) {
        assert_int_equal(backoff_due(&backoff, &off, now), 0);
        backoff_allow(&backoff, &off, now, now);
    }
}

static void a_lower_cap_counts_at_once(void **state)
{
    static const struct backoff_limits low = {.initial = USEC_SEC, .max = 15 * USEC_SEC};
    struct backoff backoff = {.delay = 160 * USEC_SEC, .allowed_at = 100 * USEC_SEC};

    (void)state;
    backoff_bound(&backoff, &low);
    assert_int_equal(backoff.delay, 15 * USEC_SEC);
    assert_int_equal(backoff_due(&backoff, &low, 101 * USEC_SEC), 116 * USEC_SEC);
    backoff_allow(&backoff, &low, 101 * USEC_SEC, 116 * USEC_SEC);
    assert_int_equal(backoff.delay, 15 * USEC_SEC);
}

static void the_end_of_time_does_not_wrap(void **state)
{
    static const struct backoff_limits huge = {.initial = USEC_MAX, .max = USEC_MAX};
    struct backoff backoff = {0};

    (void)state;
    backoff_allow(&backoff, &huge, 5, 6);
    backoff_allow(&backoff, &huge, 7, 8);
    assert_int_equal(backoff_due(&backoff, &huge, 9), USEC_MAX);
    assert_int_equal(backoff_lifetime(&huge), USEC_MAX);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_from_ten_seconds_to_five_minutes),
        cmocka_unit_test(a_launch_that_came_late_doubles_once),
        cmocka_unit_test(starts_anew_after_a_run_of_more_than_twice_the_cap),
        cmocka_unit_test(zero_switches_it_off),
        cmocka_unit_test(a_lower_cap_counts_at_once),
        cmocka_unit_test(the_end_of_time_does_not_wrap),
    };

    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
