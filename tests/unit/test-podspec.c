/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>

#include "lib/bounds.h"
#include "lib/podspec.h"

static json_t *parse(const char *text)
{
    json_error_t at;
    json_t *json = json_loads(text, JSON_ALLOW_NUL, &at);

    if (!json)
        fail_msg("%s: %s", text, at.text);
    return json;
}

/* The pod of a list with this one, whose UID is "1". */
static struct podspec *read_pod(const char *pod)
{
    char *text = NULL;
    struct podspec *spec = NULL;

    assert_true(asprintf(&text, "{\"items\":[%s]}", pod) > 0);
    json_t *list = parse(text);
    assert_int_equal(podspec_find(&spec, list, "1", NULL), 0);
    assert_non_null(spec);
    json_decref(list);
    free(text);
    return spec;
}

/* The pod whose "spec" has these members. */
static struct podspec *read_spec(const char *members)
{
    char *pod = NULL;

    assert_true(asprintf(&pod, "{\"metadata\":{\"uid\":\"1\"},\"spec\":{%s}}", members) > 0);
    struct podspec *spec = read_pod(pod);
    free(pod);
    return spec;
}

/* What a kubelet 1.9 really answered. */

static struct podspec *read_recorded(const char *uid)
{
    const char *top = getenv("abs_top_srcdir");
    struct podspec *spec = NULL;
    char path[4096];

    snprintf(path, sizeof(path), "%s/tests/unit/data/kubelet-pods.json", top ? top : ".");
    json_t *list = json_load_file(path, 0, NULL);
    assert_non_null(list);
    assert_int_equal(podspec_find(&spec, list, uid, NULL), 0);
    json_decref(list);
    return spec;
}

static void reads_what_a_kubelet_answered(void **state)
{
    CLEANUP(podspec_unrefp)
    struct podspec *spec = read_recorded("3273674a745bbf75266fc8b56e19bc94");

    (void)state;
    assert_string_equal(spec->uid, "3273674a745bbf75266fc8b56e19bc94");
    assert_string_equal(spec->name, "burst-node1");
    assert_string_equal(spec->namespace, "web");
    assert_true(spec->host_network);
    assert_false(spec->host_pid);
    assert_false(spec->host_ipc);
    assert_int_equal(spec->n_containers, 2);
    assert_int_equal(spec->n_init_containers, 0);
    assert_int_equal(spec->n_annotations, 0);

    const struct podspec_container *front = podspec_container(spec, "front");
    assert_false(front->privileged);
    assert_int_equal(front->cpu.request, 100);
    assert_int_equal(front->cpu.limit, 200);
    assert_int_equal(front->memory.request, 64 << 20);
    assert_int_equal(front->memory.limit, 128 << 20);
    assert_int_equal(front->n_mounts, 2);
    assert_string_equal(front->mounts[0].volume, "dne");
    assert_string_equal(front->mounts[0].path, "/cache");
    assert_string_equal(front->mounts[0].subpath, "");
    assert_string_equal(front->mounts[1].subpath, "one/two");
    assert_false(front->mounts[1].read_only);

    const struct podspec_container *side = podspec_container(spec, "side");
    assert_false(side->cpu.has_request);
    assert_true(side->mounts[0].read_only);
    assert_null(podspec_container(spec, "none"));

    const struct podspec_volume *dne = podspec_volume(spec, "dne");
    assert_int_equal(dne->type, PODSPEC_VOLUME_HOST_PATH);
    assert_string_equal(dne->host_path, "/srv/cache/not/there");
    assert_string_equal(dne->host_path_type, "");
    assert_int_equal(podspec_volume(spec, "scratch")->type, PODSPEC_VOLUME_EMPTY_DIR);
    assert_null(podspec_volume(spec, "scratch")->host_path);
    assert_int_equal(podspec_qos(spec), PODSPEC_BURSTABLE);
}

