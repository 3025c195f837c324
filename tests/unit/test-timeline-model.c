/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "client/timeline/model.h"
#include "lib/usec.h"

#define BEGIN (UINT64_C(1500000000) * USEC_SEC)

static char uuid_a[] = "aaaa", uuid_b[] = "bbbb";

/* An event `at` seconds after the begin, in boot "one", and by its clock. */
static struct timeline_event event(enum message message, unsigned at, char *uuid)
{
    return (struct timeline_event){.message = message,
                                   .at = BEGIN + at * USEC_SEC,
                                   .monotonic = at * USEC_SEC,
                                   .boot = "one",
                                   .uuid = uuid,
                                   .status = STATUS_NONE,
                                   .n_times = 1};
}

static struct timeline make(struct timeline_event *list, size_t n)
{
    struct timeline_events events = {list, n};
    struct timeline timeline = TIMELINE_NULL;

    timeline_place(&events);
    assert_int_equal(timeline_make(&timeline, &events), 0);
    return timeline;
}

static struct timeline_event now(unsigned at)
{
    return event(TIMELINE_NOW, at, NULL);
}

/* The event of another boot, whose clock says `at`. */
static struct timeline_event over_boot(struct timeline_event event, const char *boot, unsigned up)
{
    strcpy(event.boot, boot);
    event.monotonic = up * USEC_SEC;
    return event;
}

static struct timeline_event clock_ahead(struct timeline_event event, int64_t seconds)
{
    event.at += (uint64_t)(seconds * (int64_t)USEC_SEC);
    return event;
}

static void assert_span(const struct timeline_row *row, size_t i, enum timeline_kind kind,
                        unsigned begin, unsigned end)
{
    assert_true(i < row->n_spans);
    assert_int_equal(row->spans[i].kind, kind);
    assert_int_equal(row->spans[i].begin, BEGIN + begin * USEC_SEC);
    assert_int_equal(row->spans[i].end, BEGIN + end * USEC_SEC);
}

static void a_run_starts_runs_and_ends(void **state)
{
    struct timeline_event list[] = {event(MESSAGE_LAUNCH, 0, NULL), event(MESSAGE_START, 2, uuid_a),
                                    event(MESSAGE_EXIT, 10, uuid_a), now(20)};
    struct timeline timeline = make(list, N_ELEMENTS(list));

    (void)state;
    assert_int_equal(timeline.n_rows, 2);
    assert_string_equal(timeline.rows[1].uuid, "aaaa");
    assert_int_equal(timeline.rows[1].n_spans, 2);
    assert_span(&timeline.rows[1], 0, TIMELINE_STARTING, 0, 2);
    assert_span(&timeline.rows[1], 1, TIMELINE_RUNNING, 2, 10);
    assert_false(timeline.rows[1].spans[1].goes_on);
    assert_int_equal(timeline.rows[1].n_marks, 1);
    assert_int_equal(timeline.end, BEGIN + 20 * USEC_SEC);
    timeline_deinit(&timeline);
}

static void what_has_not_ended_goes_on(void **state)
{
    struct timeline_event list[] = {event(MESSAGE_START, 2, uuid_a), now(20)};
    struct timeline timeline = make(list, N_ELEMENTS(list));

    (void)state;
    assert_span(&timeline.rows[1], 0, TIMELINE_RUNNING, 2, 20);
    assert_true(timeline.rows[1].spans[0].goes_on);
    timeline_deinit(&timeline);
}

static void a_launch_that_no_run_follows_never_ran(void **state)
{
    struct timeline_event list[] = {event(MESSAGE_LAUNCH, 0, NULL), event(MESSAGE_LAUNCH, 5, NULL),
                                    event(MESSAGE_START, 6, uuid_b), now(20)};
    struct timeline timeline = make(list, N_ELEMENTS(list));

    (void)state;
    assert_int_equal(timeline.n_rows, 3);
    assert_null(timeline.rows[1].uuid);
    assert_span(&timeline.rows[1], 0, TIMELINE_STARTING, 0, 5);
    assert_true(timeline.rows[1].spans[0].end_unknown);
    assert_string_equal(timeline.rows[2].uuid, "bbbb");
    timeline_deinit(&timeline);
}

static void an_end_alone_says_when_it_began(void **state)
{
    struct timeline_event list[] = {event(MESSAGE_REFUSAL, 1, NULL),
                                    event(MESSAGE_EXIT, 10, uuid_a),
                                    event(MESSAGE_EXIT, 12, uuid_b)};
    list[1].ran_usec = 4 * USEC_SEC;
    struct timeline timeline = make(list, N_ELEMENTS(list));

    (void)state;
    assert_span(&timeline.rows[1], 0, TIMELINE_RUNNING, 6, 10);
    assert_false(timeline.rows[1].spans[0].begin_unknown);
    assert_span(&timeline.rows[2], 0, TIMELINE_RUNNING, 1, 12);
    assert_true(timeline.rows[2].spans[0].begin_unknown);
    timeline_deinit(&timeline);
}

