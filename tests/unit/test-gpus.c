/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/gpus.h"
#include "tests/unit/launches.h"
#include "tests/unit/scratch.h"

#define UUID_A "aaaaaaaa-0000-4000-8000-000000000000"
#define UUID_B "bbbbbbbb-0000-4000-8000-000000000000"

/* A node with two GPUs. */
#define PRESENT 3

struct fixture {
    struct scratch *scratch;
    struct config *config;
    struct gpus *gpus;
    char *data_dir;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    scratch_setup((void **)&fixture->scratch);
    fixture->config = make_config("");
    fixture->gpus = gpus_new(fixture->scratch->path);
    fixture->data_dir = scratch_path(fixture->scratch, "rkt");
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    free(fixture->data_dir);
    gpus_free(fixture->gpus);
    config_unref(fixture->config);
    int r = scratch_teardown((void **)&fixture->scratch);
    free(fixture);
    return r;
}

/* The daemon is started anew. */
static void restart(struct fixture *fixture)
{
    gpus_free(fixture->gpus);
    fixture->gpus = gpus_new(fixture->scratch->path);
    assert_non_null(fixture->gpus);
}

/* The process of a launch, which does nothing. */
static pid_t begin_process(void)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    /* A test that fails leaves none behind. */
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (pid == 0)
        pause();
    return pid;
}

