/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The drop-in by itself: what reaches rkt, what gantryd is asked, and what its answers do. gantryd
 * is played by a thread here, which can say what the real one never would.
 */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "lib/message.h"
#include "tests/harness/harness.h"

#define MANIFEST "/run/node/manifest.json"
#define KUBELETS_MANIFEST                                                     \
    "{\"apps\":[],\"annotations\":["                                          \
    "{\"name\":\"rkt.kubernetes.io/managed-by-kubelet\",\"value\":\"true\"}," \
    "{\"name\":\"io.kubernetes.pod.uid\",\"value\":\"1234\"},"                \
    "{\"name\":\"io.kubernetes.pod.name\",\"value\":\"web\"},"                \
    "{\"name\":\"io.kubernetes.pod.namespace\",\"value\":\"default\"}],\"x\" : 1.0}\n"

/* The played gantryd: takes connections one after the other, reads one message of each, and sends
 * what the script says next. */
struct script {
    const char *replies[8]; /* "" closes without a word, NULL keeps silent; a NUL is added */
    size_t n_replies;
    int fd;
    pthread_t thread;
    char *messages[8];
    size_t n_messages;
    int kept; /* the connection that got no answer */
};

static char *read_message(int fd)
{
    size_t length = 0, size = 1 << 20;
    char *message = malloc(size);

    for (;;) {
        ssize_t n = recv(fd, message + length, size - length, 0);
        if (n <= 0)
            break;
        length += (size_t)n;
        if (message[length - 1] == '\0')
            return message;
        if (length == size)
            message = realloc(message, size *= 2);
    }
    free(message);
    return NULL;
}

static void *play(void *data)
{
    struct script *script = data;

    for (size_t i = 0; i < script->n_replies; i++) {
        int fd = accept4(script->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            break;
        script->messages[script->n_messages++] = read_message(fd);
        const char *reply = script->replies[i];
        if (!reply) {
            script->kept = fd;
            continue;
        }
        if (reply[0] && send(fd, reply, strlen(reply) + 1, MSG_NOSIGNAL) < 0)
            print_message("# send: %s\n", strerror(errno));
        close(fd);
    }
    return NULL;
}

static void script_begin(struct script *script)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = NODE_SOCKET};

    script->kept = -1;
    script->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(script->fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(script->fd, 8), 0);
    assert_int_equal(pthread_create(&script->thread, NULL, play, script), 0);
}

static void script_end(struct script *script)
{
    shutdown(script->fd, SHUT_RDWR);
    pthread_join(script->thread, NULL);
    close(script->fd);
    fd_close(script->kept);
    unlink(NODE_SOCKET);
    for (size_t i = 0; i < script->n_messages; i++)
        free(script->messages[i]);
}

/* Nobody serves the socket unless a test does. */
static int setup(void **state)
{
    node_setup(state);
    gantryd_end(SIGTERM);
    unlink(NODE_SOCKET);
    write_text(MANIFEST, KUBELETS_MANIFEST);
    return 0;
}

/* How many descriptors a program has that is run from here: what the tests themselves were given.
 */
static size_t n_inherited_fds(void)
{
    char *const argv[] = {"recorder", NULL};

    assert_int_equal(finish(start_argv(node_built("tests/harness/rkt-recorder"), argv)), 0);
    json_t *calls = recorded_calls();
    size_t n = json_object_size(json_object_get(json_array_get(calls, 0), "fds"));
    json_decref(calls);
    recorder_forget();
    return n;
}

/* The one call that the recorder noted. Return: a new reference. */
static json_t *the_call(void)
{
    json_t *calls = recorded_calls();

    assert_int_equal(json_array_size(calls), 1);
    json_t *call = json_incref(json_array_get(calls, 0));
    json_decref(calls);
    return call;
}

static const char *argument(const json_t *call, size_t index)
{
    const char *text = json_string_value(json_array_get(json_object_get(call, "argv"), index));

    return text ? text : "(none)";
}

static const char *unreachable_id(void)
{
    return message_info(MESSAGE_UNREACHABLE)->id;
}

