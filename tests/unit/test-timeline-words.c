/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <time.h>

#include "client/timeline/words.h"
#include "lib/usec.h"

static void set_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

/* Seconds since 1970 of a local time. */
static uint64_t local(int month, int day, int hour, int minute)
{
    struct tm tm = {.tm_year = 2017 - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_isdst = -1};

    return (uint64_t)mktime(&tm);
}

/* The labels of up to `n_max` ticks, with a blank before each. */
static const char *labels(uint64_t begin, uint64_t end, size_t n_max)
{
    static char text[TIMELINE_TICKS_MAX * 16];
    struct timeline timeline = {.begin = begin * USEC_SEC, .end = end * USEC_SEC};
    struct timeline_tick ticks[TIMELINE_TICKS_MAX];

    size_t n = timeline_ticks(ticks, &timeline, n_max);
    assert_true(n <= n_max);
    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        assert_true(ticks[i].at >= timeline.begin && ticks[i].at <= timeline.end);
        assert_true(i == 0 || ticks[i].at > ticks[i - 1].at);
        strcat(strcat(text, " "), ticks[i].label);
    }
    return text;
}

static void ticks_are_at_round_times(void **state)
{
    uint64_t noon = local(7, 14, 12, 0);

    (void)state;
    assert_string_equal(labels(noon + 3, noon + 18, 3), " 12:00:10");
    assert_string_equal(labels(noon + 3, noon + 18, 4), " 12:00:05 12:00:10 12:00:15");
    assert_string_equal(labels(noon, noon + 3600, 5), " 12:00 12:15 12:30 12:45 13:00");
    assert_string_equal(labels(noon, noon + 86400, 5), " 12:00 18:00 07-15 06:00 12:00");
    assert_string_equal(labels(noon, noon + 30 * 86400, 5), " 07-15 07-22 07-29 08-05 08-12");
}

/* However long it is, there is one, if three may be. */
static void there_is_a_tick(void **state)
{
    uint64_t begin = local(7, 14, 12, 34) + 56;

    (void)state;
    for (uint64_t length = 2; length < 400 * UINT64_C(86400); length += length / 50 + 1)
        assert_string_not_equal(labels(begin, begin + length, 3), "");
}

/* In the night to 2017-10-29 the hour from 2 to 3 comes twice, on 2017-03-26 not at all. */
static void days_begin_at_midnight_when_summer_time_ends(void **state)
{
    (void)state;
    set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    assert_string_equal(labels(local(10, 27, 12, 0), local(10, 31, 12, 0), 5),
                        " 10-28 10-29 10-30 10-31");
    assert_string_equal(labels(local(3, 24, 12, 0), local(3, 28, 12, 0), 5),
                        " 03-25 03-26 03-27 03-28");
    assert_string_equal(labels(local(10, 28, 23, 30), local(10, 29, 5, 30), 8),
                        " 10-29 01:00 02:00 03:00 04:00 05:00");
    assert_string_equal(labels(local(3, 25, 23, 30), local(3, 26, 5, 30), 8),
                        " 03-26 01:00 03:00 04:00 05:00");
    set_zone("UTC");
}

static void lengths_have_two_units(void **state)
{
    static const struct {
        uint64_t usec;
        const char *words;
    } cases[] = {
        {1, "running for 0s"},
        {999 * USEC_MSEC + 999, "running for 999ms"},
        {59 * USEC_SEC + 1, "running for 59s"},
        {160 * USEC_SEC, "running for 2m40s"},
        {USEC_HOUR + 59 * USEC_SEC, "running for 1h0m"},
        {USEC_DAY - 1, "running for 23h59m"},
        {21 * USEC_DAY + 3 * USEC_HOUR + USEC_MINUTE, "running for 21d3h"},
    };
    char words[TIMELINE_WORDS_MAX];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct timeline_span span = {.kind = TIMELINE_RUNNING, .begin = 7};
        span.end = span.begin + cases[i].usec;
        assert_string_equal(timeline_span_words(words, &span), cases[i].words);
    }
}

static void what_has_just_begun_does_not_last(void **state)
{
    struct timeline_span span = {.kind = TIMELINE_HELD, .goes_on = true};
    struct timeline_row row = {.spans = &span, .n_spans = 1};
    char words[TIMELINE_WORDS_MAX];

    (void)state;
    assert_string_equal(timeline_row_note(words, &row), "held back");
    assert_string_equal(timeline_span_words(words, &span), "held back, and goes on");
    span.end = 3 * USEC_SEC;
    assert_string_equal(timeline_row_note(words, &row), "held back for 3s");
    span = (struct timeline_span){.kind = TIMELINE_RUNNING, .end_unknown = true};
    assert_string_equal(timeline_span_words(words, &span), "running: its end is not known");
    span.end = 3 * USEC_SEC;
    assert_string_equal(timeline_span_words(words, &span),
                        "running for at least 3s: its end is not known");
}

static void a_run_is_told_by_its_end(void **state)
{
    static char container[] = "front";
    const struct timeline_event exit = {
        .message = MESSAGE_EXIT, .container = container, .status = 1};
    const struct timeline_event no_start = {.message = MESSAGE_NO_START, .n_times = 4};
    struct timeline_mark mark = {.event = &exit};
    struct timeline_span span = {.kind = TIMELINE_RUNNING, .end = 32 * USEC_SEC};
    struct timeline_row row = {
        .number = 1, .spans = &span, .n_spans = 1, .marks = &mark, .n_marks = 1};
    char words[TIMELINE_WORDS_MAX];

    (void)state;
    assert_string_equal(timeline_row_note(words, &row), "ran 32s, exit 1 (front)");
    span.begin_unknown = true;
    assert_string_equal(timeline_row_note(words, &row), "ran at least 32s, exit 1 (front)");
    row.n_marks = 0;
    assert_string_equal(timeline_row_note(words, &row), "end not known");
    span.kind = TIMELINE_STARTING;
    assert_string_equal(timeline_row_note(words, &row), "never ran");
    mark.event = &no_start;
    row.n_marks = 1;
    assert_string_equal(timeline_row_note(words, &row), "never ran, cannot be started 4 times");
}

static int set_utc(void **state)
{
    (void)state;
    set_zone("UTC");
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_are_at_round_times),
        cmocka_unit_test(there_is_a_tick),
        cmocka_unit_test(days_begin_at_midnight_when_summer_time_ends),
        cmocka_unit_test(lengths_have_two_units),
        cmocka_unit_test(what_has_just_begun_does_not_last),
        cmocka_unit_test(a_run_is_told_by_its_end),
    };

    return cmocka_run_group_tests_name("timeline-words", tests, set_utc, NULL);
}