static void end_process(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A prepare of pod default/NAME with UID NAME and one container "c", by a process of its own. */
static struct launch *make_prepare(const struct fixture *fixture, const char *id, const char *name)
{
    struct launch *launch = make_launch(fixture->config, "1", NULL);
    json_t *json = json_pack(
        "{s:[{s:s, s:{}}], s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}, {s:s, s:s}]}", "apps", "name",
        "c", "app", "annotations", "name", "rkt.kubernetes.io/managed-by-kubelet", "value", "true",
        "name", "io.kubernetes.pod.uid", "value", name, "name", "io.kubernetes.pod.name", "value",
        name, "name", "io.kubernetes.pod.namespace", "value", "default");

    manifest_free(launch->manifest);
    assert_int_equal(manifest_from_json(&launch->manifest, json, NULL), 0);
    assert_true(manifest_identity(launch->manifest, &launch->identity));
    free(launch->id);
    launch->id = strdup(id);
    free(launch->data_dir);
    launch->data_dir = strdup(fixture->data_dir);
    launch->pid = begin_process();
    launch->pidfd = (int)syscall(SYS_pidfd_open, launch->pid, 0);
    assert_true(launch->pidfd >= 0);
    return launch;
}

/* Its process goes with it, if that has not ended. */
static void end_launch(struct launch **launchp)
{
    if ((*launchp)->pid > 0)
        end_process((*launchp)->pid);
    launch_free(*launchp);
}

static void end_its_process(struct launch *launch)
{
    end_process(launch->pid);
    launch->pid = 0;
}

static int ask(struct fixture *fixture, struct launch *launch, struct gpu_request request,
               gpuset_t *givenp)
{
    request.container = "c";
    int r = gpus_give(fixture->gpus, launch, PRESENT, &request, 1, &launch->error);
    *givenp = request.given;
    return r;
}

/* Asks for one GPU, and is given this one. */
static void is_given(struct fixture *fixture, struct launch *launch, unsigned gpu)
{
    gpuset_t given;

    assert_int_equal(ask(fixture, launch, (struct gpu_request){.n = 1}, &given), 0);
    assert_int_equal(given, 1U << gpu);
}

static void is_refused(struct fixture *fixture, struct launch *launch, struct gpu_request request,
                       const char *words)
{
    gpuset_t given;

    assert_int_equal(ask(fixture, launch, request, &given), GPUS_E_TAKEN);
    assert_string_equal(error_message(&launch->error), words);
    assert_false(gpus_are_in(launch->manifest));
}

/* rkt stores the pod. Return: an fd that holds the lock of one that runs, to close. */
static int store(const struct fixture *fixture, const struct launch *launch, const char *stage,
                 const char *uuid)
{
    CLEANUP(freep) char *text = manifest_to_text(launch->manifest);
    CLEANUP(freep) char *folder = scratch_path(fixture->scratch, "rkt/pods/%s/%s", stage, uuid);
    CLEANUP(freep) char *command = NULL, *file = NULL;

    assert_true(asprintf(&command, "mkdir -p %s", folder) > 0);
    assert_int_equal(system(command), 0);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_true(asprintf(&file, "rkt/pods/%s/%s/pod", stage, uuid) > 0);
    scratch_write(fixture->scratch, file, text);
    return fd;
}

static void store_prepared(const struct fixture *fixture, const struct launch *launch,
                           const char *uuid)
{
    close(store(fixture, launch, "prepared", uuid));
}

static void none_is_given_twice(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *a = make_prepare(fixture, "1", "a");
    CLEANUP(end_launch) struct launch *b = make_prepare(fixture, "2", "b");
    CLEANUP(end_launch) struct launch *c = make_prepare(fixture, "3", "c");

    is_refused(fixture, a, (struct gpu_request){.n = 3}, "2/2 GPUs free for container c");
    is_given(fixture, a, 0);
    is_refused(fixture, c, (struct gpu_request){.wants_all = true},
               "1/2 GPUs free for container c");
    is_given(fixture, b, 1);
    is_refused(fixture, c, (struct gpu_request){.n = 1}, "0/2 GPUs free for container c");
    is_refused(fixture, c, (struct gpu_request){.wanted = 2},
               "GPU 1 for container c: container c of pod default/b has it");
    is_refused(fixture, c, (struct gpu_request){.wanted = 4},
               "GPU 2 for container c: the node has none");
    gpus_take_back(fixture->gpus, a);
    is_given(fixture, c, 0);
}

static void all_are_those_of_the_node(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *launch = make_prepare(fixture, "1", "a");
    struct gpu_request request = {.container = "c", .wants_all = true};
    gpuset_t given;

    assert_int_equal(gpus_give(fixture->gpus, launch, 0, &request, 1, &launch->error),
                     GPUS_E_TAKEN);
    assert_string_equal(error_message(&launch->error), "0/0 GPUs free for container c");
    assert_int_equal(ask(fixture, launch, request, &given), 0);
    assert_int_equal(given, PRESENT);
}

static void who_names_gpus_comes_first(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *launch = make_prepare(fixture, "1", "a");
    struct gpu_request requests[] = {{.container = "any", .n = 1},
                                     {.container = "named", .wanted = 1}};

    assert_int_equal(gpus_give(fixture->gpus, launch, PRESENT, requests, 2, NULL), 0);
    assert_int_equal(requests[0].given, 2);
    assert_int_equal(requests[1].given, 1);

    struct gpu_request twice[] = {{.container = "one", .wanted = 1},
                                  {.container = "two", .wanted = 1}};
    CLEANUP(end_launch) struct launch *other = make_prepare(fixture, "2", "b");
    gpus_take_back(fixture->gpus, launch);
    assert_int_equal(gpus_give(fixture->gpus, other, PRESENT, twice, 2, &other->error),
                     GPUS_E_TAKEN);
    assert_string_equal(error_message(&other->error),
                        "GPU 0 for container two: container one of pod default/b has it");
    /* all or nothing */
    is_given(fixture, launch, 0);
}

static void a_promise_ends_with_its_process(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *a = make_prepare(fixture, "1", "a");
    CLEANUP(end_launch) struct launch *b = make_prepare(fixture, "2", "b");

    is_given(fixture, a, 0);
    end_its_process(a);
    is_given(fixture, b, 0);
}

static void one_without_a_process_gets_no_promise(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *a = make_prepare(fixture, "1", "a");
    gpuset_t given;

    a->pidfd = fd_close(a->pidfd);
    assert_int_equal(ask(fixture, a, (struct gpu_request){.n = 1}, &given), -ESRCH);
}

static void a_prepared_rkt_pod_keeps_its_gpus(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *a = make_prepare(fixture, "1", "a");
    CLEANUP(end_launch) struct launch *b = make_prepare(fixture, "2", "b");
    CLEANUP(end_launch) struct launch *c = make_prepare(fixture, "3", "c");
    CLEANUP(freep) char *file = scratch_path(fixture->scratch, "rkt/pods/prepared/%s/pod", UUID_A);

    is_given(fixture, a, 0);
    store_prepared(fixture, a, UUID_A);
    end_its_process(a);
    is_given(fixture, b, 1);
    restart(fixture);
    is_refused(fixture, c, (struct gpu_request){.wanted = 1},
               "GPU 0 for container c: container c of pod default/a has it");
    /* rkt rm */
    assert_int_equal(unlink(file), 0);
    is_given(fixture, c, 0);
}

static void a_rkt_pod_has_its_gpus_while_it_runs(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *a = make_prepare(fixture, "1", "a");
    CLEANUP(end_launch) struct launch *again = make_prepare(fixture, "2", "a");
    CLEANUP(end_launch) struct launch *b = make_prepare(fixture, "3", "b");

    is_given(fixture, a, 0);
    int lock = store(fixture, a, "run", UUID_A);
    end_its_process(a);
    /* also from its own pod */
    is_given(fixture, again, 1);
    restart(fixture);
    is_refused(fixture, b, (struct gpu_request){.n = 1}, "0/2 GPUs free for container c");
    close(lock);
    is_given(fixture, b, 0);
}

static void a_new_prepare_takes_the_place_of_one_that_never_ran(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *old = make_prepare(fixture, "1", "a");
    CLEANUP(end_launch) struct launch *new = make_prepare(fixture, "2", "a");
    CLEANUP(end_launch) struct launch *b = make_prepare(fixture, "3", "b");
    CLEANUP(end_launch) struct launch *c = make_prepare(fixture, "4", "c");
    CLEANUP(end_launch) struct launch *run = make_prepare(fixture, "5", "a");
    gpuset_t given;

    is_given(fixture, old, 0);
    store_prepared(fixture, old, UUID_A);
    end_its_process(old);
    assert_int_equal(ask(fixture, new, (struct gpu_request){.wanted = 2}, &given), 0);
    store_prepared(fixture, new, UUID_B);
    end_its_process(new);
    /* what the old one had is free for others, and what the new one has is not */
    is_given(fixture, b, 0);
    is_refused(fixture, c, (struct gpu_request){.n = 1}, "0/2 GPUs free for container c");

    /* should the old one be run after all, it is late */
    manifest_free(run->manifest);
    run->manifest = old->manifest;
    old->manifest = NULL;
    run->uuid = strdup(UUID_A);
    assert_int_equal(gpus_keep(fixture->gpus, run, &run->error), GPUS_E_TAKEN);
    assert_string_equal(error_message(&run->error),
                        "GPU 0 for container c: container c of pod default/b has it");
    gpus_take_back(fixture->gpus, b);
    assert_int_equal(gpus_keep(fixture->gpus, run, &run->error), 0);
    is_refused(fixture, c, (struct gpu_request){.n = 1}, "0/2 GPUs free for container c");
}

static void one_that_is_about_to_run_is_not_replaced(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *a = make_prepare(fixture, "1", "a");
    CLEANUP(end_launch) struct launch *run = make_prepare(fixture, "2", "a");
    CLEANUP(end_launch) struct launch *again = make_prepare(fixture, "3", "a");
    CLEANUP(freep) char *text = NULL;

    is_given(fixture, a, 0);
    store_prepared(fixture, a, UUID_A);
    text = manifest_to_text(a->manifest);
    manifest_free(run->manifest);
    assert_int_equal(manifest_parse(&run->manifest, text, strlen(text), NULL), 0);
    run->uuid = strdup(UUID_A);
    /* its prepare may not quite have ended */
    assert_int_equal(gpus_keep(fixture->gpus, run, &run->error), 0);
    end_its_process(a);
    is_given(fixture, again, 1);
}

static void a_promise_outlives_the_daemon(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *a = make_prepare(fixture, "1", "a");
    CLEANUP(end_launch) struct launch *b = make_prepare(fixture, "2", "b");
    CLEANUP(end_launch) struct launch *c = make_prepare(fixture, "3", "c");

    is_given(fixture, a, 0);
    is_given(fixture, b, 1);
    restart(fixture);
    is_refused(fixture, c, (struct gpu_request){.n = 1}, "0/2 GPUs free for container c");
    restart(fixture);
    end_its_process(b);
    is_given(fixture, c, 1);
}

static void a_data_directory_is_remembered(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *a = make_prepare(fixture, "1", "a");
    CLEANUP(end_launch) struct launch *b = make_prepare(fixture, "2", "b");

    is_given(fixture, a, 0);
    store_prepared(fixture, a, UUID_A);
    end_its_process(a);
    restart(fixture);
    free(b->data_dir);
    b->data_dir = scratch_path(fixture->scratch, "other");
    is_given(fixture, b, 1);
}

static void who_asks_again_gets_the_same(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *a = make_prepare(fixture, "1", "a");
    CLEANUP(end_launch) struct launch *b = make_prepare(fixture, "2", "b");

    is_given(fixture, a, 0);
    restart(fixture);
    is_given(fixture, a, 0);
    is_given(fixture, b, 1);
}

static void nonsense_in_the_file_is_no_promise(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"promises\":3,\"dataDirectories\":{}}",
        "{\"promises\":[3,{\"uid\":\"a\"}],\"dataDirectories\":[3]}",
    };
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *a = make_prepare(fixture, "1", "a");

    for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
        scratch_write(fixture->scratch, "gpus.json", texts[i]);
        restart(fixture);
        is_given(fixture, a, 0);
    }
}

