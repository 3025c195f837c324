/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every recorded launch once more, through gantryd and the drop-in into rkt: what rkt receives is
 * compared whole with what the kubelet gave.
 */

#include "tests/unit/unit.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "lib/message.h"
#include "tests/harness/rkt.h"

/* The rkt pods of one recording: their recorded UUIDs, and their own. */
struct replay {
    json_t *uuids;
    pid_t pods[16];
    size_t n_pods;
};

/* An argument as it is given here: other UUIDs, and the manifest in our folder. */
static const char *our_argument(const struct replay *replay, const char *recorded)
{
    const char *uuid = json_string_value(json_object_get(replay->uuids, recorded));
    static char path[256];

    if (uuid)
        return uuid;
    if (strncmp(recorded, "/tmp/manifest-", 14) != 0)
        return recorded;
    snprintf(path, sizeof(path), "/run/node/%s", recorded + 5);
    return path;
}

/* The call's arguments, ended by NULL; to be freed with each. */
static char **our_argv(const struct replay *replay, const json_t *call)
{
    const json_t *recorded = json_object_get(call, "argv");
    size_t n = json_array_size(recorded);
    char **argv = calloc(n + 2, sizeof(*argv));

    argv[0] = strdup("rkt");
    for (size_t i = 0; i < n; i++)
        argv[i + 1] = strdup(our_argument(replay, json_string_value(json_array_get(recorded, i))));
    return argv;
}

static void free_argv(char **argv)
{
    for (char **p = argv; *p; p++)
        free(*p);
    free(argv);
}

/* What the recorder noted last is exactly this call. */
static void rkt_received(char *const *argv, const char *manifest)
{
    CLEANUP(json_decrefp) json_t *calls = recorded_calls();
    const json_t *call = json_array_get(calls, json_array_size(calls) - 1);
    const json_t *received = json_object_get(call, "argv");
    const json_t *environment = json_object_get(call, "environment");
    extern char **environ;
    size_t n = 1;

    for (; argv[n]; n++)
        assert_string_equal(json_string_value(json_array_get(received, n)), argv[n]);
    assert_int_equal(json_array_size(received), n);
    for (n = 0; environ[n]; n++)
        assert_string_equal(json_string_value(json_array_get(environment, n)), environ[n]);
    assert_int_equal(json_array_size(environment), n + 1);
    assert_string_equal(json_string_value(json_array_get(environment, n)), "GANTRY_RKT_DEPTH=1");
    if (manifest)
        assert_string_equal(json_string_value(json_object_get(call, "manifest")), manifest);
}

static const char *manifest_path(char *const *argv)
{
    while (*argv && strcmp(*argv, "--pod-manifest") != 0)
        argv++;
    return *argv ? argv[1] : NULL;
}

/* Whether rkt understands the capabilities of a manifest. One recording is of a pod that it did
 * not, and that is not to reach it as it was: tests/replay/test-isolators.c sees to that. */
static bool is_forwarded(const json_t *manifest)
{
    const json_t *apps = json_object_get(manifest, "apps");

    for (size_t i = 0; i < json_array_size(apps); i++) {
        const json_t *app = json_object_get(json_array_get(apps, i), "app");
        const json_t *isolators = json_object_get(app, "isolators");
        for (size_t j = 0; j < json_array_size(isolators); j++) {
            const char *name = field(json_array_get(isolators, j), "name");
            if (strcmp(name, "os/linux/capabilities-remove-set") == 0)
                return false;
        }
    }
    return true;
}

static void play_prepare(struct replay *replay, const json_t *call, char **argv)
{
    const json_t *manifest = json_object_get(call, "manifest");
    const json_t *volumes = json_object_get(manifest, "volumes");
    CLEANUP(freep) char *text = json_dumps(manifest, JSON_INDENT(1));

    rkt_make_kubelets_files(manifest);
    write_text(manifest_path(argv), text);
    CLEANUP(result_deinit) struct result result = run_argv(node_built("rkt"), argv);
    if (is_forwarded(manifest))
        rkt_received(argv, text);
    assert_int_equal(result.status, json_integer_value(json_object_get(call, "exit")));
    CLEANUP(freep) char *uuid = rkt_uuid(&result);
    CLEANUP(freep) char *recorded = strndup(field(call, "stdout"), 36);
    json_object_set_new(replay->uuids, recorded, json_string(uuid));
    for (size_t i = 0; i < json_array_size(volumes); i++)
        assert_true(is_there(field(json_array_get(volumes, i), "source")));

    /* rkt has stored the very bytes. */
    char stored[256];
    snprintf(stored, sizeof(stored), "/var/lib/rkt/pods/prepared/%s/pod", uuid);
    CLEANUP(freep) char *kept = read_text(stored);
    assert_int_equal(strcmp(kept, text) == 0, is_forwarded(manifest));
}

