/* SPDX-License-Identifier: Apache-2.0 */

/*
 * When the kubelet is asked, how, and when not; Required=yes shows what came: a launch is refused
 * if the pod's spec did not.
 */

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "lib/message.h"
#include "tests/harness/plain.h"

#define UUID "0f0e0d0c-0b0a-4900-8807-060504030201"

static const char *id_of(enum message message)
{
    return message_info(message)->id;
}

static void reload(const char *text)
{
    node_configure(text);
    kill(gantryd_pid(), SIGHUP);
    journal_wait("MESSAGE_ID", id_of(MESSAGE_CONFIG), NULL);
    journal_forget();
}

#define LAUNCHES 100

static void many_launches_share_one_fetch(void **state)
{
    pid_t pids[LAUNCHES];
    char name[64];

    (void)state;
    plain_configure(REQUIRED);
    plain_has("pod", LAUNCHES);
    kubelet_holds(true);
    for (unsigned i = 0; i < LAUNCHES; i++) {
        snprintf(name, sizeof(name), "pod%u", i);
        pids[i] = plain_begin(name, "1");
    }
    for (unsigned i = 0; i < LAUNCHES; i++) {
        snprintf(name, sizeof(name), "pod%u", i);
        wait_for(plain_is_known(name));
    }
    wait_for(kubelet_n_requests() == 1);
    kubelet_holds(false);
    for (unsigned i = 0; i < LAUNCHES; i++)
        assert_int_equal(finish(pids[i]), 0);
    assert_int_equal(kubelet_n_requests(), 1);
    assert_string_equal(kubelet_request(), "GET /pods HTTP/1.1");
    assert_null(strstr(kubelet_head(), "Authorization"));
}

static void who_came_too_late_has_one_more(void **state)
{
    (void)state;
    plain_configure(REQUIRED);
    plain_has("pod", 1);
    kubelet_holds(true);
    pid_t first = plain_begin("pod0", "1");
    wait_for(kubelet_n_requests() == 1);
    /* the answer that is under way does not have it; the next one has */
    pid_t second = plain_begin("pod1", "1");
    pid_t third = plain_begin("unknown", "1");
    wait_for(plain_is_known("pod1") && plain_is_known("unknown"));
    plain_has("pod", 2);
    kubelet_holds(false);
    assert_int_equal(finish(first), 0);
    assert_int_equal(finish(second), 0);
    assert_int_equal(finish(third), 254);
    assert_int_equal(kubelet_n_requests(), 2);
}

static void what_is_known_is_not_asked_for(void **state)
{
    (void)state;
    plain_configure(REQUIRED);
    plain_has("pod", 2);
    plain_passes("pod0", "1");
    assert_int_equal(kubelet_n_requests(), 1);
    plain_passes("pod0", "1");
    assert_int_equal(kubelet_n_requests(), 1);
    plain_passes("pod0", "2");
    assert_int_equal(kubelet_n_requests(), 2);
    plain_passes("pod0", "2");
    plain_passes("pod1", "1");
    assert_int_equal(kubelet_n_requests(), 3);
    plain_is_refused("pod2", "it does not know the pod");
    plain_configure("");
    plain_passes("pod2", "1");
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_KUBELET)), 0);
    journal_wait("GANTRY_POD_NAME", "pod2", "GANTRY_NOTE", NOT_DONE "it does not know the pod",
                 NULL);
}

/* It is the same kubelet, however it is asked: over http nobody looks at the files. */
static void what_was_told_counts_until_it_is_asked_otherwise(void **state)
{
    static const char *const lines[] = {"URL=http://127.0.0.1:10255/", "CA=/none",
                                        "Certificate=/none", "Key=/none"};
    char text[512] = REQUIRED "[Kubelet]\n", *end = text + strlen(text);

    (void)state;
    plain_configure(REQUIRED);
    plain_has("pod", 1);
    plain_passes("pod0", "1");
    for (unsigned i = 0; i < N_ELEMENTS(lines); i++) {
        end += sprintf(end, "%s\n", lines[i]);
        reload(text);
        plain_passes("pod0", "1");
        assert_int_equal(kubelet_n_requests(), i + 2);
    }
    sprintf(end, "Timeout=20s\n");
    reload(text);
    plain_passes("pod0", "1");
    assert_int_equal(kubelet_n_requests(), N_ELEMENTS(lines) + 1);
}