static void what_cannot_be_written_is_not_promised(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *a = make_prepare(fixture, "1", "a");
    CLEANUP(freep) char *path = scratch_path(fixture->scratch, "gpus.json");
    CLEANUP(gpu_holders_deinit) struct gpu_holders holders = {0};
    gpuset_t given;

    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(ask(fixture, a, (struct gpu_request){.n = 1}, &given), -EISDIR);
    assert_int_equal(gpus_list(fixture->gpus, fixture->data_dir, &holders), 0);
    assert_int_equal(holders.n, 0);
}

static void a_data_directory_that_cannot_be_read_gives_nothing(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *a = make_prepare(fixture, "1", "a");
    gpuset_t given;

    scratch_write(fixture->scratch, "rkt", "not a folder");
    assert_int_equal(ask(fixture, a, (struct gpu_request){.n = 1}, &given), -ENOTDIR);
}

static void the_list_tells_each_once(void **state)
{
    static const enum gpu_stage stages[] = {GPU_PROMISED, GPU_PREPARED, GPU_RUNNING};
    struct fixture *fixture = *state;
    CLEANUP(end_launch) struct launch *a = make_prepare(fixture, "1", "a");
    int lock = -1;

    is_given(fixture, a, 0);
    for (size_t i = 0; i < N_ELEMENTS(stages); i++) {
        CLEANUP(gpu_holders_deinit) struct gpu_holders holders = {0};
        if (stages[i] == GPU_PREPARED)
            store_prepared(fixture, a, UUID_A);
        /* for a moment it is in both folders, to who looks at one after the other */
        if (stages[i] == GPU_RUNNING)
            lock = store(fixture, a, "run", UUID_A);
        assert_int_equal(gpus_list(fixture->gpus, fixture->data_dir, &holders), 0);
        assert_int_equal(holders.n, 1);
        assert_int_equal(holders.list[0].stage, stages[i]);
        assert_string_equal(holders.list[0].name, "a");
        assert_string_equal(holders.list[0].uuid, stages[i] == GPU_PROMISED ? "" : UUID_A);
        assert_int_equal(holders.list[0].n_shares, 1);
        assert_string_equal(holders.list[0].shares[0].container, "c");
        assert_int_equal(holders.list[0].shares[0].set, 1);
        assert_true(wall_now().usec - holders.list[0].since.usec < 60 * USEC_SEC);
    }
    close(lock);
}

