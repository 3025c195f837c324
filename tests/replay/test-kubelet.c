/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kubelet as a source: when it is asked, when not, and what comes of each answer. Required=yes
 * shows what came: a launch is refused if the pod's spec did not.
 */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/message.h"
#include "tests/harness/kubelet.h"

#define UUID "0f0e0d0c-0b0a-4900-8807-060504030201"
#define NOT_DONE "kubelet: warning: what needs the pod's spec is not done: "
#define REQUIRED "[Kubelet]\nRequired=yes\nTimeout=30s\n[Launch]\nRequestTimeout=1min\n"

static const char *id_of(enum message message)
{
    return message_info(message)->id;
}

/* The manifest of pod default/NAME with UID NAME. */
static json_t *manifest_of(const char *name, const char *hash)
{
    return json_pack("{s:[{s:s, s:[{s:s, s:s}]}], s:[], s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}, "
                     "{s:s, s:s}]}",
                     "apps", "name", "app", "annotations", "name",
                     "rkt.kubernetes.io/container-hash", "value", hash, "volumes", "annotations",
                     "name", "rkt.kubernetes.io/managed-by-kubelet", "value", "true", "name",
                     "io.kubernetes.pod.uid", "value", name, "name", "io.kubernetes.pod.name",
                     "value", name, "name", "io.kubernetes.pod.namespace", "value", "default");
}

/* Begins its prepare. */
static pid_t begin(const char *name, const char *hash)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of(name, hash);
    char path[128];
    char *const argv[] = {"rkt", "prepare", "--quiet", "--pod-manifest", path, NULL};

    snprintf(path, sizeof(path), "/run/node/%s.json", name);
    assert_int_equal(json_dump_file(manifest, path, 0), 0);
    return start_argv(node_built("rkt"), argv);
}

static struct result prepare(const char *name, const char *hash)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of(name, hash);

    assert_int_equal(json_dump_file(manifest, "/run/node/manifest.json", 0), 0);
    return run(node_built("rkt"), "prepare", "--quiet", "--pod-manifest", "/run/node/manifest.json",
               NULL);
}

static void passes(const char *name, const char *hash)
{
    CLEANUP(result_deinit) struct result result = prepare(name, hash);

    assert_string_equal(result.err, "");
    assert_int_equal(result.status, 0);
}

static void is_refused(const char *name, const char *reason)
{
    CLEANUP(result_deinit) struct result result = prepare(name, "1");
    CLEANUP(freep) char *message = NULL;

    assert_true(asprintf(&message,
                         "launch of pod default/%s: the kubelet has to be asked (Required=yes): "
                         "%s\n",
                         name, reason) > 0);
    assert_string_equal(result.err, message);
    assert_int_equal(result.status, 254);
}

static void configure(const char *text)
{
    node_configure(text);
    assert_int_equal(gantryd_end(SIGTERM), 0);
    gantryd_start();
}

static int kubelet_setup(void **state)
{
    node_setup(state);
    kubelet_start();
    return 0;
}

static int kubelet_teardown(void **state)
{
    kubelet_stop();
    return node_teardown(state);
}

static json_t *pod_of(const char *name)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of(name, "1");
    CLEANUP(json_decrefp) json_t *spec = json_pack("{s:[{s:s}]}", "containers", "name", "app");

    return kubelet_pod(manifest, spec);
}

/* The kubelet has pods named FORMAT 0 to N-1. */
static void kubelet_has(const char *format, unsigned n)
{
    CLEANUP(json_decrefp) json_t *pods = json_array();
    char name[64];

    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "%s%u", format, i);
        json_array_append_new(pods, pod_of(name));
    }
    kubelet_serves_pods(pods);
}

static bool is_known(const char *name)
{
    CLEANUP(json_decrefp)
    json_t *reply = api_call("io.gantry.Node.Explain", json_pack("{s:s}", "pod", name));

    return !json_object_get(reply, "error");
}