/* The kubelet is held back, so nothing of the first fetch can have been an answer. */
static void a_reload_gives_up_the_fetch_that_is_under_way(void **state)
{
    (void)state;
    plain_configure(REQUIRED);
    plain_has("pod", 2);
    kubelet_holds(true);
    pid_t first = plain_begin("pod0", "1");
    wait_for(kubelet_n_requests() == 1);
    reload(REQUIRED "[Kubelet]\nURL=http://127.0.0.1:10255/\n");
    wait_for(kubelet_n_requests() == 2);
    pid_t second = plain_begin("pod1", "1");
    wait_for(plain_is_known("pod1"));
    kubelet_holds(false);
    assert_int_equal(finish(first), 0);
    assert_int_equal(finish(second), 0);

    /* nobody listens there */
    kubelet_holds(true);
    unsigned before = kubelet_n_requests();
    first = plain_begin("pod0", "2");
    wait_for(kubelet_n_requests() == before + 1);
    reload(REQUIRED "[Kubelet]\nURL=http://127.0.0.1:9\n");
    assert_int_equal(finish(first), 254);
    plain_is_refused("pod2", "Connection refused");
}

static void who_waits_when_the_url_is_taken_away_goes_on(void **state)
{
    (void)state;
    plain_configure("[Kubelet]\nTimeout=30s\n[Launch]\nRequestTimeout=1min\n");
    kubelet_holds(true);
    pid_t launch = plain_begin("pod0", "1");
    wait_for(kubelet_n_requests() == 1);
    node_configure("[Kubelet]\nURL=\n");
    kill(gantryd_pid(), SIGHUP);
    assert_int_equal(finish(launch), 0);
    journal_wait("GANTRY_POD_NAME", "pod0", "GANTRY_NOTE", NOT_DONE "it is not asked any more",
                 NULL);
}

static void with_an_empty_url_nobody_is_asked(void **state)
{
    (void)state;
    plain_configure("[Kubelet]\nURL=\n");
    plain_passes("pod0", "1");
    assert_int_equal(kubelet_n_requests(), 0);
    /* and nothing is missed */
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_LAUNCH), NULL);
    assert_string_equal(field(entry, "MESSAGE"), "pod default/pod0: prepare goes to rkt");
}

static void a_kubelet_that_hangs_delays_one_launch_not_each(void **state)
{
    (void)state;
    kubelet_serves(NULL, 0);
    plain_configure("[Kubelet]\nTimeout=300ms\n");
    plain_passes("pod0", "1");
    journal_wait("MESSAGE_ID", id_of(MESSAGE_KUBELET), "GANTRY_REASON", "no answer within 300ms",
                 NULL);
    assert_int_equal(kubelet_n_requests(), 1);
    /* in the second after that nobody tries; on a slow machine it may be over */
    unsigned before;
    unsigned tries = 0;
    do {
        assert_true(tries++ < 20);
        plain_passes("pod0", "1");
        before = kubelet_n_requests();
        plain_passes("pod0", "1");
    } while (kubelet_n_requests() != before);
    /* nor does one that trickles keep a launch longer */
    plain_configure("[Kubelet]\nTimeout=300ms\nRequired=yes\n");
    plain_is_refused("pod0", "no answer within 300ms");
}

static void one_that_is_not_there_is_told_once_and_counted(void **state)
{
    (void)state;
    kubelet_stop();
    plain_configure("");
    usec_t give_up = usec_now() + 60 * USEC_SEC;
    char name[64];
    for (unsigned i = 0; journal_count("GANTRY_REPEATED", "2") == 0; i++) {
        assert_true(usec_now() < give_up);
        /* another pod each time, for what repeats of a pod is counted, too */
        snprintf(name, sizeof(name), "gone%u", i);
        plain_passes(name, "1");
        usleep(100000);
    }
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_KUBELET)), 2);
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_KUBELET), NULL);
    assert_string_equal(field(entry, "MESSAGE"), "the kubelet cannot be asked for its pods at "
                                                 "http://127.0.0.1:10255: Connection refused");
    assert_string_equal(field(entry, "PRIORITY"), "4");

    /* and comes back, which is told once, too */
    kubelet_start();
    plain_has("pod", 1);
    while (journal_count("MESSAGE_ID", id_of(MESSAGE_KUBELET_BACK)) == 0) {
        assert_true(usec_now() < give_up);
        plain_passes("pod0", "1");
        usleep(100000);
    }
    entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_KUBELET_BACK), NULL);
    assert_string_equal(field(entry, "MESSAGE"),
                        "the kubelet answers again at http://127.0.0.1:10255");
    assert_string_equal(field(entry, "PRIORITY"), "6");
    plain_passes("pod0", "2");
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_KUBELET_BACK)), 1);
}

