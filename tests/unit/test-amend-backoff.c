/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "daemon/amend/rooms.h"
#include "tests/unit/launches.h"

/* One prepare of a pod at a time; the pod's life is carried on from launch to launch. */
struct gate {
    struct config *config;
    struct life life;
};

static int setup(void **state)
{
    struct gate *gate = calloc(1, sizeof(*gate));

    gate->config = make_config("");
    *state = gate;
    return 0;
}

static int teardown(void **state)
{
    struct gate *gate = *state;

    life_deinit(&gate->life);
    config_unref(gate->config);
    free(gate);
    return 0;
}

/* Enters the room at `seconds`; checks the message of a refusal, or the note of a passage. */
static void enter(struct gate *gate, const char *hash, unsigned seconds, int result,
                  const char *words)
{
    CLEANUP(launch_freep) struct launch *launch = make_launch(gate->config, hash, NULL);

    launch->now = seconds * USEC_SEC;
    launch->room = rooms;
    snprintf(launch->id, 2, "%c", 'a' + (int)(seconds % 26));
    launch->pod->life = gate->life;
    assert_int_equal(amend_backoff(launch), result);
    gate->life = launch->pod->life;
    launch->pod->life = (struct life){0};
    if (result == LAUNCH_E_REFUSED)
        assert_string_equal(error_message(&launch->error), words);
    assert_int_equal(launch->notes.n, result == 0 && words ? 1 : 0);
    if (result == 0 && words)
        assert_string_equal(launch->notes.list[0].text, words);
    /* What the next back-off rests on must not be lost. */
    assert_int_equal(launch->is_binding, result == 0 && words);
}

static void run_for_three_seconds(struct gate *gate, unsigned seconds)
{
    const struct backoff_limits *limits = &gate->config->backoff;

    assert_int_equal(life_run(&gate->life, limits, gate->life.hashes, seconds * USEC_SEC), 0);
    life_exit(&gate->life, limits, (seconds + 3) * USEC_SEC, (seconds + 3) * USEC_SEC);
}

static void a_first_launch_passes_without_a_note(void **state)
{
    enter(*state, "1", 100, 0, NULL);
}

static void refuses_in_the_words_of_the_docker_runtime(void **state)
{
    static const struct {
        unsigned wait;
        const char *delay, *next;
    } rows[] = {
        {0, "", "10s"},         {10, "10s", "20s"},     {20, "20s", "40s"},    {40, "40s", "1m20s"},
        {80, "1m20s", "2m40s"}, {160, "2m40s", "5m0s"}, {300, "5m0s", "5m0s"},
    };
    struct gate *gate = *state;
    unsigned now = 100;

    enter(gate, "1", now, 0, NULL);
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char refusal[256], note[256];
        run_for_three_seconds(gate, now);
        now += 3;
        snprintf(refusal, sizeof(refusal),
                 "Back-off %s restarting failed container=c pod=web_default(1234)", rows[i].delay);
        snprintf(note, sizeof(note), "a restart; the next one has to wait %s", rows[i].next);
        if (rows[i].wait > 0)
            enter(gate, "1", now + rows[i].wait - 1, LAUNCH_E_REFUSED, refusal);
        now += rows[i].wait;
        enter(gate, "1", now, 0, note);
    }
}

static void names_the_container_that_ended_the_pod(void **state)
{
    struct gate *gate = *state;

    enter(gate, "1", 100, 0, NULL);
    run_for_three_seconds(gate, 100);
    enter(gate, "1", 103, 0, "a restart; the next one has to wait 10s");
    run_for_three_seconds(gate, 103);
    assert_int_equal(life_set_ended_by(&gate->life, "bad"), 0);
    enter(gate, "1", 107, LAUNCH_E_REFUSED,
          "Back-off 10s restarting failed container=bad pod=web_default(1234)");
    /* with another spec it is another row */
    enter(gate, "2", 108, 0, NULL);
}

static void a_pod_that_is_not_the_kubelets_is_never_held_back(void **state)
{
    struct gate *gate = *state;
    CLEANUP(launch_freep) struct launch *launch = make_launch(gate->config, NULL, NULL);

    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(amend_backoff(launch), 0);
    assert_int_equal(launch->notes.n, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(a_first_launch_passes_without_a_note),
        TEST(refuses_in_the_words_of_the_docker_runtime),
        TEST(names_the_container_that_ended_the_pod),
        TEST(a_pod_that_is_not_the_kubelets_is_never_held_back),
    };

    return cmocka_run_group_tests_name("amend-backoff", tests, NULL, NULL);
}
