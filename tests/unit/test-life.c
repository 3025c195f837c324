/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "lib/life.h"

static const struct backoff_limits limits = {.initial = 10 * USEC_SEC, .max = 5 * USEC_MINUTE};

/* The table once more, written the other way round: by event, one line a cell. */
static const struct cell {
    enum life_state state;
    enum life_event event;
    struct life_step step;
} cells[] = {
    {LIFE_NEW, LIFE_PREPARE, {LIFE_STARTING, LIFE_ALLOW}},
    {LIFE_STARTING, LIFE_PREPARE, {LIFE_STARTING, LIFE_ALLOW}},
    {LIFE_RUNNING, LIFE_PREPARE, {LIFE_STARTING, LIFE_ALLOW}},
    {LIFE_HELD, LIFE_PREPARE, {LIFE_STARTING, LIFE_ALLOW}},
    {LIFE_ENDED, LIFE_PREPARE, {LIFE_STARTING, LIFE_ALLOW}},

    {LIFE_NEW, LIFE_PREPARE_HELD, {LIFE_HELD, LIFE_REFUSE}},
    {LIFE_STARTING, LIFE_PREPARE_HELD, {LIFE_HELD, LIFE_REFUSE}},
    {LIFE_RUNNING, LIFE_PREPARE_HELD, {LIFE_RUNNING, LIFE_REFUSE}},
    {LIFE_HELD, LIFE_PREPARE_HELD, {LIFE_HELD, LIFE_REFUSE}},
    {LIFE_ENDED, LIFE_PREPARE_HELD, {LIFE_HELD, LIFE_REFUSE}},

    {LIFE_NEW, LIFE_RUN, {LIFE_RUNNING, LIFE_ALLOW_AND_START}},
    {LIFE_STARTING, LIFE_RUN, {LIFE_RUNNING, LIFE_START}},
    {LIFE_RUNNING, LIFE_RUN, {LIFE_RUNNING, LIFE_ALLOW_AND_START}},
    {LIFE_HELD, LIFE_RUN, {LIFE_RUNNING, LIFE_ALLOW_AND_START}},
    {LIFE_ENDED, LIFE_RUN, {LIFE_RUNNING, LIFE_ALLOW_AND_START}},

    {LIFE_NEW, LIFE_EXIT, {LIFE_NEW, LIFE_NOTHING}},
    {LIFE_STARTING, LIFE_EXIT, {LIFE_STARTING, LIFE_NOTHING}},
    {LIFE_RUNNING, LIFE_EXIT, {LIFE_ENDED, LIFE_FINISH}},
    {LIFE_HELD, LIFE_EXIT, {LIFE_HELD, LIFE_NOTHING}},
    {LIFE_ENDED, LIFE_EXIT, {LIFE_ENDED, LIFE_NOTHING}},

    {LIFE_NEW, LIFE_EXIT_HELD, {LIFE_NEW, LIFE_NOTHING}},
    {LIFE_STARTING, LIFE_EXIT_HELD, {LIFE_STARTING, LIFE_NOTHING}},
    {LIFE_RUNNING, LIFE_EXIT_HELD, {LIFE_HELD, LIFE_FINISH}},
    {LIFE_HELD, LIFE_EXIT_HELD, {LIFE_HELD, LIFE_NOTHING}},
    {LIFE_ENDED, LIFE_EXIT_HELD, {LIFE_ENDED, LIFE_NOTHING}},

    {LIFE_NEW, LIFE_DUE, {LIFE_NEW, LIFE_NOTHING}},
    {LIFE_STARTING, LIFE_DUE, {LIFE_STARTING, LIFE_NOTHING}},
    {LIFE_RUNNING, LIFE_DUE, {LIFE_RUNNING, LIFE_NOTHING}},
    {LIFE_HELD, LIFE_DUE, {LIFE_ENDED, LIFE_RELEASE}},
    {LIFE_ENDED, LIFE_DUE, {LIFE_ENDED, LIFE_NOTHING}},

    {LIFE_NEW, LIFE_REMOVED, {LIFE_NEW, LIFE_FORGET}},
    {LIFE_STARTING, LIFE_REMOVED, {LIFE_STARTING, LIFE_NOTHING}},
    {LIFE_RUNNING, LIFE_REMOVED, {LIFE_RUNNING, LIFE_NOTHING}},
    {LIFE_HELD, LIFE_REMOVED, {LIFE_HELD, LIFE_FORGET}},
    {LIFE_ENDED, LIFE_REMOVED, {LIFE_ENDED, LIFE_FORGET}},

    {LIFE_NEW, LIFE_WITHDRAWN, {LIFE_NEW, LIFE_NOTHING}},
    {LIFE_STARTING, LIFE_WITHDRAWN, {LIFE_ENDED, LIFE_NOTHING}},
    {LIFE_RUNNING, LIFE_WITHDRAWN, {LIFE_RUNNING, LIFE_NOTHING}},
    {LIFE_HELD, LIFE_WITHDRAWN, {LIFE_HELD, LIFE_NOTHING}},
    {LIFE_ENDED, LIFE_WITHDRAWN, {LIFE_ENDED, LIFE_NOTHING}},

    {LIFE_NEW, LIFE_IDLE, {LIFE_NEW, LIFE_FORGET}},
    {LIFE_STARTING, LIFE_IDLE, {LIFE_STARTING, LIFE_FORGET}},
    {LIFE_RUNNING, LIFE_IDLE, {LIFE_RUNNING, LIFE_NOTHING}},
    {LIFE_HELD, LIFE_IDLE, {LIFE_HELD, LIFE_FORGET}},
    {LIFE_ENDED, LIFE_IDLE, {LIFE_ENDED, LIFE_FORGET}},
};

