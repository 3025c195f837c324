/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods without a kubelet: gantryctl run and what follows, with systemd's manager in small on a bus
 * of the test's own. What only systemd itself can show is looked at in tests/node.
 */

#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/varlink.h"
#include "tests/harness/own.h"

static void a_pod_runs_stops_and_runs_again(void **state)
{
    const char *file = write_manifest("web", "exec sleep 1000");

    (void)state;
    ctl("run", file, 0, "started as gantry-web.service");
    wait_for(is_in_state("web", "running", false));
    CLEANUP(freep) char *uid = strdup(field(explain("web"), "uid"));
    journal_wait("MESSAGE_ID", id_of(MESSAGE_RUN), "GANTRY_POD_NAME", "web", NULL);
    ctl("run", file, 1, "gantryctl rm web");
    ctl("stop", "default/web", 0, "stopping gantry-web.service");
    assert_true(is_in_state("web", "ended", true));
    journal_wait("MESSAGE_ID", id_of(MESSAGE_STOP), "GANTRY_POD_NAME", "web", NULL);
    ctl("stop", "web", 0, "stopped");

    /* what was meant is not guessed */
    uid[8] = '\0';
    ctl("stop", uid, 4, "no pod has the name or UID");
    ctl("rm", uid, 4, "no pod has the name or UID");
    uid[8] = '-';
    ctl("run", write_manifest("web", "exec sleep 2000"), 1, "of another manifest");
    ctl("run", write_manifest("web", "exec sleep 1000"), 0, "started as");
    wait_for(is_in_state("web", "running", false));
    assert_string_equal(field(explain("web"), "uid"), uid);
    ctl("rm", "web", 0, "removing");
    assert_null(explain("web"));
    assert_false(has_rktpods());
    assert_false(is_there(NODE_STATE "/own/web.json"));
    journal_wait("MESSAGE_ID", id_of(MESSAGE_REMOVE), "GANTRY_POD_NAME", "web", NULL);
    ctl("stop", "web", 4, "no pod has the name or UID \"web\"");
}

/* As rkt has stored it, less the annotations that say who the pod is; to free(). */
static char *stored_manifest(const char *name)
{
    const json_t *newest = json_array_get(json_object_get(explain(name), "rktPods"), 0);
    CLEANUP(result_deinit)
    struct result result =
        run(rkt_program(), GLOBAL_OPTIONS, "cat-manifest", field(newest, "uuid"), NULL);
    CLEANUP(json_decrefp) json_t *manifest = json_loads(result.out, 0, NULL);

    assert_non_null(manifest);
    json_object_del(manifest, "annotations");
    json_object_del(json_array_get(json_object_get(manifest, "apps"), 0), "annotations");
    return json_dumps(manifest, JSON_SORT_KEYS);
}

static void an_appc_manifest_goes_to_rkt_as_it_is(void **state)
{
    static const char secret[] = "/var/lib/kubelet/pods/x/volumes/kubernetes.io~secret/s";
    CLEANUP(json_decrefp) json_t *manifest = read_json(write_manifest("as-is", "exec sleep 1000"));
    json_t *app = json_object_get(json_array_get(json_object_get(manifest, "apps"), 0), "app");

    (void)state;
    make_folders(secret);
    json_object_set_new(app, "isolators",
                        json_pack("[{s:s, s:{s:[s]}}]", "name", "os/linux/capabilities-retain-set",
                                  "value", "set", "CAP_NET_ADMIN"));
    json_object_set_new(app, "mountPoints", json_pack("[{s:s, s:s}]", "name", "s", "path", "/s"));
    json_object_set_new(manifest, "volumes",
                        json_pack("[{s:s, s:s, s:s, s:b}]", "name", "s", "kind", "host", "source",
                                  secret, "readOnly", 0));
    assert_int_equal(json_dump_file(manifest, "/run/node/as-is.json", 0), 0);
    CLEANUP(freep) char *given = json_dumps(manifest, JSON_SORT_KEYS);
    ctl("run", "/run/node/as-is.json", 0, "started");
    wait_for(is_in_state("as-is", "running", false));
    CLEANUP(freep) char *stored = stored_manifest("as-is");
    assert_string_equal(stored, given);
    ctl("rm", "as-is", 0, "removing");
}

