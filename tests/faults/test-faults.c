/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What must not happen whatever goes wrong: a launch that is lost, that hangs, or that is run
 * twice; a state that cannot be read afterwards.
 */

#include "tests/unit/unit.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "lib/message.h"
#include "tests/harness/harness.h"

#define LAUNCHES 500
#define WORKERS 4
#define GARBAGE_CLIENTS 1000

static const char *id_of(enum message message)
{
    return message_info(message)->id;
}

/* A manifest of the kubelet's for pod number `pod`, with a volume that has to be made. */
static void write_manifest(const char *path, unsigned pod)
{
    char text[2048];

    snprintf(
        text, sizeof(text),
        "{\"apps\":[{\"name\":\"c\"}],\"volumes\":[{\"name\":\"v\",\"kind\":\"host\",\"source\":"
        "\"/srv/%u/a/b\"}],\"annotations\":["
        "{\"name\":\"rkt.kubernetes.io/managed-by-kubelet\",\"value\":\"true\"},"
        "{\"name\":\"io.kubernetes.pod.uid\",\"value\":\"uid-%u\"},"
        "{\"name\":\"io.kubernetes.pod.name\",\"value\":\"pod-%u\"},"
        "{\"name\":\"io.kubernetes.pod.namespace\",\"value\":\"default\"}]}",
        pod, pod, pod);
    write_text(path, text);
}

/* Launches number `number` by the drop-in, as a process; --name tells the launches apart. */
static pid_t begin_launch(unsigned number)
{
    char path[64], name[64];

    snprintf(path, sizeof(path), "/run/node/manifest-%u.json", number);
    snprintf(name, sizeof(name), "--name=launch-%u", number);
    write_manifest(path, number % 20);
    char *const argv[] = {"rkt", "prepare", name, "--pod-manifest", path, NULL};
    return start_argv(node_built("rkt"), argv);
}

/* Each launch from 0 to `n` must have come to rkt, once. */
static void every_launch_ran_once(unsigned n)
{
    CLEANUP(json_decrefp) json_t *calls = recorded_calls();
    CLEANUP(freep) unsigned *times = calloc(n, sizeof(*times));

    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *argv = json_object_get(json_array_get(calls, i), "argv");
        unsigned number;
        assert_int_equal(
            sscanf(json_string_value(json_array_get(argv, 2)), "--name=launch-%u", &number), 1);
        times[number]++;
    }
    for (unsigned i = 0; i < n; i++) {
        if (times[i] != 1)
            fail_msg("launch %u came to rkt %u times", i, times[i]);
    }
}

/* Whoever met a dead gantryd, or a busy one, was answered all the same. */
static void nobody_went_unasked(void)
{
    json_t *entries = journal_entries();

    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        if (strcmp(field(entry, "MESSAGE_ID"), id_of(MESSAGE_UNREACHABLE)) == 0)
            fail_msg("%s", field(entry, "MESSAGE"));
    }
}

static void state_is_readable(void)
{
    DIR *dir = opendir(NODE_STATE "/pods");

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[512];
        /* a file that gantryd was killed in, before it had its name */
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), NODE_STATE "/pods/%.200s", entry->d_name);
        assert_null(strstr(entry->d_name, ".bad"));
        if (strstr(entry->d_name, ".json"))
            json_decref(read_json(path));
    }
    closedir(dir);
}

static void gantryd_may_be_killed_at_any_point(void **state)
{
    pid_t running[WORKERS] = {0};
    unsigned n_begun = 0, n_done = 0, n_kills = 0, seed = 1;

    (void)state;
    while (n_done < LAUNCHES) {
        for (size_t i = 0; i < WORKERS; i++) {
            if (running[i] == 0 && n_begun < LAUNCHES)
                running[i] = begin_launch(n_begun++);
        }
        usleep((useconds_t)(rand_r(&seed) % 3000));
        if (rand_r(&seed) % 4 == 0) {
            gantryd_end(SIGKILL);
            gantryd_start();
            n_kills++;
        }
        for (size_t i = 0; i < WORKERS; i++) {
            int status;
            if (running[i] == 0 || waitpid(running[i], &status, WNOHANG) != running[i])
                continue;
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), 0);
            running[i] = 0;
            n_done++;
        }
    }
    print_message("# %u launches, gantryd killed %u times\n", n_done, n_kills);
    assert_true(n_kills >= 20);
    every_launch_ran_once(LAUNCHES);
    nobody_went_unasked();
    state_is_readable();
    gantryd_end(SIGKILL);
    gantryd_start();
    CLEANUP(json_decrefp) json_t *reply = api_call("io.gantry.Node.List", NULL);
    assert_int_equal(json_array_size(json_object_get(json_object_get(reply, "parameters"), "pods")),
                     20);
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_STATE)), 0);
}

