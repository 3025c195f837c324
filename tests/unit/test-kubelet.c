/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The end of a fetch, from inside: the tests of the programs (tests/replay/test-kubelet.c) do not
 * see whom a signal was meant for. The linker leads two of libuv's functions past here.
 */

#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>

#include "daemon/kubelet.h"
#include "tests/unit/scratch.h"

int __real_uv_spawn(uv_loop_t *loop, uv_process_t *process, const uv_process_options_t *options);
int __wrap_uv_spawn(uv_loop_t *loop, uv_process_t *process, const uv_process_options_t *options);
int __real_uv_process_kill(uv_process_t *process, int signum);
int __wrap_uv_process_kill(uv_process_t *process, int signum);

static uv_process_t *spawned;
static unsigned n_kills;

int __wrap_uv_spawn(uv_loop_t *loop, uv_process_t *process, const uv_process_options_t *options)
{
    spawned = process;
    return __real_uv_spawn(loop, process, options);
}

int __wrap_uv_process_kill(uv_process_t *process, int signum)
{
    n_kills++;
    /* A failing test must not hit whoever has the pid now. */
    return uv_is_closing((uv_handle_t *)process) ? UV_ESRCH
                                                 : __real_uv_process_kill(process, signum);
}

/* A kubelet that is asked, and a script in the place of kubelet-pods. */
struct asked {
    struct scratch *scratch;
    uv_loop_t loop;
    struct events events;
    struct config *config;
    struct kubelet *kubelet;
    unsigned n_answers;
};

static void answered(void *userdata, struct podspec *spec, const char *reason)
{
    struct asked *asked = userdata;

    assert_null(spec);
    assert_string_equal(reason, "gantryd is about to end");
    asked->n_answers++;
}

static int setup(void **state)
{
    struct asked *asked = calloc(1, sizeof(*asked));

    scratch_setup((void **)&asked->scratch);
    assert_int_equal(uv_loop_init(&asked->loop), 0);
    assert_int_equal(config_load(&asked->config, "/nonexistent", CONFIG_ALL, NULL, NULL), 0);
    asked->config->kubelet.timeout = USEC_MINUTE;
    asked->kubelet = kubelet_new(&asked->loop, &asked->events);
    assert_non_null(asked->kubelet);
    n_kills = 0;
    *state = asked;
    return 0;
}

static int teardown(void **state)
{
    struct asked *asked = *state;

    unsetenv("GANTRY_KUBELET_PODS");
    kubelet_free(asked->kubelet);
    config_unref(asked->config);
    scratch_teardown((void **)&asked->scratch);
    free(asked);
    return 0;
}

static void ask(struct asked *asked, const char *script)
{
    CLEANUP(freep) char *path = scratch_path(asked->scratch, "kubelet-pods");

    scratch_write(asked->scratch, "kubelet-pods", script);
    assert_int_equal(chmod(path, 0700), 0);
    setenv("GANTRY_KUBELET_PODS", path, 1);
    kubelet_ask(asked->kubelet, asked->config, "uid", answered, asked);
    assert_int_equal(asked->n_answers, 0);
}

static void close_it(struct asked *asked)
{
    kubelet_close(asked->kubelet);
    assert_int_equal(asked->n_answers, 1);
    assert_int_equal(uv_run(&asked->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&asked->loop), 0);
}

static void one_that_runs_is_killed(void **state)
{
    struct asked *asked = *state;

    ask(asked, "#!/bin/sh\nexec sleep 60\n");
    close_it(asked);
    assert_int_equal(n_kills, 1);
}

static void one_that_has_ended_is_not(void **state)
{
    struct asked *asked = *state;

    /* Its output does not end with it: something that it has begun holds it, until we let go. */
    ask(asked, "#!/bin/sh\n{ cat >/dev/null; } <&0 &\n");
    while (!uv_is_closing((uv_handle_t *)spawned))
        uv_run(&asked->loop, UV_RUN_ONCE);
    close_it(asked);
    assert_int_equal(n_kills, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(one_that_runs_is_killed),
        TEST(one_that_has_ended_is_not),
    };

    return cmocka_run_group_tests_name("kubelet", tests, NULL, NULL);
}
