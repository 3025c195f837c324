/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/harness/rkt.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define IMAGE "/run/node/busybox.aci"

static char image_id[128];

const char *rkt_program(void)
{
    const char *real = node_real_rkt();

    return real ? real : node_built("contrib/rkt-standin/rkt-standin");
}

const char *rkt_image(void)
{
    return image_id;
}

static void fetch(const char *path, char *id, size_t size)
{
    CLEANUP(result_deinit)
    struct result result = run(rkt_program(), GLOBAL_OPTIONS, "fetch", "--full", path, NULL);

    if (result.status != 0)
        fail_msg("fetch %s: %s", path, result.err);
    snprintf(id, size, "%s", result.out);
    id[strcspn(id, "\n")] = '\0';
}

/* The stand-in has it built in. */
static void fetch_fly(void)
{
    CLEANUP(freep) char *path = NULL;
    const char *rkt = node_real_rkt();
    char id[128];

    if (!rkt)
        return;
    assert_true(asprintf(&path, "%.*s/stage1-fly.aci", (int)(strrchr(rkt, '/') - rkt), rkt) > 0);
    fetch(path, id, sizeof(id));
}

int rkt_setup(void **state)
{
    node_setup(state);
    if (!is_there(IMAGE)) {
        CLEANUP(result_deinit)
        struct result result = run(node_source("contrib/make-busybox-aci"), IMAGE, NULL);
        if (result.status != 0)
            fail_msg("make-busybox-aci: %s", result.err);
        fetch(IMAGE, image_id, sizeof(image_id));
        fetch_fly();
    }
    recorder_becomes(rkt_program());
    return 0;
}

int rkt_teardown(void **state)
{
    CLEANUP(result_deinit)
    struct result result =
        run(rkt_program(), GLOBAL_OPTIONS, "gc", "--grace-period=0s", "--expire-prepared=0s", NULL);

    assert_int_equal(result.status, 0);
    /* What fly has mounted in the node's /dev stays there, and no other file can be mounted on it
     * once it is deleted. */
    while (umount2("/dev/termination-log", MNT_DETACH) == 0)
        ;
    return node_teardown(state);
}

json_t *trace_load(const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "tests/replay/traces/%s%s.json",
             strchr(name, '/') ? "" : "kubelet-1.9/", name);
    json_t *trace = read_json(node_source(path));
    const json_t *calls = json_object_get(trace, "calls");
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *manifest = json_object_get(json_array_get(calls, i), "manifest");
        const json_t *apps = json_object_get(manifest, "apps");
        for (size_t j = 0; j < json_array_size(apps); j++)
            json_object_set_new(json_object_get(json_array_get(apps, j), "image"), "id",
                                json_string(image_id));
    }
    return trace;
}

void rkt_make_kubelets_files(const json_t *manifest)
{
    const json_t *volumes = json_object_get(manifest, "volumes");

    for (size_t i = 0; i < json_array_size(volumes); i++) {
        const char *source = field(json_array_get(volumes, i), "source");
        if (!strstr(source, "/containers/") || is_there(source))
            continue;
        CLEANUP(freep) char *folder = strndup(source, (size_t)(strrchr(source, '/') - source));
        make_folders(folder);
        write_text(source, "");
    }
}

struct result rkt_prepare(const json_t *manifest, ...)
{
    static unsigned number;
    char path[64],
        *argv[32] = {"rkt", GLOBAL_OPTIONS, "prepare", "--quiet", "--pod-manifest", path};
    size_t n = 9;
    va_list args;

    snprintf(path, sizeof(path), "/run/node/manifest-%u", number++);
    assert_int_equal(json_dump_file(manifest, path, 0), 0);
    rkt_make_kubelets_files(manifest);
    va_start(args, manifest);
    while ((argv[n] = va_arg(args, char *)))
        n++;
    va_end(args);
    struct result result = run_argv(node_built("rkt"), argv);
    unlink(path);
    return result;
}

pid_t rkt_run(const char *uuid)
{
    char *const argv[] = {
        "rkt", GLOBAL_OPTIONS, "run-prepared", "--net=host", "--hostname=vm", (char *)uuid, NULL};

    return start_argv(node_built("rkt"), argv);
}

struct result rkt_enter(const char *uuid, const char *script)
{
    return run(node_built("rkt"), GLOBAL_OPTIONS, "enter", uuid, "/bin/sh", "-c", script, NULL);
}

/* rkt enters an app's root before all is mounted there. */
static bool can_enter(const char *uuid)
{
    CLEANUP(result_deinit) struct result result = rkt_enter(uuid, "test -e /proc/self/mounts");

    return result.status == 0;
}

pid_t rkt_start(const char *uuid)
{
    pid_t pid = rkt_run(uuid);

    wait_for(can_enter(uuid));
    return pid;
}

json_t *explain(const char *name)
{
    static json_t *reply;

    json_decref(reply);
    reply = api_call("io.gantry.Node.Explain", json_pack("{s:s}", "pod", name));
    if (json_object_get(reply, "error"))
        return NULL;
    return json_object_get(json_object_get(reply, "parameters"), "pod");
}

char *rkt_uuid(const struct result *result)
{
    if (result->status != 0 || strlen(result->out) != 37)
        fail_msg("prepare: %d: %s%s", result->status, result->out, result->err);
    return strndup(result->out, 36);
}

char *rkt_launch(const json_t *manifest, int *statusp)
{
    CLEANUP(result_deinit) struct result result = rkt_prepare(manifest, NULL);
    char *uuid = rkt_uuid(&result);

    *statusp = finish(rkt_run(uuid));
    return uuid;
}