static void a_back_off_ends_in_each_way(void **state)
{
    static const struct {
        enum message message;
        unsigned end;
        bool goes_on;
    } cases[] = {
        {MESSAGE_RELEASE, 15, false}, {MESSAGE_RESET, 15, false},  {MESSAGE_LAUNCH, 15, false},
        {MESSAGE_STOP, 15, false},    {MESSAGE_REMOVE, 15, false}, {MESSAGE_FORGET, 15, false},
        {MESSAGE_BACKOFF, 18, true},  {TIMELINE_NOW, 18, true},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct timeline_event list[] = {event(MESSAGE_EXIT, 10, uuid_a),
                                        event(cases[i].message, 15, NULL), now(18)};
        list[0].backoff_usec = 10 * USEC_SEC;
        struct timeline timeline = make(list, N_ELEMENTS(list));
        assert_int_equal(timeline.rows[0].n_spans, 1);
        assert_span(&timeline.rows[0], 0, TIMELINE_HELD, 10, cases[i].end);
        assert_int_equal(timeline.rows[0].spans[0].goes_on, cases[i].goes_on);
        timeline_deinit(&timeline);
    }
}

static void a_back_off_is_over_when_it_is_due(void **state)
{
    struct timeline_event list[] = {event(MESSAGE_EXIT, 10, uuid_a), now(90)};
    list[0].backoff_usec = 10 * USEC_SEC;
    struct timeline timeline = make(list, N_ELEMENTS(list));

    (void)state;
    assert_span(&timeline.rows[0], 0, TIMELINE_HELD, 10, 20);
    assert_false(timeline.rows[0].spans[0].goes_on);
    timeline_deinit(&timeline);
}

/* Pods of gantry's own: one fails after its prepare, one before, and then it is stopped. */
static void what_cannot_be_started_never_ran(void **state)
{
    struct timeline_event list[] = {event(MESSAGE_LAUNCH, 0, NULL),
                                    event(MESSAGE_NO_START, 5, NULL),
                                    event(MESSAGE_NO_START, 9, NULL), now(20)};
    struct timeline timeline = make(list, N_ELEMENTS(list));

    (void)state;
    assert_int_equal(timeline.n_rows, 2);
    assert_span(&timeline.rows[1], 0, TIMELINE_STARTING, 0, 5);
    assert_false(timeline.rows[1].spans[0].goes_on);
    assert_int_equal(timeline.rows[1].n_marks, 1);
    assert_int_equal(timeline.rows[0].n_marks, 1);
    assert_int_equal(timeline.rows[0].marks[0].at, BEGIN + 9 * USEC_SEC);
    timeline_deinit(&timeline);
}

static void repeated_entries_are_one_mark(void **state)
{
    struct timeline_event list[] = {event(MESSAGE_REFUSAL, 1, NULL),
                                    event(MESSAGE_REFUSAL, 2, NULL),
                                    event(MESSAGE_REFUSAL, 9, NULL)};
    list[1].n_times = 8;
    struct timeline timeline = make(list, N_ELEMENTS(list));

    (void)state;
    assert_int_equal(timeline.rows[0].n_marks, 2);
    assert_int_equal(timeline.rows[0].marks[0].event->n_times, 8);
    assert_int_equal(timeline.rows[0].marks[0].at, BEGIN + USEC_SEC);
    timeline_deinit(&timeline);
}

static void a_boot_ends_what_ran(void **state)
{
    struct timeline_event list[] = {
        event(MESSAGE_START, 5, uuid_a), event(MESSAGE_REFUSAL, 7, NULL),
        over_boot(event(MESSAGE_START, 50, uuid_b), "two", 1), over_boot(now(60), "three", 1)};
    struct timeline timeline = make(list, N_ELEMENTS(list));

    (void)state;
    assert_span(&timeline.rows[1], 0, TIMELINE_RUNNING, 5, 7);
    assert_true(timeline.rows[1].spans[0].end_unknown);
    assert_span(&timeline.rows[1], 1, TIMELINE_UNKNOWN, 7, 50);
    assert_span(&timeline.rows[2], 1, TIMELINE_UNKNOWN, 50, 60);
    timeline_deinit(&timeline);
}

/* Whichever way, between two entries or after the last: what is newest has the right time. */
static void a_clock_that_was_set_moves_nothing(void **state)
{
    static const int64_t steps[] = {3600, -3600, 7200, 3};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(steps); i++) {
        struct timeline_event list[] = {clock_ahead(event(MESSAGE_START, 5, uuid_a), steps[i]),
                                        clock_ahead(event(MESSAGE_REFUSAL, 10, NULL), steps[i]),
                                        now(20)};
        struct timeline timeline = make(list, N_ELEMENTS(list));
        assert_span(&timeline.rows[1], 0, TIMELINE_RUNNING, 5, 20);
        assert_int_equal(timeline.end, BEGIN + 20 * USEC_SEC);
        assert_int_equal(timeline.rows[0].n_marks, 2);
        assert_true(timeline.rows[0].marks[1].is_jump);
        assert_int_equal(list[2].jump_usec, -steps[i] * (int64_t)USEC_SEC);
        assert_false(list[2].jump_is_least);
        timeline_deinit(&timeline);
    }
}