/* Ends gantryd at some point of the launch, or lets it live. */
static int finish_under_fire(pid_t launch, unsigned *seed)
{
    usleep((useconds_t)(rand_r(seed) % 2500));
    if (rand_r(seed) % 4 != 0) {
        gantryd_end(SIGKILL);
        gantryd_start();
    }
    return finish(launch);
}

/* A rkt pod of the pod, as prepare leaves it. */
static void put_prepared(unsigned pod, unsigned number, char uuid[static 37])
{
    char path[128];

    snprintf(uuid, 37, "%08x-%04x-4000-8000-000000000000", pod, number);
    snprintf(path, sizeof(path), "/var/lib/rkt/pods/prepared/%s", uuid);
    make_folders(path);
    strcat(path, "/pod");
    write_manifest(path, pod);
}

static int64_t backoff_of(unsigned pod)
{
    CLEANUP(json_decrefp)
    json_t *reply =
        api_call("io.gantry.Node.Explain", json_pack("{s:o}", "pod", json_sprintf("uid-%u", pod)));
    const json_t *found = json_object_get(json_object_get(reply, "parameters"), "pod");

    return json_integer_value(json_object_get(found, "backoffUSec"));
}

/* Crash loops, with gantryd killed again and again: the row of back-offs is the same as if nothing
 * had happened, and rkt is called for each launch that was let through, once. */
static void crash_loops_are_held_back_under_fire(void **state)
{
    enum { PODS = 20, CYCLES = 6 };
    unsigned seed = 1;

    (void)state;
    node_configure("[BackOff]\nInitial=5ms\nMax=5min\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    for (unsigned i = 0; i < PODS * CYCLES; i++) {
        char uuid[37];
        int status;
        /* As the kubelet does: until it is let through. */
        do {
            status = finish_under_fire(begin_launch(i / CYCLES), &seed);
            assert_true(status == 0 || status == 254);
        } while (status == 254);
        put_prepared(i / CYCLES, i, uuid);
        char *const argv[] = {"rkt", "run-prepared", uuid, NULL};
        assert_int_equal(finish_under_fire(start_argv(node_built("rkt"), argv), &seed), 0);
    }
    CLEANUP(json_decrefp) json_t *calls = recorded_calls();
    assert_int_equal(json_array_size(calls), 2 * PODS * CYCLES);
    nobody_went_unasked();
    /* The first launch was none, the second one the first restart; each later one doubled. */
    for (unsigned pod = 0; pod < PODS; pod++)
        assert_int_equal(backoff_of(pod), 5000 << (CYCLES - 2));
}

static void gantryd_may_hang(void **state)
{
    (void)state;
    node_configure("[Launch]\nRequestTimeout=200ms\n");
    kill(gantryd_pid(), SIGHUP);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_CONFIG), NULL);
    kill(gantryd_pid(), SIGSTOP);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(finish(begin_launch(i)), 0);
    every_launch_ran_once(5);
    assert_int_equal(journal_count("GANTRY_REASON", "gantryd did not answer within 200ms"), 5);
    kill(gantryd_pid(), SIGCONT);
    journal_forget();
    assert_int_equal(finish(begin_launch(5)), 0);
    every_launch_ran_once(6);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_LAUNCH), "GANTRY_POD_NAME", "pod-5", NULL);
}

