/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "lib/histogram.h"

static void the_classes_ascend(void **state)
{
    (void)state;
    for (size_t i = 1; i < HISTOGRAM_BOUNDS; i++)
        assert_true(histogram_bounds[i] > histogram_bounds[i - 1]);
}

/* Each time goes into one class, its bound included. */
static void a_time_goes_into_the_class_that_ends_with_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        struct histogram histogram = {0};
        histogram_add(&histogram, histogram_bounds[i]);
        assert_int_equal(histogram.n_class[i], 1);
        histogram_add(&histogram, histogram_bounds[i] + 1);
        assert_int_equal(histogram.n_class[i], 1);
        assert_int_equal(histogram.n_class[i + 1], 1);
        assert_int_equal(histogram.sum, 2 * histogram_bounds[i] + 1);
    }
}

static void the_ends_have_a_place(void **state)
{
    struct histogram histogram = {0};

    (void)state;
    histogram_add(&histogram, 0);
    assert_int_equal(histogram.n_class[0], 1);
    histogram_add(&histogram, USEC_MAX);
    histogram_add(&histogram, USEC_MAX);
    assert_int_equal(histogram.n_class[HISTOGRAM_BOUNDS], 2);
    assert_true(histogram.sum == USEC_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_classes_ascend),
        cmocka_unit_test(a_time_goes_into_the_class_that_ends_with_it),
        cmocka_unit_test(the_ends_have_a_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