static void reads_the_others_of_that_answer(void **state)
{
    CLEANUP(podspec_unrefp)
    struct podspec *namespaces = read_recorded("adece9ae026b8e214c27a0920668b39a");
    CLEANUP(podspec_unrefp)
    struct podspec *init = read_recorded("9c5831c6f739d8f50e17bbea9ab87a26");
    CLEANUP(podspec_unrefp)
    struct podspec *fly = read_recorded("2922461308f5f8e701e6c659fdbe2a31");

    (void)state;
    assert_true(namespaces->host_pid);
    assert_true(namespaces->host_ipc);
    assert_int_equal(podspec_qos(namespaces), PODSPEC_BEST_EFFORT);
    assert_int_equal(init->n_init_containers, 2);
    assert_string_equal(init->init_containers[0].name, "first");
    assert_string_equal(init->init_containers[1].mounts[0].path, "/w");
    assert_null(podspec_container(init, "first"));
    assert_true(fly->containers[0].privileged);
    assert_null(read_recorded("another"));
}

static void a_list_is_a_list(void **state)
{
    static const char *const none[] = {"{}", "[]", "{\"items\":{}}", "{\"items\":\"x\"}",
                                       "{\"items\":[],\"items\":3}"};
    static const char *const empty[] = {
        "{\"items\":null}", "{\"items\":[]}", "{\"items\":[null,1,\"1\",[],{},{\"metadata\":[]}]}",
        "{\"items\":[{\"metadata\":{\"uid\":1}},{\"metadata\":{\"uid\":\"1\\u0000\"}}]}"};
    struct podspec *spec = NULL;

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(none); i++) {
        json_t *list = parse(none[i]);
        assert_int_equal(podspec_find(&spec, list, "1", NULL), -EINVAL);
        assert_null(spec);
        json_decref(list);
    }
    for (size_t i = 0; i < N_ELEMENTS(empty); i++) {
        json_t *list = parse(empty[i]);
        assert_int_equal(podspec_find(&spec, list, "1", NULL), 0);
        assert_null(spec);
        json_decref(list);
    }
    assert_int_equal(podspec_find(&spec, NULL, "1", NULL), -EINVAL);
}

/* Each value of a full pod in turn becomes one of another type: nothing else may change for it, and
 * nothing may break. */

static const char full_pod[] =
    "{\"metadata\":{\"uid\":\"1\",\"name\":\"n\",\"namespace\":\"d\",\"annotations\":{"
    "\"gpu.gantry.io/c\":\"2\",\"team\":\"x\","
    "\"pod.beta.kubernetes.io/init-containers\":\"[{\\\"name\\\":\\\"i\\\"}]\"}},"
    "\"spec\":{\"hostPID\":true,\"hostIPC\":true,\"hostNetwork\":true,"
    "\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/p\",\"type\":\"File\"}},"
    "{\"name\":\"s\",\"secret\":{}}],"
    "\"initContainers\":[{\"name\":\"first\"}],"
    "\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"},"
    "\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}},\"volumeMounts\":[{\"name\":\"v\","
    "\"mountPath\":\"/m\",\"subPath\":\"s\",\"readOnly\":true}],\"securityContext\":{"
    "\"privileged\":true,\"capabilities\":{\"add\":[\"A\"],\"drop\":[\"D\"]}}},{\"name\":\"d\"}]}}";

static void look_at(const json_t *list)
{
    CLEANUP(podspec_unrefp) struct podspec *spec = NULL;

    assert_int_equal(podspec_find(&spec, list, "1", NULL), 0);
    if (!spec)
        return; /* it was the way to the UID that was spoilt */
    for (size_t i = 0; i < spec->n_containers; i++) {
        assert_non_null(spec->containers[i].name);
        podspec_oom_score_adj(spec, &spec->containers[i], 1 << 30);
        for (size_t k = 0; k < spec->containers[i].n_mounts; k++)
            assert_non_null(spec->containers[i].mounts[k].path);
    }
    for (size_t i = 0; i < spec->n_volumes; i++) {
        assert_non_null(spec->volumes[i].name);
        assert_non_null(spec->volumes[i].host_path_type);
    }
    assert_non_null(podspec_qos_name(podspec_qos(spec)));
}

static unsigned n_spoilt;

static void spoil_each(const json_t *list, json_t *in);

