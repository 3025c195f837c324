/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "lib/podspec.h"
#include "lib/podstrip.h"

static json_t *parse(const char *text)
{
    json_error_t at;
    json_t *json = json_loads(text, JSON_ALLOW_NUL, &at);

    if (!json)
        fail_msg("%s: %s", text, at.text);
    return json;
}

static void print_container(FILE *f, const struct podspec_container *container)
{
    const struct podspec_resource *cpu = &container->cpu, *memory = &container->memory;

    fprintf(f, "container %s %d %d %d", container->name, container->privileged,
            container->sets_gpus, container->has_env_from);
    fprintf(f, " %d %d %lld %lld", cpu->has_request, cpu->has_limit, (long long)cpu->request,
            (long long)cpu->limit);
    fprintf(f, " %d %d %lld %lld\n", memory->has_request, memory->has_limit,
            (long long)memory->request, (long long)memory->limit);
    for (size_t i = 0; i < container->n_mounts; i++) {
        const struct podspec_mount *mount = &container->mounts[i];
        fprintf(f, "  %s %s %s %d\n", mount->volume, mount->path, mount->subpath, mount->read_only);
    }
}

/* All that is read of a pod, in words; to free(). */
static char *read_pod(json_t *pod)
{
    const char *uid = json_string_value(json_object_get(json_object_get(pod, "metadata"), "uid"));
    CLEANUP(podspec_unrefp) struct podspec *spec = NULL;
    CLEANUP(json_decrefp) json_t *list = json_pack("{s:[O]}", "items", pod);
    char *words = NULL;
    size_t size;
    FILE *f = open_memstream(&words, &size);

    assert_int_equal(podspec_find(&spec, list, uid, NULL), 0);
    assert_non_null(spec);
    fprintf(f, "%s %s %s %d %d %d %s\n", spec->uid, spec->name, spec->namespace, spec->host_pid,
            spec->host_ipc, spec->host_network, podspec_qos_name(podspec_qos(spec)));
    for (size_t i = 0; i < spec->n_containers; i++)
        print_container(f, &spec->containers[i]);
    for (size_t i = 0; i < spec->n_init_containers; i++)
        print_container(f, &spec->init_containers[i]);
    for (size_t i = 0; i < spec->n_volumes; i++) {
        const struct podspec_volume *volume = &spec->volumes[i];
        fprintf(f, "volume %s %d %s %s\n", volume->name, volume->type,
                volume->host_path ? volume->host_path : "-", volume->host_path_type);
    }
    for (size_t i = 0; i < spec->n_annotations; i++)
        fprintf(f, "%s: %s\n", spec->annotations[i].name, spec->annotations[i].value);
    fclose(f);
    return words;
}

static void reads_the_same(json_t *pod)
{
    CLEANUP(freep) char *before = read_pod(pod);

    podstrip(pod);
    CLEANUP(freep) char *after = read_pod(pod);
    assert_string_equal(after, before);
}

static void what_is_read_stays(void **state)
{
    const char *top = getenv("abs_top_srcdir");
    char path[4096];

    (void)state;
    snprintf(path, sizeof(path), "%s/tests/unit/data/kubelet-pods.json", top ? top : ".");
    CLEANUP(json_decrefp) json_t *list = json_load_file(path, 0, NULL);
    json_t *items = json_object_get(list, "items");
    assert_true(json_array_size(items) > 3);
    for (size_t i = 0; i < json_array_size(items); i++)
        reads_the_same(json_array_get(items, i));
}