#define LAUNCHES 100

static void many_launches_share_one_fetch(void **state)
{
    pid_t pids[LAUNCHES];
    char name[64];

    (void)state;
    configure(REQUIRED);
    kubelet_has("pod", LAUNCHES);
    kubelet_holds(true);
    for (unsigned i = 0; i < LAUNCHES; i++) {
        snprintf(name, sizeof(name), "pod%u", i);
        pids[i] = begin(name, "1");
    }
    for (unsigned i = 0; i < LAUNCHES; i++) {
        snprintf(name, sizeof(name), "pod%u", i);
        wait_for(is_known(name));
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
    configure(REQUIRED);
    kubelet_has("pod", 1);
    kubelet_holds(true);
    pid_t first = begin("pod0", "1");
    wait_for(kubelet_n_requests() == 1);
    /* the answer that is under way does not have it; the next one has */
    pid_t second = begin("pod1", "1");
    pid_t third = begin("unknown", "1");
    wait_for(is_known("pod1") && is_known("unknown"));
    kubelet_has("pod", 2);
    kubelet_holds(false);
    assert_int_equal(finish(first), 0);
    assert_int_equal(finish(second), 0);
    assert_int_equal(finish(third), 254);
    assert_int_equal(kubelet_n_requests(), 2);
}

static void what_is_known_is_not_asked_for(void **state)
{
    (void)state;
    configure(REQUIRED);
    kubelet_has("pod", 2);
    passes("pod0", "1");
    assert_int_equal(kubelet_n_requests(), 1);
    passes("pod0", "1");
    assert_int_equal(kubelet_n_requests(), 1);
    passes("pod0", "2");
    assert_int_equal(kubelet_n_requests(), 2);
    passes("pod0", "2");
    passes("pod1", "1");
    assert_int_equal(kubelet_n_requests(), 3);
    is_refused("pod2", "it does not know the pod");
    configure("");
    passes("pod2", "1");
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_KUBELET)), 0);
    journal_wait("GANTRY_POD_NAME", "pod2", "GANTRY_NOTE", NOT_DONE "it does not know the pod",
                 NULL);
}

static void with_an_empty_url_nobody_is_asked(void **state)
{
    (void)state;
    configure("[Kubelet]\nURL=\n");
    passes("pod0", "1");
    assert_int_equal(kubelet_n_requests(), 0);
    /* and nothing is missed */
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_LAUNCH), NULL);
    assert_string_equal(field(entry, "MESSAGE"), "pod default/pod0: prepare goes to rkt");
}

/* 5,000 pods of the size that a kubelet's have, and what no kubelet has yet. */
static void serve_a_full_node(void)
{
    CLEANUP(json_decrefp)
    json_t *list = read_json(node_source("tests/unit/data/kubelet-pods.json"));
    json_t *items = json_object_get(list, "items");
    CLEANUP(json_decrefp) json_t *pods = json_array();

    for (unsigned i = 0; i < 5000; i++) {
        json_t *pod = json_deep_copy(json_array_get(items, i % json_array_size(items)));
        json_object_set_new(json_object_get(pod, "metadata"), "uid", json_sprintf("pod%u", i));
        json_object_set_new(pod, "fromTheFuture", json_pack("{s:[i, n, f]}", "a", 1, 1e300));
        json_array_append_new(pods, pod);
    }
    /* and a plain one, which asks for nothing that the manifest has not */
    json_object_set_new(json_array_get(pods, 4999), "spec", json_pack("{s:[]}", "containers"));
    kubelet_serves_pods(pods);
}

static void a_full_node_keeps_nobody_waiting(void **state)
{
    int status;

    (void)state;
    configure(REQUIRED);
    serve_a_full_node();
    kubelet_holds(true);
    pid_t last = begin("pod4999", "1");
    wait_for(kubelet_n_requests() == 1);
    /* another client is served meanwhile */
    assert_true(is_known("pod4999"));
    assert_int_equal(waitpid(last, &status, WNOHANG), 0);
    kubelet_holds(false);
    assert_int_equal(finish(last), 0);
    assert_int_equal(kubelet_n_requests(), 1);
}