static void a_pod_that_fails_is_restarted(void **state)
{
    (void)state;
    ctl("run", write_manifest("loop", "exit 3"), 0, "started");
    wait_for(restarts_of("loop") >= 4);
    CLEANUP(json_decrefp) json_t *own = read_json(NODE_STATE "/own/loop.json");
    assert_in_range(json_array_size(json_object_get(own, "rktPods")), 1, 2);
    ctl("rm", "loop", 0, "removing");
    assert_false(has_rktpods());
}

static void the_policy_says_what_is_restarted(void **state)
{
    (void)state;
    expect_ctl("--restart=Never", "run", write_manifest("never", "exit 3"), 0, "started");
    wait_for(is_in_state("never", "ended", true));
    expect_ctl("--restart=OnFailure", "run", write_manifest("well", "exit 0"), 0, "started");
    wait_for(is_in_state("well", "ended", true));
    expect_ctl("--restart=OnFailure", "run", write_manifest("ill", "exit 3"), 0, "started");
    wait_for(restarts_of("ill") >= 2);
    assert_int_equal(restarts_of("never"), 0);
    assert_int_equal(restarts_of("well"), 0);
    expect_ctl("--restart=Seldom", "run", write_manifest("x", "exit 3"), 2, "not Seldom");
    ctl("rm", "never", 0, "removing");
    ctl("rm", "well", 0, "removing");
    ctl("rm", "ill", 0, "removing");
}

static void what_cannot_be_started_is_told_and_forgotten(void **state)
{
    json_t *manifest = read_json(write_manifest("bad", "exit 0"));

    (void)state;
    json_object_set_new(manifest, "volumes",
                        json_pack("[{s:s, s:s, s:s, s:b}]", "name", "a", "kind", "host", "source",
                                  "/proc/own/x", "readOnly", 0));
    assert_int_equal(json_dump_file(manifest, "/run/node/bad.json", 0), 0);
    json_decref(manifest);
    ctl("run", "/run/node/bad.json", 1, "prepare: launch of pod default/bad: ");
    journal_wait("MESSAGE_ID", id_of(MESSAGE_NO_START), "GANTRY_POD_NAME", "bad", NULL);
    wait_for(!explain("bad"));

    write_text(
        "/run/node/pod.json",
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"pod\"},\"spec\":{\"containers\":[{\"name\":"
        "\"a\",\"image\":\"/none.aci\",\"command\":[\"x\"]}]}}");
    ctl("run", "/run/node/pod.json", 1, "image /none.aci: ");
    wait_for(!explain("pod"));
    write_text("/run/node/pod.json",
               "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"pod\"},\"spec\":{\"hostPID\":true,"
               "\"containers\":[{\"name\":\"a\",\"image\":\"/run/node/busybox.aci\","
               "\"command\":[\"/bin/sleep\",\"1000\"]}]}}");
    ctl("run", "/run/node/pod.json", 1,
        "prepare: launch of pod default/pod: hostPID cannot be had: stage1-fly has no network");
    wait_for(!explain("pod"));
    write_text(
        "/run/node/pod.json",
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"pod\"},\"spec\":{\"containers\":[{\"name\":"
        "\"a\",\"image\":\"b\",\"lifecycle\":{}}]}}");
    ctl("run", "/run/node/pod.json", 1, "spec.containers[0].lifecycle: rkt cannot honour it");
    write_text("/run/node/Bad_Name.json", "{\"acKind\":\"PodManifest\"}");
    ctl("run", "/run/node/Bad_Name.json", 1,
        "the name \"Bad_Name\" is not a DNS label: give the file another one");
    write_text("/run/node/none.json",
               "{\"acKind\":\"PodManifest\",\"annotations\":[{\"name\":\"io.kubernetes.pod.name\","
               "\"value\":\"A\"}]}");
    ctl("run", "/run/node/none.json", 1,
        "annotation io.kubernetes.pod.name: \"A\" is not a DNS label");
    write_text("/run/node/none.json", "{\"acKind\":\"PodManifest\",\"annotations\":[{\"name\":"
                                      "\"io.kubernetes.pod.namespace\",\"value\":\"A\"}]}");
    ctl("run", "/run/node/none.json", 1,
        "annotation io.kubernetes.pod.namespace: \"A\" is not a DNS label");
    CLEANUP(result_deinit)
    struct result piped =
        run("/bin/sh", "-c", "echo '{\"acKind\":\"PodManifest\"}' | exec \"$0\" run -",
            node_built("gantryctl"), NULL);
    assert_int_equal(piped.status, 1);
    assert_string_equal(piped.err, "gantryctl: the pod has no name: give it the annotation "
                                   "io.kubernetes.pod.name\n");
    write_text("/run/node/none.json", "[1]");
    ctl("run", "/run/node/none.json", 1, "none.json: neither a Pod nor a PodManifest");
    ctl("run", "/run/node", 1, "/run/node: Is a directory");
    write_text("/run/node/none.json", "{}");
    ctl("run", "/run/node/none.json", 1, "the manifest is neither a Pod nor a PodManifest");
    write_text("/run/node/none.json", "kind: Pod");
    ctl("run", "/run/node/none.json", 1, "kubectl convert --local -o json -f FILE");
    ctl("run", "/run/node/missing.json", 1, "No such file");
}