static const char full[] =
    "{\"metadata\":{\"uid\":\"1\",\"name\":\"n\",\"namespace\":\"s\",\"labels\":{\"a\":\"b\"},"
    "\"annotations\":{\"gpu.gantry.io/c\":\"1\",\"other\":\"x\","
    "\"pod.alpha.kubernetes.io/init-containers\":\"[{\\\"name\\\":\\\"i\\\"}]\"}},"
    "\"status\":{\"phase\":\"x\"},\"spec\":{\"hostPID\":true,\"hostIPC\":true,\"hostNetwork\":true,"
    "\"nodeSelector\":{\"a\":\"b\"},\"containers\":[{\"name\":\"c\",\"args\":[\"x\"],\"command\":[\"x\"],"
    "\"securityContext\":{\"privileged\":true,\"capabilities\":{\"add\":[\"x\"]}},"
    "\"env\":[{\"name\":\"A\",\"value\":\"x\"},{\"name\":\"NVIDIA_VISIBLE_DEVICES\",\"value\":\"0\"},"
    "{\"name\":\"NVIDIA_VISIBLE_DEVICES\",\"value\":\"1\"}],\"envFrom\":[{\"secretRef\":{}},{}],"
    "\"resources\":{\"requests\":{\"cpu\":\"1\",\"x\":\"2\"},\"limits\":{\"memory\":\"1Gi\",\"y\":\"3\"}},"
    "\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/m\",\"subPath\":\"p\",\"readOnly\":true}]}],"
    "\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/p\",\"type\":\"File\"}},"
    "{\"name\":\"s\",\"secret\":{\"items\":[1,2,3]}},{\"name\":\"d\",\"metadata\":{\"items\":[1]}},"
    "{\"name\":\"e\",\"emptyDir\":{}},{\"name\":\"o\",\"flexVolume\":{\"options\":{\"a\":\"b\"}}}]}}";

static void the_rest_goes(void **state)
{
    CLEANUP(json_decrefp) json_t *pod = parse(full);
    CLEANUP(json_decrefp)
    json_t *expected = parse(
        "{\"metadata\":{\"uid\":\"1\",\"name\":\"n\",\"namespace\":\"s\",\"annotations\":{"
        "\"gpu.gantry.io/c\":\"1\",\"pod.alpha.kubernetes.io/init-containers\":"
        "\"[{\\\"name\\\":\\\"i\\\"}]\"}},\"spec\":{\"hostPID\":true,\"hostIPC\":true,"
        "\"hostNetwork\":true,\"containers\":[{\"name\":\"c\",\"securityContext\":{\"privileged\":true},"
        "\"env\":[{\"name\":\"NVIDIA_VISIBLE_DEVICES\",\"value\":\"0\"}],\"envFrom\":[{}],"
        "\"resources\":{\"requests\":{\"cpu\":\"1\"},\"limits\":{\"memory\":\"1Gi\"}},"
        "\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/m\",\"subPath\":\"p\",\"readOnly\":true}]}],"
        "\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/p\",\"type\":\"File\"}},"
        "{\"name\":\"s\",\"secret\":{}},{\"name\":\"d\",\"metadata\":{}},{\"name\":\"e\",\"emptyDir\":{}},"
        "{\"name\":\"o\"}]}}");

    (void)state;
    reads_the_same(pod);
    CLEANUP(freep) char *text = json_dumps(pod, JSON_SORT_KEYS);
    CLEANUP(freep) char *expected_text = json_dumps(expected, JSON_SORT_KEYS);
    assert_string_equal(text, expected_text);
}

static void a_wrong_type_is_none_of_its_business(void **state)
{
    static const char *const pods[] = {
        "{\"metadata\":{\"uid\":\"1\"}}",
        "{\"metadata\":{\"uid\":\"1\",\"annotations\":7},\"spec\":[]}",
        "{\"metadata\":{\"uid\":\"1\"},\"spec\":{\"containers\":{},\"volumes\":\"x\"}}",
        "{\"metadata\":{\"uid\":\"1\"},\"spec\":{\"containers\":[7,[],{\"env\":{},\"envFrom\":7}]}}",
        "{\"metadata\":{\"uid\":\"1\"},\"spec\":{\"volumes\":[7,{\"secret\":7,\"name\":[]}]}}",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(pods); i++) {
        CLEANUP(json_decrefp) json_t *pod = parse(pods[i]);
        reads_the_same(pod);
    }
    podstrip(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_stays),
        cmocka_unit_test(the_rest_goes),
        cmocka_unit_test(a_wrong_type_is_none_of_its_business),
    };

    return cmocka_run_group_tests_name("podstrip", tests, NULL, NULL);
}
