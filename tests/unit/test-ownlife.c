/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "lib/ownlife.h"

static const struct backoff_limits limits = {.initial = 10 * USEC_SEC, .max = 5 * USEC_MINUTE};

/* The table once more, written the other way round: by event, one line a cell. What is not here
 * changes nothing. */
static const struct cell {
    enum ownlife_state state;
    enum ownlife_event event;
    struct ownlife_step step;
} cells[] = {
    {OWNLIFE_STOPPED, OWNLIFE_ON_WANTED, {OWNLIFE_REST, OWNLIFE_DO_NOTHING}},

    {OWNLIFE_STOPPED, OWNLIFE_ON_UNWANTED, {OWNLIFE_REST, OWNLIFE_DO_NOTHING}},
    {OWNLIFE_WAITING, OWNLIFE_ON_UNWANTED, {OWNLIFE_REST, OWNLIFE_DO_TELL_END}},
    {OWNLIFE_SWEEPING, OWNLIFE_ON_UNWANTED, {OWNLIFE_CANCELLING, OWNLIFE_DO_WAIT}},
    {OWNLIFE_FETCHING, OWNLIFE_ON_UNWANTED, {OWNLIFE_CANCELLING, OWNLIFE_DO_CANCEL}},
    {OWNLIFE_PREPARING, OWNLIFE_ON_UNWANTED, {OWNLIFE_CANCELLING, OWNLIFE_DO_WAIT}},
    {OWNLIFE_NOTING, OWNLIFE_ON_UNWANTED, {OWNLIFE_CANCELLING, OWNLIFE_DO_WAIT}},
    {OWNLIFE_STARTING, OWNLIFE_ON_UNWANTED, {OWNLIFE_ABORTING, OWNLIFE_DO_WAIT}},
    {OWNLIFE_UNSURE, OWNLIFE_ON_UNWANTED, {OWNLIFE_STOPPING, OWNLIFE_DO_STOP}},
    {OWNLIFE_STARTED, OWNLIFE_ON_UNWANTED, {OWNLIFE_STOPPING, OWNLIFE_DO_STOP}},
    {OWNLIFE_RUNNING, OWNLIFE_ON_UNWANTED, {OWNLIFE_STOPPING, OWNLIFE_DO_STOP}},
    {OWNLIFE_MISSED, OWNLIFE_ON_UNWANTED, {OWNLIFE_ENDING, OWNLIFE_DO_LOOK_AT_END}},

    {OWNLIFE_WAITING, OWNLIFE_ON_DUE, {OWNLIFE_FETCHING, OWNLIFE_DO_FETCH}},
    {OWNLIFE_FETCHING, OWNLIFE_ON_DUE, {OWNLIFE_STAY, OWNLIFE_DO_FETCH}},
    {OWNLIFE_UNSURE, OWNLIFE_ON_DUE, {OWNLIFE_STAY, OWNLIFE_DO_ASK}},
    {OWNLIFE_STARTED, OWNLIFE_ON_DUE, {OWNLIFE_STAY, OWNLIFE_DO_LOOK}},
    {OWNLIFE_MISSED, OWNLIFE_ON_DUE, {OWNLIFE_STAY, OWNLIFE_DO_LOOK}},
    {OWNLIFE_RUNNING, OWNLIFE_ON_DUE, {OWNLIFE_STAY, OWNLIFE_DO_ASK}},
    {OWNLIFE_STOPPING, OWNLIFE_ON_DUE, {OWNLIFE_STAY, OWNLIFE_DO_STOP}},
    {OWNLIFE_CANCELLING, OWNLIFE_ON_DUE, {OWNLIFE_STAY, OWNLIFE_DO_CANCEL}},

    {OWNLIFE_WAITING, OWNLIFE_ON_CHANGED, {OWNLIFE_STAY, OWNLIFE_DO_ARM}},
    {OWNLIFE_UNSURE, OWNLIFE_ON_CHANGED, {OWNLIFE_STAY, OWNLIFE_DO_ASK}},
    {OWNLIFE_STARTED, OWNLIFE_ON_CHANGED, {OWNLIFE_STAY, OWNLIFE_DO_ASK}},
    {OWNLIFE_MISSED, OWNLIFE_ON_CHANGED, {OWNLIFE_STAY, OWNLIFE_DO_LOOK}},
    {OWNLIFE_RUNNING, OWNLIFE_ON_CHANGED, {OWNLIFE_STAY, OWNLIFE_DO_ASK}},
    {OWNLIFE_ENDING, OWNLIFE_ON_CHANGED, {OWNLIFE_STAY, OWNLIFE_DO_LOOK_AT_END}},

    {OWNLIFE_UNSURE, OWNLIFE_ON_CUT, {OWNLIFE_STAY, OWNLIFE_DO_LATER}},
    {OWNLIFE_STARTED, OWNLIFE_ON_CUT, {OWNLIFE_STAY, OWNLIFE_DO_LATER}},
    {OWNLIFE_RUNNING, OWNLIFE_ON_CUT, {OWNLIFE_STAY, OWNLIFE_DO_LATER}},

    {OWNLIFE_SWEEPING, OWNLIFE_ON_DONE, {OWNLIFE_WAITING, OWNLIFE_DO_ARM}},
    {OWNLIFE_FETCHING, OWNLIFE_ON_DONE, {OWNLIFE_PREPARING, OWNLIFE_DO_PREPARE}},
    {OWNLIFE_PREPARING, OWNLIFE_ON_DONE, {OWNLIFE_NOTING, OWNLIFE_DO_NOTE}},
    {OWNLIFE_NOTING, OWNLIFE_ON_DONE, {OWNLIFE_STARTING, OWNLIFE_DO_START}},
    {OWNLIFE_STARTING, OWNLIFE_ON_DONE, {OWNLIFE_STARTED, OWNLIFE_DO_LOOK}},
    {OWNLIFE_STOPPING, OWNLIFE_ON_DONE, {OWNLIFE_ENDING, OWNLIFE_DO_LOOK_AT_END}},
    {OWNLIFE_CANCELLING, OWNLIFE_ON_DONE, {OWNLIFE_REST, OWNLIFE_DO_TELL_END}},
    {OWNLIFE_ABORTING, OWNLIFE_ON_DONE, {OWNLIFE_STOPPING, OWNLIFE_DO_STOP}},
    {OWNLIFE_REMOVING, OWNLIFE_ON_DONE, {OWNLIFE_ERASING, OWNLIFE_DO_ERASE}},
    {OWNLIFE_ERASING, OWNLIFE_ON_DONE, {OWNLIFE_STAY, OWNLIFE_DO_DROP}},

    {OWNLIFE_SWEEPING, OWNLIFE_ON_FAILED, {OWNLIFE_WAITING, OWNLIFE_DO_ARM}},
    {OWNLIFE_FETCHING, OWNLIFE_ON_FAILED, {OWNLIFE_REST, OWNLIFE_DO_TELL_FAIL}},
    {OWNLIFE_PREPARING, OWNLIFE_ON_FAILED, {OWNLIFE_REST, OWNLIFE_DO_TELL_FAIL}},
    {OWNLIFE_STARTING, OWNLIFE_ON_FAILED, {OWNLIFE_REST, OWNLIFE_DO_TELL_FAIL}},
    {OWNLIFE_STOPPING, OWNLIFE_ON_FAILED, {OWNLIFE_STAY, OWNLIFE_DO_LATER}},
    {OWNLIFE_CANCELLING, OWNLIFE_ON_FAILED, {OWNLIFE_REST, OWNLIFE_DO_TELL_END}},
    {OWNLIFE_ABORTING, OWNLIFE_ON_FAILED, {OWNLIFE_REST, OWNLIFE_DO_TELL_END}},
    {OWNLIFE_REMOVING, OWNLIFE_ON_FAILED, {OWNLIFE_REST, OWNLIFE_DO_TELL_KEEP}},

    {OWNLIFE_SWEEPING, OWNLIFE_ON_LOST, {OWNLIFE_WAITING, OWNLIFE_DO_ARM}},
    {OWNLIFE_FETCHING, OWNLIFE_ON_LOST, {OWNLIFE_STAY, OWNLIFE_DO_LATER}},
    {OWNLIFE_PREPARING, OWNLIFE_ON_LOST, {OWNLIFE_FETCHING, OWNLIFE_DO_LATER}},
    {OWNLIFE_STARTING, OWNLIFE_ON_LOST, {OWNLIFE_UNSURE, OWNLIFE_DO_LATER}},
    {OWNLIFE_UNSURE, OWNLIFE_ON_LOST, {OWNLIFE_STAY, OWNLIFE_DO_LATER}},
    {OWNLIFE_STARTED, OWNLIFE_ON_LOST, {OWNLIFE_STAY, OWNLIFE_DO_LATER}},
    {OWNLIFE_RUNNING, OWNLIFE_ON_LOST, {OWNLIFE_STAY, OWNLIFE_DO_LATER}},
    {OWNLIFE_STOPPING, OWNLIFE_ON_LOST, {OWNLIFE_STAY, OWNLIFE_DO_LATER}},
    {OWNLIFE_CANCELLING, OWNLIFE_ON_LOST, {OWNLIFE_STAY, OWNLIFE_DO_LATER}},
    {OWNLIFE_ABORTING, OWNLIFE_ON_LOST, {OWNLIFE_STOPPING, OWNLIFE_DO_LATER}},
    {OWNLIFE_REMOVING, OWNLIFE_ON_LOST, {OWNLIFE_REST, OWNLIFE_DO_TELL_KEEP}},

    {OWNLIFE_UNSURE, OWNLIFE_ON_THERE, {OWNLIFE_STARTED, OWNLIFE_DO_LOOK}},
    {OWNLIFE_STARTED, OWNLIFE_ON_THERE, {OWNLIFE_STAY, OWNLIFE_DO_POLL}},

    {OWNLIFE_UNSURE, OWNLIFE_ON_GONE, {OWNLIFE_STAY, OWNLIFE_DO_LOOK}},
    {OWNLIFE_STARTED, OWNLIFE_ON_GONE, {OWNLIFE_MISSED, OWNLIFE_DO_LOOK}},
    {OWNLIFE_RUNNING, OWNLIFE_ON_GONE, {OWNLIFE_ENDING, OWNLIFE_DO_LOOK_AT_END}},

    {OWNLIFE_UNSURE, OWNLIFE_ON_RUNS, {OWNLIFE_ENDING, OWNLIFE_DO_TELL_START}},
    {OWNLIFE_STARTED, OWNLIFE_ON_RUNS, {OWNLIFE_RUNNING, OWNLIFE_DO_TELL_START}},
    {OWNLIFE_MISSED, OWNLIFE_ON_RUNS, {OWNLIFE_ENDING, OWNLIFE_DO_TELL_START}},

    {OWNLIFE_UNSURE, OWNLIFE_ON_RUNS_NOT, {OWNLIFE_REST, OWNLIFE_DO_NOTHING}},
    {OWNLIFE_STARTED, OWNLIFE_ON_RUNS_NOT, {OWNLIFE_STAY, OWNLIFE_DO_ASK}},
    {OWNLIFE_MISSED, OWNLIFE_ON_RUNS_NOT, {OWNLIFE_REST, OWNLIFE_DO_TELL_FAIL}},

    {OWNLIFE_ENDING, OWNLIFE_ON_ENDED, {OWNLIFE_REST, OWNLIFE_DO_TELL_END}},

    {OWNLIFE_ENDING, OWNLIFE_ON_STAYED, {OWNLIFE_REST, OWNLIFE_DO_TELL_STAY}},
};