/* One value: of an object, or with a NULL key of an array. */
static void spoil(const json_t *list, json_t *in, const char *key, size_t index)
{
    static const char *const others[] = {"null", "true",  "7",  "-1.5",       "\"\"",
                                         "[]",   "[[1]]", "{}", "{\"a\":{}}", "\"a\\u0000b\""};
    json_t *value = json_incref(key ? json_object_get(in, key) : json_array_get(in, index));

    for (size_t i = 0; i < N_ELEMENTS(others); i++) {
        json_t *other = json_loads(others[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (key)
            json_object_set_new(in, key, other);
        else
            json_array_set_new(in, index, other);
        look_at(list);
        n_spoilt++;
    }
    if (key)
        json_object_set(in, key, value);
    else
        json_array_set(in, index, value);
    spoil_each(list, value);
    json_decref(value);
}

static void spoil_each(const json_t *list, json_t *in)
{
    CLEANUP(json_decrefp) json_t *names = json_copy(in); /* while `in` is written to */
    const char *key;
    json_t *value;
    size_t index;

    json_array_foreach(names, index, value) spoil(list, in, NULL, index);
    json_object_foreach(names, key, value) spoil(list, in, key, 0);
}

static void a_wrong_type_anywhere_is_as_absent(void **state)
{
    json_t *list = json_pack("{s:[o]}", "items", parse(full_pod));
    json_t *pod = json_array_get(json_object_get(list, "items"), 0);

    (void)state;
    spoil_each(list, pod);
    assert_true(n_spoilt > 400);
    json_decref(list);

    CLEANUP(podspec_unrefp)
    struct podspec *spec = read_spec(
        "\"hostPID\":\"true\",\"hostIPC\":1,\"volumes\":[{\"name\":3,\"hostPath\":\"/x\"},7],"
        "\"containers\":[{\"name\":[],\"resources\":{\"limits\":{\"cpu\":1,\"memory\":{}}},"
        "\"securityContext\":{\"privileged\":\"yes\",\"capabilities\":{\"add\":[1,\"A\",null]}}}]");
    assert_false(spec->host_pid);
    assert_false(spec->host_ipc);
    assert_int_equal(spec->n_volumes, 2);
    assert_string_equal(spec->volumes[0].name, "");
    assert_int_equal(spec->volumes[0].type, PODSPEC_VOLUME_OTHER);
    assert_null(spec->volumes[0].host_path);
    assert_string_equal(spec->containers[0].name, "");
    assert_false(spec->containers[0].cpu.has_limit);
    assert_false(spec->containers[0].privileged);
}

static void init_containers_are_found_in_all_three_places(void **state)
{
#define ANNOTATED(annotations, members) \
    "{\"metadata\":{\"uid\":\"1\",\"annotations\":{" annotations "}},\"spec\":{" members "}}"
#define ALPHA "\"pod.alpha.kubernetes.io/init-containers\":\"[{\\\"name\\\":\\\"alpha\\\"}]\""
#define BETA "\"pod.beta.kubernetes.io/init-containers\":\"[{\\\"name\\\":\\\"beta\\\"}]\""
#define FIELD "\"initContainers\":[{\"name\":\"field\"}]"
    static const struct {
        const char *pod, *name;
    } rows[] = {
        {ANNOTATED(ALPHA, ""), "alpha"},
        {ANNOTATED(ALPHA "," BETA, ""), "beta"},
        {ANNOTATED(BETA, "\"initContainers\":[]"), "beta"},
        {ANNOTATED(BETA, "\"initContainers\":null"), "beta"},
        {ANNOTATED(ALPHA "," BETA, FIELD), "field"},
        {ANNOTATED("", FIELD), "field"},
        {ANNOTATED("", ""), NULL},
        {ANNOTATED("\"pod.beta.kubernetes.io/init-containers\":\"[{\"", ""), NULL},
        {ANNOTATED("\"pod.beta.kubernetes.io/init-containers\":\"7\"", ""), NULL},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CLEANUP(podspec_unrefp) struct podspec *spec = read_pod(rows[i].pod);
        assert_int_equal(spec->n_init_containers, rows[i].name ? 1 : 0);
        if (rows[i].name)
            assert_string_equal(spec->init_containers[0].name, rows[i].name);
    }
}

/* A list of `n` copies of an entry. */
static json_t *copies(const char *entry, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, parse(entry));
    return list;
}

/* The containers "c0", "c1", ... with so many mounts each, ended by -1. */
static json_t *containers_with(const int *n_mounts)
{
    json_t *list = json_array();

    for (size_t i = 0; n_mounts[i] >= 0; i++)
        json_array_append_new(list, json_pack("{s:o, s:o}", "name", json_sprintf("c%zu", i),
                                              "volumeMounts",
                                              copies("{\"name\":\"v\"}", (size_t)n_mounts[i])));
    return list;
}

/* Reads a pod whose spec has this list by this name, which is consumed; with an annotation's name
 * it stands there as text. `message` is what is told of one that is too large, else NULL. */
static void is_measured(const char *member, json_t *list, const char *message)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    CLEANUP(podspec_unrefp) struct podspec *spec = NULL;
    CLEANUP(freep) char *written = json_dumps(list, 0);
    json_t *pod = strchr(member, '/') ? json_pack("{s:{s:s, s:{s:s}}}", "metadata", "uid", "1",
                                                  "annotations", member, written)
                                      : json_pack("{s:{s:s}, s:{s:O}}", "metadata", "uid", "1",
                                                  "spec", member, list);
    json_t *pods = json_pack("{s:[o]}", "items", pod);

    json_decref(list);
    int r = podspec_find(&spec, pods, "1", &error);
    json_decref(pods);
    assert_int_equal(r, message ? PODSPEC_E_TOO_LARGE : 0);
    if (message)
        assert_string_equal(error_message(&error), message);
    assert_int_equal(spec == NULL, message != NULL);
}