/* A manifest that has this many bytes as the call has it. */
static void write_long_manifest(const char *name, size_t size)
{
    CLEANUP(json_decrefp) json_t *manifest = read_json(write_manifest(name, "exec sleep 1000"));
    CLEANUP(freep) char *short_one = json_dumps(manifest, JSON_COMPACT);
    size_t length = size - strlen(short_one) - strlen(",\"padding\":\"\"");
    CLEANUP(freep) char *padding = malloc(length);
    char path[128];

    memset(padding, 'x', length);
    json_object_set_new(manifest, "padding", json_stringn(padding, length));
    snprintf(path, sizeof(path), "/run/node/%s.json", name);
    assert_int_equal(json_dump_file(manifest, path, JSON_INDENT(8)), 0);
}

static void one_that_would_hold_up_gantryd_is_refused(void **state)
{
    (void)state;
    write_long_manifest("long", VARLINK_CALL_MAX);
    ctl("run", "/run/node/long.json", 1, "the pod is too long: with its call it may have 262144");
    write_long_manifest("long", VARLINK_LONG);
    ctl("run", "/run/node/long.json", 1, "the pod is too long: with its call it may have 262144");
    /* of another client, too */
    CLEANUP(json_decrefp)
    json_t *reply = api_call("io.gantry.Node.Run",
                             json_pack("{s:o}", "manifest", read_json("/run/node/long.json")));
    assert_string_equal(field(reply, "error"), "io.gantry.Node.BadManifest");
    assert_null(explain("long"));
    write_long_manifest("long", VARLINK_LONG - 256);
    ctl("run", "/run/node/long.json", 0, "started");
    ctl("rm", "long", 0, "removing");
}

