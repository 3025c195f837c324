/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods of gantry's own, and a gantryd that is killed: at each point at which it can be, what it has
 * left on its own is the state in the pod's file, and what it has left elsewhere is what systemd
 * and rkt have done by then of the step of that state: nothing, or all of it, or something that is
 * still under way. Here are both, for each state, and the next gantryd has to make of it what the
 * one before would have.
 */

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/harness/own.h"

/* The file of a gantryd that is dead has this state and wish. NULL: as it is. */
static void set_state(const char *name, const char *state, const char *wish)
{
    CLEANUP(json_decrefp) json_t *own = read_json(file_of(name));

    if (state)
        json_object_set_new(own, "state", json_string(state));
    if (wish)
        json_object_set_new(own, "wish", json_string(wish));
    assert_int_equal(json_dump_file(own, file_of(name), 0), 0);
}

static void kill_in(const char *name, const char *state, const char *wish)
{
    gantryd_end(SIGKILL);
    set_state(name, state, wish);
}

static int64_t number_in_file(const char *name, const char *member)
{
    CLEANUP(json_decrefp) json_t *own = read_json(file_of(name));

    return json_integer_value(json_object_get(own, member));
}

/* Begins a pod that would not be restarted, and stops the world when systemd is asked to start it:
 * then gantryd is killed. */
static void kill_at_start(const char *name)
{
    char order[128];

    snprintf(order, sizeof(order), "StartTransientUnit gantry-%s.service", name);
    tell_manager("hold", order);
    pid_t run = start_argv(node_built("gantryctl"),
                           (char *[]){"gantryctl", "--restart=Never", "run",
                                      (char *)write_manifest(name, "exec sleep 1000"), NULL});
    wait_for(is_there("/run/node/manager/held"));
    gantryd_end(SIGKILL);
    assert_int_equal(finish(run), 3);
}

static void it_is_written_down_before_systemd_is_asked(void **state)
{
    (void)state;
    kill_at_start("early");
    assert_true(has_state("early", "noting") || has_state("early", "starting"));
    tell_manager("hold", NULL);
    gantryd_start();
    ctl("rm", "early", 0, "removing");
}

/* It was killed after it had asked: systemd starts the unit all the same, and no second one is. */
static void a_start_that_came_about_is_found(void **state)
{
    (void)state;
    kill_at_start("late");
    tell_manager("hold", NULL);
    gantryd_start();
    wait_for(has_state("late", "running"));
    assert_int_equal(number_in_file("late", "starts"), 1);
    assert_int_equal(restarts_of("late"), 0);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_RUN), "GANTRY_POD_NAME", "late", NULL);
    /* and its end is one by its policy */
    kill(pid_of("late"), SIGTERM);
    wait_for(has_state("late", "stopped"));
    ctl("rm", "late", 0, "removing");
    assert_false(has_rktpods());
}

/* It was killed before it had asked: nobody has run the pod, so that is no end, whatever its policy
 * is, and no failure. */
static void a_start_that_did_not_come_about_is_made_up_for(void **state)
{
    static const char *const states[] = {"sweeping", "waiting", "fetching", "preparing", "noting",
                                         "starting", "unsure",  "started",  "missed"};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(states); i++) {
        kill_at_start(states[i]);
        restart_manager();
        tell_manager("hold", NULL);
        set_state(states[i], states[i], NULL);
        journal_forget();
        gantryd_start();
        wait_for(has_state(states[i], "running"));
        assert_int_equal(number_in_file(states[i], "starts"), 1);
        assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_NO_START)), 0);
        assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_STOP)), 0);
        ctl("rm", states[i], 0, "removing");
        assert_false(has_rktpods());
    }
}