static void every_cell_is_meant(void **state)
{
    bool seen[N_LIFE_STATES][N_LIFE_EVENTS] = {{false}};

    (void)state;
    assert_int_equal(N_ELEMENTS(cells), N_LIFE_STATES * N_LIFE_EVENTS);
    for (size_t i = 0; i < N_ELEMENTS(cells); i++) {
        const struct cell *cell = &cells[i];
        struct life_step step = life_step(cell->state, cell->event);
        assert_int_equal(step.next, cell->step.next);
        assert_int_equal(step.action, cell->step.action);
        assert_false(seen[cell->state][cell->event]);
        seen[cell->state][cell->event] = true;
    }
}

static void every_state_has_a_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N_LIFE_STATES; i++) {
        enum life_state found;
        assert_true(life_state_from_name(life_state_name((enum life_state)i), &found));
        assert_int_equal(found, i);
    }
    enum life_state found;
    assert_false(life_state_from_name("asleep", &found));
}

/* A pod of one key, and what the tests below do with it. */
static int prepare(struct life *life, const char *launch, usec_t seconds)
{
    return life_prepare(life, &limits, "web=1", launch, seconds * USEC_SEC);
}

static void run(struct life *life, usec_t seconds)
{
    assert_int_equal(life_run(life, &limits, "web=1", seconds * USEC_SEC), 0);
    assert_int_equal(life->state, LIFE_RUNNING);
}

static void exits(struct life *life, usec_t seconds, enum life_state next)
{
    life_exit(life, &limits, seconds * USEC_SEC, seconds * USEC_SEC);
    assert_int_equal(life->state, next);
}

