/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How the drop-in becomes rkt: the same process, at once if it is no launch, and never itself.
 */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/message.h"
#include "tests/harness/harness.h"
#include "tests/harness/script.h"

static void what_is_no_launch_goes_to_rkt_at_once(void **state)
{
    struct script script = {.n_replies = 1, .replies = {"{}"}};
    CLEANUP(result_deinit)
    struct result result = {0};

    (void)state;
    script_begin(&script);
    result = run(node_built("rkt"), "--dir=/d", "enter", "--app=a", "1", "sh", "-c", "", "a\n b",
                 "\xff", "--pod-manifest", NULL);
    CLEANUP(json_decrefp) json_t *call = recorded_call();
    script_end(&script);
    assert_int_equal(result.status, 0);
    assert_int_equal(script.n_messages, 0);
    assert_int_equal(json_array_size(json_object_get(call, "argv")), 11);
    assert_string_equal(recorded_argument(call, 0), node_built("tests/harness/rkt-recorder"));
    assert_string_equal(recorded_argument(call, 1), "--dir=/d");
    assert_string_equal(recorded_argument(call, 7), "");
    assert_string_equal(recorded_argument(call, 8), "a\n b");
    assert_string_equal(recorded_argument(call, 9), "(not UTF-8)");
    assert_int_equal(json_array_size(journal_entries()), 0);
}

static void becomes_rkt_in_its_own_process(void **state)
{
    char *const argv[] = {"rkt", "version", NULL};
    size_t n_fds = recorder_n_fds();
    int fd = open("/", O_PATH);

    (void)state;
    assert_true(dup2(fd, 77) == 77);
    close(fd);
    assert_int_equal(chdir("/srv"), 0);
    setenv("A_VARIABLE", "with = and\nnewline", 1);
    pid_t pid = start_argv(node_built("rkt"), argv);
    assert_int_equal(finish(pid), 0);
    close(77);

    CLEANUP(json_decrefp) json_t *call = recorded_call();
    const json_t *fds = json_object_get(call, "fds"),
                 *environment = json_object_get(call, "environment");
    assert_int_equal(json_integer_value(json_object_get(call, "pid")), pid);
    assert_string_equal(json_string_value(json_object_get(call, "directory")), "/srv");
    assert_int_equal(json_object_size(fds), n_fds + 1);
    assert_string_equal(json_string_value(json_object_get(fds, "77")), "/");

    extern char **environ;
    size_t n = 0;
    for (; environ[n]; n++)
        assert_string_equal(json_string_value(json_array_get(environment, n)), environ[n]);
    assert_int_equal(json_array_size(environment), n + 1);
    assert_string_equal(json_string_value(json_array_get(environment, n)), "GANTRY_RKT_DEPTH=1");
    unsetenv("A_VARIABLE");
    assert_int_equal(chdir("/"), 0);
}

static void its_end_is_rkts_end(void **state)
{
    char *const sleeps[] = {"rkt", "30", NULL};
    CLEANUP(result_deinit) struct result result = {0};

    (void)state;
    recorder_becomes("/bin/false");
    result = run(node_built("rkt"), "version", NULL);
    assert_int_equal(result.status, 1);

    recorder_forget();
    recorder_becomes("/bin/sleep");
    pid_t pid = start_argv(node_built("rkt"), sleeps);
    wait_for(is_there("/run/recorder/calls"));
    kill(pid, SIGTERM);
    assert_int_equal(finish(pid), 128 + SIGTERM);
}

