/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <uv.h>

#include "daemon/state.h"
#include "tests/unit/scratch.h"

struct fixture {
    struct scratch *scratch;
    uv_loop_t loop;
    struct events events;
    struct state *state;
    unsigned n_saved;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    scratch_setup((void **)&fixture->scratch);
    uv_loop_init(&fixture->loop);
    assert_int_equal(
        state_new(&fixture->state, fixture->scratch->path, &fixture->loop, &fixture->events, NULL),
        0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    state_free(fixture->state);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    scratch_teardown((void **)&fixture->scratch);
    free(fixture);
    return 0;
}

static void saved(void *userdata)
{
    ((struct fixture *)userdata)->n_saved++;
}

static void save(struct fixture *fixture, struct pod *pod)
{
    state_save(fixture->state, pod, saved, fixture);
}

static bool is_written(struct fixture *fixture)
{
    CLEANUP(freep) char *path = scratch_path(fixture->scratch, "pods/uid.json");

    return access(path, F_OK) == 0;
}

static struct pod *make_pod(const char *name)
{
    struct pod *pod = pod_new("uid", name, "default");

    assert_non_null(pod);
    return pod;
}

static void loaded(void *userdata, struct pod *pod)
{
    *(struct pod **)userdata = pod;
}

static void writes_and_reads(void **state)
{
    struct fixture *fixture = *state;
    struct pod *pod = make_pod("web"), *read = NULL;

    save(fixture, pod);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(fixture->n_saved, 1);
    state_load(fixture->state, loaded, &read);
    assert_non_null(read);
    assert_string_equal(read->name, "web");
    pod_unref(read);
    pod_unref(pod);
}

/* In each order in which it can come, the file is of the pod that came last. */
static void a_forgotten_pod_leaves_the_file_to_its_successor(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < 8; i++) {
        struct pod *old = make_pod("old"), *between = make_pod("between"), *new = make_pod("new");
        struct pod *read = NULL;
        fixture->n_saved = 0;
        if (i & 1)
            save(fixture, old);
        if (i & 2)
            uv_run(&fixture->loop, UV_RUN_DEFAULT);
        old->forgotten = true;
        save(fixture, old);
        if (i & 4) {
            save(fixture, between);
            between->forgotten = true;
            save(fixture, between);
        }
        save(fixture, new);
        save(fixture, new);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_int_equal(fixture->n_saved, 3 + (i & 1) + (i & 4) / 2);
        assert_true(is_written(fixture));
        state_load(fixture->state, loaded, &read);
        assert_non_null(read);
        assert_string_equal(read->name, "new");

        new->forgotten = true;
        save(fixture, new);
        uv_run(&fixture->loop, UV_RUN_DEFAULT);
        assert_false(is_written(fixture));
        pod_unref(read);
        pod_unref(old);
        pod_unref(between);
        pod_unref(new);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(writes_and_reads),
        TEST(a_forgotten_pod_leaves_the_file_to_its_successor),
    };

    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