static void every_cell_is_meant(void **state)
{
    struct ownlife_step meant[N_OWNLIFE_STATES][N_OWNLIFE_EVENTS] = {{{0}}};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cells); i++) {
        const struct cell *cell = &cells[i];
        struct ownlife_step *slot = &meant[cell->state][cell->event];
        assert_true(slot->next == OWNLIFE_STAY && slot->action == OWNLIFE_DO_NOTHING);
        *slot = cell->step;
    }
    for (enum ownlife_state s = 0; s < N_OWNLIFE_STATES; s++) {
        for (enum ownlife_event e = 0; e < N_OWNLIFE_EVENTS; e++) {
            struct ownlife_step step = ownlife_step(s, e);
            if (step.next != meant[s][e].next || step.action != meant[s][e].action)
                fail_msg("%s, event %d", ownlife_state_name(s), (int)e);
        }
    }
}

static void every_wish_begins_something(void **state)
{
    static const struct ownlife_step meant[N_OWNLIFE_WISHES] = {
        {OWNLIFE_SWEEPING, OWNLIFE_DO_SWEEP},
        {OWNLIFE_SWEEPING, OWNLIFE_DO_SWEEP},
        {OWNLIFE_STOPPED, OWNLIFE_DO_TELL_REST},
        {OWNLIFE_REMOVING, OWNLIFE_DO_REMOVE},
    };

    (void)state;
    for (enum ownlife_wish wish = 0; wish < N_OWNLIFE_WISHES; wish++) {
        assert_int_equal(ownlife_rest(wish).next, meant[wish].next);
        assert_int_equal(ownlife_rest(wish).action, meant[wish].action);
    }
}