/* The unit runs, and gantryd had not noticed how far it was. */
static void one_that_runs_is_let_run(void **state)
{
    static const char *const states[] = {"noting",  "starting", "unsure",
                                         "started", "missed",   "running"};

    (void)state;
    ctl("run", write_manifest("on", "exec sleep 1000"), 0, "started");
    wait_for(is_in_state("on", "running", false));
    pid_t pid = pid_of("on");
    for (size_t i = 0; i < N_ELEMENTS(states); i++) {
        kill_in("on", states[i], NULL);
        gantryd_start();
        wait_for(has_state("on", "running"));
        assert_int_equal(pid_of("on"), pid);
        assert_true(is_in_state("on", "running", false));
    }
    ctl("rm", "on", 0, "removing");
}

/* It has run and ended while gantryd was away, however far that had noticed. */
static void one_that_has_ended_has_ended(void **state)
{
    static const char *const states[] = {"noting", "starting", "unsure", "started",
                                         "missed", "running",  "ending"};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(states); i++) {
        expect_ctl("--restart=Never", "run", write_manifest(states[i], "exec sleep 1000"), 0,
                   "started");
        wait_for(is_in_state(states[i], "running", false));
        pid_t pid = pid_of(states[i]);
        kill_in(states[i], states[i], NULL);
        kill(pid, SIGTERM);
        wait_for(kill(pid, 0) < 0);
        gantryd_start();
        wait_for(has_state(states[i], "stopped"));
        assert_true(is_in_state(states[i], "ended", true));
        ctl("rm", states[i], 0, "removing");
        assert_false(has_rktpods());
    }
}

/* As gantryctl stop and rm leave it, while the unit runs, and when it is gone. */
static void what_was_to_stop_is_stopped(void **state)
{
    static const char *const states[] = {"stopping", "aborting", "ending", "cancelling", "stopped"};

    (void)state;
    for (size_t i = 0; i < 2 * N_ELEMENTS(states); i++) {
        const char *in = states[i / 2];
        bool is_up = i % 2 == 0 && i / 2 < 2;
        ctl("run", write_manifest("off", "exec sleep 1000"), 0, "started");
        wait_for(is_in_state("off", "running", false));
        pid_t pid = pid_of("off");
        kill_in("off", in, "stop");
        if (!is_up)
            kill(pid, SIGTERM);
        wait_for(is_up || kill(pid, 0) < 0);
        gantryd_start();
        wait_for(has_state("off", "stopped") && is_in_state("off", "ended", true));
        assert_true(kill(pid, 0) < 0);
        ctl("rm", "off", 0, "removing");
    }
}

static void what_was_to_be_removed_is_removed(void **state)
{
    static const char *const states[] = {"stopping",   "aborting", "ending",
                                         "cancelling", "removing", "erasing"};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(states); i++) {
        ctl("run", write_manifest("away", "exec sleep 1000"), 0, "started");
        wait_for(is_in_state("away", "running", false));
        pid_t pid = pid_of("away");
        kill_in("away", states[i], "remove");
        if (i >= 2)
            kill(pid, SIGTERM);
        wait_for(i < 2 || kill(pid, 0) < 0);
        gantryd_start();
        wait_for(has_state("away", "gone") && !explain("away"));
        assert_false(has_rktpods());
        assert_true(kill(pid, 0) < 0);
    }
}

/* What rkt is at goes on without gantryd; the next one waits for it, and does it again. */
static void a_step_that_is_under_way_is_done_again(void **state)
{
    static const struct {
        const char *verb, *in;
    } steps[] = {{"fetch", "fetching"}, {"prepare", "preparing"}};
    char pattern[32];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(steps); i++) {
        unlink("/run/node/go");
        unlink("/run/node/calls");
        snprintf(pattern, sizeof(pattern), "*' %s '*", steps[i].verb);
        make_rkt_slow(pattern,
                      "echo >>/run/node/calls; while [ ! -e /run/node/go ]; do sleep 0.02; done");
        pid_t run = start_ctl("run", write_kubernetes_pod("far"));
        wait_for(has_text("/run/node/calls"));
        assert_true(has_state("far", steps[i].in));
        gantryd_end(SIGKILL);
        assert_int_equal(finish(run), 3);
        gantryd_start();
        write_text("/run/node/go", "");
        wait_for(has_state("far", "running"));
        CLEANUP(freep) char *calls = read_text("/run/node/calls");
        assert_int_equal(strlen(calls), 2);
        ctl("rm", "far", 0, "removing");
        assert_false(has_rktpods());
    }
}

