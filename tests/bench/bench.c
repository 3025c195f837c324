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
#include "tests/harness/harness.h"

#define RUNS 2000
#define ECHO_SOCKET "/run/node/echo"
#define MANIFEST "/run/node/manifest.json"
#define CLIENTS 8
#define LOAD_SECONDS 5
#define IDLE_SECONDS 10

extern char **environ;

/* What the two-apps manifest has gantryd sent and gets back; found out by asking once. */
static size_t request_bytes, reply_bytes;

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

/* Receives as many bytes as the drop-in sends, and sends as many as it gets. */
static void *echo(void *data)
{
    static char bytes[1 << 16];
    int listener = *(int *)data;

    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        for (size_t left = request_bytes; left > 0;) {
            ssize_t n = recv(fd, bytes, left, 0);
            if (n <= 0)
                break;
            left -= (size_t)n;
        }
        if (send(fd, bytes, reply_bytes, MSG_NOSIGNAL) < 0)
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

/* rkt does nothing, and there is no kubelet to be asked. */
static void configure(void)
{
    char config[4200];

    snprintf(config, sizeof(config), "[Rkt]\nPath=%s\n[Kubelet]\nURL=\n",
             node_built("tests/bench/nothing"));
    node_configure(config);
    gantryd_end(SIGTERM);
    gantryd_start();
}

/* The recorded manifest, with every path existing. */
static json_t *two_apps(void)
{
    json_t *trace = read_json(node_source("tests/replay/traces/kubelet-1.9/two-apps.json"));
    json_t *manifest = json_incref(
        json_object_get(json_array_get(json_object_get(trace, "calls"), 0), "manifest"));
    const json_t *volumes = json_object_get(manifest, "volumes");

    json_decref(trace);
    for (size_t i = 0; i < json_array_size(volumes); i++)
        make_folders(field(json_array_get(volumes, i), "source"));
    return manifest;
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

static void decide(struct client *client)
{
    struct varlink_reply reply;
    json_t *message = NULL;

    assert_int_equal(connection_send(&client->connection, client->bytes, client->length, USEC_MAX),
                     0);
    assert_int_equal(connection_receive(&client->connection, &message, &reply, USEC_MAX, NULL), 0);
    assert_null(reply.error);
    json_decref(message);
    client->n_decisions++;
}

static void *load(void *data)
{
    struct client *client = data;

    while (!__atomic_load_n(client->stop, __ATOMIC_RELAXED))
        decide(client);
    return NULL;
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

/* The cost of the drop-in. */

static void measure_cost(json_t *manifest)
{
    CLEANUP(freep) char *nothing = strdup(node_built("tests/bench/nothing"));
    CLEANUP(freep) char *bare = strdup(node_built("tests/bench/bare"));
    CLEANUP(freep) char *limit = strdup(node_built("tests/bench/limit"));
    CLEANUP(freep) char *rkt = strdup(node_built("rkt"));
    char sent[32], received[32];
    int listener = listen_to_echo();
    pthread_t thread;

    snprintf(sent, sizeof(sent), "%zu", request_bytes);
    snprintf(received, sizeof(received), "%zu", reply_bytes);
    assert_int_equal(json_dump_file(manifest, MANIFEST, JSON_COMPACT), 0);
    assert_int_equal(pthread_create(&thread, NULL, echo, &listener), 0);

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
    close(listener);

    /* A cost is what comes on top of the program that does nothing, started directly. */
    double direct = percentile(&series[NOTHING], 50);
    double limit50 = percentile(&series[LIMIT], 50) - direct;
    double limit99 = percentile(&series[LIMIT], 99) - direct;
    printf("prepare, median:           %.2f times the limit   (goal: 1.5)\n",
           (percentile(&series[PREPARE], 50) - direct) / limit50);
    printf("prepare, 99th percentile:  %.2f times the limit   (goal: 2)\n",
           (percentile(&series[PREPARE], 99) - direct) / limit99);
    printf("any other subcommand:      %.2f times a bare exec (goal: 1.2)\n",
           (percentile(&series[OTHER], 50) - direct) / (percentile(&series[BARE], 50) - direct));
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
    printf("decisions a second, %d clients: %.1f times the goal of 5000\n", CLIENTS,
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
    know_pods(manifest, 0, 500);
    sleep(1);
    printf("PSS with 500 pods:         %.2f of 4 MiB\n", pss_kib() / 4096);
    measure_idleness();
}

static void measure_size(json_t *manifest)
{
    node_teardown(NULL);
    node_setup(NULL);
    configure();
    know_pods(manifest, 0, 100);
    double few = median_decision(manifest, 100);
    know_pods(manifest, 100, 100000);
    double many = median_decision(manifest, 100000);
    printf("a decision, 100000 pods:   %.2f times one with 100 (goal: 2)\n", many / few);
}

static void learn_bytes(json_t *manifest)
{
    struct client client = {0};
    struct varlink_reply reply;
    json_t *message = NULL;
    size_t length;

    client_begin(&client, manifest);
    request_bytes = client.length;
    assert_int_equal(connection_send(&client.connection, client.bytes, client.length, USEC_MAX), 0);
    assert_int_equal(connection_receive(&client.connection, &message, &reply, USEC_MAX, NULL), 0);
    free(varlink_encode(message, &length));
    reply_bytes = length;
    json_decref(message);
    client_end(&client);
}

int main(void)
{
    node_enter();
    node_setup(NULL);
    configure();

    json_t *manifest = two_apps();
    set_uid(manifest, 0);
    learn_bytes(manifest);
    measure_cost(manifest);
    measure_load(manifest);
    measure_memory(manifest);
    measure_size(manifest);
    json_decref(manifest);
    node_teardown(NULL);
    return 0;
}