/* What a gantryd that was killed may have asked of systemd is asked for first; what it may have
 * done of a step, the step does again. */
static void every_state_is_taken_up(void **state)
{
    static const struct {
        enum ownlife_state from, to;
        enum ownlife_action action;
    } meant[] = {
        {OWNLIFE_STOPPED, OWNLIFE_STOPPED, OWNLIFE_DO_NOTHING},
        {OWNLIFE_SWEEPING, OWNLIFE_SWEEPING, OWNLIFE_DO_SWEEP},
        {OWNLIFE_WAITING, OWNLIFE_WAITING, OWNLIFE_DO_ARM},
        {OWNLIFE_FETCHING, OWNLIFE_FETCHING, OWNLIFE_DO_FETCH},
        {OWNLIFE_PREPARING, OWNLIFE_PREPARING, OWNLIFE_DO_PREPARE},
        {OWNLIFE_NOTING, OWNLIFE_UNSURE, OWNLIFE_DO_ASK},
        {OWNLIFE_STARTING, OWNLIFE_UNSURE, OWNLIFE_DO_ASK},
        {OWNLIFE_UNSURE, OWNLIFE_UNSURE, OWNLIFE_DO_ASK},
        {OWNLIFE_STARTED, OWNLIFE_UNSURE, OWNLIFE_DO_ASK},
        {OWNLIFE_MISSED, OWNLIFE_UNSURE, OWNLIFE_DO_ASK},
        {OWNLIFE_RUNNING, OWNLIFE_RUNNING, OWNLIFE_DO_ASK},
        {OWNLIFE_STOPPING, OWNLIFE_STOPPING, OWNLIFE_DO_STOP},
        {OWNLIFE_ENDING, OWNLIFE_ENDING, OWNLIFE_DO_LOOK_AT_END},
        {OWNLIFE_CANCELLING, OWNLIFE_CANCELLING, OWNLIFE_DO_CANCEL},
        {OWNLIFE_ABORTING, OWNLIFE_STOPPING, OWNLIFE_DO_STOP},
        {OWNLIFE_REMOVING, OWNLIFE_REMOVING, OWNLIFE_DO_REMOVE},
        {OWNLIFE_ERASING, OWNLIFE_REMOVING, OWNLIFE_DO_REMOVE},
    };

    (void)state;
    assert_int_equal(N_ELEMENTS(meant), N_OWNLIFE_STATES - OWNLIFE_STOPPED);
    for (size_t i = 0; i < N_ELEMENTS(meant); i++) {
        struct ownlife life = {.state = meant[i].from, .wish = OWNLIFE_RUN};
        assert_int_equal(meant[i].from, OWNLIFE_STOPPED + i);
        struct ownlife_doing doing = ownlife_take_up(&life, &limits, 0);
        assert_int_equal(life.state, meant[i].to);
        assert_int_equal(doing.first, meant[i].action);
        assert_int_equal(doing.then, OWNLIFE_DO_NOTHING);
    }
}