static void play_run(struct replay *replay, char **argv, const char *uuid)
{
    char folder[256];

    pid_t pid = start_argv(node_built("rkt"), argv);
    replay->pods[replay->n_pods++] = pid;
    snprintf(folder, sizeof(folder), "/var/lib/rkt/pods/run/%s", uuid);
    wait_for(is_there(folder));
    rkt_received(argv, NULL);
    CLEANUP(json_decrefp) json_t *calls = recorded_calls();
    const json_t *call = json_array_get(calls, json_array_size(calls) - 1);
    assert_int_equal(json_integer_value(json_object_get(call, "pid")), pid);
    journal_wait("MESSAGE_ID", message_info(MESSAGE_START)->id, "GANTRY_RKT_UUID", uuid, NULL);
}

/* The pods that still run are stopped, as the kubelet would by their units. */
static void stop_pods(struct replay *replay)
{
    for (size_t i = 0; i < replay->n_pods; i++) {
        kill(replay->pods[i], SIGTERM);
        finish(replay->pods[i]);
    }
    replay->n_pods = 0;
}

/* prepare, run-prepared, enter and rm, in the recorded order; the times in between are not waited
 * for. */
static void play_call(struct replay *replay, const json_t *call)
{
    char **argv = our_argv(replay, call);
    const char *verb = argv[5];

    if (strcmp(verb, "prepare") == 0) {
        /* The kubelet has stopped the run before. */
        stop_pods(replay);
        play_prepare(replay, call, argv);
    } else if (strcmp(verb, "run-prepared") == 0) {
        size_t last = 6;
        while (argv[last + 1])
            last++;
        play_run(replay, argv, argv[last]);
    } else if (strcmp(verb, "rm") == 0) {
        stop_pods(replay);
        CLEANUP(result_deinit) struct result result = run_argv(node_built("rkt"), argv);
        rkt_received(argv, NULL);
        assert_int_equal(result.status, 0);
    } else {
        assert_string_equal(verb, "enter");
        CLEANUP(result_deinit) struct result result = run_argv(node_built("rkt"), argv);
        rkt_received(argv, NULL);
    }
    free_argv(argv);
}

static void play(const char *name)
{
    CLEANUP(json_decrefp) json_t *trace = trace_load(name);
    const json_t *calls = json_object_get(trace, "calls");
    struct replay replay = {.uuids = json_object()};

    for (size_t i = 0; i < json_array_size(calls); i++)
        play_call(&replay, json_array_get(calls, i));
    stop_pods(&replay);
    json_decref(replay.uuids);
    assert_int_equal(journal_count("MESSAGE_ID", message_info(MESSAGE_UNREACHABLE)->id), 0);
    assert_int_equal(journal_count("MESSAGE_ID", message_info(MESSAGE_REFUSAL)->id), 0);
}

/* Back-off is off: the recordings are of a kubelet that nobody held back. */
static int setup(void **state)
{
    rkt_setup(state);
    node_configure("[BackOff]\nInitial=0\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    return 0;
}

static void play_recording(void **state)
{
    play(*state);
}

static void every_recording_is_played(void **state);

#define RECORDING(name)                                         \
    {                                                           \
        name, play_recording, setup, rkt_teardown, (void *)name \
    }

static const struct CMUnitTest tests[] = {
    RECORDING("caps-conflict"),
    RECORDING("crash-loop"),
    RECORDING("fly-privileged"),
    RECORDING("hostns"),
    RECORDING("init-ignored"),
    RECORDING("patch-and-delete"),
    RECORDING("rkt-network"),
    RECORDING("two-apps"),
    cmocka_unit_test(every_recording_is_played),
};

static void every_recording_is_played(void **state)
{
    DIR *dir = opendir(node_source("tests/replay/traces/kubelet-1.9"));
    size_t n = 0;

    (void)state;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    assert_int_equal(n, N_ELEMENTS(tests) - 1);
}

int main(void)
{
    node_enter();
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