static void a_kubernetes_pod_is_fetched_and_run(void **state)
{
    (void)state;
    write_text(
        "/run/node/kube.json",
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"kube\",\"namespace\":\"shop\"},\"spec\":{"
        "\"restartPolicy\":\"Never\",\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":"
        "\"/srv/kube\",\"type\":\"DirectoryOrCreate\"}}],\"containers\":[{\"name\":\"a\","
        "\"image\":\"/run/node/busybox.aci\",\"args\":[],\"command\":[\"/bin/sh\",\"-c\","
        "\"touch /v/done; exec sleep 1000\"],\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":"
        "\"/v\",\"subPath\":\"x/y\"}]}]}}");
    ctl("run", "/run/node/kube.json", 0, "image /run/node/busybox.aci: fetching");
    wait_for(is_there("/srv/kube/x/y/done"));
    wait_for(is_in_state("shop/kube", "running", false));
    assert_string_equal(field(explain("kube"), "qosClass"), "BestEffort");
    ctl("rm", "kube", 0, "removing");
}

/* The image that it is known to have; to free(). */
static char *image_of(const char *name)
{
    CLEANUP(json_decrefp) json_t *own = read_json(file_of(name));
    const json_t *image = json_object_get(json_object_get(own, "images"), "/run/node/busybox.aci");

    return strdup(field(image, "id"));
}

/* As a kubelet does that clears away what it does not know. */
static void remove_image(const char *name)
{
    CLEANUP(freep) char *id = image_of(name);
    CLEANUP(result_deinit)
    struct result result = run(rkt_program(), GLOBAL_OPTIONS, "image", "rm", id, NULL);

    assert_int_equal(result.status, 0);
}

static void an_image_that_is_gone_is_fetched_again(void **state)
{
    (void)state;
    ctl("run", write_kubernetes_pod("kube"), 0, "started");
    remove_image("kube");
    kill(pid_of("kube"), SIGKILL);
    wait_for(restarts_of("kube") == 1 && is_in_state("kube", "running", false));
    ctl("stop", "kube", 0, "stopping");
    remove_image("kube");
    ctl("run", write_kubernetes_pod("kube"), 0, "image /run/node/busybox.aci: fetching");
    /* one that is there is not */
    ctl("stop", "kube", 0, "stopping");
    make_rkt_slow("*' fetch '*", "exit 1");
    ctl("run", write_kubernetes_pod("kube"), 0, "reading its manifest");
    ctl("rm", "kube", 0, "removing");
}

static void break_rkt(bool is_broken)
{
    if (is_broken)
        write_text("/run/node/broken", "");
    else
        unlink("/run/node/broken");
}

/* Nothing but rkt's word says that an image is gone: else what is at its name now would come in its
 * place, although it is there. */
static void an_image_that_cannot_be_looked_at_is_not_fetched_again(void **state)
{
    static const struct {
        const char *failure, *words;
    } rows[] = {
        {"echo cat-manifest: input/output error >&2; exit 254",
         "image /run/node/busybox.aci: cat-manifest: input/output error"},
        {"exit 203", "image /run/node/busybox.aci: failed"},
        {"kill $$", "image /run/node/busybox.aci: failed"},
    };
    char commands[256];

    (void)state;
    ctl("run", write_kubernetes_pod("kube"), 0, "started");
    CLEANUP(freep) char *before = image_of("kube");
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        ctl("stop", "kube", 0, "stopping");
        snprintf(commands, sizeof(commands),
                 "case \"$*\" in *' fetch '*) echo >>/run/node/fetched ;; esac; "
                 "[ ! -e /run/node/broken ] || { rm /run/node/broken; %s; }",
                 rows[i].failure);
        make_rkt_slow("*' fetch '* | *' cat-manifest '*", commands);
        break_rkt(true);
        ctl("run", write_kubernetes_pod("kube"), 1, rows[i].words);
        assert_false(is_there("/run/node/broken"));
        ctl("run", write_kubernetes_pod("kube"), 0, "started");
        assert_false(is_there("/run/node/fetched"));
        CLEANUP(freep) char *after = image_of("kube");
        assert_string_equal(after, before);
    }
    ctl("rm", "kube", 0, "removing");
}

