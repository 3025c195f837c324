/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "daemon/amend/rooms.h"
#include "tests/unit/launches.h"

static const struct room *room(void)
{
    const struct room *found = rooms;

    while (strcmp(found->name, "oomscore") != 0)
        found++;
    return found;
}

static struct podspec *spec_of(const char *containers)
{
    struct podspec *spec = NULL;
    json_t *list = json_pack("{s:[{s:{s:s}, s:{s:o}}]}", "items", "metadata", "uid", "1234", "spec",
                             "containers", json_loads(containers, 0, NULL));

    assert_int_equal(podspec_find(&spec, list, "1234", NULL), 0);
    assert_non_null(spec);
    json_decref(list);
    return spec;
}

/* A launch of container "c" that the kubelet has told these containers of. */
static struct launch *launch_of(struct config *config, const char *containers)
{
    struct launch *launch = make_launch(config, "1", NULL);

    json_t *apps = json_object_get(launch->manifest_json, "apps");

    json_object_set_new(json_array_get(apps, 0), "app", json_object());
    launch->spec = containers ? spec_of(containers) : NULL;
    launch->room = room();
    return launch;
}

static void a_score_follows_the_class(void **state)
{
    static const struct {
        const char *containers, *qos;
        int score;
    } cases[] = {
        {"[{\"name\":\"c\"}]", "BestEffort", 1000},
        {"[{\"name\":\"c\",\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Mi\"}}}]",
         "Guaranteed", -998},
        {"[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]", "Burstable", 999},
        {"[{\"name\":\"c\",\"resources\":{\"requests\":{\"memory\":\"1000Ti\"}}}]", "Burstable", 2},
        /* the pod has the class, each container its score */
        {"[{\"name\":\"c\"},{\"name\":\"d\",\"resources\":{\"limits\":{\"memory\":\"1Gi\"}}}]",
         "Burstable", 999},
    };
    CLEANUP(config_unrefp) struct config *config = make_config("");

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(launch_freep) struct launch *launch = launch_of(config, cases[i].containers);
        char note[256];
        int score;
        assert_int_equal(amend_oomscore(launch), 0);
        assert_true(manifest_oom_score_adj(launch->manifest, 0, &score));
        assert_int_equal(score, cases[i].score);
        snprintf(note, sizeof(note), "QoS class %s; OOM scores: c %d", cases[i].qos, score);
        assert_int_equal(launch->notes.n, 1);
        assert_string_equal(launch->notes.list[0].text, note);
        assert_string_equal(launch->pod->qos_class, cases[i].qos);
        assert_int_equal(launch->pod->n_oom_scores, 1);
        assert_string_equal(launch->pod->oom_scores[0].container, "c");
        assert_int_equal(launch->pod->oom_scores[0].score, score);
    }
}

static void a_request_counts_by_the_machines_memory(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    char containers[256];
    int score;

    (void)state;
    snprintf(containers, sizeof(containers),
             "[{\"name\":\"c\",\"resources\":{\"requests\":{\"memory\":\"%llu\"}}}]",
             (unsigned long long)uv_get_total_memory() / 4 + 4096);
    CLEANUP(launch_freep) struct launch *launch = launch_of(config, containers);
    assert_int_equal(amend_oomscore(launch), 0);
    assert_true(manifest_oom_score_adj(launch->manifest, 0, &score));
    assert_int_equal(score, 750);
}

static void a_score_that_is_there_stays(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = launch_of(config, "[{\"name\":\"c\"}]");
    json_t *app = json_array_get(json_object_get(launch->manifest_json, "apps"), 0);

    (void)state;
    json_object_set_new(
        app, "app",
        json_pack("{s:[{s:s, s:i}]}", "isolators", "name", MANIFEST_OOM_SCORE_ADJ, "value", -5));
    assert_int_equal(amend_oomscore(launch), 0);
    assert_false(manifest_is_edited(launch->manifest));
    assert_int_equal(launch->pod->oom_scores[0].score, -5);

    /* also one that rkt will not take */
    json_object_set_new(
        app, "app",
        json_pack("{s:[{s:s, s:s}]}", "isolators", "name", MANIFEST_OOM_SCORE_ADJ, "value", "low"));
    assert_int_equal(amend_oomscore(launch), 0);
    assert_false(manifest_is_edited(launch->manifest));
}

static void without_the_kubelet_nothing_is_done(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = launch_of(config, NULL);
    CLEANUP(launch_freep) struct launch *other = make_launch(config, NULL, NULL);

    (void)state;
    assert_int_equal(amend_oomscore(launch), 0);
    assert_false(manifest_is_edited(launch->manifest));
    assert_int_equal(launch->notes.n, 0);
    assert_null(launch->pod->qos_class);
    assert_int_equal(amend_oomscore(other), 0);
}

static void an_app_that_the_spec_does_not_know_is_left_alone(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = launch_of(config, "[{\"name\":\"other\"}]");

    (void)state;
    assert_int_equal(amend_oomscore(launch), 0);
    assert_false(manifest_is_edited(launch->manifest));
    assert_int_equal(launch->pod->n_oom_scores, 0);
}

static void the_last_launch_counts(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = launch_of(config, "[{\"name\":\"c\"}]");

    (void)state;
    assert_int_equal(amend_oomscore(launch), 0);
    podspec_unref(launch->spec);
    launch->spec =
        spec_of("[{\"name\":\"c\",\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Mi\"}}}]");
    assert_int_equal(manifest_remove_isolator(launch->manifest, 0, MANIFEST_OOM_SCORE_ADJ), 0);
    assert_int_equal(amend_oomscore(launch), 0);
    assert_string_equal(launch->pod->qos_class, "Guaranteed");
    assert_int_equal(launch->pod->n_oom_scores, 1);
    assert_int_equal(launch->pod->oom_scores[0].score, -998);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_follows_the_class),
        cmocka_unit_test(a_request_counts_by_the_machines_memory),
        cmocka_unit_test(a_score_that_is_there_stays),
        cmocka_unit_test(without_the_kubelet_nothing_is_done),
        cmocka_unit_test(an_app_that_the_spec_does_not_know_is_left_alone),
        cmocka_unit_test(the_last_launch_counts),
    };

    return cmocka_run_group_tests_name("amend-oomscore", tests, NULL, NULL);
}
