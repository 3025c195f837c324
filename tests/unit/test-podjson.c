/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "daemon/podjson.h"

#define BOOT "79540a30-f6c1-4f51-b560-efe0399d0125"

/* A pod that has everything. */
static struct pod *full_pod(void)
{
    struct pod *pod = pod_new("1234", "web", "default");
    struct notes notes = {0};

    pod->restarts = 4;
    pod->n_refused = 3;
    pod->life.state = LIFE_HELD;
    pod->life.backoff = (struct backoff){.delay = 40 * USEC_SEC, .allowed_at = 7};
    pod->life.hashes = strdup("a=1,b=2");
    pod->life.has_finished = true;
    pod->life.finished_at = 8;
    pod->life.touched_at = 9;
    strcpy(pod->life.launch, "launch");
    life_set_ended_by(&pod->life, "b");

    struct rktpod *old = pod_add_rktpod(pod, "old", "/var/lib/rkt");
    old->ended = true;
    old->status = 7;
    old->started_at = 1;
    old->finished_at = 2;
    rktpod_add_exit(old, "a", 0);
    rktpod_add_exit(old, "b", 7);
    struct rktpod *new = pod_add_rktpod(pod, "new", "/data");
    new->pid = 42;
    new->start_ticks = 4242;
    new->started_at = 3;
    rktpod_set_unit(new, "k8s_new.service");

    pod_set_qos_class(pod, "Burstable");
    pod_add_oom_score(pod, "a", 734);
    pod_add_oom_score(pod, "b", -5);

    notes_add(&notes, "hostpath", "made /srv");
    for (size_t i = 0; i < NOTES_OF_ROOM + 3; i++)
        notes_add(&notes, "volumes", "changed");
    record_set(&pod->passed, "prepare", 5, NULL, &notes);
    record_set(&pod->refused, "prepare", 6, "Back-off", &notes);
    record_set(&pod->refused, "prepare", 7, "Back-off", &notes);
    return pod;
}

static struct pod *read_back(const char *text, const char *uid, int result)
{
    json_t *json = json_loads(text, 0, NULL);
    struct pod *pod = NULL;

    assert_non_null(json);
    assert_int_equal(podjson_read(json, uid, BOOT, &pod, NULL), result);
    json_decref(json);
    return pod;
}

static void nothing_is_lost_on_the_way(void **state)
{
    struct pod *pod = full_pod();
    CLEANUP(freep) char *text = podjson_write(pod, BOOT);
    struct pod *back = read_back(text, "1234", 0);
    CLEANUP(freep) char *again = podjson_write(back, BOOT);

    (void)state;
    assert_string_equal(text, again);
    assert_int_equal(back->life.state, LIFE_HELD);
    assert_int_equal(back->life.backoff.delay, 40 * USEC_SEC);
    assert_string_equal(back->life.hashes, "a=1,b=2");
    assert_string_equal(back->life.ended_by, "b");
    assert_string_equal(back->life.launch, "launch");
    assert_int_equal(back->restarts, 4);
    assert_int_equal(back->n_refused, 3);
    assert_string_equal(back->rktpods->uuid, "new");
    assert_string_equal(back->rktpods->unit, "k8s_new.service");
    assert_int_equal(back->rktpods->start_ticks, 4242);
    assert_int_equal(back->rktpods->status, STATUS_UNKNOWN);
    assert_string_equal(back->rktpods->next->uuid, "old");
    assert_int_equal(back->rktpods->next->n_apps, 2);
    assert_string_equal(back->rktpods->next->apps[1].container, "b");
    assert_int_equal(back->refused.n_times, 2);
    assert_string_equal(back->passed.notes.list[0].text, "made /srv");
    assert_string_equal(back->passed.notes.list[NOTES_OF_ROOM + 1].text, "and 3 more");
    assert_string_equal(back->qos_class, "Burstable");
    assert_int_equal(back->n_oom_scores, 2);
    assert_string_equal(back->oom_scores[0].container, "a");
    assert_int_equal(back->oom_scores[1].score, -5);
    pod_unref(pod);
    pod_unref(back);
}

static void a_new_pod_is_written_too(void **state)
{
    struct pod *pod = pod_new("1", "n", "s");
    CLEANUP(freep) char *text = podjson_write(pod, BOOT);
    struct pod *back = read_back(text, "1", 0);

    (void)state;
    assert_int_equal(back->life.state, LIFE_NEW);
    assert_null(back->life.hashes);
    assert_null(back->rktpods);
    assert_null(back->passed.command);
    assert_null(back->qos_class);
    pod_unref(pod);
    pod_unref(back);
}

