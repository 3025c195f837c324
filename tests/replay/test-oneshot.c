/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Programs as transient units (daemon/own/oneshot.h), run by systemd's manager in small.
 */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>

#include "daemon/bus.h"
#include "daemon/own/oneshot.h"
#include "tests/harness/own.h"

#define FOLDER "/run/node/own"
#define UNIT "gantry-test@a.service"

struct world {
    uv_loop_t loop;
    struct events events;
    struct bus *bus;
    /* what the last oneshot has left */
    int result;
    char words[256], out[256];
};

static int setup(void **state)
{
    static struct world world;

    world = (struct world){.result = 0};
    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/node/bus", 1);
    make_folders(FOLDER);
    start_bus();
    assert_int_equal(uv_loop_init(&world.loop), 0);
    world.bus = bus_new(&world.loop, &world.events);
    assert_non_null(world.bus);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    bus_close(world->bus);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    bus_free(world->bus);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    stop_bus();
    return 0;
}

static void done(void *userdata, const struct oneshot_result *result)
{
    struct world *world = userdata;

    world->result = result->result;
    snprintf(world->words, sizeof(world->words), "%s", oneshot_words(result, "nonsense"));
    snprintf(world->out, sizeof(world->out), "%s", result->out);
    uv_stop(&world->loop);
}

/* Runs it as a shell does, to its end. */
static void run_script(struct world *world, const char *script, usec_t timeout)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct transient unit = {
        .name = UNIT, .commands = {{argv, false}}, .is_oneshot = true, .start_timeout = timeout};

    assert_non_null(oneshot_run(world->bus, &world->loop, &(struct oneshot_files){.folder = FOLDER},
                                &unit, done, world));
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_false(is_there(FOLDER "/" UNIT ".out"));
    assert_false(is_there(FOLDER "/" UNIT ".err"));
}

static void what_it_prints_is_read(void **state)
{
    struct world *world = *state;

    run_script(world, "echo out; echo err >&2", USEC_HOUR);
    assert_int_equal(world->result, 0);
    assert_string_equal(world->out, "out\n");
    assert_string_equal(world->words, "err\n");
    run_script(world, "exit 1", USEC_HOUR);
    assert_int_equal(world->result, BUS_E_FAILED);
    assert_string_equal(world->words, "failed");
}

static void arguments_go_as_they_are(void **state)
{
    struct world *world = *state;

    run_script(world, "X=1; echo '$' '$$' '${HOME}'$X \"${X}2\"", USEC_HOUR);
    assert_string_equal(world->out, "$ $$ ${HOME}1 12\n");
}

/* systemd says only that it has failed, and its own last words have nothing to do with that. */
static void one_that_takes_too_long_is_told_so(void **state)
{
    struct world *world = *state;

    run_script(world, "echo rendering >&2; exec sleep 1000", 100 * USEC_MSEC);
    assert_int_equal(world->result, BUS_E_LATE);
    assert_string_equal(world->words, "it had not ended after 100ms, and was ended");
}

static void forgotten(void *userdata, int result, const char *reason)
{
    (void)userdata;
    (void)result;
    (void)reason;
}

/* As a gantryd that was killed leaves one: nobody reads its files. It goes on until there is the
 * file "go". */
static void begin_and_forget(struct world *world)
{
    static const char *const argv[] = {"/bin/sh", "-c",
                                       "echo >" FOLDER "/begun; while [ ! -e " FOLDER
                                       "/go ]; do sleep 0.02; done; "
                                       "echo out; echo err >&2; exit 1",
                                       NULL};

    write_text(FOLDER "/input", "");
    bus_start_unit(world->bus,
                   &(struct transient){.name = UNIT,
                                       .commands = {{argv, false}},
                                       .is_oneshot = true,
                                       .stdout_path = FOLDER "/" UNIT ".out",
                                       .stderr_path = FOLDER "/" UNIT ".err",
                                       .start_timeout = USEC_HOUR},
                   forgotten, world);
    wait_for((uv_run(&world->loop, UV_RUN_NOWAIT), is_there(FOLDER "/begun")));
}

static void run_after_it(struct world *world, const char *script)
{
    const struct oneshot_files files = {
        .folder = FOLDER, .input_name = "input", .keeps_output = true};
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct transient unit = {
        .name = UNIT, .commands = {{argv, false}}, .is_oneshot = true, .start_timeout = USEC_HOUR};

    assert_non_null(oneshot_run(world->bus, &world->loop, &files, &unit, done, world));
    write_text(FOLDER "/go", "");
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(world->result, 0);
    assert_false(is_there(FOLDER "/input"));
    assert_false(is_there(FOLDER "/" UNIT ".out"));
    assert_false(is_there(FOLDER "/" UNIT ".err"));
}

static void what_another_one_prints_is_not_lost(void **state)
{
    struct world *world = *state;

    begin_and_forget(world);
    run_after_it(world, "echo and more");
    assert_string_equal(world->out, "out\nand more\n");
    /* there need not be any */
    run_after_it(world, ":");
    assert_string_equal(world->out, "");
    /* who does not ask for it does not see it */
    write_text(FOLDER "/" UNIT ".out", "out\n");
    run_script(world, "echo my own", USEC_HOUR);
    assert_string_equal(world->out, "my own\n");
}

static void what_nobody_has_read_is_cleared_away(void **state)
{
    int fd = open(FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    write_text(FOLDER "/" UNIT ".out", "");
    write_text(FOLDER "/" UNIT ".err", "");
    write_text(FOLDER "/another.out", "");
    oneshot_clear_files(fd, UNIT);
    fd_close(fd);
    assert_false(is_there(FOLDER "/" UNIT ".out"));
    assert_false(is_there(FOLDER "/" UNIT ".err"));
    assert_true(is_there(FOLDER "/another.out"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(what_it_prints_is_read),
        TEST(arguments_go_as_they_are),
        TEST(one_that_takes_too_long_is_told_so),
        TEST(what_another_one_prints_is_not_lost),
        TEST(what_nobody_has_read_is_cleared_away),
    };

    node_enter();
    return cmocka_run_group_tests_name("oneshot", tests, NULL, NULL);
}
