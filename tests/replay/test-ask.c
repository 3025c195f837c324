/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The drop-in's question: what gantryd is asked, what its answers do, and what becomes of a launch
 * when there is none.
 */

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/message.h"
#include "lib/varlink.h"
#include "tests/harness/harness.h"
#include "tests/harness/script.h"

#define FIFO "/run/node/fifo"

static const char *unreachable_id(void)
{
    return message_info(MESSAGE_UNREACHABLE)->id;
}

/* Runs prepare; it must have gone to rkt, and left one entry with that reason. */
static void goes_on_unasked(const char *reason)
{
    CLEANUP(result_deinit)
    struct result result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    CLEANUP(json_decrefp) json_t *call = recorded_call();

    assert_int_equal(result.status, 0);
    assert_string_equal(result.err, "");
    assert_string_equal(recorded_argument(call, 3), MANIFEST);
    const json_t *entry =
        journal_wait("MESSAGE_ID", unreachable_id(), "GANTRY_REASON", reason, NULL);
    assert_string_equal(field(entry, "PRIORITY"), "4");
    assert_string_equal(field(entry, "GANTRY_COMMAND"), "prepare");
    assert_string_equal(field(entry, "GANTRY_POD_UID"), "1234");
    assert_string_equal(field(entry, "GANTRY_POD_NAME"), "web");
    assert_string_equal(field(entry, "GANTRY_POD_NAMESPACE"), "default");
    assert_int_equal(journal_count("MESSAGE_ID", unreachable_id()), 1);
    journal_forget();
    recorder_forget();
}

static void asks_before_a_launch(void **state)
{
    struct script script = {.n_replies = 1, .replies = {"{\"parameters\":{}}"}};
    CLEANUP(result_deinit)
    struct result result = {0};
    size_t n_fds = recorder_n_fds();

    (void)state;
    script_begin(&script);
    setenv("RKT_EXPERIMENT_ATTACH", "true", 1);
    setenv("SECRET", "1", 1);
    result = run(node_built("rkt"), "--dir", "/d", "prepare", "--pod-manifest", MANIFEST, NULL);
    unsetenv("RKT_EXPERIMENT_ATTACH");
    unsetenv("SECRET");
    CLEANUP(json_decrefp) json_t *call = recorded_call();
    assert_int_equal(script.n_messages, 1);

    /* The manifest stands in the message byte for byte. */
    assert_non_null(strstr(script.messages[0], KUBELETS_MANIFEST));
    CLEANUP(json_decrefp) json_t *message = json_loads(script.messages[0], 0, NULL);
    const json_t *parameters = json_object_get(message, "parameters");
    CLEANUP(json_decrefp)
    json_t *expected = json_pack("[s, s, s, s, s, s]", node_built("rkt"), "--dir", "/d", "prepare",
                                 "--pod-manifest", MANIFEST);
    assert_string_equal(field(message, "method"), "io.gantry.Node.Launch");
    assert_true(json_equal(json_object_get(parameters, "argv"), expected));
    assert_string_equal(field(parameters, "directory"), "/");
    assert_int_equal(strlen(field(parameters, "id")), 32);
    /* Only what is named of the environment leaves the process. */
    assert_int_equal(json_object_size(json_object_get(parameters, "environment")), 1);
    assert_string_equal(field(json_object_get(parameters, "environment"), "RKT_EXPERIMENT_ATTACH"),
                        "true");

    assert_int_equal(result.status, 0);
    assert_string_equal(recorded_argument(call, 5), MANIFEST);
    assert_int_equal(json_object_size(json_object_get(call, "fds")), n_fds);
    assert_int_equal(json_array_size(journal_entries()), 0);
    script_end(&script);
}