static void what_a_later_one_wrote_is_passed_over(void **state)
{
    struct pod *pod = full_pod();
    CLEANUP(freep) char *text = podjson_write(pod, BOOT);
    json_t *json = json_loads(text, 0, NULL);
    struct pod *back = NULL;

    (void)state;
    json_object_set_new(json, "new", json_pack("{s:[]}", "member"));
    json_object_set_new(json_object_get(json, "life"), "mood", json_string("good"));
    assert_int_equal(podjson_read(json, "1234", BOOT, &back, NULL), 0);
    json_decref(json);
    pod_unref(pod);
    pod_unref(back);
}

static void what_is_not_true_any_more_is_told(void **state)
{
    struct pod *pod = full_pod();
    CLEANUP(freep) char *text = podjson_write(pod, "another boot");

    (void)state;
    assert_null(read_back(text, "1234", PODJSON_E_OTHER_BOOT));
    assert_null(read_back(text, "12345", PODJSON_E_BAD));
    pod_unref(pod);
}

/* Takes each member away in turn, and then makes a list of it: no reading may crash, and without a
 * member that must be there none may succeed. */
static void damage(json_t *root, json_t *object, const char *const *optional)
{
    json_t *intact = json_copy(object), *value;
    const char *name;

    json_object_foreach(intact, name, value)
    {
        struct pod *pod = NULL;
        bool may_miss = false;
        for (const char *const *o = optional; *o; o++)
            may_miss |= strcmp(*o, name) == 0;

        json_object_set_new(object, name, json_pack("[i]", 1));
        int damaged = podjson_read(root, "1234", BOOT, &pod, NULL);
        pod_unref(pod);
        pod = NULL;
        json_object_del(object, name);
        int missing = podjson_read(root, "1234", BOOT, &pod, NULL);
        pod_unref(pod);
        json_object_set(object, name, value);

        if (missing != (may_miss ? 0 : PODJSON_E_BAD))
            fail_msg("without \"%s\": %d", name, missing);
        assert_int_equal(damaged, PODJSON_E_BAD);
    }
    json_decref(intact);
}

static void damage_is_found(void **state)
{
    static const char *const of_pod[] = {"refusedInBackOff", "passed",    "refused",
                                         "qosClass",         "oomScores", NULL};
    static const char *const of_life[] = {"hashes", "endedBy", "launch", NULL};
    static const char *const of_rktpod[] = {"unit", "apps", NULL};
    static const char *const of_record[] = {"refusal", "notes", NULL};
    static const char *const none[] = {NULL};
    struct pod *pod = full_pod();
    CLEANUP(freep) char *text = podjson_write(pod, BOOT);
    json_t *json = json_loads(text, 0, NULL);
    json_t *old = json_array_get(json_object_get(json, "rktPods"), 1);

    (void)state;
    damage(json, json, of_pod);
    damage(json, json_object_get(json, "life"), of_life);
    damage(json, json_array_get(json_object_get(json, "rktPods"), 0), of_rktpod);
    damage(json, json_object_get(json, "passed"), of_record);
    damage(json, json_array_get(json_object_get(old, "apps"), 0), none);
    damage(json, json_array_get(json_object_get(json_object_get(json, "passed"), "notes"), 0),
           none);
    damage(json, json_array_get(json_object_get(json, "oomScores"), 0), none);
    json_object_set_new(json_object_get(json, "life"), "state", json_string("asleep"));
    struct pod *bad = NULL;
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    assert_int_equal(podjson_read(json, "1234", BOOT, &bad, &error), PODJSON_E_BAD);
    assert_string_equal(error_message(&error), "the pod's life is not as it should be");
    json_decref(json);
    pod_unref(pod);
}

static void old_rkt_pods_are_not_kept_for_ever(void **state)
{
    struct pod *pod = pod_new("1", "n", "s");
    size_t n = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        char uuid[16];
        snprintf(uuid, sizeof(uuid), "%u", i);
        pod_add_rktpod(pod, uuid, "/d")->ended = i != 50;
    }
    for (const struct rktpod *rktpod = pod->rktpods; rktpod; rktpod = rktpod->next)
        n++;
    /* the one that runs, the last one, and those that had ended when it came */
    assert_int_equal(n, RKTPODS_ENDED_MAX + 2);
    assert_string_equal(pod->rktpods->uuid, "99");
    assert_non_null(pod_find_rktpod(pod, "50"));
    assert_null(pod_find_rktpod(pod, "49"));
    pod_unref(pod);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_on_the_way),
        cmocka_unit_test(a_new_pod_is_written_too),
        cmocka_unit_test(what_a_later_one_wrote_is_passed_over),
        cmocka_unit_test(what_is_not_true_any_more_is_told),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(old_rkt_pods_are_not_kept_for_ever),
    };

    return cmocka_run_group_tests_name("podjson", tests, NULL, NULL);
}