#define OK "HTTP/1.1 200 OK\r\n"

static void bad_answers_are_told_and_harm_nobody(void **state)
{
    static const struct {
        const char *bytes, *reason;
    } rows[] = {
        {"", "Server returned nothing (no headers, no data)"},
        {OK "\r\n{\"items\":[{\"metadata\":{\"uid\":\"pod0\"}", "the answer is not a list of pods"},
        {OK "\r\n", "the answer is not a list of pods"},
        {OK "\r\n[]", "the answer is not a list of pods"},
        {OK "\r\n{\"items\":{\"metadata\":{\"uid\":\"pod0\"}}}",
         "the answer is not a list of pods"},
        {OK "Content-Length: 1000\r\n\r\n{\"items\":[]}", "Transferred a partial file"},
        {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:10255/other\r\nContent-Length: 0\r\n\r\n",
         "it answers with HTTP status 302"},
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "it answers with HTTP status 403"},
        {"HTTP/1.1 204 No Content\r\n\r\n", "it answers with HTTP status 204"},
        {"HTTP/1.1 500 No\r\n\r\n{\"items\":[{\"metadata\":{\"uid\":\"pod0\"}}]}",
         "it answers with HTTP status 500"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CLEANUP(freep) char *told = NULL;
        kubelet_stop();
        kubelet_start();
        kubelet_serves(rows[i].bytes, strlen(rows[i].bytes));
        configure(REQUIRED);
        is_refused("pod0", rows[i].reason);
        assert_int_equal(kubelet_n_requests(), 1);
        assert_true(asprintf(&told,
                             "the kubelet cannot be asked for its pods at http://127.0.0.1:10255: "
                             "%s",
                             rows[i].reason) > 0);
        const json_t *entry =
            journal_wait("MESSAGE_ID", id_of(MESSAGE_KUBELET), "MESSAGE", told, NULL);
        assert_string_equal(field(entry, "GANTRY_REASON"), rows[i].reason);
        configure("");
        passes("pod0", "1");
        CLEANUP(freep) char *note = NULL;
        assert_true(asprintf(&note, NOT_DONE "%s", rows[i].reason) > 0);
        journal_wait("MESSAGE_ID", id_of(MESSAGE_LAUNCH), "GANTRY_NOTE", note, NULL);
        journal_forget();
    }
}

/* Has the kubelet answer with so many pods of a mebibyte, and pod0 at last. */
static void serve_fat_pods(size_t n)
{
    static const char fat[] = "{\"metadata\":{\"uid\":\"fat\"},\"spec\":\"", fat_end[] = "\"},";
    static const char last[] = "{\"metadata\":{\"uid\":\"pod0\"},\"spec\":{\"containers\":[]}}]}";
    char *bytes = malloc(strlen(OK "\r\n") + 1024 + n * (1 << 20)), *p = bytes;

    p = stpcpy(p, OK "\r\n{\"items\":[");
    for (size_t i = 0; i < n; i++) {
        size_t length = (1 << 20) - strlen(fat) - strlen(fat_end);
        p = stpcpy(p, fat);
        memset(p, 'x', length);
        p = stpcpy(p + length, fat_end);
    }
    p = stpcpy(p, last);
    kubelet_serves(bytes, (size_t)(p - bytes));
    free(bytes);
}

/* A node's pods are as many and as long as their authors like. */
static void an_answer_may_be_long(void **state)
{
    (void)state;
    configure(REQUIRED);
    serve_fat_pods(96);
    passes("pod0", "1");
}