/* It may come back without a fetch. */
static void what_is_known_of_an_image_is_kept_until_it_is_fetched(void **state)
{
    (void)state;
    ctl("run", write_kubernetes_pod("kube"), 0, "started");
    CLEANUP(freep) char *before = image_of("kube");
    ctl("stop", "kube", 0, "stopping");
    remove_image("kube");
    make_rkt_slow("*' fetch '*", "echo no network >&2; exit 254");
    ctl("run", write_kubernetes_pod("kube"), 1, "image /run/node/busybox.aci: no network");
    CLEANUP(result_deinit)
    struct result result =
        run(rkt_program(), GLOBAL_OPTIONS, "fetch", "/run/node/busybox.aci", NULL);
    assert_int_equal(result.status, 0);
    ctl("run", write_kubernetes_pod("kube"), 0, "started");
    CLEANUP(freep) char *after = image_of("kube");
    assert_string_equal(after, before);
    ctl("rm", "kube", 0, "removing");
}

/* rkt renders the tree of an image in prepare, which may take as long as to fetch it. */
static void rkt_has_time_for_images(void **state)
{
    (void)state;
    unlink("/run/node/timeouts");
    make_rkt_slow("*' fetch '* | *' image '* | *' prepare '*",
                  "echo $START_TIMEOUT >>/run/node/timeouts");
    ctl("run", write_kubernetes_pod("kube"), 0, "started");
    CLEANUP(freep) char *timeouts = read_text("/run/node/timeouts");
    assert_string_equal(timeouts, "3600000000\n3600000000\n3600000000\n");
    ctl("rm", "kube", 0, "removing");
}

/* Nothing is left of it, and who was told so can rely on it. */
static void the_name_of_a_failed_run_is_free(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        make_rkt_slow("*' prepare '*", "echo no >&2; exit 254");
        ctl("run", write_manifest("again", "exec sleep 1000"), 1, "prepare: no");
        make_rkt_slow("never", ":");
        ctl("run", write_manifest("again", "exec sleep 2000"), 0, "started");
        ctl("rm", "again", 0, "removing");
    }
}

static void what_rkt_prints_is_looked_at(void **state)
{
    (void)state;
    make_rkt_slow("*' prepare '*", "exit 0");
    ctl("run", write_manifest("mute", "exit 0"), 1, "prepare: rkt has printed no UUID");
    make_rkt_slow("*' fetch '*", "echo not found >&2; exit 0");
    ctl("run", write_kubernetes_pod("mute"), 1, "image /run/node/busybox.aci: not found");
    make_rkt_slow("*' cat-manifest '*", "exit 0");
    ctl("run", write_kubernetes_pod("mute"), 1,
        "image /run/node/busybox.aci: rkt has printed no manifest of it");
}

/* As the kubelet writes capabilities, rkt does not start a pod; its prepare does not mind. */
static const char *write_unstartable(const char *name)
{
    const char *path = write_manifest(name, "exec sleep 1000");
    CLEANUP(json_decrefp) json_t *manifest = read_json(path);
    json_t *app = json_object_get(json_array_get(json_object_get(manifest, "apps"), 0), "app");

    json_object_set_new(app, "isolators",
                        json_pack("[{s:s, s:{s:[s]}}, {s:s, s:{s:[s]}}]", "name",
                                  "os/linux/capabilities-retain-set", "value", "set", "CAP_KILL",
                                  "name", "os/linux/capabilities-remove-set", "value", "set",
                                  "CAP_MKNOD"));
    assert_int_equal(json_dump_file(manifest, path, 0), 0);
    return path;
}

static void what_rkt_does_not_come_to_run_is_not_started(void **state)
{
    (void)state;
    ctl("run", write_unstartable("both"), 1, "run-prepared: rkt has ended before it ran the pod");
    const json_t *entry = journal_wait("MESSAGE_ID", id_of(MESSAGE_NO_START), NULL);
    assert_string_equal(field(entry, "GANTRY_REASON"),
                        "run-prepared: rkt has ended before it ran the pod");
    assert_int_equal(journal_count("MESSAGE_ID", id_of(MESSAGE_RUN)), 0);
    assert_null(explain("both"));
    assert_false(has_rktpods());
}