static void there_are_words_for_all(void **state)
{
    enum ownlife_state found_state;
    enum ownlife_wish found_wish;
    enum ownlife_policy found_policy;

    (void)state;
    for (enum ownlife_state s = OWNLIFE_STOPPED; s < N_OWNLIFE_STATES; s++) {
        assert_true(ownlife_state_from_name(ownlife_state_name(s), &found_state));
        assert_int_equal(found_state, s);
    }
    assert_false(ownlife_state_from_name("", &found_state));
    assert_false(ownlife_state_from_name("asleep", &found_state));
    for (enum ownlife_wish wish = 0; wish < N_OWNLIFE_WISHES; wish++) {
        assert_true(ownlife_wish_from_name(ownlife_wish_name(wish), &found_wish));
        assert_int_equal(found_wish, wish);
    }
    assert_false(ownlife_wish_from_name("walk", &found_wish));
    for (enum ownlife_policy policy = 0; policy <= OWNLIFE_NEVER; policy++) {
        assert_true(ownlife_policy_from_name(ownlife_policy_name(policy), &found_policy));
        assert_int_equal(found_policy, policy);
    }
    assert_false(ownlife_policy_from_name("Seldom", &found_policy));
}

/* Feeds the events, which end with N_OWNLIFE_EVENTS. Return: what the last one has to do. */
static struct ownlife_doing feed(struct ownlife *life, usec_t now, const enum ownlife_event *events)
{
    struct ownlife_doing doing = {OWNLIFE_DO_NOTHING, OWNLIFE_DO_NOTHING};

