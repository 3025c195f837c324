/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The walk by itself, through rooms of the test's own: a letter for each that was entered, a
 * capital one for each that took back what it did.
 */

#include "tests/unit/unit.h"

#include <errno.h>

#include "daemon/launch.h"
#include "tests/unit/launches.h"

static char way[32];

static void note(char letter)
{
    size_t n = strlen(way);

    assert_true(n + 1 < sizeof(way));
    way[n] = letter;
    way[n + 1] = '\0';
}

/* What the last room returns. */
static int last_result;

static int enter_a(struct launch *launch)
{
    (void)launch;
    note('a');
    return 0;
}

static void undo_a(struct launch *launch)
{
    (void)launch;
    note('A');
}

/* One that waits. */
static int enter_b(struct launch *launch)
{
    note('b');
    return launch->may_wait ? 0 : LAUNCH_E_WAIT;
}

static void undo_b(struct launch *launch)
{
    (void)launch;
    note('B');
}

static int enter_c(struct launch *launch)
{
    note('c');
    return launch->was_consulted ? 0 : LAUNCH_E_CONSULT;
}

static int enter_other(struct launch *launch)
{
    (void)launch;
    note('x');
    return 0;
}

static void undo_other(struct launch *launch)
{
    (void)launch;
    note('X');
}

static int enter_last(struct launch *launch)
{
    (void)launch;
    note('l');
    return last_result;
}

static void undo_last(struct launch *launch)
{
    (void)launch;
    note('L');
}

/* In the place of daemon/amend/rooms.c. */
const struct room rooms[] = {
    {"a", LAUNCH_PREPARES, MESSAGE_REFUSAL, enter_a, undo_a},
    {"b", LAUNCH_PREPARES, MESSAGE_REFUSAL, enter_b, undo_b},
    {"c", LAUNCH_PREPARES, MESSAGE_REFUSAL, enter_c, NULL},
    {"runs", 1U << RKTCMD_RUN_PREPARED, MESSAGE_REFUSAL, enter_other, undo_other},
    {"last", LAUNCH_PREPARES, MESSAGE_REFUSAL, enter_last, undo_last},
    {NULL, 0, 0, NULL, NULL},
};

static void consult(struct launch *launch)
{
    note('?');
    launch_consulted(launch, "nobody knows");
}

static void done(struct launch *launch)
{
    (void)launch;
    note('.');
}

/* Walks with that result of the last room; this is the way that it must take. */
static struct launch *walk(struct config *config, int result, const char *expected)
{
    struct launch *launch = make_launch(config, "1", NULL);
    uv_loop_t loop;

    assert_int_equal(uv_loop_init(&loop), 0);
    way[0] = '\0';
    last_result = result;
    launch->consult = consult;
    launch_walk(launch, &loop, done);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_string_equal(way, expected);
    return launch;
}

static void who_passes_keeps_what_was_done(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = walk(config, 0, "abbc?cl.");

    (void)state;
    assert_null(launch->refused_by);
    assert_int_equal(launch->failure, 0);
    assert_string_equal(launch->unknown, "nobody knows");
}

static void a_later_refusal_takes_it_back(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = walk(config, LAUNCH_E_REFUSED, "abbc?clBA.");

    (void)state;
    assert_string_equal(launch->refused_by->name, "last");
}

static void so_does_a_failure(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = walk(config, -EIO, "abbc?clBA.");

    (void)state;
    assert_null(launch->refused_by);
    assert_int_equal(launch->failure, -EIO);
    assert_string_equal(error_message(&launch->error), "last: Input/output error");
}

static void a_note_has_an_end(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = make_launch(config, "1", NULL);
    static char name[1 << 20];

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    launch->room = &rooms[0];
    assert_int_equal(launch_note(launch, "made %s", name), 0);
    assert_string_equal(launch->notes.list[0].room, "a");
    assert_int_equal(strlen(launch->notes.list[0].text), LAUNCH_NOTE_MAX);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_passes_keeps_what_was_done),
        cmocka_unit_test(a_later_refusal_takes_it_back),
        cmocka_unit_test(so_does_a_failure),
        cmocka_unit_test(a_note_has_an_end),
    };

    return cmocka_run_group_tests_name("launch", tests, NULL, NULL);
}