#define BETA_NAME "pod.beta.kubernetes.io/init-containers"

/* What is longer than gantry is made for is never taken for a list that is empty. */
static void a_list_too_long_is_told(void **state)
{
    (void)state;
    is_measured("containers", copies("{}", BOUND_CONTAINERS), NULL);
    is_measured("containers", copies("{}", BOUND_CONTAINERS + 1),
                "the pod has 65 containers; gantry takes 64");
    is_measured("containers", containers_with((int[]){1, BOUND_MOUNTS - 1, -1}), NULL);
    is_measured("containers", containers_with((int[]){0, 4097, 0, -1}),
                "container \"c1\" has 4097 volumeMounts; gantry takes 512");
    is_measured("containers", containers_with((int[]){BOUND_MOUNTS, 1, -1}),
                "the containers have 513 volumeMounts in all; gantry takes 512");
    is_measured("volumes", copies("{}", BOUND_VOLUMES), NULL);
    is_measured("volumes", copies("{}", BOUND_VOLUMES + 1),
                "the pod has 513 volumes; gantry takes 512");
    is_measured("initContainers", copies("{}", BOUND_CONTAINERS + 1),
                "the pod has 65 init containers; gantry takes 64");
    is_measured("initContainers", containers_with((int[]){BOUND_MOUNTS + 1, -1}),
                "init container \"c0\" has 513 volumeMounts; gantry takes 512");
    is_measured(BETA_NAME, containers_with((int[]){BOUND_MOUNTS, -1}), NULL);
    is_measured(BETA_NAME, containers_with((int[]){300, 300, -1}),
                "the init containers have 600 volumeMounts in all; gantry takes 512");
}

static void a_mounts_path_is_what_the_kubelet_makes_of_it(void **state)
{
    static const struct {
        const char *written, *path;
    } rows[] = {
        {"\"/data\"", "/data"},     {"\"data/\"", "/data/"}, {"\"/x/../data\"", "/x/../data"},
        {"\"//a/./b\"", "//a/./b"}, {"\"../a\"", "/../a"},   {"7", "/"},
    };
    char members[256];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        snprintf(members, sizeof(members),
                 "\"containers\":[{\"volumeMounts\":[{\"mountPath\":%s}]}]", rows[i].written);
        CLEANUP(podspec_unrefp) struct podspec *spec = read_spec(members);
        assert_string_equal(spec->containers[0].mounts[0].path, rows[i].path);
    }
}

static void a_variable_is_the_pods_if_its_env_has_it(void **state)
{
    CLEANUP(podspec_unrefp)
    struct podspec *spec = read_spec(
        "\"containers\":[{\"name\":\"a\",\"env\":[{\"name\":\"A\"},"
        "{\"name\":\"NVIDIA_VISIBLE_DEVICES\"}],\"envFrom\":[]},{\"name\":\"b\",\"envFrom\":[{}]}]");

    (void)state;
    assert_true(spec->containers[0].sets_gpus);
    assert_false(spec->containers[0].has_env_from);
    assert_false(spec->containers[1].sets_gpus);
    assert_true(spec->containers[1].has_env_from);
}