    for (; *events != N_OWNLIFE_EVENTS; events++)
        doing = ownlife_feed(life, *events, &limits, now);
    return doing;
}

#define FEED(life, now, ...) \
    feed(life, now, (const enum ownlife_event[]){__VA_ARGS__, N_OWNLIFE_EVENTS})

/* From sweeping to started. */
#define STARTS                                                                          \
    OWNLIFE_ON_DONE, OWNLIFE_ON_DUE, OWNLIFE_ON_DONE, OWNLIFE_ON_DONE, OWNLIFE_ON_DONE, \
        OWNLIFE_ON_DONE

static void it_runs_and_runs_again(void **state)
{
    struct ownlife life = OWNLIFE_NEW;

    (void)state;
    assert_int_equal(ownlife_want(&life, &limits, 1).then, OWNLIFE_DO_SWEEP);
    assert_int_equal(life.wish, OWNLIFE_TRY);
    FEED(&life, 1, STARTS);
    assert_int_equal(life.state, OWNLIFE_STARTED);
    assert_int_equal(life.n_starts, 0);
    FEED(&life, 1, OWNLIFE_ON_RUNS);
    assert_int_equal(life.state, OWNLIFE_RUNNING);
    assert_int_equal(life.wish, OWNLIFE_RUN);
    assert_int_equal(life.n_starts, 1);
    struct ownlife_doing doing = FEED(&life, 2, OWNLIFE_ON_GONE, OWNLIFE_ON_ENDED);
    assert_int_equal(doing.first, OWNLIFE_DO_TELL_END);
    assert_int_equal(doing.then, OWNLIFE_DO_SWEEP);
    FEED(&life, 2, STARTS, OWNLIFE_ON_RUNS);
    assert_int_equal(life.n_starts, 2);
}