/* Runs prepare; it must have gone to rkt, and left one entry with that reason. */
static void goes_on_unasked(const char *reason)
{
    CLEANUP(result_deinit)
    struct result result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    CLEANUP(json_decrefp) json_t *call = the_call();

    assert_int_equal(result.status, 0);
    assert_string_equal(result.err, "");
    assert_string_equal(argument(call, 3), MANIFEST);
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

static void what_is_no_launch_goes_to_rkt_at_once(void **state)
{
    struct script script = {.n_replies = 1, .replies = {"{}"}};
    CLEANUP(result_deinit)
    struct result result = {0};

    (void)state;
    script_begin(&script);
    result = run(node_built("rkt"), "--dir=/d", "enter", "--app=a", "1", "sh", "-c", "", "a\n b",
                 "\xff", "--pod-manifest", NULL);
    CLEANUP(json_decrefp) json_t *call = the_call();
    script_end(&script);
    assert_int_equal(result.status, 0);
    assert_int_equal(script.n_messages, 0);
    assert_int_equal(json_array_size(json_object_get(call, "argv")), 11);
    assert_string_equal(argument(call, 0), node_built("tests/harness/rkt-recorder"));
    assert_string_equal(argument(call, 1), "--dir=/d");
    assert_string_equal(argument(call, 7), "");
    assert_string_equal(argument(call, 8), "a\n b");
    assert_string_equal(argument(call, 9), "(not UTF-8)");
    assert_int_equal(json_array_size(journal_entries()), 0);
}

static void becomes_rkt_in_its_own_process(void **state)
{
    char *const argv[] = {"rkt", "version", NULL};
    size_t n_fds = n_inherited_fds();
    int fd = open("/", O_PATH);

    (void)state;
    assert_true(dup2(fd, 77) == 77);
    close(fd);
    assert_int_equal(chdir("/srv"), 0);
    setenv("A_VARIABLE", "with = and\nnewline", 1);
    pid_t pid = start_argv(node_built("rkt"), argv);
    assert_int_equal(finish(pid), 0);
    close(77);

    CLEANUP(json_decrefp) json_t *call = the_call();
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
    CLEANUP(json_decrefp) json_t *call = the_call();
    assert_int_equal(json_integer_value(json_object_get(call, "tty")), 1);
}

static void asks_before_a_launch(void **state)
{
    struct script script = {.n_replies = 1, .replies = {"{\"parameters\":{}}"}};
    CLEANUP(result_deinit)
    struct result result = {0};
    size_t n_fds = n_inherited_fds();

    (void)state;
    script_begin(&script);
    setenv("RKT_EXPERIMENT_ATTACH", "true", 1);
    setenv("SECRET", "1", 1);
    result = run(node_built("rkt"), "--dir", "/d", "prepare", "--pod-manifest", MANIFEST, NULL);
    unsetenv("RKT_EXPERIMENT_ATTACH");
    unsetenv("SECRET");
    CLEANUP(json_decrefp) json_t *call = the_call();
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
    assert_string_equal(argument(call, 5), MANIFEST);
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
    size_t n_fds = n_inherited_fds();

    (void)state;
    script_begin(&script);
    setenv("OLD", "1", 1);
    setenv("GONE", "1", 1);
    result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    unsetenv("OLD");
    unsetenv("GONE");
    script_end(&script);

    CLEANUP(json_decrefp) json_t *call = the_call();
    CLEANUP(freep) char *all = json_dumps(call, 0);
    assert_int_equal(result.status, 0);
    assert_string_equal(argument(call, 2), "--no-overlay");
    assert_string_equal(json_string_value(json_object_get(call, "manifest")), "{\"new\":1}");
    assert_non_null(strstr(argument(call, 3), "--pod-manifest=/proc/self/fd/"));
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
        CLEANUP(json_decrefp) json_t *call = the_call();
        assert_int_equal(result.status, 0);
        assert_string_equal(json_string_value(json_object_get(call, "manifest")),
                            KUBELETS_MANIFEST);
        recorder_forget();
    }
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
        CLEANUP(json_decrefp) json_t *call = the_call();
        assert_int_equal(result.status, 0);
        assert_string_equal(argument(call, 3), paths[i]);
        recorder_forget();
    }
    script_end(&script);
    assert_int_equal(script.n_messages, 0);
    assert_int_equal(json_array_size(journal_entries()), 0);
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
    CLEANUP(json_decrefp) json_t *call = the_call();
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

    assert_int_equal(truncate(MANIFEST, 5 << 20), 0);
    result_deinit(&result);
    result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    CLEANUP(json_decrefp) json_t *call = the_call();
    assert_int_equal(result.status, 0);
    assert_string_equal(argument(call, 3), MANIFEST);
    journal_wait("GANTRY_REASON", "the pod manifest is longer than gantryd takes", NULL);
    script_end(&script);
    assert_int_equal(script.n_messages, 0);
}

static void a_command_line_it_does_not_know_goes_on(void **state)
{
    CLEANUP(result_deinit)
    struct result result = run(node_built("rkt"), "prepare", "--of-rkt-1.31", NULL);
    CLEANUP(json_decrefp) json_t *call = the_call();

    (void)state;
    assert_int_equal(result.status, 0);
    assert_string_equal(argument(call, 2), "--of-rkt-1.31");
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

static void never_becomes_itself(void **state)
{
    static const char none[] =
        "gantry: cannot become rkt: " RKT_PATH ": No such file or directory\n";
    static const char circle[] = "gantry: cannot become rkt: it leads back here; see [Rkt] Path=\n";
    char script[4096];

    (void)state;
    if (is_there(RKT_PATH))
        fail_msg(
            "there is a rkt on this machine: configure the tests' build with another --with-rkt");
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
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, node_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(what_is_no_launch_goes_to_rkt_at_once),
        TEST(becomes_rkt_in_its_own_process),
        TEST(its_end_is_rkts_end),
        TEST(keeps_the_terminal),
        TEST(asks_before_a_launch),
        TEST(a_refusal_is_printed_with_its_status),
        TEST(obeys_an_amended_launch),
        TEST(a_manifest_from_a_pipe_reaches_rkt),
        TEST(a_manifest_that_cannot_be_read_is_rkts_matter),
        TEST(goes_on_when_nobody_serves),
        TEST(goes_on_when_nobody_answers),
        TEST(goes_on_when_the_journal_hangs),
        TEST(refuses_instead_if_told_so),
        TEST(asks_again_when_gantryd_is_restarted),
        TEST(goes_on_after_nonsense),
        TEST(goes_on_when_the_question_cannot_be_put),
        TEST(a_command_line_it_does_not_know_goes_on),
        TEST(never_becomes_itself),
        TEST(a_rkt_that_is_a_script_is_as_good_as_any),
        TEST(without_root_rkt_is_not_asked_about),
    };

    node_enter();
    return cmocka_run_group_tests_name("dropin", tests, NULL, NULL);
}