static void volumes_have_their_types(void **state)
{
    static const struct {
        const char *name;
        enum podspec_volume_type type;
    } rows[] = {
        {"hostPath", PODSPEC_VOLUME_HOST_PATH},
        {"emptyDir", PODSPEC_VOLUME_EMPTY_DIR},
        {"secret", PODSPEC_VOLUME_SECRET},
        {"configMap", PODSPEC_VOLUME_CONFIG_MAP},
        {"downwardAPI", PODSPEC_VOLUME_DOWNWARD_API},
        {"metadata", PODSPEC_VOLUME_DOWNWARD_API},
        {"projected", PODSPEC_VOLUME_PROJECTED},
        {"nfs", PODSPEC_VOLUME_OTHER},
    };
    char members[256];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        snprintf(members, sizeof(members), "\"volumes\":[{\"name\":\"v\",\"%s\":{}}]",
                 rows[i].name);
        CLEANUP(podspec_unrefp) struct podspec *spec = read_spec(members);
        assert_int_equal(podspec_volume(spec, "v")->type, rows[i].type);
        assert_null(spec->volumes[0].host_path);
    }
    CLEANUP(podspec_unrefp)
    struct podspec *spec = read_spec(
        "\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/p\",\"type\":\"Socket\"}}]");
    assert_string_equal(spec->volumes[0].host_path, "/p");
    assert_string_equal(spec->volumes[0].host_path_type, "Socket");
}

static void annotations_of_ours_are_kept(void **state)
{
    CLEANUP(podspec_unrefp)
    struct podspec *spec = read_pod(
        "{\"metadata\":{\"uid\":\"1\",\"annotations\":{\"gpu.gantry.io/c\":\"2\",\"x.gantry.io/\":"
        "\"\",\"gantry.io/c\":\"no\",\"xgantry.io/c\":\"no\",\"gpu.gantry.io\":\"no\","
        "\"gpu.gantry.io.evil/c\":\"no\",\"y.gantry.io/n\":3,\"y.gantry.io/z\":\"a\\u0000b\"}}}");

    (void)state;
    assert_int_equal(spec->n_annotations, 2);
    assert_string_equal(podspec_annotation(spec, "gpu.gantry.io/c"), "2");
    assert_string_equal(podspec_annotation(spec, "x.gantry.io/"), "");
    assert_null(podspec_annotation(spec, "gantry.io/c"));
}

/* Quantities, by way of a limit. INT64_MIN: it is none. */
static int64_t quantity(const char *resource, const char *text)
{
    char members[256];

    snprintf(members, sizeof(members),
             "\"containers\":[{\"resources\":{\"limits\":{\"%s\":\"%s\"}}}]", resource, text);
    CLEANUP(podspec_unrefp) struct podspec *spec = read_spec(members);
    const struct podspec_resource *read =
        strcmp(resource, "cpu") == 0 ? &spec->containers[0].cpu : &spec->containers[0].memory;
    return read->has_limit ? read->limit : INT64_MIN;
}