static void a_crash_loop_is_held_back(void **state)
{
    static const unsigned waits[] = {0, 10, 20, 40, 80, 160, 300, 300};
    CLEANUP(life_deinit) struct life life = {0};
    usec_t now = 1000;
    char launch[16];

    (void)state;
    assert_int_equal(prepare(&life, "first", now), LIFE_ALLOW);
    for (size_t i = 0; i < N_ELEMENTS(waits); i++) {
        run(&life, now);
        now += 3;
        exits(&life, now, waits[i] ? LIFE_HELD : LIFE_ENDED);
        if (waits[i] > 0) {
            assert_int_equal(prepare(&life, "early", now), LIFE_REFUSE);
            assert_int_equal(prepare(&life, "early", now + waits[i] - 1), LIFE_REFUSE);
            assert_int_equal(life_next(&life, &limits), (now + waits[i]) * USEC_SEC);
            now += waits[i];
            assert_int_equal(life_wake(&life, &limits, now * USEC_SEC - 1), LIFE_NOTHING);
            assert_int_equal(life_wake(&life, &limits, now * USEC_SEC), LIFE_RELEASE);
            assert_int_equal(life_wake(&life, &limits, now * USEC_SEC), LIFE_NOTHING);
        }
        snprintf(launch, sizeof(launch), "restart %zu", i);
        assert_int_equal(prepare(&life, launch, now), LIFE_ALLOW);
    }
}

/* It is no run, so what follows is no restart. */
static void one_that_is_withdrawn_has_ended(void **state)
{
    CLEANUP(life_deinit) struct life life = {0};

    (void)state;
    assert_int_equal(prepare(&life, "first", 1), LIFE_ALLOW);
    life_withdraw(&life, 2 * USEC_SEC);
    assert_int_equal(life.state, LIFE_ENDED);
    assert_false(life.has_finished);
    assert_int_equal(life_due(&life, &limits), 0);
    assert_int_equal(prepare(&life, "second", 2), LIFE_ALLOW);
    run(&life, 3);
    life_withdraw(&life, 4 * USEC_SEC);
    assert_int_equal(life.state, LIFE_RUNNING);
}

static void a_late_timer_holds_nothing_back(void **state)
{
    CLEANUP(life_deinit) struct life life = {0};

    (void)state;
    prepare(&life, "1", 1);
    run(&life, 1);
    exits(&life, 2, LIFE_ENDED);
    assert_int_equal(prepare(&life, "2", 2), LIFE_ALLOW);
    run(&life, 2);
    exits(&life, 3, LIFE_HELD);
    /* 13 is due; nobody woke it */
    assert_int_equal(prepare(&life, "3", 13), LIFE_ALLOW);
    assert_int_equal(life.state, LIFE_STARTING);
}

static void one_that_asks_again_is_counted_once(void **state)
{
    CLEANUP(life_deinit) struct life life = {0};

    (void)state;
    prepare(&life, "1", 1);
    run(&life, 1);
    exits(&life, 2, LIFE_ENDED);
    assert_int_equal(prepare(&life, "2", 3), LIFE_ALLOW);
    assert_int_equal(prepare(&life, "2", 4), LIFE_ALLOW);
    assert_int_equal(life.backoff.delay, 10 * USEC_SEC);
    assert_int_equal(life.backoff.allowed_at, 3 * USEC_SEC);
    /* a new one is another matter: 2 + 10 is not there yet */
    assert_int_equal(prepare(&life, "3", 5), LIFE_REFUSE);
    /* and without a name nobody is the same */
    assert_int_equal(prepare(&life, "", 12), LIFE_ALLOW);
    assert_int_equal(prepare(&life, "", 12), LIFE_REFUSE);
}

static void a_changed_spec_starts_anew(void **state)
{
    CLEANUP(life_deinit) struct life life = {0};

    (void)state;
    prepare(&life, "1", 1);
    run(&life, 1);
    exits(&life, 2, LIFE_ENDED);
    prepare(&life, "2", 2);
    run(&life, 2);
    exits(&life, 3, LIFE_HELD);
    assert_int_equal(life_set_ended_by(&life, "web"), 0);
    assert_int_equal(life_prepare(&life, &limits, "web=2", "3", 4 * USEC_SEC), LIFE_ALLOW);
    assert_null(life.ended_by);
    /* its first launch was no restart, so the first restart goes at once */
    assert_int_equal(life_run(&life, &limits, "web=2", 4 * USEC_SEC), 0);
    exits(&life, 5, LIFE_ENDED);
    assert_int_equal(life_prepare(&life, &limits, "web=2", "4", 5 * USEC_SEC), LIFE_ALLOW);
}