static void keeps_the_terminal(void **state)
{
    int terminal, status;

    (void)state;
    pid_t pid = forkpty(&terminal, NULL, NULL, NULL);
    if (pid == 0) {
        execl(node_built("rkt"), "rkt", "version", NULL);
        _exit(99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(terminal);
    CLEANUP(json_decrefp) json_t *call = recorded_call();
    assert_int_equal(json_integer_value(json_object_get(call, "tty")), 1);
}

static void a_manifest_that_cannot_be_read_is_rkts_matter(void **state)
{
    struct script script = {.n_replies = 1, .replies = {"{\"parameters\":{}}"}};
    static const char *const paths[] = {"/run/node/none", "/run/node"};

    (void)state;
    script_begin(&script);
    for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
        CLEANUP(result_deinit)
        struct result result = run(node_built("rkt"), "prepare", "--pod-manifest", paths[i], NULL);
        CLEANUP(json_decrefp) json_t *call = recorded_call();
        assert_int_equal(result.status, 0);
        assert_string_equal(recorded_argument(call, 3), paths[i]);
        recorder_forget();
    }
    script_end(&script);
    assert_int_equal(script.n_messages, 0);
    assert_int_equal(json_array_size(journal_entries()), 0);
}

static void a_command_line_it_does_not_know_goes_on(void **state)
{
    CLEANUP(result_deinit)
    struct result result = run(node_built("rkt"), "prepare", "--of-rkt-1.31", NULL);
    CLEANUP(json_decrefp) json_t *call = recorded_call();

    (void)state;
    assert_int_equal(result.status, 0);
    assert_string_equal(recorded_argument(call, 2), "--of-rkt-1.31");
    journal_wait("MESSAGE_ID", message_info(MESSAGE_UNCLEAR)->id, "GANTRY_COMMAND", "prepare",
                 NULL);
}

/* What rkt is to be, and what must come of it. The built-in rkt does not exist here, or it is the
 * one that is named. */
static void refuses_to_become(const char *path, const char *message)
{
    char text[4096];
    CLEANUP(result_deinit) struct result result = {0};

    snprintf(text, sizeof(text), "[Rkt]\nPath=%s\n", path);
    write_text(NODE_CONFIG, text);
    result = run(node_built("rkt"), "version", NULL);
    assert_int_equal(result.status, 254);
    assert_string_equal(result.err, message);
}

/* Whether there is a rkt at that path on this machine or not, here there is none: an overlay on the
 * folder, in which it is removed. */
static void hide_rkt(void)
{
    CLEANUP(freep) char *folder = strndup(RKT_PATH, (size_t)(strrchr(RKT_PATH, '/') - RKT_PATH));
    CLEANUP(freep) char *options = NULL;

    if (!is_there(RKT_PATH))
        return;
    make_folders("/run/node/upper");
    make_folders("/run/node/work");
    assert_true(asprintf(&options, "lowerdir=%s,upperdir=/run/node/upper,workdir=/run/node/work",
                         folder) > 0);
    assert_int_equal(mount("overlay", folder, "overlay", 0, options), 0);
    assert_int_equal(unlink(RKT_PATH), 0);
}

static void never_becomes_itself(void **state)
{
    static const char none[] =
        "gantry: cannot become rkt: " RKT_PATH ": No such file or directory\n";
    static const char circle[] = "gantry: cannot become rkt: it leads back here; see [Rkt] Path=\n";
    char script[4096];

    (void)state;
    hide_rkt();
    refuses_to_become(node_built("rkt"), none);
    assert_int_equal(symlink(node_built("rkt"), "/run/node/symlink"), 0);
    refuses_to_become("/run/node/symlink", none);
    write_text("/run/node/mounted", "");
    assert_int_equal(mount(node_built("rkt"), "/run/node/mounted", NULL, MS_BIND, NULL), 0);
    refuses_to_become("/run/node/mounted", none);
    assert_int_equal(umount("/run/node/mounted"), 0);

    /* and not in a circle, be it through a copy, through a script that becomes it, or through one
     * that calls it from a grandchild */
    CLEANUP(result_deinit)
    struct result copied = run("/bin/cp", node_built("rkt"), "/run/node/copy", NULL);
    assert_int_equal(copied.status, 0);
    refuses_to_become("/run/node/copy", none);
    snprintf(script, sizeof(script), "#!/bin/sh\nexec %s \"$@\"\n", node_built("rkt"));
    write_text("/run/node/script", script);
    assert_int_equal(chmod("/run/node/script", 0755), 0);
    refuses_to_become("/run/node/script", circle);
    snprintf(script, sizeof(script), "#!/bin/sh\n(timeout 20 %s \"$@\"; exit $?)\n",
             node_built("rkt"));
    write_text("/run/node/script", script);
    refuses_to_become("/run/node/script", circle);
    refuses_to_become("/run/node/none",
                      "gantry: cannot become rkt: /run/node/none: No such file or directory\n");
}

static void a_rkt_that_is_a_script_is_as_good_as_any(void **state)
{
    CLEANUP(result_deinit) struct result result = {0};

    (void)state;
    write_text("/run/node/script", "#!/bin/sh\necho \"$*\"\n");
    assert_int_equal(chmod("/run/node/script", 0755), 0);
    write_text(NODE_CONFIG, "[Rkt]\nPath=/run/node/script\n");
    result = run(node_built("rkt"), "version", "a b", NULL);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.out, "version a b\n");
}

static void without_root_rkt_is_not_asked_about(void **state)
{
    struct script script = {.n_replies = 1, .replies = {"{\"parameters\":{}}"}};
    int status;

    (void)state;
    /* The build may stand where only root can look. */
    CLEANUP(result_deinit)
    struct result copied = run("/bin/cp", node_built("rkt"), "/srv/rkt", NULL);
    assert_int_equal(copied.status, 0);
    write_text(NODE_CONFIG, "[Rkt]\nPath=/bin/false\n[Daemon]\nSocket=" NODE_SOCKET "\n");
    script_begin(&script);
    assert_int_equal(chmod(NODE_SOCKET, 0666), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (setgid(65534) == 0 && setuid(65534) == 0)
            execl("/srv/rkt", "rkt", "prepare", "--pod-manifest", MANIFEST, NULL);
        _exit(99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    script_end(&script);
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_int_equal(script.n_messages, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, script_setup, node_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(what_is_no_launch_goes_to_rkt_at_once),
        TEST(becomes_rkt_in_its_own_process),
        TEST(its_end_is_rkts_end),
        TEST(keeps_the_terminal),
        TEST(a_manifest_that_cannot_be_read_is_rkts_matter),
        TEST(a_command_line_it_does_not_know_goes_on),
        TEST(never_becomes_itself),
        TEST(a_rkt_that_is_a_script_is_as_good_as_any),
        TEST(without_root_rkt_is_not_asked_about),
    };

    node_enter();
    return cmocka_run_group_tests_name("dropin", tests, NULL, NULL);
}