static void quantities_are_exact_and_rounded_up(void **state)
{
    static const struct {
        const char *resource, *text;
        int64_t value;
    } rows[] = {
        {"cpu", "1", 1000},
        {"cpu", "0", 0},
        {"cpu", "100m", 100},
        {"cpu", "0.1", 100},
        {"cpu", ".5", 500},
        {"cpu", "1.", 1000},
        {"cpu", "+2", 2000},
        {"cpu", "0.0001", 1},
        {"cpu", "0.0011", 2},
        {"cpu", "1500001u", 1501},
        {"cpu", "1n", 1},
        {"cpu", "2k", 2000000},
        {"memory", "128Mi", INT64_C(128) << 20},
        {"memory", "1.5Gi", INT64_C(3) << 29},
        {"memory", "0.1Ki", 103},
        {"memory", "1Ki", 1024},
        {"memory", "1k", 1000},
        {"memory", "129e6", 129000000},
        {"memory", "129E6", 129000000},
        {"memory", "1e-1", 1},
        {"memory", "2M", 2000000},
        {"memory", "3G", INT64_C(3000000000)},
        {"memory", "4T", INT64_C(4000000000000)},
        {"memory", "5P", INT64_C(5000000000000000)},
        {"memory", "1E", INT64_C(1000000000000000000)},
        {"memory", "1Ti", INT64_C(1) << 40},
        {"memory", "1Pi", INT64_C(1) << 50},
        {"memory", "1Ei", INT64_C(1) << 60},
        {"memory", "1000000000000.5", INT64_C(1000000000001)},
        {"memory", "100m", 1},
        {"memory", "8Ei", INT64_MAX},
        {"memory", "9e999", INT64_MAX},
        {"memory", "-5", 0},
        {"memory", "", INT64_MIN},
        {"memory", "Mi", INT64_MIN},
        {"memory", "1mi", INT64_MIN},
        {"memory", "1 Mi", INT64_MIN},
        {"memory", " 1", INT64_MIN},
        {"memory", "1MiB", INT64_MIN},
        {"memory", "0x10", INT64_MIN},
        {"memory", "inf", INT64_MIN},
        {"memory", "nan", INT64_MIN},
        {"memory", "--1", INT64_MIN},
        {"memory", "1e", INT64_MIN},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        if (quantity(rows[i].resource, rows[i].text) != rows[i].value)
            fail_msg("%s is %lld", rows[i].text,
                     (long long)quantity(rows[i].resource, rows[i].text));
    }
    for (int64_t milli = 1; milli < 3000; milli++) {
        char text[32];
        snprintf(text, sizeof(text), "%lldm", (long long)milli);
        assert_int_equal(quantity("cpu", text), milli);
        snprintf(text, sizeof(text), "%lld.%03lld", (long long)milli / 1000,
                 (long long)milli % 1000);
        assert_int_equal(quantity("cpu", text), milli);
    }
}

#define CONTAINER(requests, limits) \
    "{\"resources\":{\"requests\":{" requests "},\"limits\":{" limits "}}}"
#define CPU(n) "\"cpu\":\"" n "\""
#define MEMORY(n) "\"memory\":\"" n "\""
#define BOTH CPU("1") "," MEMORY("1Gi")

static void qos_is_by_kubernetes_rules(void **state)
{
    static const struct {
        const char *containers;
        enum podspec_qos qos;
    } rows[] = {
        {"", PODSPEC_BEST_EFFORT},
        {"{}", PODSPEC_BEST_EFFORT},
        {"{},{}", PODSPEC_BEST_EFFORT},
        {CONTAINER("", ""), PODSPEC_BEST_EFFORT},
        {CONTAINER(CPU("0"), MEMORY("0")), PODSPEC_BEST_EFFORT},
        {CONTAINER("\"alpha.kubernetes.io/nvidia-gpu\":\"1\"", ""), PODSPEC_BEST_EFFORT},
        {CONTAINER(CPU("1"), ""), PODSPEC_BURSTABLE},
        {CONTAINER("", CPU("1")), PODSPEC_BURSTABLE},
        {CONTAINER("", MEMORY("1Gi")), PODSPEC_BURSTABLE},
        {CONTAINER(BOTH, ""), PODSPEC_BURSTABLE},
        {CONTAINER("", BOTH), PODSPEC_GUARANTEED},
        {CONTAINER(BOTH, BOTH), PODSPEC_GUARANTEED},
        {CONTAINER(CPU("1000m") "," MEMORY("1024Mi"), BOTH), PODSPEC_GUARANTEED},
        {CONTAINER(CPU("1"), BOTH), PODSPEC_GUARANTEED},
        {CONTAINER(CPU("500m"), BOTH), PODSPEC_BURSTABLE},
        {CONTAINER(MEMORY("1023Mi"), BOTH), PODSPEC_BURSTABLE},
        {CONTAINER(CPU("0"), BOTH), PODSPEC_BURSTABLE},
        {CONTAINER(BOTH, BOTH) "," CONTAINER(BOTH, BOTH), PODSPEC_GUARANTEED},
        {CONTAINER(BOTH, BOTH) ",{}", PODSPEC_BURSTABLE},
        {"{}," CONTAINER(BOTH, BOTH), PODSPEC_BURSTABLE},
    };
    char members[1024];

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        snprintf(members, sizeof(members), "\"containers\":[%s]", rows[i].containers);
        CLEANUP(podspec_unrefp) struct podspec *spec = read_spec(members);
        if (podspec_qos(spec) != rows[i].qos)
            fail_msg("%s is %s", rows[i].containers, podspec_qos_name(podspec_qos(spec)));
    }
    /* init containers do not count */
    CLEANUP(podspec_unrefp)
    struct podspec *spec =
        read_spec("\"containers\":[{}],\"initContainers\":[" CONTAINER(BOTH, BOTH) "]");
    assert_int_equal(podspec_qos(spec), PODSPEC_BEST_EFFORT);
    assert_string_equal(podspec_qos_name(PODSPEC_GUARANTEED), "Guaranteed");
    assert_string_equal(podspec_qos_name(PODSPEC_BURSTABLE), "Burstable");
    assert_string_equal(podspec_qos_name(PODSPEC_BEST_EFFORT), "BestEffort");
}