/* That its process is there is not yet a start. */
static void a_start_is_told_when_rkt_runs_the_pod(void **state)
{
    (void)state;
    unlink("/run/node/go");
    make_rkt_slow(
        "*' run-prepared '*",
        "while [ ! -e /run/node/go ]; do sleep 0.02; done; [ $(cat /run/node/go) = on ] || "
        "exit 254");
    for (unsigned i = 0; i < 2; i++) {
        bool is_good = i == 1;
        unlink("/run/node/go");
        pid_t run = start_ctl("run", write_manifest("idle", "exec sleep 1000"));
        wait_for(has_state("idle", "started"));
        write_text("/run/node/go", is_good ? "on" : "off");
        assert_int_equal(finish(run), is_good ? 0 : 1);
        assert_int_equal(has_printed("run", "started as gantry-idle.service\n"), is_good);
    }
    ctl("rm", "idle", 0, "removing");
}

static bool has_metric(const char *line)
{
    CLEANUP(result_deinit) struct result result = run(node_built("gantryctl"), "metrics", NULL);

    return strstr(result.out, line);
}

/* What was prepared is not run, and is not about to. */
static void one_that_is_stopped_before_it_runs_has_ended(void **state)
{
    (void)state;
    unlink("/run/node/go");
    make_rkt_slow("*' run-prepared '*", "while [ ! -e /run/node/go ]; do sleep 0.02; done");
    pid_t run = start_ctl("run", write_manifest("idle", "exec sleep 1000"));
    wait_for(has_state("idle", "started"));
    assert_true(has_metric("gantry_pods{state=\"starting\"} 1\n"));
    ctl("stop", "idle", 0, "stopping");
    assert_int_equal(finish(run), 1);
    assert_true(is_in_state("idle", "ended", true));
    assert_true(has_metric("gantry_pods{state=\"starting\"} 0\n"));
    ctl("rm", "idle", 0, "removing");
}

/* However long a step takes, whoever waits has heard of it. */
static void each_step_is_told_when_it_begins(void **state)
{
    (void)state;
    unlink("/run/node/go");
    make_rkt_slow("*' prepare '*", "while [ ! -e /run/node/go ]; do sleep 0.02; done");
    pid_t run = start_ctl("run", write_manifest("slow", "exec sleep 1000"));
    wait_for(has_printed("run", "preparing\n"));
    pid_t rm = start_ctl("rm", "slow");
    wait_for(has_printed("rm", "preparing\nwaiting for what is under way\n"));
    write_text("/run/node/go", "");
    assert_int_equal(finish(run), 1);
    assert_true(has_printed("run", "it was removed meanwhile"));
    assert_int_equal(finish(rm), 0);
    assert_false(has_rktpods());
    ctl("run", write_manifest("slow", "exec sleep 1000"), 0, "starting gantry-slow.service");
    ctl("rm", "slow", 0, "stopping gantry-slow.service");
}

/* A pod that ran, and cannot be started again before break_rkt(false). */
static void begin_lame(void)
{
    break_rkt(false);
    make_rkt_slow("*' prepare '*", "[ ! -e /run/node/broken ] || { echo broken >&2; exit 254; }");
    ctl("run", write_manifest("lame", "exec sleep 1000"), 0, "started");
    break_rkt(true);
    kill(pid_of("lame"), SIGTERM);
}

static void a_restart_that_fails_is_tried_again(void **state)
{
    (void)state;
    begin_lame();
    journal_wait("MESSAGE_ID", id_of(MESSAGE_NO_START), "GANTRY_REASON", "prepare: broken", NULL);
    break_rkt(false);
    wait_for(restarts_of("lame") == 1 && is_in_state("lame", "running", false));
    ctl("rm", "lame", 0, "removing");
}