static void a_refusal_is_printed_with_its_status(void **state)
{
    struct script script = {
        .n_replies = 1,
        .replies = {"{\"error\":\"io.gantry.Node.Refused\",\"parameters\":{\"room\":\"backoff\","
                    "\"message\":\"Back-off 10s\",\"exitStatus\":17}}"}};
    CLEANUP(result_deinit)
    struct result result = {0};
    CLEANUP(json_decrefp) json_t *calls = NULL;

    (void)state;
    script_begin(&script);
    result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    script_end(&script);
    calls = recorded_calls();
    assert_int_equal(result.status, 17);
    assert_string_equal(result.out, "");
    assert_string_equal(result.err, "Back-off 10s\n");
    assert_int_equal(json_array_size(calls), 0);
}

static void obeys_an_amended_launch(void **state)
{
    struct script script = {
        .n_replies = 1,
        .replies = {"{\"parameters\":{\"argv\":[\"rkt\",\"prepare\",\"--no-overlay\","
                    "\"--pod-manifest=/x\"],\"setEnvironment\":{\"NEW\":\"1\",\"OLD\":\"2\"},"
                    "\"unsetEnvironment\":[\"GONE\"],\"manifest\":\"{\\\"new\\\":1}\"}}"}};
    CLEANUP(result_deinit)
    struct result result = {0};
    size_t n_fds = recorder_n_fds();

    (void)state;
    script_begin(&script);
    setenv("OLD", "1", 1);
    setenv("GONE", "1", 1);
    result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    unsetenv("OLD");
    unsetenv("GONE");
    script_end(&script);

    CLEANUP(json_decrefp) json_t *call = recorded_call();
    CLEANUP(freep) char *all = json_dumps(call, 0);
    assert_int_equal(result.status, 0);
    assert_string_equal(recorded_argument(call, 2), "--no-overlay");
    assert_string_equal(json_string_value(json_object_get(call, "manifest")), "{\"new\":1}");
    assert_non_null(strstr(recorded_argument(call, 3), "--pod-manifest=/proc/self/fd/"));
    assert_non_null(strstr(all, "\"NEW=1\""));
    assert_non_null(strstr(all, "\"OLD=2\""));
    assert_null(strstr(all, "GONE"));
    /* Nothing but the one descriptor bears it, and that is no file of any folder. */
    assert_int_equal(json_object_size(json_object_get(call, "fds")), n_fds + 1);
    assert_non_null(strstr(all, "/memfd:pod-manifest (deleted)"));
}

static void a_manifest_from_a_pipe_reaches_rkt(void **state)
{
    struct script script = {.n_replies = 1, .replies = {"{\"parameters\":{}}"}};
    char path[64];
    int fds[2];

    (void)state;
    for (size_t asked = 0; asked < 2; asked++) {
        assert_int_equal(pipe(fds), 0);
        assert_true(write(fds[1], KUBELETS_MANIFEST, strlen(KUBELETS_MANIFEST)) > 0);
        close(fds[1]);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
        if (asked)
            script_begin(&script);
        CLEANUP(result_deinit)
        struct result result = run(node_built("rkt"), "prepare", "--pod-manifest", path, NULL);
        if (asked)
            script_end(&script);
        close(fds[0]);
        CLEANUP(json_decrefp) json_t *call = recorded_call();
        assert_int_equal(result.status, 0);
        assert_string_equal(json_string_value(json_object_get(call, "manifest")),
                            KUBELETS_MANIFEST);
        recorder_forget();
    }
}

static void goes_on_when_nobody_serves(void **state)
{
    int fd;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = NODE_SOCKET};

    (void)state;
    goes_on_unasked(NODE_SOCKET ": No such file or directory");
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    goes_on_unasked(NODE_SOCKET ": Connection refused");
    close(fd);
    unlink(NODE_SOCKET);
}

static void goes_on_when_nobody_answers(void **state)
{
    struct script silent = {.n_replies = 1, .replies = {NULL}};
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = NODE_SOCKET};

    (void)state;
    node_configure("[Launch]\nRequestTimeout=200ms\n");
    script_begin(&silent);
    goes_on_unasked("gantryd did not answer within 200ms");
    script_end(&silent);

    /* nor even takes the connection: the queue is full */
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), fds[2] = {-1, -1};
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 0), 0);
    for (size_t i = 0; i < 2; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        int r = connect(fds[i], (const struct sockaddr *)&address, sizeof(address));
        assert_true(r == 0 || errno == EAGAIN);
    }
    goes_on_unasked("gantryd did not answer within 200ms");
    close(fds[0]);
    close(fds[1]);
    close(listener);
    unlink(NODE_SOCKET);
}