/* Begins a pod whose prepare goes on until there is the file "go"; with the file "broken", the next
 * one fails. */
static pid_t begin_slow_prepare(const char *name)
{
    unlink("/run/node/go");
    unlink("/run/node/calls");
    unlink("/run/node/broken");
    make_rkt_slow("*' prepare '*", "[ ! -e /run/node/broken ] || exit 254; echo >>/run/node/calls; "
                                   "while [ ! -e /run/node/go ]; do sleep 0.02; done");
    pid_t run = start_ctl("run", write_kubernetes_pod(name));
    wait_for(has_text("/run/node/calls"));
    return run;
}

/* It is done again, as above, but by then nobody wants it. */
static void what_a_prepare_leaves_is_removed(void **state)
{
    (void)state;
    pid_t run = begin_slow_prepare("far");
    gantryd_end(SIGKILL);
    assert_int_equal(finish(run), 3);
    gantryd_start();
    pid_t rm = start_ctl("rm", "far");
    wait_for(has_state("far", "cancelling"));
    write_text("/run/node/go", "");
    assert_int_equal(finish(rm), 0);
    assert_false(has_rktpods());
}

/* The one after it fails, so it has no rkt pod of its own. */
static void what_a_prepare_leaves_is_known_to_the_next_one(void **state)
{
    (void)state;
    pid_t run = begin_slow_prepare("far");
    gantryd_end(SIGKILL);
    assert_int_equal(finish(run), 3);
    write_text("/run/node/broken", "");
    gantryd_start();
    write_text("/run/node/go", "");
    wait_for(has_state("far", "gone"));
    assert_false(has_rktpods());
}

/* Killed while it waited for a fetch that nobody wanted any more. */
static void a_cancelled_fetch_stays_cancelled(void **state)
{
    (void)state;
    unlink("/run/node/calls");
    make_rkt_slow("*' fetch '*", "echo $$ >>/run/node/calls; exec sleep 1000");
    pid_t run = start_ctl("run", write_kubernetes_pod("far"));
    wait_for(has_text("/run/node/calls"));
    kill_in("far", "cancelling", "stop");
    assert_int_equal(finish(run), 3);
    gantryd_start();
    wait_for(has_state("far", "stopped"));
    CLEANUP(freep) char *calls = read_text("/run/node/calls");
    wait_for(kill(atoi(calls), 0) < 0);
    ctl("rm", "far", 0, "removing");
}

/* Killed while it waited for a prepare, which cannot be ended without leaving half a rkt pod. */
static void a_prepare_that_is_not_wanted_is_waited_for(void **state)
{
    static const char *const files[] = {"/own/far.manifest", "/own/gantry-prepare@far.service.out",
                                        "/own/gantry-prepare@far.service.err"};

    (void)state;
    pid_t run = begin_slow_prepare("far");
    pid_t rm = start_ctl("rm", "far");
    wait_for(has_state("far", "cancelling"));
    gantryd_end(SIGKILL);
    assert_int_equal(finish(run), 3);
    assert_int_equal(finish(rm), 3);
    gantryd_start();
    rm = start_ctl("rm", "far");
    wait_for(has_printed("rm", "ending what is under way\n"));
    assert_true(has_state("far", "cancelling"));
    write_text("/run/node/go", "");
    assert_int_equal(finish(rm), 0);
    assert_false(has_rktpods());
    for (size_t i = 0; i < N_ELEMENTS(files); i++) {
        CLEANUP(freep) char *path = NULL;
        assert_true(asprintf(&path, NODE_STATE "%s", files[i]) > 0);
        assert_false(is_there(path));
    }
    CLEANUP(freep) char *calls = read_text("/run/node/calls");
    assert_int_equal(strlen(calls), 1);
}