static void it_may_be_set_again_and_again(void **state)
{
    struct timeline_event list[] = {clock_ahead(event(MESSAGE_START, 5, uuid_a), -1000),
                                    clock_ahead(event(MESSAGE_EXIT, 10, uuid_a), 4000),
                                    event(MESSAGE_START, 15, uuid_b), now(20)};
    struct timeline timeline = make(list, N_ELEMENTS(list));

    (void)state;
    assert_span(&timeline.rows[1], 0, TIMELINE_RUNNING, 5, 10);
    assert_span(&timeline.rows[2], 0, TIMELINE_RUNNING, 15, 20);
    assert_int_equal(list[1].jump_usec, 5000 * (int64_t)USEC_SEC);
    assert_int_equal(list[2].jump_usec, -4000 * (int64_t)USEC_SEC);
    assert_int_equal(list[3].jump_usec, 0);
    timeline_deinit(&timeline);
}

/* The clock of the first boot was ahead: its runs still come first. */
static void boots_come_as_the_journal_has_them(void **state)
{
    struct timeline_event list[] = {
        clock_ahead(event(MESSAGE_START, 5, uuid_a), 3600),
        clock_ahead(event(MESSAGE_EXIT, 10, uuid_a), 3600),
        over_boot(event(MESSAGE_START, 50, uuid_b), "two", 1),
        over_boot(now(60), "two", 11),
    };
    struct timeline timeline = make(list, N_ELEMENTS(list));

    (void)state;
    assert_int_equal(timeline.n_rows, 3);
    assert_span(&timeline.rows[1], 0, TIMELINE_RUNNING, 45, 50);
    assert_span(&timeline.rows[2], 0, TIMELINE_RUNNING, 50, 60);
    assert_int_equal(list[2].jump_usec, -3560 * (int64_t)USEC_SEC);
    assert_true(list[2].jump_is_least);
    timeline_deinit(&timeline);
}

/* journald may date entries of two sources in another order than it has got them. */
static void entries_of_a_boot_are_put_in_order(void **state)
{
    struct timeline_event list[] = {event(MESSAGE_EXIT, 10, uuid_a),
                                    event(MESSAGE_START, 5, uuid_a), now(20)};
    struct timeline timeline = make(list, N_ELEMENTS(list));

    (void)state;
    assert_int_equal(timeline.n_rows, 2);
    assert_span(&timeline.rows[1], 0, TIMELINE_RUNNING, 5, 10);
    timeline_deinit(&timeline);
}

static void the_oldest_runs_are_left_out(void **state)
{
    struct timeline_event list[2 * TIMELINE_RUNS_MAX + 2];
    size_t n = N_ELEMENTS(list) / 2;

    (void)state;
    for (unsigned i = 0; i < n; i++) {
        list[2 * i] = event(MESSAGE_LAUNCH, 10 * i, NULL);
        list[2 * i + 1] = event(MESSAGE_START, 10 * i + 1, NULL);
    }
    struct timeline timeline = make(list, N_ELEMENTS(list));
    assert_int_equal(timeline.n_left_out, 1);
    assert_int_equal(timeline.n_rows, 1 + TIMELINE_RUNS_MAX);
    assert_int_equal(timeline.rows[1].number, 2);
    assert_int_equal(timeline.begin, BEGIN + 10 * USEC_SEC);
    timeline_deinit(&timeline);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_starts_runs_and_ends),
        cmocka_unit_test(what_has_not_ended_goes_on),
        cmocka_unit_test(a_launch_that_no_run_follows_never_ran),
        cmocka_unit_test(an_end_alone_says_when_it_began),
        cmocka_unit_test(a_back_off_ends_in_each_way),
        cmocka_unit_test(a_back_off_is_over_when_it_is_due),
        cmocka_unit_test(what_cannot_be_started_never_ran),
        cmocka_unit_test(repeated_entries_are_one_mark),
        cmocka_unit_test(a_boot_ends_what_ran),
        cmocka_unit_test(a_clock_that_was_set_moves_nothing),
        cmocka_unit_test(it_may_be_set_again_and_again),
        cmocka_unit_test(boots_come_as_the_journal_has_them),
        cmocka_unit_test(entries_of_a_boot_are_put_in_order),
        cmocka_unit_test(the_oldest_runs_are_left_out),
    };

    return cmocka_run_group_tests_name("timeline-model", tests, NULL, NULL);
}