/* The score of a Burstable container that requests so many bytes. */
static int score(const char *requests, const char *limits, int64_t total)
{
    char members[256];

    snprintf(members, sizeof(members),
             "\"containers\":[{\"resources\":{\"requests\":{%s},\"limits\":{%s}}}," CONTAINER(
                 CPU("1"), "") "]",
             requests, limits);
    CLEANUP(podspec_unrefp) struct podspec *spec = read_spec(members);
    return podspec_oom_score_adj(spec, &spec->containers[0], total);
}

static void oom_scores_have_their_borders(void **state)
{
    CLEANUP(podspec_unrefp)
    struct podspec *guaranteed = read_spec("\"containers\":[" CONTAINER("", BOTH) "]");
    CLEANUP(podspec_unrefp) struct podspec *best_effort = read_spec("\"containers\":[{}]");

    (void)state;
    assert_int_equal(podspec_oom_score_adj(guaranteed, guaranteed->containers, 1 << 30), -998);
    assert_int_equal(podspec_oom_score_adj(best_effort, best_effort->containers, 1 << 30), 1000);
    assert_int_equal(score("", "", 100000), 999);
    assert_int_equal(score(MEMORY("99"), "", 100000), 999); /* 1000 - 0, and below BestEffort */
    assert_int_equal(score(MEMORY("100"), "", 100000), 999);
    assert_int_equal(score(MEMORY("200"), "", 100000), 998);
    assert_int_equal(score(MEMORY("299"), "", 100000), 998); /* the division is one of integers */
    assert_int_equal(score(MEMORY("50000"), "", 100000), 500);
    assert_int_equal(score(MEMORY("99700"), "", 100000), 3);
    assert_int_equal(score(MEMORY("99800"), "", 100000), 2);
    assert_int_equal(score(MEMORY("99900"), "", 100000), 2);
    assert_int_equal(score(MEMORY("100000"), "", 100000), 2);
    assert_int_equal(score(MEMORY("8Ei"), "", 100000), 2);
    assert_int_equal(score(MEMORY("4Ei"), "", INT64_MAX), 500);
    /* the API server takes a limit for the request; so it is for static pods */
    assert_int_equal(score("", MEMORY("50000"), 100000), 500);
    assert_int_equal(score(MEMORY("0"), MEMORY("50000"), 100000), 999);
}

static void references_are_counted(void **state)
{
    struct podspec *spec = read_spec("\"containers\":[{\"name\":\"c\"}]");

    (void)state;
    assert_ptr_equal(podspec_ref(spec), spec);
    assert_null(podspec_unref(spec));
    assert_string_equal(spec->containers[0].name, "c");
    assert_null(podspec_unref(spec));
    assert_null(podspec_unref(NULL));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_kubelet_answered),
        cmocka_unit_test(reads_the_others_of_that_answer),
        cmocka_unit_test(a_list_is_a_list),
        cmocka_unit_test(a_wrong_type_anywhere_is_as_absent),
        cmocka_unit_test(init_containers_are_found_in_all_three_places),
        cmocka_unit_test(a_list_too_long_is_told),
        cmocka_unit_test(a_mounts_path_is_what_the_kubelet_makes_of_it),
        cmocka_unit_test(a_variable_is_the_pods_if_its_env_has_it),
        cmocka_unit_test(volumes_have_their_types),
        cmocka_unit_test(annotations_of_ours_are_kept),
        cmocka_unit_test(quantities_are_exact_and_rounded_up),
        cmocka_unit_test(qos_is_by_kubernetes_rules),
        cmocka_unit_test(oom_scores_have_their_borders),
        cmocka_unit_test(references_are_counted),
    };

    return cmocka_run_group_tests_name("podspec", tests, NULL, NULL);
}