static void its_policy_says_what_follows(void **state)
{
    struct ownlife life = {.state = OWNLIFE_ENDING, .wish = OWNLIFE_RUN, .n_starts = 1};

    (void)state;
    assert_int_equal(ownlife_end(&life, OWNLIFE_ALWAYS, true), OWNLIFE_ON_ENDED);
    assert_int_equal(ownlife_end(&life, OWNLIFE_ON_FAILURE, false), OWNLIFE_ON_ENDED);
    assert_int_equal(ownlife_end(&life, OWNLIFE_ON_FAILURE, true), OWNLIFE_ON_STAYED);
    assert_int_equal(ownlife_end(&life, OWNLIFE_NEVER, false), OWNLIFE_ON_STAYED);
    struct ownlife_doing doing = FEED(&life, 1, OWNLIFE_ON_STAYED);
    assert_int_equal(doing.first, OWNLIFE_DO_TELL_STAY);
    assert_int_equal(doing.then, OWNLIFE_DO_TELL_REST);
    assert_int_equal(life.state, OWNLIFE_STOPPED);
    assert_false(ownlife_is_wanted(&life));
    /* one that is stopped has no policy */
    assert_int_equal(ownlife_end(&life, OWNLIFE_NEVER, false), OWNLIFE_ON_ENDED);
}

/* Killed between the save and the call: the start is made up for, whatever the policy. */
static void a_start_that_never_came_is_no_end(void **state)
{
    struct ownlife life = {.state = OWNLIFE_NOTING, .wish = OWNLIFE_TRY};

    (void)state;
    ownlife_take_up(&life, &limits, 1);
    assert_int_equal(FEED(&life, 1, OWNLIFE_ON_GONE).first, OWNLIFE_DO_LOOK);
    struct ownlife_doing doing = FEED(&life, 1, OWNLIFE_ON_RUNS_NOT);
    assert_int_equal(doing.first, OWNLIFE_DO_NOTHING);
    assert_int_equal(doing.then, OWNLIFE_DO_SWEEP);
    assert_int_equal(life.n_failures, 0);
    assert_int_equal(life.wish, OWNLIFE_TRY);
}

static void a_first_start_that_fails_is_the_end_of_it(void **state)
{
    struct ownlife life = OWNLIFE_NEW;

    (void)state;
    ownlife_want(&life, &limits, 1);
    struct ownlife_doing doing = FEED(&life, 1, STARTS, OWNLIFE_ON_GONE, OWNLIFE_ON_RUNS_NOT);
    assert_int_equal(doing.first, OWNLIFE_DO_TELL_FAIL);
    assert_int_equal(doing.then, OWNLIFE_DO_REMOVE);
    assert_int_equal(life.state, OWNLIFE_REMOVING);
    /* what cannot be removed stays, stopped */
    doing = FEED(&life, 1, OWNLIFE_ON_FAILED);
    assert_int_equal(doing.first, OWNLIFE_DO_TELL_KEEP);
    assert_int_equal(doing.then, OWNLIFE_DO_TELL_REST);
    assert_int_equal(life.state, OWNLIFE_STOPPED);
    /* and one that ran before is stopped */
    life.n_starts = 1;
    ownlife_want(&life, &limits, 1);
    doing = FEED(&life, 1, OWNLIFE_ON_DONE, OWNLIFE_ON_DUE, OWNLIFE_ON_FAILED);
    assert_int_equal(doing.then, OWNLIFE_DO_TELL_REST);
    assert_int_equal(life.state, OWNLIFE_STOPPED);
    assert_int_equal(life.retry_at, 0);
}