static void required_refuses_but_what_is_prepared_runs(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = plain_manifest("pod0", "1");

    (void)state;
    kubelet_stop();
    plain_configure(REQUIRED);
    plain_is_refused("pod0", "Connection refused");
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_REFUSAL), NULL);
    assert_string_equal(field(entry, "MESSAGE"),
                        "prepare refused: launch of pod default/pod0: the kubelet has to be asked "
                        "(Required=yes): Connection refused");
    assert_string_equal(field(entry, "GANTRY_ROOM"), "kubelet");

    make_folders("/var/lib/rkt/pods/prepared/" UUID);
    assert_int_equal(json_dump_file(manifest, "/var/lib/rkt/pods/prepared/" UUID "/pod", 0), 0);
    CLEANUP(result_deinit)
    struct result result = run(node_built("rkt"), "run-prepared", UUID, NULL);
    assert_string_equal(result.err, "");
    assert_int_equal(result.status, 0);
    entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_START), NULL);
    assert_string_equal(field(entry, "GANTRY_POD_NAME"), "pod0");
}

#define TOKEN "/run/node/token"

/* Runs one by hand, with a token, which gantryd would have only for https. */
static void fetch_says(const char *out)
{
    CLEANUP(result_deinit)
    struct result result =
        run(node_built("kubelet-pods"), "http://127.0.0.1:10255/", "", "", "", TOKEN, NULL);

    assert_string_equal(result.out, out);
    assert_int_equal(result.status, 0);
}

static void a_token_is_sent_as_it_is_in_its_file(void **state)
{
    (void)state;
    plain_has("pod", 1);
    write_text(TOKEN, "first.token\n");
    fetch_says("{\"done\":true}\n");
    assert_string_equal(kubelet_request(), "GET /pods HTTP/1.1");
    assert_non_null(strstr(kubelet_head(), "\r\nAuthorization: Bearer first.token\r\n"));
    write_text(TOKEN, "one\r\nX-Another: header\n");
    fetch_says("{\"error\":\"" TOKEN ": not a token\"}\n");
    assert_int_equal(kubelet_n_requests(), 1);
    unlink(TOKEN);
    fetch_says("{\"error\":\"" TOKEN ": No such file or directory\"}\n");
}

/* The one child that gantryd has. */
static pid_t fetching(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)gantryd_pid(),
             (int)gantryd_pid());
    CLEANUP(freep) char *text = read_text(path);
    return (pid_t)atoi(text);
}

static void has_no_capabilities(pid_t pid)
{
    static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
    char path[64], none[64];

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    CLEANUP(freep) char *text = read_text(path);
    for (size_t i = 0; i < N_ELEMENTS(sets); i++) {
        snprintf(none, sizeof(none), "\n%s:\t%016d\n", sets[i], 0);
        if (!strstr(text, none))
            fail_msg("%s", text);
    }
}

static void the_fetch_is_root_without_capabilities(void **state)
{
    (void)state;
    plain_configure(REQUIRED);
    plain_has("pod", 1);
    kubelet_holds(true);
    pid_t launch = plain_begin("pod0", "1");
    wait_for(kubelet_n_requests() == 1);
    has_no_capabilities(fetching());
    kubelet_holds(false);
    assert_int_equal(finish(launch), 0);

    /* another's files are not its business */
    write_text(TOKEN, "secret");
    assert_int_equal(chmod(TOKEN, 0600), 0);
    fetch_says("{\"done\":true}\n");
    assert_int_equal(chown(TOKEN, 1, 1), 0);
    fetch_says("{\"error\":\"" TOKEN ": Permission denied\"}\n");
}

static void a_proxy_of_the_environment_is_not_used(void **state)
{
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
    plain_configure(REQUIRED);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    plain_has("pod", 1);
    plain_passes("pod0", "1");
}

static void gantryd_ends_though_the_kubelet_does_not_answer(void **state)
{
    (void)state;
    kubelet_holds(true);
    plain_configure("[Kubelet]\nTimeout=2s\n[Launch]\nRequestTimeout=4s\n");
    pid_t launch = plain_begin("pod0", "1");
    wait_for(kubelet_n_requests() == 1);
    assert_int_equal(gantryd_end(SIGTERM), 0);
    assert_int_equal(finish(launch), 0);
    gantryd_start();
}

static void a_fetch_that_cannot_begin_is_a_failure(void **state)
{
    (void)state;
    setenv("GANTRY_KUBELET_PODS", "/run/node/none", 1);
    plain_configure(REQUIRED);
    plain_is_refused("pod0", "/run/node/none: no such file or directory");
    setenv("GANTRY_KUBELET_PODS", "/bin/true", 1);
    plain_configure(REQUIRED);
    plain_is_refused("pod0", "kubelet-pods ended without an answer");
    setenv("GANTRY_KUBELET_PODS", node_built("kubelet-pods"), 1);
    plain_configure("");
}

/* https, with openssl's server in the place of the kubelet's port 10250. */