static void a_reset_ends_the_wait_of_a_failed_start(void **state)
{
    (void)state;
    node_configure("[BackOff]\nInitial=1h\nMax=1h\n");
    begin_lame();
    journal_wait("MESSAGE_ID", id_of(MESSAGE_NO_START), NULL);
    wait_for(json_integer_value(json_object_get(explain("lame"), "heldUSec")) > 0);
    expect_ctl("--no-pager", "list", NULL, 0, " 59m");
    /* nor does another gantryd forget it */
    gantryd_end(SIGKILL);
    gantryd_start();
    expect_ctl("--no-pager", "list", NULL, 0, " 59m");
    break_rkt(false);
    ctl("reset", "lame", 0, "");
    wait_for(is_in_state("lame", "running", false));
    assert_int_equal(json_integer_value(json_object_get(explain("lame"), "heldUSec")), 0);
    ctl("rm", "lame", 0, "removing");
}

static void another_configuration_holds_for_a_failed_start(void **state)
{
    (void)state;
    node_configure("[BackOff]\nInitial=1h\nMax=1h\n");
    begin_lame();
    wait_for(json_integer_value(json_object_get(explain("lame"), "heldUSec")) > 0);
    break_rkt(false);
    node_configure("[BackOff]\nInitial=300ms\nMax=600ms\n");
    kill(gantryd_pid(), SIGHUP);
    wait_for(restarts_of("lame") == 1 && is_in_state("lame", "running", false));
    ctl("rm", "lame", 0, "removing");
}

static void one_that_is_held_back_can_be_stopped(void **state)
{
    (void)state;
    node_configure("[BackOff]\nInitial=1h\nMax=1h\n");
    gantryd_end(SIGTERM);
    gantryd_start();
    ctl("run", write_manifest("loop", "exit 3"), 0, "started");
    wait_for(is_in_state("loop", "held", false) && has_state("loop", "waiting"));
    assert_true(has_metric("gantry_backoff_pods 1\n"));
    /* what was done before is over, and is not told */
    assert_int_equal(finish(start_ctl("stop", "loop")), 0);
    assert_false(has_printed("stop", "removing what older runs have left"));
    journal_wait("MESSAGE_ID", id_of(MESSAGE_STOP), "GANTRY_POD_NAME", "loop", NULL);
    assert_true(is_in_state("loop", "ended", true));
    assert_true(has_metric("gantry_backoff_pods 0\n"));
    /* and runs again at once */
    ctl("run", write_manifest("loop", "exit 3"), 0, "started");
    ctl("rm", "loop", 0, "removing");
}

static void a_stop_that_fails_is_tried_again(void **state)
{
    (void)state;
    ctl("run", write_manifest("stubborn", "exec sleep 1000"), 0, "started");
    tell_manager("fail", "StopUnit gantry-stubborn.service");
    pid_t stop = start_ctl("stop", "stubborn");
    wait_for(has_printed("stop", "stopping gantry-stubborn.service\n"));
    tell_manager("fail", NULL);
    assert_int_equal(finish(stop), 0);
    assert_true(is_in_state("stubborn", "ended", true));
    ctl("rm", "stubborn", 0, "removing");
}

static void a_fetch_can_be_cancelled(void **state)
{
    (void)state;
    make_rkt_slow("*' fetch '*", "echo $$ >>/run/node/fetching; exec sleep 1000");
    pid_t run = start_ctl("run", write_kubernetes_pod("far"));
    wait_for(has_text("/run/node/fetching"));
    ctl("rm", "far", 0, "removing");
    assert_int_equal(finish(run), 1);
    assert_null(explain("far"));
}