/* What came before the end of an answer is as good as it is. */
static void what_has_come_whole_counts(void **state)
{
    static const char half[] =
        OK "\r\n{\"items\":[{\"metadata\":{\"uid\":\"pod0\"},\"spec\":{\"containers\":[]}},{";

    (void)state;
    configure(REQUIRED);
    kubelet_serves(half, strlen(half));
    passes("pod0", "1");
    journal_wait("MESSAGE_ID", id_of(MESSAGE_KUBELET), "GANTRY_REASON",
                 "the answer is not a list of pods", NULL);
}

static void a_wrong_type_anywhere_costs_only_its_pod(void **state)
{
    static const char *const oddities[] = {
        "null",
        "7",
        "\"pod0\"",
        "[]",
        "{}",
        "{\"metadata\":[]}",
        "{\"metadata\":{\"uid\":7}}",
        "{\"metadata\":{\"uid\":\"pod1\"},\"spec\":[]}",
        "{\"metadata\":{\"uid\":\"pod1\",\"annotations\":\"x\"},\"spec\":{\"containers\":{}}}",
        "{\"metadata\":{\"uid\":\"pod1\",\"annotations\":{\"a\":\"\\u0000\"}}}",
    };

    (void)state;
    configure(REQUIRED);
    for (size_t i = 0; i < N_ELEMENTS(oddities); i++) {
        CLEANUP(json_decrefp)
        json_t *odd = json_loads(oddities[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        CLEANUP(json_decrefp) json_t *pods = json_pack("[O, o]", odd, pod_of("pod0"));
        char hash[16];
        assert_non_null(pods);
        kubelet_serves_pods(pods);
        snprintf(hash, sizeof(hash), "%zu", i);
        passes("pod0", hash);
        if (strstr(oddities[i], "\"pod1\""))
            passes("pod1", hash);
        else
            is_refused("pod1", "it does not know the pod");
    }
}

static void a_kubelet_that_hangs_delays_one_launch_not_each(void **state)
{
    (void)state;
    kubelet_serves(NULL, 0);
    configure("[Kubelet]\nTimeout=300ms\n");
    passes("pod0", "1");
    journal_wait("MESSAGE_ID", id_of(MESSAGE_KUBELET), "GANTRY_REASON", "no answer within 300ms",
                 NULL);
    assert_int_equal(kubelet_n_requests(), 1);
    /* in the second after that nobody tries; on a slow machine it may be over */
    unsigned before;
    unsigned tries = 0;
    do {
        assert_true(tries++ < 20);
        passes("pod0", "1");
        before = kubelet_n_requests();
        passes("pod0", "1");
    } while (kubelet_n_requests() != before);
    /* nor does one that trickles keep a launch longer */
    configure("[Kubelet]\nTimeout=300ms\nRequired=yes\n");
    is_refused("pod0", "no answer within 300ms");
}

static void one_that_is_not_there_is_told_once_and_counted(void **state)
{
    (void)state;
    kubelet_stop();
    configure("");
    usec_t give_up = usec_now() + 60 * USEC_SEC;
    char name[64];
    for (unsigned i = 0; journal_count("GANTRY_REPEATED", "2") == 0; i++) {
        assert_true(usec_now() < give_up);
        /* another pod each time, for what repeats of a pod is counted, too */
        snprintf(name, sizeof(name), "gone%u", i);
        passes(name, "1");
        usleep(100000);
    }
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_KUBELET)), 2);
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_KUBELET), NULL);
    assert_string_equal(field(entry, "MESSAGE"), "the kubelet cannot be asked for its pods at "
                                                 "http://127.0.0.1:10255: Connection refused");
    assert_string_equal(field(entry, "PRIORITY"), "4");

    /* and comes back, which is told once, too */
    kubelet_start();
    kubelet_has("pod", 1);
    while (journal_count("MESSAGE_ID", id_of(MESSAGE_KUBELET_BACK)) == 0) {
        assert_true(usec_now() < give_up);
        passes("pod0", "1");
        usleep(100000);
    }
    entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_KUBELET_BACK), NULL);
    assert_string_equal(field(entry, "MESSAGE"),
                        "the kubelet answers again at http://127.0.0.1:10255");
    assert_string_equal(field(entry, "PRIORITY"), "6");
    passes("pod0", "2");
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_KUBELET_BACK)), 1);
}