static void it_outlives_gantryd(void **state)
{
    (void)state;
    ctl("run", write_manifest("on", "exec sleep 1000"), 0, "started");
    ctl("run", write_manifest("off", "exec sleep 1000"), 0, "started");
    ctl("run", write_manifest("gone", "exec sleep 1000"), 0, "started");
    wait_for(is_in_state("on", "running", false) && is_in_state("gone", "running", false) &&
             is_in_state("off", "running", false));
    ctl("stop", "off", 0, "stopping");
    pid_t on = pid_of("on"), gone = pid_of("gone");
    gantryd_end(SIGKILL);
    kill(gone, SIGTERM);
    wait_for(kill(gone, 0) < 0);
    gantryd_start();
    wait_for(restarts_of("gone") == 1 && is_in_state("gone", "running", false));
    assert_true(is_in_state("on", "running", false));
    assert_int_equal(pid_of("on"), on);
    assert_true(is_in_state("off", "ended", true));
    ctl("rm", "on", 0, "removing");
    ctl("rm", "off", 0, "removing");
    ctl("rm", "gone", 0, "removing");
    assert_false(has_rktpods());
}

static void without_systemd_nothing_is_started(void **state)
{
    (void)state;
    ctl("run", write_manifest("up", "exec sleep 1000"), 0, "started");
    wait_for(is_in_state("up", "running", false));
    stop_bus();
    ctl("run", write_manifest("late", "exec sleep 1000"), 1, "systemd cannot be asked over D-Bus");
    assert_false(is_there(NODE_STATE "/own/late.manifest"));
    /* Its units went with it: what became of them is asked when it is there again. */
    start_bus();
    wait_for(restarts_of("up") >= 1 && is_in_state("up", "running", false));
    ctl("rm", "up", 0, "removing");
    wait_for(!explain("late"));
}

/* systemd goes while it is asked to start a unit: who waits goes on waiting, and is not told that
 * it has failed. */
static void a_start_that_systemd_has_lost_is_asked_for_again(void **state)
{
    (void)state;
    tell_manager("hold", "StartTransientUnit gantry-lost.service");
    pid_t run = start_ctl("run", write_manifest("lost", "exec sleep 1000"));
    wait_for(is_there("/run/node/manager/held"));
    tell_manager("hold", NULL);
    /* whether it has begun by then is its own affair */
    restart_manager();
    assert_int_equal(finish(run), 0);
    wait_for(is_in_state("lost", "running", false));
    ctl("rm", "lost", 0, "removing");
    assert_false(has_rktpods());
}

/* And so of a step before it, which systemd may or may not go on with. */
static void a_step_that_systemd_has_lost_is_done_again(void **state)
{
    static const char *const verbs[] = {"fetch", "cat-manifest", "prepare"};
    char pattern[32];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(verbs); i++) {
        unlink("/run/node/go");
        unlink("/run/node/calls");
        snprintf(pattern, sizeof(pattern), "*' %s '*", verbs[i]);
        make_rkt_slow(pattern,
                      "echo >>/run/node/calls; while [ ! -e /run/node/go ]; do sleep 0.02; done");
        pid_t run = start_ctl("run", write_kubernetes_pod("far"));
        wait_for(has_text("/run/node/calls"));
        restart_manager();
        wait_for(has_printed("run", "waiting for systemd, which cannot be asked over D-Bus\n"));
        write_text("/run/node/go", "");
        assert_int_equal(finish(run), 0);
        CLEANUP(freep) char *calls = read_text("/run/node/calls");
        assert_int_equal(strlen(calls), 2);
        ctl("rm", "far", 0, "removing");
        assert_false(has_rktpods());
    }
}