/* The fetch goes on without gantryd, and the next one waits for it, to begin its own. */
static void a_fetch_of_the_last_gantryd_can_be_cancelled(void **state)
{
    CLEANUP(freep) char *before = NULL;
    CLEANUP(freep) char *after = NULL;

    (void)state;
    unlink("/run/node/fetching");
    make_rkt_slow("*' fetch '*", "echo $$ >>/run/node/fetching; exec sleep 1000");
    pid_t run = start_ctl("run", write_kubernetes_pod("far"));
    wait_for(has_text("/run/node/fetching"));
    before = read_text("/run/node/fetching");
    gantryd_end(SIGKILL);
    assert_int_equal(finish(run), 3);
    CLEANUP(freep) char *told = read_text("/run/node/run");
    assert_non_null(strstr(told, "What was begun goes on when gantryd is there again"));
    gantryd_start();
    ctl("rm", "far", 0, "removing");
    assert_null(explain("far"));
    wait_for(kill(atoi(before), 0) < 0);
    after = read_text("/run/node/fetching");
    assert_string_equal(after, before);
}

static void who_stops_one_that_is_being_removed_is_answered(void **state)
{
    (void)state;
    make_rkt_slow("*' rm '*", "sleep 1");
    ctl("run", write_manifest("web", "exec sleep 1000"), 0, "started");
    ctl("stop", "web", 0, "stopping");
    pid_t rm = start_ctl("rm", "web");
    usleep(300000);
    pid_t stop = start_ctl("stop", "web");
    assert_int_equal(finish(rm), 0);
    assert_int_equal(finish(stop), 0);
    assert_null(explain("web"));
}

/* systemd keeps one loaded for as long as another unit names it, and takes no other one of its name
 * meanwhile. */
static void a_unit_that_has_ended_may_stay_loaded(void **state)
{
    (void)state;
    ctl("run", write_manifest("kept", "exec sleep 1000"), 0, "started");
    wait_for(is_in_state("kept", "running", false));
    tell_manager("keep", "");
    kill(pid_of("kept"), SIGTERM);
    wait_for(is_in_state("kept", "starting", false));
    tell_manager("keep", NULL);
    wait_for(is_in_state("kept", "running", false));
    tell_manager("keep", "");
    ctl("rm", "kept", 0, "removing");
    assert_false(has_rktpods());
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, own_setup, own_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(a_pod_runs_stops_and_runs_again),
        TEST(an_appc_manifest_goes_to_rkt_as_it_is),
        TEST(a_pod_that_fails_is_restarted),
        TEST(the_policy_says_what_is_restarted),
        TEST(what_cannot_be_started_is_told_and_forgotten),
        TEST(one_that_would_hold_up_gantryd_is_refused),
        TEST(a_kubernetes_pod_is_fetched_and_run),
        TEST(an_image_that_is_gone_is_fetched_again),
        TEST(an_image_that_cannot_be_looked_at_is_not_fetched_again),
        TEST(what_is_known_of_an_image_is_kept_until_it_is_fetched),
        TEST(rkt_has_time_for_images),
        TEST(the_name_of_a_failed_run_is_free),
        TEST(what_rkt_prints_is_looked_at),
        TEST(what_rkt_does_not_come_to_run_is_not_started),
        TEST(a_start_is_told_when_rkt_runs_the_pod),
        TEST(one_that_is_stopped_before_it_runs_has_ended),
        TEST(each_step_is_told_when_it_begins),
        TEST(a_restart_that_fails_is_tried_again),
        TEST(a_reset_ends_the_wait_of_a_failed_start),
        TEST(another_configuration_holds_for_a_failed_start),
        TEST(one_that_is_held_back_can_be_stopped),
        TEST(a_stop_that_fails_is_tried_again),
        TEST(a_fetch_can_be_cancelled),
        TEST(a_fetch_of_the_last_gantryd_can_be_cancelled),
        TEST(who_stops_one_that_is_being_removed_is_answered),
        TEST(a_unit_that_has_ended_may_stay_loaded),
    };

    node_enter();
    return cmocka_run_group_tests_name("own", tests, NULL, NULL);
}
