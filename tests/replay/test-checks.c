/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What gantryd finds for gantryctl doctor, and how gantryctl shows it.
 */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "lib/adopt.h"
#include "tests/harness/kubelet.h"
#include "tests/harness/rkt.h"

/* The finding of that name; borrowed until the next call. */
static const json_t *finding(const char *name)
{
    static json_t *reply;
    const json_t *entry;
    size_t i;

    json_decref(reply);
    reply = api_call("io.gantry.Node.Check", json_object());
    const json_t *checks = json_object_get(json_object_get(reply, "parameters"), "checks");
    assert_int_equal(json_array_size(checks), 4);
    json_array_foreach(checks, i, entry)
    {
        if (strcmp(field(entry, "name"), name) == 0)
            return entry;
    }
    fail_msg("no finding %s", name);
    return NULL;
}

static bool is(const char *name, const char *status)
{
    return strcmp(field(finding(name), "status"), status) == 0;
}

static void finds(const char *name, const char *status, const char *words, const char *remedy)
{
    const json_t *entry = finding(name);
    const char *mends = json_string_value(json_object_get(entry, "remedy"));

    if (strcmp(field(entry, "status"), status) != 0 || !strstr(field(entry, "found"), words))
        fail_msg("%s: %s", field(entry, "status"), field(entry, "found"));
    if (!remedy)
        assert_null(mends);
    else if (!mends || !strstr(mends, remedy))
        fail_msg("%s", mends ? mends : "no remedy");
}

static void configure(const char *text)
{
    node_configure(text);
    gantryd_end(SIGTERM);
    gantryd_start();
}

static void the_kubelet_is_asked(void **state)
{
    CLEANUP(json_decrefp) json_t *pods = json_array();

    (void)state;
    finds("kubelet-pods", "warning", "cannot be asked at http://127.0.0.1:10255",
          "# if there is one, give it --read-only-port=10255");
    kubelet_start();
    kubelet_serves_pods(pods);
    wait_for(is("kubelet-pods", "ok"));
    configure("[Kubelet]\nTimeout=300ms\n");
    kubelet_serves(NULL, 0);
    finds("kubelet-pods", "warning", "no answer within 300ms", "");
    configure("[Kubelet]\nTimeout=300ms\nRequired=yes\n");
    finds("kubelet-pods", "failed", "no answer within 300ms", "");
    configure("[Kubelet]\nURL=\n");
    finds("kubelet-pods", "warning", "URL= of [Kubelet] is empty", "# write where it answers");
    kubelet_stop();
}

static void the_sandbox_and_the_clock_are_looked_at(void **state)
{
    const struct timespec future[2] = {{.tv_sec = time(NULL) + 3600},
                                       {.tv_sec = time(NULL) + 3600}};

    (void)state;
    finds("openat2", "ok", "openat2", NULL);
    finds("state-clock", "ok", "", NULL);
    write_text(NODE_STATE "/pods/x.json.bad", "");
    assert_int_equal(utimensat(AT_FDCWD, NODE_STATE "/pods/x.json.bad", future, 0), 0);
    finds("state-clock", "warning", "in the future", "# set the clock if it is wrong now");
}

/* rkt itself, round gantry. */
static pid_t run_directly(char *uuid)
{
    char *const argv[] = {"rkt",
                          "--insecure-options=image,ondisk,none",
                          "--dir=/var/lib/rkt",
                          "run-prepared",
                          "--net=host",
                          uuid,
                          NULL};

    return start_argv("/run/recorder/next", argv);
}

static void ends(pid_t pid)
{
    kill(pid, SIGTERM);
    finish(pid);
}

/* A pod that runs for long, prepared; the kubelet's, or of gantry's own. Return: its UUID, to
 * free(). */
static char *prepare(bool is_own)
{
    CLEANUP(json_decrefp) json_t *trace = trace_load("rkt-network");
    json_t *manifest =
        json_object_get(json_array_get(json_object_get(trace, "calls"), 0), "manifest");
    json_t *app = json_array_get(json_object_get(manifest, "apps"), 0);

    json_object_set_new(json_object_get(app, "app"), "exec",
                        json_pack("[s, s, s]", "sh", "-c", "sleep 1000"));
    if (is_own)
        json_array_append_new(json_object_get(manifest, "annotations"),
                              json_pack("{s:s, s:s}", "name", ADOPT_ANNOTATION, "value", "true"));
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    return rkt_uuid(&result);
}

static void finds_running(bool is_own, const char *follows)
{
    CLEANUP(freep) char *uuid = prepare(is_own), *remedy = NULL;

    finds("state", "ok", "0 pods run", NULL);
    pid_t pid = run_directly(uuid);
    wait_for(is("state", "warning"));
    assert_true(asprintf(&remedy, " --dir=/var/lib/rkt stop %s  # %s", uuid, follows) > 0);
    finds("state", "warning", uuid, remedy);
    ends(pid);
    /* what rkt has begun may hold the pod a little longer than rkt */
    wait_for(is("state", "ok"));
    finds("state", "ok", "0 pods run", NULL);
}

static void one_that_was_started_without_gantryd_is_found(void **state)
{
    (void)state;
    finds_running(false, "the kubelet starts the pod again");
    finds_running(true, "gantryctl run starts the pod again");
}

static void one_that_gantryd_knows_is_none(void **state)
{
    CLEANUP(freep) char *uuid = prepare(false);

    (void)state;
    pid_t pid = rkt_run(uuid);
    wait_for(strstr(field(finding("state"), "found"), "1 pods run"));
    finds("state", "ok", "1 pods run", NULL);
    ends(pid);
}

/* The node has neither systemd nor a kubelet; what gantryd says comes among the rest. */
static void gantryctl_shows_it_all(void **state)
{
    (void)state;
    CLEANUP(result_deinit) struct result words = run(node_built("gantryctl"), "doctor", NULL);
    assert_int_equal(words.status, 1);
    assert_string_equal(words.err, "");
    assert_non_null(strstr(words.out, "\nok       API socket       gantryd " PACKAGE_VERSION));
    assert_non_null(strstr(words.out, "\nok       openat2 "));
    assert_non_null(strstr(words.out, "\nwarning  kubelet's /pods  the kubelet cannot be asked"));
    assert_non_null(
        strstr(words.out, "\n         # if there is one, give it --read-only-port=10255"));
    gantryd_end(SIGTERM);
    CLEANUP(result_deinit)
    struct result json = run(node_built("gantryctl"), "--json", "doctor", NULL);
    CLEANUP(json_decrefp) json_t *list = json_loads(json.out, 0, NULL);
    assert_int_equal(json_array_size(list), 17);
    assert_non_null(strstr(json.out, "\"gantryd cannot be asked\""));
    gantryd_start();
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rkt_setup, rkt_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(the_kubelet_is_asked),
        TEST(the_sandbox_and_the_clock_are_looked_at),
        TEST(one_that_was_started_without_gantryd_is_found),
        TEST(one_that_gantryd_knows_is_none),
        TEST(gantryctl_shows_it_all),
    };

    node_enter();
    return cmocka_run_group_tests_name("checks", tests, NULL, NULL);
}