static void make_certificates(void)
{
    CLEANUP(result_deinit)
    struct result result = run(
        "/bin/sh", "-ec",
        "mkdir -p /run/node/tls; cd /run/node/tls\n"
        "new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -batch'\n"
        "for ca in ca other; do $new -x509 -days 2 -subj /CN=$ca -keyout $ca.key -out $ca.pem; done\n"
        "echo subjectAltName=IP:127.0.0.1 >names\n"
        "for name in kubelet gantry; do\n"
        "    $new -subj /CN=$name -keyout $name.key -out $name.csr\n"
        "    openssl x509 -req -days 2 -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
        "-extfile names -out $name.pem\n"
        "done",
        NULL);

    if (result.status != 0)
        fail_msg("openssl: %s", result.err);
}

static void https_with_certificates(void **state)
{
    CLEANUP(json_decrefp) json_t *list = json_pack("{s:[o]}", "items", plain_pod("pod0"));
    char *const argv[] = {"sh", "-c",
                          "cd /run/node/tls && exec openssl s_server -accept 127.0.0.1:10250 -cert "
                          "kubelet.pem -key kubelet.key -CAfile ca.pem -Verify 1 "
                          "-verify_return_error -WWW -quiet",
                          NULL};
#define TLS REQUIRED "[Kubelet]\nURL=https://127.0.0.1:10250\n"
#define IDENTITY "Certificate=/run/node/tls/gantry.pem\nKey=/run/node/tls/gantry.key\n"

    (void)state;
    make_certificates();
    assert_int_equal(json_dump_file(list, "/run/node/tls/pods", 0), 0);
    pid_t server = start_argv("/bin/sh", argv);

    /* the server may have to come up first */
    usec_t give_up = usec_now() + 30 * USEC_SEC;
    struct result first;
    do {
        assert_true(usec_now() < give_up);
        plain_configure(TLS IDENTITY "CA=/run/node/tls/ca.pem\n");
        first = plain_prepare("pod0", "1");
        int status = first.status;
        result_deinit(&first);
        if (status == 0)
            break;
        usleep(50000);
    } while (true);

    /* what was told without a token is of no use with one */
    reload(TLS IDENTITY "CA=/run/node/tls/ca.pem\nTokenFile=/run/node/none\n");
    plain_is_refused("pod0", "/run/node/none: No such file or directory");

    plain_configure(TLS IDENTITY "CA=/run/node/tls/other.pem\n");
    CLEANUP(result_deinit) struct result wrong_ca = plain_prepare("pod0", "1");
    assert_int_equal(wrong_ca.status, 254);
    assert_non_null(strstr(wrong_ca.err, "certificate verification failed"));
    plain_configure(TLS IDENTITY);
    CLEANUP(result_deinit) struct result not_trusted = plain_prepare("pod0", "1");
    assert_int_equal(not_trusted.status, 254);
    assert_non_null(strstr(not_trusted.err, "certificate verification failed"));
    plain_configure(TLS "CA=/run/node/tls/ca.pem\n");
    CLEANUP(result_deinit) struct result nobody = plain_prepare("pod0", "1");
    assert_int_equal(nobody.status, 254);
    /* a name that the certificate does not have */
    plain_configure(REQUIRED IDENTITY
                    "[Kubelet]\nURL=https://localhost:10250\nCA=/run/node/tls/ca.pem\n");
    CLEANUP(result_deinit) struct result wrong_name = plain_prepare("pod0", "1");
    assert_int_equal(wrong_name.status, 254);

    kill(server, SIGTERM);
    finish(server);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, plain_setup, plain_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(many_launches_share_one_fetch),
        TEST(who_came_too_late_has_one_more),
        TEST(what_is_known_is_not_asked_for),
        TEST(what_was_told_counts_until_it_is_asked_otherwise),
        TEST(a_reload_gives_up_the_fetch_that_is_under_way),
        TEST(who_waits_when_the_url_is_taken_away_goes_on),
        TEST(with_an_empty_url_nobody_is_asked),
        TEST(a_kubelet_that_hangs_delays_one_launch_not_each),
        TEST(one_that_is_not_there_is_told_once_and_counted),
        TEST(required_refuses_but_what_is_prepared_runs),
        TEST(a_token_is_sent_as_it_is_in_its_file),
        TEST(the_fetch_is_root_without_capabilities),
        TEST(a_proxy_of_the_environment_is_not_used),
        TEST(gantryd_ends_though_the_kubelet_does_not_answer),
        TEST(a_fetch_that_cannot_begin_is_a_failure),
        TEST(https_with_certificates),
    };

    node_enter();
    return cmocka_run_group_tests_name("kubelet", tests, NULL, NULL);
}