static void one_that_went_round_us_counts_too(void **state)
{
    CLEANUP(life_deinit) struct life life = {0};

    (void)state;
    run(&life, 1);
    exits(&life, 2, LIFE_ENDED);
    run(&life, 3);
    exits(&life, 4, LIFE_HELD);
    assert_int_equal(life_due(&life, &limits), 14 * USEC_SEC);
}

static void an_exit_found_late_is_counted_from_its_own_time(void **state)
{
    CLEANUP(life_deinit) struct life life = {0};

    (void)state;
    prepare(&life, "1", 1);
    run(&life, 1);
    exits(&life, 2, LIFE_ENDED);
    prepare(&life, "2", 2);
    run(&life, 2);
    life_exit(&life, &limits, 3 * USEC_SEC, 60 * USEC_SEC);
    assert_int_equal(life.state, LIFE_ENDED);
    assert_int_equal(life.finished_at, 3 * USEC_SEC);
    assert_int_equal(prepare(&life, "3", 60), LIFE_ALLOW);
}

static void is_forgotten_when_removed_or_untouched(void **state)
{
    CLEANUP(life_deinit) struct life life = {0};

    (void)state;
    prepare(&life, "1", 1);
    assert_int_equal(life_next(&life, &limits), 601 * USEC_SEC);
    assert_int_equal(life_removed(&life, USEC_SEC), LIFE_NOTHING);
    run(&life, 2);
    assert_int_equal(life_next(&life, &limits), USEC_MAX);
    assert_int_equal(life_wake(&life, &limits, 9999 * USEC_SEC), LIFE_NOTHING);
    exits(&life, 10000, LIFE_ENDED);
    assert_int_equal(life_next(&life, &limits), 10600 * USEC_SEC);
    assert_int_equal(life_wake(&life, &limits, 10600 * USEC_SEC - 1), LIFE_NOTHING);
    assert_int_equal(life_wake(&life, &limits, 10600 * USEC_SEC), LIFE_FORGET);

    life_deinit(&life);
    run(&life, 1);
    exits(&life, 2, LIFE_ENDED);
    assert_int_equal(life_removed(&life, 3 * USEC_SEC), LIFE_FORGET);
}

static void the_operator_may_end_it(void **state)
{
    CLEANUP(life_deinit) struct life life = {0};

    (void)state;
    prepare(&life, "1", 1);
    run(&life, 1);
    exits(&life, 2, LIFE_ENDED);
    prepare(&life, "2", 2);
    run(&life, 2);
    exits(&life, 3, LIFE_HELD);
    life_reset(&life, 4 * USEC_SEC);
    assert_int_equal(life.state, LIFE_ENDED);
    assert_int_equal(prepare(&life, "3", 4), LIFE_ALLOW);
    run(&life, 4);
    /* the row begins again: the next one waits 10 s */
    exits(&life, 5, LIFE_HELD);
    assert_int_equal(life_due(&life, &limits), 15 * USEC_SEC);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_is_meant),
        cmocka_unit_test(every_state_has_a_name),
        cmocka_unit_test(a_crash_loop_is_held_back),
        cmocka_unit_test(one_that_is_withdrawn_has_ended),
        cmocka_unit_test(a_late_timer_holds_nothing_back),
        cmocka_unit_test(one_that_asks_again_is_counted_once),
        cmocka_unit_test(a_changed_spec_starts_anew),
        cmocka_unit_test(one_that_went_round_us_counts_too),
        cmocka_unit_test(an_exit_found_late_is_counted_from_its_own_time),
        cmocka_unit_test(is_forgotten_when_removed_or_untouched),
        cmocka_unit_test(the_operator_may_end_it),
    };

    return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
