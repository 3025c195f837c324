/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "lib/exposition.h"

/* What the writers between begin() and is_text() have written. */
static char *bytes;
static size_t size;

static FILE *begin(void)
{
    FILE *text = open_memstream(&bytes, &size);

    assert_non_null(text);
    return text;
}

static void is_text(FILE *text, const char *expected)
{
    fclose(text);
    assert_string_equal(bytes, expected);
    free(bytes);
}

static void a_metric_has_its_help_and_type(void **state)
{
    FILE *text = begin();

    (void)state;
    exposition_metric(text, "pods", "gauge", "Pods \"here\"; \\ and a\nnewline.");
    is_text(text, "# HELP pods Pods \"here\"; \\\\ and a\\nnewline.\n# TYPE pods gauge\n");
}

static void a_count_is_a_whole_number(void **state)
{
    FILE *text = begin();

    (void)state;
    exposition_count(text, "pods", NULL, NULL, 0);
    exposition_count(text, "pods", NULL, NULL, UINT64_MAX);
    exposition_count(text, "pods", "state", "held", 3);
    is_text(text, "pods 0\npods 18446744073709551615\npods{state=\"held\"} 3\n");
}

static void the_value_of_a_label_is_escaped(void **state)
{
    FILE *text = begin();

    (void)state;
    exposition_count(text, "pods", "name", "a\"b\\c\nd{}", 1);
    exposition_count(text, "pods", "name", "", 1);
    is_text(text, "pods{name=\"a\\\"b\\\\c\\nd{}\"} 1\npods{name=\"\"} 1\n");
}

static void microseconds_are_written_as_seconds(void **state)
{
    static const struct {
        uint64_t usec;
        const char *text;
    } cases[] = {
        {0, "t 0\n"},         {1, "t 0.000001\n"},
        {250, "t 0.00025\n"}, {100000, "t 0.1\n"},
        {1000000, "t 1\n"},   {10000000, "t 10\n"},
        {1500000, "t 1.5\n"}, {UINT64_MAX, "t 18446744073709.551615\n"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        FILE *text = begin();
        exposition_seconds(text, "t", cases[i].usec);
        is_text(text, cases[i].text);
    }
}

static void a_histogram_is_cumulative(void **state)
{
    struct histogram histogram = {0};
    FILE *text = begin();

    (void)state;
    histogram_add(&histogram, 200);
    histogram_add(&histogram, 300);
    histogram_add(&histogram, 400);
    histogram_add(&histogram, 20 * USEC_SEC);
    exposition_histogram(text, "t", &histogram);
    fclose(text);
    assert_non_null(strstr(bytes, "t_bucket{le=\"0.00025\"} 1\nt_bucket{le=\"0.0005\"} 3\n"
                                  "t_bucket{le=\"0.001\"} 3\n"));
    assert_non_null(strstr(bytes, "t_bucket{le=\"10\"} 3\nt_bucket{le=\"+Inf\"} 4\n"
                                  "t_sum 20.0009\nt_count 4\n"));
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_metric_has_its_help_and_type),
        cmocka_unit_test(a_count_is_a_whole_number),
        cmocka_unit_test(the_value_of_a_label_is_escaped),
        cmocka_unit_test(microseconds_are_written_as_seconds),
        cmocka_unit_test(a_histogram_is_cumulative),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