static void a_restart_that_fails_is_tried_again(void **state)
{
    static const unsigned waits[] = {10, 20, 40, 80, 160, 300, 300};
    struct ownlife life = {.state = OWNLIFE_SWEEPING, .wish = OWNLIFE_RUN, .n_starts = 1};
    usec_t now = 1000 * USEC_SEC;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(waits); i++) {
        struct ownlife_doing doing =
            FEED(&life, now, OWNLIFE_ON_DONE, OWNLIFE_ON_DUE, OWNLIFE_ON_FAILED);
        assert_int_equal(doing.first, OWNLIFE_DO_TELL_FAIL);
        assert_int_equal(doing.then, OWNLIFE_DO_SWEEP);
        assert_int_equal(life.retry_at, now + waits[i] * USEC_SEC);
        now = life.retry_at;
    }
    ownlife_reset(&life);
    assert_int_equal(life.retry_at, 0);
    FEED(&life, now, OWNLIFE_ON_DONE, OWNLIFE_ON_DUE, OWNLIFE_ON_FAILED);
    assert_int_equal(life.retry_at, now + 10 * USEC_SEC);
    FEED(&life, now, STARTS, OWNLIFE_ON_RUNS);
    assert_int_equal(life.retry_at, 0);
    assert_int_equal(life.n_failures, 0);
}

/* The steps before the start are done again, but not for ever; that of a later start anew. */
static void a_start_outlives_a_loss_of_systemd(void **state)
{
    struct ownlife life = OWNLIFE_NEW;

    (void)state;
    ownlife_want(&life, &limits, 1);
    FEED(&life, 1, OWNLIFE_ON_DONE, OWNLIFE_ON_DUE, OWNLIFE_ON_DONE);
    assert_int_equal(life.state, OWNLIFE_PREPARING);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(ownlife_lose(&life), OWNLIFE_ON_LOST);
        assert_int_equal(FEED(&life, 1, OWNLIFE_ON_LOST).first, OWNLIFE_DO_LATER);
        assert_int_equal(FEED(&life, 1, OWNLIFE_ON_DUE).first, OWNLIFE_DO_FETCH);
        assert_int_equal(FEED(&life, 1, OWNLIFE_ON_DONE).first, OWNLIFE_DO_PREPARE);
    }
    assert_int_equal(life.wish, OWNLIFE_TRY);
    assert_int_equal(ownlife_lose(&life), OWNLIFE_ON_FAILED);
    FEED(&life, 1, OWNLIFE_ON_FAILED, OWNLIFE_ON_FAILED);
    assert_int_equal(life.state, OWNLIFE_STOPPED);
    ownlife_want(&life, &limits, 1);
    FEED(&life, 1, OWNLIFE_ON_DONE, OWNLIFE_ON_DUE);
    assert_int_equal(life.state, OWNLIFE_FETCHING);
    assert_int_equal(ownlife_lose(&life), OWNLIFE_ON_LOST);
    /* who ends something waits for as long as it takes */
    life.state = OWNLIFE_CANCELLING;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(ownlife_lose(&life), OWNLIFE_ON_LOST);
}

static void without_back_off_it_is_tried_at_leisure(void **state)
{
    static const struct backoff_limits off = {.initial = 0, .max = 0};
    struct ownlife life = {.state = OWNLIFE_FETCHING, .wish = OWNLIFE_RUN, .n_failures = 7};

    (void)state;
    ownlife_feed(&life, OWNLIFE_ON_FAILED, &off, 1);
    assert_int_equal(life.retry_at, 1 + 10 * USEC_SEC);
}

static void a_file_does_not_put_it_off_for_ever(void **state)
{
    struct ownlife life = {.state = OWNLIFE_WAITING,
                           .wish = OWNLIFE_RUN,
                           .n_failures = 2,
                           .retry_at = 100 * USEC_HOUR};

    (void)state;
    ownlife_take_up(&life, &limits, 1);
    assert_int_equal(life.retry_at, 1 + 20 * USEC_SEC);
    ownlife_take_up(&life, &limits, USEC_MINUTE);
    assert_int_equal(life.retry_at, 1 + 20 * USEC_SEC);
}