/* Many at once. */

#define N_RACERS 16

static pthread_barrier_t start_line;

struct racer {
    pthread_t thread;
    struct fixture *fixture;
    struct launch *launch;
    gpuset_t given;
};

static void *race(void *data)
{
    struct racer *racer = data;

    pthread_barrier_wait(&start_line);
    if (ask(racer->fixture, racer->launch, (struct gpu_request){.n = 1}, &racer->given) != 0)
        racer->given = 0;
    return NULL;
}

static void racers_never_share(void **state)
{
    struct fixture *fixture = *state;
    struct racer racers[N_RACERS] = {0};
    char name[16];

    pthread_barrier_init(&start_line, NULL, N_RACERS);
    for (unsigned round = 0; round < 20; round++) {
        gpuset_t all = 0;
        unsigned n_given = 0;
        for (size_t i = 0; i < N_RACERS; i++) {
            snprintf(name, sizeof(name), "pod%zu", i);
            racers[i].fixture = fixture;
            racers[i].launch = make_prepare(fixture, name, name);
        }
        for (size_t i = 0; i < N_RACERS; i++)
            pthread_create(&racers[i].thread, NULL, race, &racers[i]);
        for (size_t i = 0; i < N_RACERS; i++) {
            pthread_join(racers[i].thread, NULL);
            assert_true((all & racers[i].given) == 0);
            all |= racers[i].given;
            n_given += gpuset_count(racers[i].given);
        }
        assert_int_equal(n_given, 2);
        for (size_t i = 0; i < N_RACERS; i++)
            end_launch(&racers[i].launch);
    }
    pthread_barrier_destroy(&start_line);
}

