/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/unit/launches.h"

#include <stdio.h>

#include "tests/unit/scratch.h"

static json_t *annotation(const char *name, const char *value)
{
    return json_pack("{s:s, s:s}", "name", name, "value", value);
}

static json_t *make_manifest(const char *hash, const char *const *sources)
{
    json_t *volumes = json_array();

    for (size_t i = 0; sources && sources[i]; i++)
        json_array_append_new(volumes, json_pack("{s:o, s:s, s:s}", "name", json_sprintf("v%zu", i),
                                                 "kind", "host", "source", sources[i]));
    if (!hash)
        return json_pack("{s:o}", "volumes", volumes);
    return json_pack(
        "{s:[{s:s, s:{}, s:[o]}], s:o, s:[o, o, o, o]}", "apps", "name", "c", "app", "annotations",
        annotation("rkt.kubernetes.io/container-hash", hash), "volumes", volumes, "annotations",
        annotation("rkt.kubernetes.io/managed-by-kubelet", "true"),
        annotation("io.kubernetes.pod.uid", "1234"), annotation("io.kubernetes.pod.name", "web"),
        annotation("io.kubernetes.pod.namespace", "default"));
}

struct launch *make_launch(struct config *config, const char *hash, const char *const *sources)
{
    struct launch *launch = launch_new(config, USEC_HOUR);

    assert_non_null(launch);
    launch->id = strdup("1");
    launch->directory = strdup("/");
    launch->argc = 2;
    launch->argv = calloc(3, sizeof(*launch->argv));
    launch->argv[0] = strdup("rkt");
    launch->argv[1] = strdup("prepare");
    launch->manifest_json = make_manifest(hash, sources);
    assert_int_equal(launch_read(launch), 0);
    if (launch->is_kubernetes) {
        launch->pod =
            pod_new(launch->identity.uid, launch->identity.name, launch->identity.namespace);
        assert_non_null(launch->pod);
    }
    return launch;
}

void remake_manifest(struct launch *launch)
{
    manifest_free(launch->manifest);
    assert_int_equal(
        manifest_from_json(&launch->manifest, json_incref(launch->manifest_json), NULL), 0);
}

struct config *make_config(const char *text)
{
    struct scratch *scratch;
    struct config *config = NULL;

    scratch_setup((void **)&scratch);
    scratch_write(scratch, "gantry.conf", text);
    CLEANUP(freep) char *path = scratch_path(scratch, "gantry.conf");
    assert_int_equal(config_load(&config, path, CONFIG_ALL, NULL, NULL), 0);
    scratch_teardown((void **)&scratch);
    return config;
}