static void required_refuses_but_what_is_prepared_runs(void **state)
{
    CLEANUP(json_decrefp) json_t *manifest = manifest_of("pod0", "1");

    (void)state;
    kubelet_stop();
    configure(REQUIRED);
    is_refused("pod0", "Connection refused");
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
    kubelet_has("pod", 1);
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
    configure(REQUIRED);
    kubelet_has("pod", 1);
    kubelet_holds(true);
    pid_t launch = begin("pod0", "1");
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
    configure(REQUIRED);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    kubelet_has("pod", 1);
    passes("pod0", "1");
}

static void gantryd_ends_though_the_kubelet_does_not_answer(void **state)
{
    (void)state;
    kubelet_holds(true);
    configure("[Kubelet]\nTimeout=2s\n[Launch]\nRequestTimeout=4s\n");
    pid_t launch = begin("pod0", "1");
    wait_for(kubelet_n_requests() == 1);
    assert_int_equal(gantryd_end(SIGTERM), 0);
    assert_int_equal(finish(launch), 0);
    gantryd_start();
}

static void a_fetch_that_cannot_begin_is_a_failure(void **state)
{
    (void)state;
    setenv("GANTRY_KUBELET_PODS", "/run/node/none", 1);
    configure(REQUIRED);
    is_refused("pod0", "/run/node/none: no such file or directory");
    setenv("GANTRY_KUBELET_PODS", "/bin/true", 1);
    configure(REQUIRED);
    is_refused("pod0", "kubelet-pods ended without an answer");
    setenv("GANTRY_KUBELET_PODS", node_built("kubelet-pods"), 1);
    configure("");
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
    CLEANUP(json_decrefp) json_t *list = json_pack("{s:[o]}", "items", pod_of("pod0"));
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
        configure(TLS IDENTITY "CA=/run/node/tls/ca.pem\n");
        first = prepare("pod0", "1");
        int status = first.status;
        result_deinit(&first);
        if (status == 0)
            break;
        usleep(50000);
    } while (true);

    journal_forget();
    configure(TLS IDENTITY "CA=/run/node/tls/other.pem\n");
    CLEANUP(result_deinit) struct result wrong_ca = prepare("pod0", "1");
    assert_int_equal(wrong_ca.status, 254);
    assert_non_null(strstr(wrong_ca.err, "certificate verification failed"));
    configure(TLS IDENTITY);
    CLEANUP(result_deinit) struct result not_trusted = prepare("pod0", "1");
    assert_int_equal(not_trusted.status, 254);
    assert_non_null(strstr(not_trusted.err, "certificate verification failed"));
    configure(TLS "CA=/run/node/tls/ca.pem\n");
    CLEANUP(result_deinit) struct result nobody = prepare("pod0", "1");
    assert_int_equal(nobody.status, 254);
    /* a name that the certificate does not have */
    configure(REQUIRED IDENTITY
              "[Kubelet]\nURL=https://localhost:10250\nCA=/run/node/tls/ca.pem\n");
    CLEANUP(result_deinit) struct result wrong_name = prepare("pod0", "1");
    assert_int_equal(wrong_name.status, 254);

    kill(server, SIGTERM);
    finish(server);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, kubelet_setup, kubelet_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(many_launches_share_one_fetch),
        TEST(who_came_too_late_has_one_more),
        TEST(what_is_known_is_not_asked_for),
        TEST(with_an_empty_url_nobody_is_asked),
        TEST(a_full_node_keeps_nobody_waiting),
        TEST(bad_answers_are_told_and_harm_nobody),
        TEST(an_answer_may_be_long),
        TEST(what_has_come_whole_counts),
        TEST(a_wrong_type_anywhere_costs_only_its_pod),
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
