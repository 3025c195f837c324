/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What gantry costs, as ratios to what cannot be done for less; all figures of one table are of one
 * run, taken in turns. Absolute times are not printed: they are the machine's.
 */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "client/connection.h"
#include "tests/harness/kubelet.h"

#define RUNS 2000
#define ECHO_SOCKET "/run/node/echo"
#define MANIFEST "/run/node/manifest.json"
#define CLIENTS 8
#define LOAD_SECONDS 5
#define IDLE_SECONDS 10

extern char **environ;

/* A pod, and what a prepare of it has gantryd sent and answer; found out by asking once. */
struct subject {
    json_t *manifest;
    size_t request_bytes, reply_bytes;
};

/* Times of one thing, in microseconds. */
struct series {
    const char *name;
    char *const *argv;
    double usec[RUNS];
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The series must be sorted. */
static double percentile(const struct series *series, unsigned percent)
{
    return series->usec[(size_t)RUNS * percent / 100];
}

static double now_usec(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static double time_program(char *const *argv)
{
    double began = now_usec();
    int status;
    pid_t pid;

    assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    double took = now_usec() - began;
    assert_int_equal(status, 0);
    return took;
}

struct echo {
    const struct subject *subject;
    int listener;
};

/* Receives as many bytes as the drop-in sends, and sends as many as it gets. */
static void *serve_echo(void *data)
{
    static char bytes[1 << 16];
    const struct echo *echo = data;

    for (;;) {
        int fd = accept4(echo->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        for (size_t left = echo->subject->request_bytes; left > 0;) {
            ssize_t n = recv(fd, bytes, left, 0);
            if (n <= 0)
                break;
            left -= (size_t)n;
        }
        if (send(fd, bytes, echo->subject->reply_bytes, MSG_NOSIGNAL) < 0)
            return NULL;
        close(fd);
    }
}

static int listen_to_echo(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = ECHO_SOCKET};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

/* rkt does nothing. */
static void configure(const char *more)
{
    char config[4200];

    snprintf(config, sizeof(config), "[Rkt]\nPath=%s\n%s", node_built("tests/bench/nothing"), more);
    node_configure(config);
    gantryd_end(SIGTERM);
    gantryd_start();
}

static void set_uid(json_t *manifest, unsigned number)
{
    const json_t *annotations = json_object_get(manifest, "annotations");

    for (size_t i = 0; i < json_array_size(annotations); i++) {
        json_t *entry = json_array_get(annotations, i);
        if (strcmp(field(entry, "name"), "io.kubernetes.pod.uid") == 0)
            json_object_set_new(entry, "value", json_sprintf("crowd-%u", number));
    }
}

/* A recorded manifest, with every path existing. */
static json_t *read_manifest(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "tests/replay/traces/kubelet-1.9/%s.json", name);
    json_t *trace = read_json(node_source(path));
    json_t *manifest = json_incref(
        json_object_get(json_array_get(json_object_get(trace, "calls"), 0), "manifest"));
    const json_t *volumes = json_object_get(manifest, "volumes");

    json_decref(trace);
    for (size_t i = 0; i < json_array_size(volumes); i++)
        make_folders(field(json_array_get(volumes, i), "source"));
    set_uid(manifest, 0);
    return manifest;
}

/* What the kubelet really told of the pod of that name, for pods with our UIDs. */
static void serve_pods(const char *name, unsigned n)
{
    json_t *list = read_json(node_source("tests/unit/data/kubelet-pods.json"));
    json_t *pods = json_array();
    size_t index;
    json_t *item;

    json_array_foreach(json_object_get(list, "items"), index, item)
    {
        json_t *metadata = json_object_get(item, "metadata");
        for (unsigned i = 0; i < n && strcmp(field(metadata, "name"), name) == 0; i++) {
            json_object_set_new(metadata, "uid", json_sprintf("crowd-%u", i));
            json_array_append_new(pods, json_deep_copy(item));
        }
    }
    assert_int_equal(json_array_size(pods), n);
    kubelet_serves_pods(pods);
    json_decref(pods);
    json_decref(list);
}

static json_t *launch_call(json_t *manifest)
{
    return json_pack(
        "{s:s, s:{s:s, s:[s, s, s, s, s, s, s, s], s:s, s:{}, s:O}}", "method",
        "io.gantry.Node.Launch", "parameters", "id", "0123456789abcdef0123456789abcdef", "argv",
        node_built("rkt"), "--insecure-options=image,ondisk,none", "--local-config=/etc/rkt",
        "--system-config=/usr/lib/rkt", "--dir=/var/lib/rkt", "prepare", "--quiet",
        "--pod-manifest=" MANIFEST, "directory", "/", "environment", "manifest", manifest);
}

/* One connection that asks again and again. */
struct client {
    pthread_t thread;
    struct connection connection;
    char *bytes;
    size_t length;
    const bool *stop;
    size_t n_decisions;
};

static void client_begin(struct client *client, json_t *manifest)
{
    json_t *call = launch_call(manifest);

    client->connection = CONNECTION_NULL;
    client->bytes = varlink_encode(call, &client->length);
    assert_int_equal(connection_open(&client->connection, NODE_SOCKET, USEC_MAX), 0);
    json_decref(call);
}

static void client_end(struct client *client)
{
    connection_close(&client->connection);
    free(client->bytes);
}

/* The reply is not read as JSON: what is measured is gantryd, not who asks. */
static void decide(struct client *client)
{
    static const char passed[] = "{\"parameters\":";
    char reply[1 << 15];
    size_t length = 0;

    assert_int_equal(connection_send(&client->connection, client->bytes, client->length, USEC_MAX),
                     0);
    do {
        ssize_t n = recv(client->connection.fd, reply + length, sizeof(reply) - length, 0);
        assert_true(n > 0);
        length += (size_t)n;
    } while (reply[length - 1] != '\0');
    assert_int_equal(strncmp(reply, passed, strlen(passed)), 0);
    client->n_decisions++;
}

static void *load(void *data)
{
    struct client *client = data;

    while (!__atomic_load_n(client->stop, __ATOMIC_RELAXED))
        decide(client);
    return NULL;
}

/* The cost of the drop-in. */

static void measure_cost(const struct subject *subject, const char *words)
{
    CLEANUP(freep) char *nothing = strdup(node_built("tests/bench/nothing"));
    CLEANUP(freep) char *bare = strdup(node_built("tests/bench/bare"));
    CLEANUP(freep) char *limit = strdup(node_built("tests/bench/limit"));
    CLEANUP(freep) char *rkt = strdup(node_built("rkt"));
    char sent[32], received[32];
    struct echo echo = {.subject = subject, .listener = listen_to_echo()};
    pthread_t thread;

    snprintf(sent, sizeof(sent), "%zu", subject->request_bytes);
    snprintf(received, sizeof(received), "%zu", subject->reply_bytes);
    assert_int_equal(json_dump_file(subject->manifest, MANIFEST, JSON_COMPACT), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve_echo, &echo), 0);

    static struct series series[5];
    enum { NOTHING, BARE, LIMIT, PREPARE, OTHER };
    char *const nothing_argv[] = {nothing, NULL}, *const bare_argv[] = {bare, nothing, NULL};
    char *const limit_argv[] = {limit, ECHO_SOCKET, sent, received, nothing, NULL};
    char *const prepare_argv[] = {rkt,
                                  "--insecure-options=image,ondisk,none",
                                  "--local-config=/etc/rkt",
                                  "--system-config=/usr/lib/rkt",
                                  "--dir=/var/lib/rkt",
                                  "prepare",
                                  "--quiet",
                                  "--pod-manifest=" MANIFEST,
                                  NULL};
    char *const other_argv[] = {rkt, "--dir=/var/lib/rkt", "list", NULL};
    series[NOTHING].argv = nothing_argv;
    series[BARE].argv = bare_argv;
    series[LIMIT].argv = limit_argv;
    series[PREPARE].argv = prepare_argv;
    series[OTHER].argv = other_argv;
    for (size_t i = 0; i < RUNS; i++) {
        for (size_t j = 0; j < N_ELEMENTS(series); j++)
            series[j].usec[i] = time_program(series[j].argv);
    }
    for (size_t j = 0; j < N_ELEMENTS(series); j++)
        qsort(series[j].usec, RUNS, sizeof(double), by_value);
    shutdown(echo.listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(echo.listener);
    unlink(ECHO_SOCKET);

    /* A cost is what comes on top of the program that does nothing, started directly. */
    double direct = percentile(&series[NOTHING], 50);
    double limit50 = percentile(&series[LIMIT], 50) - direct;
    double limit99 = percentile(&series[LIMIT], 99) - direct;
    printf("%s:\n", words);
    printf("prepare, median:           %.2f times the limit   (goal: 1.5)\n",
           (percentile(&series[PREPARE], 50) - direct) / limit50);
    printf("prepare, 99th percentile:  %.2f times the limit   (goal: 2)\n",
           (percentile(&series[PREPARE], 99) - direct) / limit99);
    printf("any other subcommand:      %.2f times a bare exec (goal: 1.2)\n",
           (percentile(&series[OTHER], 50) - direct) / (percentile(&series[BARE], 50) - direct));
}

/* What the kubelet is asked for. */

#define NODE_PODS 110 /* as many as a kubelet runs */
#define FETCHES 100

static void set_hash(json_t *manifest, unsigned number)
{
    const json_t *app = json_array_get(json_object_get(manifest, "apps"), 0);
    const json_t *annotations = json_object_get(app, "annotations");

    for (size_t i = 0; i < json_array_size(annotations); i++) {
        json_t *entry = json_array_get(annotations, i);
        if (strcmp(field(entry, "name"), "rkt.kubernetes.io/container-hash") == 0)
            json_object_set_new(entry, "value", json_sprintf("%u", number));
    }
}

/* A pod whose spec is not known, because its hash is another one; and the same again. */
static void measure_fetch(const json_t *like)
{
    static double unknown[FETCHES], known[FETCHES];
    json_t *manifest = json_deep_copy(like);

    for (unsigned i = 0; i < FETCHES; i++) {
        struct client client = {0};
        unsigned before = kubelet_n_requests();
        set_hash(manifest, i);
        client_begin(&client, manifest);
        double began = now_usec();
        decide(&client);
        unknown[i] = now_usec() - began;
        assert_int_equal(kubelet_n_requests(), before + 1);
        began = now_usec();
        decide(&client);
        known[i] = now_usec() - began;
        assert_int_equal(kubelet_n_requests(), before + 1);
        client_end(&client);
    }
    qsort(unknown, FETCHES, sizeof(double), by_value);
    qsort(known, FETCHES, sizeof(double), by_value);
    printf("a decision with a fetch:   %.1f times one without, of a node with %d pods (no goal)\n",
           unknown[FETCHES / 2] / known[FETCHES / 2], NODE_PODS);
    json_decref(manifest);
}

/* Decisions a second. */

static void measure_load(json_t *manifest)
{
    static struct client clients[CLIENTS];
    bool stop = false;
    size_t n = 0;

    for (unsigned i = 0; i < CLIENTS; i++) {
        set_uid(manifest, i);
        client_begin(&clients[i], manifest);
        clients[i].stop = &stop;
        clients[i].n_decisions = 0;
    }
    double began = now_usec();
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&clients[i].thread, NULL, load, &clients[i]), 0);
    sleep(LOAD_SECONDS);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        n += clients[i].n_decisions;
        client_end(&clients[i]);
    }
    printf("decisions a second, %d clients: %.2f times the goal of 5000\n", CLIENTS,
           (double)n / (now_usec() - began) * 1e6 / 5000);
}

