/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/harness/plain.h"

#include <signal.h>
#include <stdio.h>

json_t *plain_manifest(const char *name, const char *hash)
{
    return json_pack("{s:[{s:s, s:[{s:s, s:s}]}], s:[], s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}, "
                     "{s:s, s:s}]}",
                     "apps", "name", "app", "annotations", "name",
                     "rkt.kubernetes.io/container-hash", "value", hash, "volumes", "annotations",
                     "name", "rkt.kubernetes.io/managed-by-kubelet", "value", "true", "name",
                     "io.kubernetes.pod.uid", "value", name, "name", "io.kubernetes.pod.name",
                     "value", name, "name", "io.kubernetes.pod.namespace", "value", "default");
}

pid_t plain_begin(const char *name, const char *hash)
{
    CLEANUP(json_decrefp) json_t *manifest = plain_manifest(name, hash);
    char path[128];
    char *const argv[] = {"rkt", "prepare", "--quiet", "--pod-manifest", path, NULL};

    snprintf(path, sizeof(path), "/run/node/%s.json", name);
    assert_int_equal(json_dump_file(manifest, path, 0), 0);
    return start_argv(node_built("rkt"), argv);
}

struct result plain_prepare(const char *name, const char *hash)
{
    CLEANUP(json_decrefp) json_t *manifest = plain_manifest(name, hash);

    assert_int_equal(json_dump_file(manifest, "/run/node/manifest.json", 0), 0);
    return run(node_built("rkt"), "prepare", "--quiet", "--pod-manifest", "/run/node/manifest.json",
               NULL);
}

void plain_passes(const char *name, const char *hash)
{
    CLEANUP(result_deinit) struct result result = plain_prepare(name, hash);

    assert_string_equal(result.err, "");
    assert_int_equal(result.status, 0);
}

void plain_is_refused(const char *name, const char *reason)
{
    CLEANUP(result_deinit) struct result result = plain_prepare(name, "1");
    CLEANUP(freep) char *message = NULL;

    assert_true(asprintf(&message,
                         "launch of pod default/%s: the kubelet has to be asked (Required=yes): "
                         "%s\n",
                         name, reason) > 0);
    assert_string_equal(result.err, message);
    assert_int_equal(result.status, 254);
}

void plain_configure(const char *text)
{
    node_configure(text);
    assert_int_equal(gantryd_end(SIGTERM), 0);
    gantryd_start();
}

int plain_setup(void **state)
{
    node_setup(state);
    kubelet_start();
    return 0;
}

int plain_teardown(void **state)
{
    kubelet_stop();
    return node_teardown(state);
}

json_t *plain_pod(const char *name)
{
    CLEANUP(json_decrefp) json_t *manifest = plain_manifest(name, "1");
    CLEANUP(json_decrefp) json_t *spec = json_pack("{s:[{s:s}]}", "containers", "name", "app");

    return kubelet_pod(manifest, spec);
}

void plain_has(const char *prefix, unsigned n)
{
    CLEANUP(json_decrefp) json_t *pods = json_array();
    char name[64];

    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "%s%u", prefix, i);
        json_array_append_new(pods, plain_pod(name));
    }
    kubelet_serves_pods(pods);
}

bool plain_is_known(const char *name)
{
    CLEANUP(json_decrefp)
    json_t *reply = api_call("io.gantry.Node.Explain", json_pack("{s:s}", "pod", name));

    return !json_object_get(reply, "error");
}
