/* SPDX-License-Identifier: Apache-2.0 */

/*
 * gantryd as systemd sees it: configuration, start and stop.
 */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/message.h"
#include "tests/harness/client.h"
#include "tests/harness/harness.h"

static const char *id_of(enum message message)
{
    return message_info(message)->id;
}

static void a_bad_configuration_leaves_the_old_one_in_force(void **state)
{
    (void)state;
    node_configure("[BackOff]\nInitial=soon\n[Launch]\nOnUnreachible=refuse\n");
    kill(gantryd_pid(), SIGHUP);
    const json_t *entry =
        journal_wait("MESSAGE_ID", id_of(MESSAGE_FAULT), "MESSAGE",
                     NODE_CONFIG ":6: [BackOff] Initial=soon: expected a time, such as 10s", NULL);
    assert_string_equal(field(entry, "PRIORITY"), "4");
    journal_wait("MESSAGE", NODE_CONFIG ":8: [Launch] OnUnreachible=: no such setting, ignored",
                 NULL);
    journal_wait("MESSAGE", "the configuration is bad; the one before stays in force", NULL);
    launch_pod("0001", "web");
}

static void check_config_tells_what_is_wrong(void **state)
{
    CLEANUP(result_deinit) struct result good = {0};
    CLEANUP(result_deinit) struct result bad = {0};

    (void)state;
    good = run(node_built("gantryd"), "--check-config", NULL);
    assert_int_equal(good.status, 0);
    assert_string_equal(good.err, "");
    write_text("/run/node/other.conf", "[HostPath]\nMode=rwx\nCreat=no\n");
    bad = run(node_built("gantryd"), "--config=/run/node/other.conf", "--check-config", NULL);
    assert_int_equal(bad.status, 78);
    assert_string_equal(
        bad.err,
        "/run/node/other.conf:2: [HostPath] Mode=rwx: expected an octal mode, such as 0755\n"
        "warning: /run/node/other.conf:3: [HostPath] Creat=: no such setting, ignored\n");
}

static void sigterm_answers_what_is_under_way(void **state)
{
    static char text[1 << 20];
    int fd = client_connect();
    size_t length = 0;

    (void)state;
    /* A launch that takes a while: two thousand folders to make, one below the other. */
    length +=
        (size_t)sprintf(text, "{\"method\":\"io.gantry.Node.Launch\",\"parameters\":{\"id\":\"1\","
                              "\"argv\":[\"rkt\",\"prepare\"],\"directory\":\"/\","
                              "\"environment\":{},\"manifest\":{\"volumes\":[");
    for (unsigned i = 0; i < 2000; i++)
        length += (size_t)sprintf(
            text + length, "%s{\"name\":\"v%u\",\"kind\":\"host\",\"source\":\"/srv/%u/a/b\"}",
            i ? "," : "", i, i);
    strcpy(text + length, "]}}}");
    client_send(fd, text);
    wait_for(is_there("/srv/0"));
    assert_int_equal(gantryd_end(SIGTERM), 0);
    CLEANUP(json_decrefp) json_t *reply = client_receive(fd);
    assert_non_null(json_object_get(reply, "parameters"));
    assert_true(is_there("/srv/1999/a/b"));
    close(fd);
}

static void by_hand_it_runs_the_same(void **state)
{
    char *const argv[] = {"gantryd", "--state-directory=/run/hand", NULL};
    struct stat st;
    char line[256];
    int err[2];

    (void)state;
    write_text(NODE_CONFIG, "[Daemon]\nSocket=/run/hand/api.sock\n[Rkt]\nPath=/bin/true\n"
                            "[Kubelet]\nURL=\n");
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        unsetenv("JOURNAL_STREAM");
        dup2(err[1], STDERR_FILENO);
        execv(node_built("gantryd"), argv);
        _exit(99);
    }
    close(err[1]);
    wait_for(client_connect_to("/run/hand/api.sock") >= 0);
    assert_int_equal(stat("/run/hand/api.sock", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    /* a second one leaves the first alone */
    CLEANUP(result_deinit)
    struct result second = run_argv(node_built("gantryd"), argv);
    assert_int_equal(second.status, 1);
    assert_string_equal(second.err, "gantryd: /run/hand/api.sock: Address already in use\n");

    launch_pod("0001", "web");
    ssize_t n = read(err[0], line, sizeof(line) - 1);
    assert_true(n > 0);
    line[n] = '\0';
    assert_string_equal(line, "pod default/web: prepare goes to rkt\n");

    /* one that was killed leaves its socket, and that is no hindrance */
    kill(pid, SIGKILL);
    finish(pid);
    assert_true(is_there("/run/hand/api.sock"));
    write_text(NODE_CONFIG, "[Daemon]\nSocket=/run/hand/api.sock\nAllowUsers=65534\n");
    pid = start_argv(node_built("gantryd"), argv);
    wait_for(client_connect_to("/run/hand/api.sock") >= 0);
    /* and others than root are let in if they may call */
    assert_int_equal(stat("/run/hand/api.sock", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    kill(pid, SIGTERM);
    assert_int_equal(finish(pid), 0);
    assert_false(is_there("/run/hand/api.sock"));
    close(err[0]);
}

static void will_not_start_where_it_cannot_run(void **state)
{
    CLEANUP(result_deinit) struct result bad_config = {0};
    CLEANUP(result_deinit) struct result no_state = {0};

    (void)state;
    write_text(NODE_CONFIG, "[Daemon]\nSocket=/run/node/hand.sock\nConnectionsMax=no\n");
    bad_config = run(node_built("gantryd"), NULL);
    assert_int_equal(bad_config.status, 78);
    write_text(NODE_CONFIG, "[Daemon]\nSocket=/run/node/hand.sock\n");
    no_state = run(node_built("gantryd"), "--state-directory=/proc/none", NULL);
    assert_int_equal(no_state.status, 1);
    assert_string_equal(no_state.err,
                        "gantryd: state directory /proc/none/pods: No such file or directory\n");
}

/* Reads what systemd would be told, until a line of it begins so. */
static void expect_notify(int fd, const char *expected)
{
    char text[1024];

    for (;;) {
        ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
        assert_true(n > 0);
        text[n] = '\0';
        if (strncmp(text, expected, strlen(expected)) == 0)
            return;
    }
}

static void tells_systemd_how_it_is(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/node/notify"};
    struct timeval tv = {.tv_sec = 10};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)state;
    unlink(address.sun_path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    gantryd_end(SIGTERM);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    setenv("WATCHDOG_USEC", "200000", 1);
    gantryd_start();
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");

    expect_notify(fd, "READY=1");
    expect_notify(fd, "WATCHDOG=1");
    launch_pod("0001", "web");
    expect_notify(fd, "STATUS=1 pods, 0 of them held back; 0 launches under way");
    kill(gantryd_pid(), SIGHUP);
    expect_notify(fd, "RELOADING=1\nMONOTONIC_USEC=");
    expect_notify(fd, "READY=1");
    assert_int_equal(gantryd_end(SIGTERM), 0);
    expect_notify(fd, "STOPPING=1");
    close(fd);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, node_setup, node_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(a_bad_configuration_leaves_the_old_one_in_force),
        TEST(check_config_tells_what_is_wrong),
        TEST(sigterm_answers_what_is_under_way),
        TEST(by_hand_it_runs_the_same),
        TEST(will_not_start_where_it_cannot_run),
        TEST(tells_systemd_how_it_is),
    };

    node_enter();
    return cmocka_run_group_tests_name("gantryd", tests, NULL, NULL);
}