static void another_configuration_holds_for_a_failed_start(void **state)
{
    static const struct backoff_limits shorter = {.initial = 2 * USEC_SEC, .max = 3 * USEC_SEC},
                                       longer = {.initial = USEC_HOUR, .max = USEC_HOUR};
    struct ownlife life = {
        .state = OWNLIFE_WAITING, .wish = OWNLIFE_RUN, .n_failures = 2, .retry_at = 21 * USEC_SEC};

    (void)state;
    assert_false(ownlife_bound(&life, &limits, USEC_SEC));
    assert_false(ownlife_bound(&life, &longer, USEC_SEC));
    assert_int_equal(life.retry_at, 21 * USEC_SEC);
    assert_true(ownlife_bound(&life, &shorter, USEC_SEC));
    assert_int_equal(life.retry_at, 4 * USEC_SEC);
}

/* From each state in which something is under way: what was begun is ended first. */
static void it_is_stopped_from_wherever_it_is(void **state)
{
    (void)state;
    for (enum ownlife_state s = OWNLIFE_SWEEPING; s < OWNLIFE_REMOVING; s++) {
        struct ownlife life = {.state = s, .wish = OWNLIFE_RUN};
        struct ownlife_doing doing = ownlife_unwant(&life, OWNLIFE_STOP, &limits, 1);
        for (unsigned i = 0; i < 4 && doing.then != OWNLIFE_DO_TELL_REST; i++)
            doing = ownlife_feed(&life,
                                 life.state == OWNLIFE_ENDING ? OWNLIFE_ON_ENDED : OWNLIFE_ON_DONE,
                                 &limits, 1);
        assert_int_equal(doing.first, OWNLIFE_DO_TELL_END);
        assert_int_equal(life.state, OWNLIFE_STOPPED);
    }
}

static void one_that_is_to_be_removed_takes_no_other_wish(void **state)
{
    struct ownlife life = {.state = OWNLIFE_STOPPING, .wish = OWNLIFE_STOP};

    (void)state;
    ownlife_unwant(&life, OWNLIFE_REMOVE, &limits, 1);
    assert_int_equal(ownlife_unwant(&life, OWNLIFE_STOP, &limits, 1).first, OWNLIFE_DO_NOTHING);
    struct ownlife_doing doing = FEED(&life, 1, OWNLIFE_ON_DONE, OWNLIFE_ON_ENDED);
    assert_int_equal(doing.then, OWNLIFE_DO_REMOVE);
    ownlife_unwant(&life, OWNLIFE_REMOVE, &limits, 1);
    assert_int_equal(FEED(&life, 1, OWNLIFE_ON_DONE).first, OWNLIFE_DO_ERASE);
    assert_int_equal(FEED(&life, 1, OWNLIFE_ON_DONE).first, OWNLIFE_DO_DROP);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_is_meant),
        cmocka_unit_test(every_wish_begins_something),
        cmocka_unit_test(every_state_is_taken_up),
        cmocka_unit_test(there_are_words_for_all),
        cmocka_unit_test(it_runs_and_runs_again),
        cmocka_unit_test(its_policy_says_what_follows),
        cmocka_unit_test(a_start_that_never_came_is_no_end),
        cmocka_unit_test(a_first_start_that_fails_is_the_end_of_it),
        cmocka_unit_test(a_restart_that_fails_is_tried_again),
        cmocka_unit_test(a_start_outlives_a_loss_of_systemd),
        cmocka_unit_test(without_back_off_it_is_tried_at_leisure),
        cmocka_unit_test(a_file_does_not_put_it_off_for_ever),
        cmocka_unit_test(another_configuration_holds_for_a_failed_start),
        cmocka_unit_test(it_is_stopped_from_wherever_it_is),
        cmocka_unit_test(one_that_is_to_be_removed_takes_no_other_wish),
    };

    return cmocka_run_group_tests_name("ownlife", tests, NULL, NULL);
}