/* Memory and time with many pods. */

static void know_pods(json_t *manifest, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        struct client client = {0};
        set_uid(manifest, i);
        client_begin(&client, manifest);
        decide(&client);
        client_end(&client);
    }
}

static double pss_kib(void)
{
    char path[64], line[256];
    double pss = 0;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)gantryd_pid());
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f))
        sscanf(line, "Pss: %lf kB", &pss);
    fclose(f);
    return pss;
}

/* How often gantryd's threads have gone to sleep; each time something had woken one. */
static unsigned long n_sleeps(void)
{
    char pattern[64], line[256];
    unsigned long n = 0, of_one;
    glob_t files;

    snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/status", (int)gantryd_pid());
    assert_int_equal(glob(pattern, 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        FILE *f = fopen(files.gl_pathv[i], "re");
        assert_non_null(f);
        while (fgets(line, sizeof(line), f))
            n += sscanf(line, "voluntary_ctxt_switches: %lu", &of_one) == 1 ? of_one : 0;
        fclose(f);
    }
    globfree(&files);
    return n;
}

static void measure_idleness(void)
{
    sleep(1); /* what is under way comes to its end */
    unsigned long before = n_sleeps();
    sleep(IDLE_SECONDS);
    printf("wake-ups in %d s, idle:     %lu (goal: 0 but the watchdog's, which is not there)\n",
           IDLE_SECONDS, n_sleeps() - before);
}

static double median_decision(json_t *manifest, unsigned n_pods)
{
    static struct series series;
    struct client client = {0};

    client_begin(&client, manifest);
    for (unsigned i = 0; i < RUNS; i++) {
        client_end(&client);
        /* Pods from all over the register, in no order that a cache would like. */
        set_uid(manifest, (unsigned)((uint64_t)i * 2654435761U % n_pods));
        client_begin(&client, manifest);
        double began = now_usec();
        decide(&client);
        series.usec[i] = now_usec() - began;
    }
    client_end(&client);
    qsort(series.usec, RUNS, sizeof(double), by_value);
    return percentile(&series, 50);
}

/* Each of them has as many runs behind it as are ever kept. */
static void measure_memory(json_t *manifest)
{
    gantryd_end(SIGKILL);
    node_crowd(500);
    gantryd_start();
    serve_pods("once-node1", 500);
    /* journald takes what it is told at once. */
    for (unsigned i = 0; i < 500; i++) {
        know_pods(manifest, i, i + 1);
        journal_entries();
    }
    journal_forget();
    sleep(1);
    printf("PSS with 500 pods:         %.2f of 4 MiB\n", pss_kib() / 4096);
    measure_idleness();
}

/* Without a kubelet: to ask it for each of so many pods would take its time. */
static void measure_size(json_t *manifest)
{
    node_teardown(NULL);
    node_setup(NULL);
    configure("[Kubelet]\nURL=\n");
    know_pods(manifest, 0, 100);
    double few = median_decision(manifest, 100);
    know_pods(manifest, 100, 100000);
    double many = median_decision(manifest, 100000);
    printf("a decision, 100000 pods:   %.2f times one with 100 (goal: 2)\n", many / few);
}

/* Asks once. From then on the pod's spec is known. */
static void learn_bytes(struct subject *subject)
{
    struct client client = {0};
    struct varlink_reply reply;
    json_t *message = NULL;

    client_begin(&client, subject->manifest);
    subject->request_bytes = client.length;
    assert_int_equal(connection_send(&client.connection, client.bytes, client.length, USEC_MAX), 0);
    assert_int_equal(connection_receive(&client.connection, &message, &reply, USEC_MAX, NULL), 0);
    free(varlink_encode(message, &subject->reply_bytes));
    json_decref(message);
    client_end(&client);
}

int main(void)
{
    node_enter();
    node_setup(NULL);
    struct subject plain = {.manifest = read_manifest("crash-loop")};
    struct subject parts = {.manifest = read_manifest("two-apps")};
    configure("[BackOff]\nInitial=0\n");
    kubelet_start();

    serve_pods("once-node1", NODE_PODS);
    learn_bytes(&plain);
    measure_cost(&plain, "a pod with two containers");
    measure_fetch(plain.manifest);
    measure_load(plain.manifest);
    serve_pods("burst-node1", NODE_PODS);
    learn_bytes(&parts);
    measure_cost(&parts, "a pod with two containers and two subPaths");
    measure_memory(plain.manifest);
    kubelet_stop();
    measure_size(plain.manifest);
    json_decref(plain.manifest);
    json_decref(parts.manifest);
    node_teardown(NULL);
    return 0;
}