static void one_that_waits_for_systemd_can_be_removed(void **state)
{
    (void)state;
    stop_bus();
    pid_t run = start_ctl("run", write_manifest("far", "exec sleep 1000"));
    wait_for(has_printed("run", "waiting for systemd"));
    pid_t rm = start_ctl("rm", "far");
    wait_for(has_state("far", "cancelling"));
    start_bus();
    assert_int_equal(finish(rm), 0);
    assert_int_equal(finish(run), 1);
    assert_true(has_printed("run", "it was removed meanwhile"));
    assert_false(is_there(NODE_STATE "/own/far.manifest"));
}

/* As systemctl daemon-reexec has it: another one answers under the same name. */
static void another_systemd_is_noticed(void **state)
{
    (void)state;
    ctl("run", write_manifest("one", "exec sleep 1000"), 0, "started");
    restart_manager();
    /* it knows no unit of ours, so the pod has ended, and is restarted */
    wait_for(restarts_of("one") >= 1);
    ctl("run", write_manifest("two", "exec sleep 1000"), 0, "started");
}

static void a_file_that_cannot_be_read_is_put_aside(void **state)
{
    static const struct {
        const char *name, *members, *why;
    } files[] = {
        {"empty", "", "it is of another version"},
        {"first", ",\"version\":1,\"uid\":\"u\",\"wish\":\"run\"", "it is of another version"},
        {"half", ",\"version\":2,\"uid\":\"u\",\"wish\":\"run\"", "not as it should be"},
    };
    CLEANUP(freep) char *boot_id = read_text("/proc/sys/kernel/random/boot_id");
    char text[512];

    (void)state;
    gantryd_end(SIGTERM);
    boot_id[strcspn(boot_id, "\n")] = '\0';
    for (size_t i = 0; i < N_ELEMENTS(files); i++) {
        snprintf(text, sizeof(text), "{\"boot\":\"%s\"%s}", boot_id, files[i].members);
        write_text(file_of(files[i].name), text);
    }
    write_text(file_of("old"), "{\"boot\":\"another\"}");
    gantryd_start();
    assert_false(is_there(file_of("old")));
    for (size_t i = 0; i < N_ELEMENTS(files); i++) {
        assert_false(is_there(file_of(files[i].name)));
        snprintf(text, sizeof(text), "%s.bad", file_of(files[i].name));
        assert_true(is_there(text));
        snprintf(text, sizeof(text), "%s.json", files[i].name);
        const json_t *entry =
            journal_wait("MESSAGE_ID", id_of(MESSAGE_STATE), "GANTRY_POD_NAME", text, NULL);
        assert_non_null(strstr(field(entry, "MESSAGE"), files[i].why));
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, own_setup, own_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(it_is_written_down_before_systemd_is_asked),
        TEST(a_start_that_came_about_is_found),
        TEST(a_start_that_did_not_come_about_is_made_up_for),
        TEST(one_that_runs_is_let_run),
        TEST(one_that_has_ended_has_ended),
        TEST(what_was_to_stop_is_stopped),
        TEST(what_was_to_be_removed_is_removed),
        TEST(a_step_that_is_under_way_is_done_again),
        TEST(what_a_prepare_leaves_is_removed),
        TEST(what_a_prepare_leaves_is_known_to_the_next_one),
        TEST(a_cancelled_fetch_stays_cancelled),
        TEST(a_prepare_that_is_not_wanted_is_waited_for),
        TEST(it_outlives_gantryd),
        TEST(without_systemd_nothing_is_started),
        TEST(a_start_that_systemd_has_lost_is_asked_for_again),
        TEST(a_step_that_systemd_has_lost_is_done_again),
        TEST(one_that_waits_for_systemd_can_be_removed),
        TEST(another_systemd_is_noticed),
        TEST(a_file_that_cannot_be_read_is_put_aside),
    };

    node_enter();
    return cmocka_run_group_tests_name("own-restarts", tests, NULL, NULL);
}