static void the_disk_may_be_full(void **state)
{
    (void)state;
    assert_int_equal(mount("tmpfs", NODE_STATE "/pods", "tmpfs", 0, "nr_inodes=3,mode=0700"), 0);
    gantryd_end(SIGKILL);
    gantryd_start();
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(finish(begin_launch(i)), 0);
    every_launch_ran_once(20);
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_STATE), NULL);
    assert_non_null(strstr(field(entry, "MESSAGE"), "No space left on device"));
    nobody_went_unasked();
    state_is_readable();

    /* When there is space again it goes on by itself. */
    assert_int_equal(mount(NULL, NODE_STATE "/pods", NULL, MS_REMOUNT, "nr_inodes=100"), 0);
    assert_int_equal(finish(begin_launch(20)), 0);
    wait_for(is_there(NODE_STATE "/pods/uid-0.json"));
    gantryd_end(SIGTERM);
    assert_int_equal(umount(NODE_STATE "/pods"), 0);
    gantryd_start();
}

static void a_state_file_may_be_unreadable(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(finish(begin_launch(i)), 0);
    wait_for(is_there(NODE_STATE "/pods/uid-2.json"));
    gantryd_end(SIGTERM);
    write_text(NODE_STATE "/pods/uid-0.json", "{\"version\":1,");
    write_text(NODE_STATE "/pods/uid-3.json", "");
    write_text(NODE_STATE "/pods/uid-4.json", "\x01\x02\x03");
    write_text(NODE_STATE "/pods/uid-5.json", "{\"version\":1,\"uid\":\"uid-6\"}");
    write_text(NODE_STATE "/pods/.uid-7.json.new", "half");
    make_folders(NODE_STATE "/pods/uid-8.json");
    make_folders(NODE_STATE "/pods/something else.json");
    journal_forget();
    gantryd_start();

    CLEANUP(json_decrefp) json_t *reply = api_call("io.gantry.Node.List", NULL);
    assert_int_equal(json_array_size(json_object_get(json_object_get(reply, "parameters"), "pods")),
                     2);
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_STATE), NULL);
    assert_non_null(strstr(field(entry, "MESSAGE"), "cannot be read, put aside as .bad"));
    assert_true(is_there(NODE_STATE "/pods/uid-0.json.bad"));
    assert_true(is_there(NODE_STATE "/pods/uid-8.json.bad"));
    assert_false(is_there(NODE_STATE "/pods/uid-0.json"));
    for (unsigned i = 3; i < 8; i++)
        assert_int_equal(finish(begin_launch(i)), 0);
    every_launch_ran_once(8);
}

/* A client that sends what it likes, or nothing, and stays. */
static int begin_garbage(unsigned seed)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = NODE_SOCKET};
    char bytes[4096];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)rand_r(&seed);
    switch (seed % 4) {
    case 0: /* nothing at all */
        break;
    case 1: /* no end */
        memset(bytes, '{', sizeof(bytes));
        break;
    case 2:
        memcpy(bytes, "{\"method\":\"", 11);
        break;
    }
    if (seed % 4 != 0 && send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0)
        assert_true(seed % 4 == 3);
    return fd;
}

static void a_thousand_clients_may_talk_nonsense(void **state)
{
    static int fds[GARBAGE_CLIENTS];

    (void)state;
    for (unsigned i = 0; i < GARBAGE_CLIENTS; i++) {
        fds[i] = begin_garbage(i);
        if (i % 20 == 0)
            assert_int_equal(finish(begin_launch(i / 20)), 0);
    }
    every_launch_ran_once(GARBAGE_CLIENTS / 20);
    nobody_went_unasked();
    assert_true(journal_count("MESSAGE_ID", id_of(MESSAGE_CLIENT)) > 0);
    for (unsigned i = 0; i < GARBAGE_CLIENTS; i++)
        close(fds[i]);
    json_decref(api_call("io.gantry.Node.List", NULL));
    assert_int_equal(gantryd_end(SIGTERM), 0);
    gantryd_start();
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, node_setup, node_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(gantryd_may_be_killed_at_any_point),
        TEST(crash_loops_are_held_back_under_fire),
        TEST(gantryd_may_hang),
        TEST(the_disk_may_be_full),
        TEST(a_state_file_may_be_unreadable),
        TEST(a_thousand_clients_may_talk_nonsense),
    };

    node_enter();
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