/* A socket whose queue is full, as that of a journald that hangs. */
static int full_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP(fd_closep) int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    unlink(path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    while (sendto(sender, "", 1, 0, (const struct sockaddr *)&address, sizeof(address)) == 1)
        continue;
    assert_int_equal(errno, EAGAIN);
    return fd;
}

static void goes_on_when_the_journal_hangs(void **state)
{
    CLEANUP(result_deinit) struct result result = {0};

    (void)state;
    assert_int_equal(mount("tmpfs", "/dev", "tmpfs", 0, NULL), 0);
    assert_int_equal(mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)), 0);
    int journald = full_socket("/run/systemd/journal/socket"), syslog = full_socket("/dev/log");
    result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    close(journald);
    close(syslog);
    assert_int_equal(umount2("/dev", MNT_DETACH), 0);
    assert_int_equal(result.status, 0);
}

static void refuses_instead_if_told_so(void **state)
{
    CLEANUP(result_deinit) struct result result = {0};
    CLEANUP(json_decrefp) json_t *calls = NULL;

    (void)state;
    node_configure("[Launch]\nOnUnreachable=refuse\n");
    result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    calls = recorded_calls();
    assert_int_equal(result.status, 254);
    assert_string_equal(result.err, "gantry: " NODE_SOCKET ": No such file or directory\n");
    assert_int_equal(json_array_size(calls), 0);
    journal_wait("MESSAGE_ID", unreachable_id(), "MESSAGE",
                 "prepare of pod default/web: " NODE_SOCKET
                 ": No such file or directory; refused (OnUnreachable=refuse)",
                 NULL);
    assert_int_equal(json_array_size(journal_entries()), 1);
}

static void asks_again_when_gantryd_is_restarted(void **state)
{
    struct script script = {.n_replies = 3, .replies = {"", "", "{\"parameters\":{}}"}};
    CLEANUP(result_deinit)
    struct result result = {0};

    (void)state;
    script_begin(&script);
    result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    CLEANUP(json_decrefp) json_t *call = recorded_call();
    assert_int_equal(result.status, 0);
    assert_int_equal(script.n_messages, 3);
    /* under the same name, so that it is counted once */
    assert_string_equal(script.messages[0], script.messages[2]);
    assert_int_equal(json_array_size(journal_entries()), 0);
    script_end(&script);
}