static void devices_are_known_by_name_and_kind(void **state)
{
    static const char *const others[] = {"nvidiactl", "nvidia-uvm", "nvidia01", "nvidia64",
                                         "nvidia",    "nvidia+1",   "nvidia1x", "xnvidia2"};
    struct fixture *fixture = *state;
    gpuset_t present = 42;

    assert_int_equal(gpus_present(fixture->data_dir, &present), 0);
    assert_int_equal(present, 0);
    assert_int_equal(mkdir(fixture->data_dir, 0700), 0);
    for (size_t i = 0; i < N_ELEMENTS(others); i++) {
        CLEANUP(freep) char *path = scratch_path(fixture->scratch, "rkt/%s", others[i]);
        assert_int_equal(mknod(path, S_IFCHR | 0600, 0x103), 0);
    }
    scratch_write(fixture->scratch, "rkt/nvidia5", "a file");
    assert_int_equal(gpus_present(fixture->data_dir, &present), 0);
    assert_int_equal(present, 0);
    CLEANUP(freep) char *first = scratch_path(fixture->scratch, "rkt/nvidia0");
    CLEANUP(freep) char *last = scratch_path(fixture->scratch, "rkt/nvidia63");
    assert_int_equal(mknod(first, S_IFCHR | 0600, 0x103), 0);
    assert_int_equal(mknod(last, S_IFCHR | 0600, 0x103), 0);
    assert_int_equal(gpus_present(fixture->data_dir, &present), 0);
    assert_true(present == (1 | UINT64_C(1) << 63));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(none_is_given_twice),
        TEST(all_are_those_of_the_node),
        TEST(who_names_gpus_comes_first),
        TEST(a_promise_ends_with_its_process),
        TEST(one_without_a_process_gets_no_promise),
        TEST(a_prepared_rkt_pod_keeps_its_gpus),
        TEST(a_rkt_pod_has_its_gpus_while_it_runs),
        TEST(a_new_prepare_takes_the_place_of_one_that_never_ran),
        TEST(one_that_is_about_to_run_is_not_replaced),
        TEST(a_promise_outlives_the_daemon),
        TEST(a_data_directory_is_remembered),
        TEST(who_asks_again_gets_the_same),
        TEST(nonsense_in_the_file_is_no_promise),
        TEST(what_cannot_be_written_is_not_promised),
        TEST(a_data_directory_that_cannot_be_read_gives_nothing),
        TEST(the_list_tells_each_once),
        TEST(racers_never_share),
        TEST(devices_are_known_by_name_and_kind),
    };

    return cmocka_run_group_tests_name("gpus", tests, NULL, NULL);
}