static void goes_on_after_nonsense(void **state)
{
    static const struct {
        const char *reply;
        const char *reason;
    } cases[] = {
        {"hello", "gantryd answered nonsense: byte 5: '[' or '{' expected near 'hello'"},
        {"[]", "gantryd answered nonsense: not a JSON object"},
        {"{\"error\":7}", "gantryd answered nonsense: \"error\" is not a string"},
        {"{\"parameters\":[]}", "gantryd answered nonsense: \"parameters\" is not an object"},
        {"{\"continues\":true}", "gantryd answered nonsense: more than one reply"},
        {"{\"parameters\":{\"argv\":[]}}",
         "gantryd answered nonsense: \"argv\" is no command line"},
        {"{\"parameters\":{\"argv\":\"rkt\"}}",
         "gantryd answered nonsense: \"argv\" is no command line"},
        {"{\"parameters\":{\"argv\":[\"rkt\",1]}}",
         "gantryd answered nonsense: \"argv\" is no command line"},
        {"{\"parameters\":{\"manifest\":{}}}",
         "gantryd answered nonsense: \"manifest\" is no string"},
        {"{\"parameters\":{\"setEnvironment\":{\"A\":1}}}",
         "gantryd answered nonsense: \"setEnvironment\" is no environment"},
        {"{\"parameters\":{\"setEnvironment\":{\"A=B\":\"\"}}}",
         "gantryd answered nonsense: \"setEnvironment\" is no environment"},
        {"{\"parameters\":{\"unsetEnvironment\":{}}}",
         "gantryd answered nonsense: \"unsetEnvironment\" is no list of names"},
        {"{\"error\":\"io.gantry.Node.Refused\",\"parameters\":{\"message\":\"m\"}}",
         "gantryd answered nonsense: a refusal without message or exit status"},
        {"{\"error\":\"io.gantry.Node.Refused\",\"parameters\":{\"message\":\"m\",\"exitStatus\":0}}",
         "gantryd answered nonsense: a refusal without message or exit status"},
        {"{\"error\":\"io.gantry.Node.Failed\",\"parameters\":{\"reason\":\"why\"}}",
         "gantryd answered io.gantry.Node.Failed: why"},
        {"{\"error\":\"org.varlink.service.MethodNotFound\"}",
         "gantryd answered org.varlink.service.MethodNotFound"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct script script = {.n_replies = 1, .replies = {cases[i].reply}};
        script_begin(&script);
        goes_on_unasked(cases[i].reason);
        script_end(&script);
    }
}

static void goes_on_when_the_question_cannot_be_put(void **state)
{
    struct script script = {.n_replies = 1, .replies = {"{\"parameters\":{}}"}};
    char *const odd[] = {"rkt", "prepare", "--name=\xff", "--pod-manifest", MANIFEST, NULL};
    CLEANUP(result_deinit)
    struct result result = {0};

    (void)state;
    script_begin(&script);
    result = run_argv(node_built("rkt"), odd);
    assert_int_equal(result.status, 0);
    journal_wait("GANTRY_REASON", "the command line is not UTF-8", NULL);
    journal_forget();
    recorder_forget();
    script_end(&script);
    assert_int_equal(script.n_messages, 0);
}

/* What a launch has besides its manifest when gantryd is asked about it. */
static size_t length_of_the_rest(void)
{
    struct script script = {.n_replies = 1, .replies = {"{\"parameters\":{}}"}};

    script_begin(&script);
    CLEANUP(result_deinit)
    struct result result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    assert_int_equal(result.status, 0);
    size_t length = strlen(script.messages[0]) + 1;
    script_end(&script);
    recorder_forget();
    return length - strlen(KUBELETS_MANIFEST);
}

/* Writes KUBELETS_MANIFEST with so many spaces behind it that it has that length. */
static void write_padded(size_t length)
{
    FILE *f = fopen(MANIFEST, "we");

    assert_non_null(f);
    fprintf(f, "%s%*s", KUBELETS_MANIFEST, (int)(length - strlen(KUBELETS_MANIFEST)), "");
    assert_int_equal(fclose(f), 0);
}

static void is_asked_about(void)
{
    struct script script = {.n_replies = 1, .replies = {"{\"parameters\":{}}"}};

    script_begin(&script);
    CLEANUP(result_deinit)
    struct result result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    script_end(&script);
    assert_int_equal(result.status, 0);
    assert_int_equal(script.n_messages, 1);
    recorder_forget();
}

/* Runs prepare; it must be refused for that length, told as the pod's, and rkt not be called. */
static void is_too_long(const char *path, const char *subject, size_t rest, size_t length)
{
    CLEANUP(result_deinit)
    struct result result = run(node_built("rkt"), "prepare", "--pod-manifest", path, NULL);
    CLEANUP(json_decrefp) json_t *calls = recorded_calls();
    char reason[256], err[300], told[300];

    snprintf(reason, sizeof(reason),
             "a launch may have 4194304 bytes, and this one has %zu: %zu of its pod manifest, the "
             "rest of its command line",
             rest + length, length);
    snprintf(err, sizeof(err), "gantry: %s\n", reason);
    snprintf(told, sizeof(told), "prepare%s: %s; refused", subject, reason);
    assert_string_equal(result.err, err);
    assert_int_equal(result.status, 254);
    assert_int_equal(json_array_size(calls), 0);
    const json_t *entry = journal_wait("MESSAGE_ID", message_info(MESSAGE_REFUSAL)->id, NULL);
    assert_string_equal(field(entry, "MESSAGE"), told);
    assert_string_equal(field(entry, "GANTRY_REASON"), reason);
    assert_string_equal(field(entry, "GANTRY_POD_NAME"), subject[0] ? "web" : "");
    assert_int_equal(json_array_size(journal_entries()), 1);
    journal_forget();
}

/* The pod chooses its length: so it must not lead past gantryd, whether that is there or not. */
static void what_is_too_long_to_ask_about_is_refused(void **state)
{
    static const char *const configurations[] = {"[Launch]\nOnUnreachable=forward\n",
                                                 "[Launch]\nOnUnreachable=refuse\n"};
    char *const feed[] = {"sh", "-c", "cat " MANIFEST " >" FIFO, NULL};
    size_t rest = length_of_the_rest();

    (void)state;
    assert_int_equal(mkfifo(FIFO, 0600), 0);
    for (size_t i = 0; i < N_ELEMENTS(configurations); i++) {
        node_configure(configurations[i]);
        write_padded(VARLINK_CALL_MAX - rest);
        is_asked_about();
        write_padded(VARLINK_CALL_MAX - rest + 1);
        is_too_long(MANIFEST, " of pod default/web", rest, VARLINK_CALL_MAX - rest + 1);

        /* from a pipe, too, whose path is a part of the rest */
        write_padded(VARLINK_CALL_MAX);
        pid_t pid = start_argv("/bin/sh", feed);
        is_too_long(FIFO, " of pod default/web", rest - strlen(MANIFEST) + strlen(FIFO),
                    VARLINK_CALL_MAX);
        finish(pid);

        /* what could never be read */
        assert_int_equal(truncate(MANIFEST, (off_t)1 << 40), 0);
        is_too_long(MANIFEST, "", rest, (size_t)1 << 40);
    }
}

/* It waits for its turn, of which its length is the reason: so that is no way round gantryd. */
static void a_long_launch_without_an_answer_is_refused(void **state)
{
    struct script silent = {.n_replies = 2, .replies = {NULL, NULL}};

    (void)state;
    node_configure("[Launch]\nRequestTimeout=200ms\n");
    write_padded(VARLINK_LONG / 2);
    script_begin(&silent);
    goes_on_unasked("gantryd did not answer within 200ms");
    script_end(&silent);

    silent = (struct script){.n_replies = 1, .replies = {NULL}};
    write_padded(VARLINK_LONG + 1);
    script_begin(&silent);
    CLEANUP(result_deinit)
    struct result result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    CLEANUP(json_decrefp) json_t *calls = recorded_calls();
    script_end(&silent);
    assert_non_null(strstr(result.err, "gantry: gantryd did not answer within 200ms, and a launch "
                                       "of 262"));
    assert_non_null(strstr(result.err, " bytes is not let through without\n"));
    assert_int_equal(result.status, 254);
    assert_int_equal(json_array_size(calls), 0);
    const json_t *entry = journal_wait("MESSAGE_ID", unreachable_id(), NULL);
    assert_string_equal(field(entry, "GANTRY_POD_NAME"), "web");
    assert_non_null(strstr(field(entry, "MESSAGE"), " without; refused"));
    journal_forget();

    /* but one that nobody is there for goes on */
    goes_on_unasked(NODE_SOCKET ": No such file or directory");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, script_setup, node_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(asks_before_a_launch),
        TEST(a_refusal_is_printed_with_its_status),
        TEST(obeys_an_amended_launch),
        TEST(a_manifest_from_a_pipe_reaches_rkt),
        TEST(goes_on_when_nobody_serves),
        TEST(goes_on_when_nobody_answers),
        TEST(goes_on_when_the_journal_hangs),
        TEST(refuses_instead_if_told_so),
        TEST(asks_again_when_gantryd_is_restarted),
        TEST(goes_on_after_nonsense),
        TEST(goes_on_when_the_question_cannot_be_put),
        TEST(what_is_too_long_to_ask_about_is_refused),
        TEST(a_long_launch_without_an_answer_is_refused),
    };

    node_enter();
    return cmocka_run_group_tests_name("ask", tests, NULL, NULL);
}
