/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "lib/adopt.h"
#include "lib/bounds.h"
#include "lib/kubepod.h"
#include "lib/manifest.h"

#define DIR "/var/lib/volumes/uid"

static json_t *parse(const char *text)
{
    json_error_t at;
    json_t *json = json_loads(text, JSON_ALLOW_NUL, &at);

    if (!json)
        fail_msg("%s: %s", text, at.text);
    return json;
}

/* A pod with these members in its spec, besides one container with these members. */
static json_t *make_pod(const char *spec, const char *container)
{
    char *text = NULL;

    assert_true(asprintf(&text,
                         "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\"},\"spec\":{%s%s"
                         "\"containers\":[{\"name\":\"front\",\"image\":\"busybox\"%s%s}]}}",
                         spec, spec[0] ? "," : "", container[0] ? "," : "", container) > 0);
    json_t *pod = parse(text);
    free(text);
    return pod;
}

/* Checks the pod, which is consumed, for this one fault; NULL: for none. */
static void expect_fault(json_t *pod, const char *fault)
{
    json_t *faults = NULL;

    int r = kubepod_check(pod, &faults);
    if (fault) {
        assert_int_equal(r, KUBEPOD_E_FAULTS);
        assert_string_equal(json_string_value(json_array_get(faults, 0)), fault);
        assert_int_equal(json_array_size(faults), 1);
    } else if (r != 0) {
        fail_msg("%s", json_string_value(json_array_get(faults, 0)));
    }
    json_decref(faults);
    json_decref(pod);
}

static void takes_what_rkt_honours(void **state)
{
    (void)state;
    expect_fault(make_pod("", ""), NULL);
    expect_fault(
        make_pod("\"hostNetwork\":true,\"hostPID\":true,\"hostIPC\":true,\"hostname\":\"h\","
                 "\"restartPolicy\":\"OnFailure\",\"terminationGracePeriodSeconds\":5,"
                 "\"volumes\":[{\"name\":\"a\",\"hostPath\":{\"path\":\"/a\",\"type\":\"File\"}},"
                 "{\"name\":\"b\",\"emptyDir\":{}}]",
                 "\"imagePullPolicy\":\"Never\",\"command\":[\"a\"],\"args\":[\"b\"],"
                 "\"env\":[{\"name\":\"A\",\"value\":\"b\"}],\"workingDir\":\"/w\","
                 "\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Mi\"},\"requests\":"
                 "{\"cpu\":\"1\"}},\"securityContext\":{\"privileged\":false,\"runAsUser\":5,"
                 "\"capabilities\":{\"add\":[\"NET_ADMIN\"],\"drop\":[\"ALL\"]},"
                 "\"readOnlyRootFilesystem\":true},\"volumeMounts\":[{\"name\":\"a\","
                 "\"mountPath\":\"/x\",\"readOnly\":true,\"subPath\":\"p\"}],\"ports\":["
                 "{\"name\":\"http\",\"containerPort\":80,\"hostPort\":8080,\"protocol\":"
                 "\"UDP\"}]"),
        NULL);
    expect_fault(make_pod("", "\"livenessProbe\":null"), NULL);
}

static void names_what_it_does_not_take(void **state)
{
    (void)state;
    json_t *pod = make_pod("", "");
    json_object_set_new(pod, "apiVersion", json_string("v2"));
    expect_fault(pod, "apiVersion: there is no \"v2\"");
    expect_fault(make_pod("", "\"livenessProbe\":{}"),
                 "spec.containers[0].livenessProbe: rkt cannot honour it");
    expect_fault(make_pod("\"dnsPolicy\":\"Default\"", ""), "spec.dnsPolicy: rkt cannot honour it");
    expect_fault(make_pod("\"initContainers\":[]", ""),
                 "spec.initContainers: rkt cannot honour it");
    expect_fault(make_pod("", "\"env\":[{\"name\":\"A\",\"valueFrom\":{}}]"),
                 "spec.containers[0].env[0].valueFrom: rkt cannot honour it");
    expect_fault(make_pod("", "\"resources\":{\"limits\":{\"nvidia.com/gpu\":\"1\"}}"),
                 "spec.containers[0].resources.limits.nvidia.com/gpu: rkt cannot honour it");
    expect_fault(
        make_pod("\"volumes\":[{\"name\":\"a\",\"emptyDir\":{\"medium\":\"Memory\"}}]", ""),
        "spec.volumes[0].emptyDir.medium: rkt cannot honour it");
    expect_fault(make_pod("", "\"securityContext\":{\"seLinuxOptions\":{}}"),
                 "spec.containers[0].securityContext.seLinuxOptions: rkt cannot honour it");
}

static void names_all_of_it(void **state)
{
    json_t *faults = NULL;
    json_t *pod = make_pod("\"dnsPolicy\":\"Default\"", "\"livenessProbe\":{},\"lifecycle\":{}");

    (void)state;
    assert_int_equal(kubepod_check(pod, &faults), KUBEPOD_E_FAULTS);
    assert_int_equal(json_array_size(faults), 3);
    json_decref(faults);
    json_decref(pod);
}

static void holds_members_to_their_types(void **state)
{
    (void)state;
    expect_fault(make_pod("\"hostNetwork\":\"yes\"", ""),
                 "spec.hostNetwork: neither true nor false");
    expect_fault(make_pod("", "\"command\":\"sh\""), "spec.containers[0].command: not a list");
    expect_fault(make_pod("", "\"args\":[\"a\",1]"), "spec.containers[0].args[1]: not a string");
    expect_fault(make_pod("\"volumes\":[1]", ""), "spec.volumes[0]: not an object");
    expect_fault(make_pod("", "\"workingDir\":\"a\\u0000b\""),
                 "spec.containers[0].workingDir: not a string");
    expect_fault(parse("{\"kind\":\"Pod\",\"metadata\":{\"labels\":{\"a\":1}}}"),
                 "metadata.labels.a: not a string");
}

static void holds_values_to_what_they_may_be(void **state)
{
    static const struct {
        const char *spec, *container, *fault;
    } cases[] = {
        {"\"restartPolicy\":\"Sometimes\"", "", "spec.restartPolicy: there is no \"Sometimes\""},
        {"\"terminationGracePeriodSeconds\":-1", "",
         "spec.terminationGracePeriodSeconds: out of range"},
        {"\"hostname\":\"A\"", "", "spec.hostname: \"A\" is not a DNS label"},
        {"\"volumes\":[{\"name\":\"a\"}]", "",
         "spec.volumes[0]: neither hostPath nor emptyDir, or both"},
        {"\"volumes\":[{\"name\":\"a\",\"hostPath\":{\"path\":\"a\"}}]", "",
         "spec.volumes[0].hostPath.path: not an absolute path"},
        {"\"volumes\":[{\"name\":\"a\",\"emptyDir\":{}},{\"name\":\"a\",\"emptyDir\":{}}]", "",
         "spec.volumes[1].name: another one has it"},
        {"", "\"volumeMounts\":[{\"name\":\"a\",\"mountPath\":\"/a\"}]",
         "spec.containers[0].volumeMounts[0].name: there is no volume \"a\""},
        {"\"volumes\":[{\"name\":\"a\",\"emptyDir\":{}}]",
         "\"volumeMounts\":[{\"name\":\"a\",\"mountPath\":\"a\"}]",
         "spec.containers[0].volumeMounts[0].mountPath: not an absolute path"},
        {"", "\"ports\":[{\"containerPort\":0}]",
         "spec.containers[0].ports[0].containerPort: is missing"},
        {"", "\"ports\":[{\"containerPort\":70000}]",
         "spec.containers[0].ports[0].containerPort: out of range"},
        {"", "\"ports\":[{\"containerPort\":1,\"protocol\":\"SCTP\"}]",
         "spec.containers[0].ports[0].protocol: there is no \"SCTP\""},
        {"", "\"env\":[{\"name\":\"A=B\"}]",
         "spec.containers[0].env[0].name: not a variable's name"},
        {"", "\"securityContext\":{\"runAsUser\":-1}",
         "spec.containers[0].securityContext.runAsUser: out of range"},
        {"", "\"imagePullPolicy\":\"Seldom\"",
         "spec.containers[0].imagePullPolicy: there is no \"Seldom\""},
        {"", "\"resources\":{\"limits\":{\"memory\":\"lots\"}}",
         "spec.containers[0].resources.limits.memory: \"lots\" is not a quantity"},
        {"", "\"resources\":{\"requests\":{\"cpu\":\"\"}}",
         "spec.containers[0].resources.requests.cpu: \"\" is not a quantity"},
        {"", "\"resources\":{\"limits\":{\"cpu\":\"-1\"}}",
         "spec.containers[0].resources.limits.cpu: less than nothing"},
        {"", "\"resources\":{\"limits\":{\"cpu\":-0.5}}",
         "spec.containers[0].resources.limits.cpu: less than nothing"},
        {"", "\"resources\":{\"limits\":{\"cpu\":true}}",
         "spec.containers[0].resources.limits.cpu: not a string"},
        {"", "\"resources\":{\"requests\":{\"memory\":\"65Mi\"},\"limits\":{\"memory\":\"64Mi\"}}",
         "spec.containers[0].resources.requests.memory: more than its limit"},
        {"", "\"resources\":{\"requests\":{\"cpu\":\"501m\"},\"limits\":{\"cpu\":\"0.5\"}}",
         "spec.containers[0].resources.requests.cpu: more than its limit"},
        {"\"volumes\":[{\"name\":\"a\",\"emptyDir\":{}}]",
         "\"volumeMounts\":[{\"name\":\"a\",\"mountPath\":\"/a\"},"
         "{\"name\":\"a\",\"mountPath\":\"/b\"},{\"name\":\"a\",\"mountPath\":\"/a/\"}]",
         "spec.containers[0].volumeMounts[2].mountPath: another one is there"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++)
        expect_fault(make_pod(cases[i].spec, cases[i].container), cases[i].fault);
    expect_fault(parse("{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}"),
                 "spec.containers: there is none");
    expect_fault(
        parse("{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":[{\"name\":\"b\"}]}}"),
        "spec.containers[0].image: is missing");
    expect_fault(parse("{\"spec\":{\"containers\":[{\"name\":\"b\",\"image\":\"c\"}]}}"),
                 "metadata.name: is missing");
}

static void takes_no_option_for_an_image(void **state)
{
    static const char *const images[] = {"-", "--trust-keys-from-https=://x", "a-b", "a--b"};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(images); i++) {
        json_t *pod = make_pod("", "");
        json_t *containers = json_object_get(json_object_get(pod, "spec"), "containers");
        json_object_set_new(json_array_get(containers, 0), "image", json_string(images[i]));
        expect_fault(pod,
                     images[i][0] == '-' ? "spec.containers[0].image: begins with \"-\"" : NULL);
    }
}

/* The rooms would refuse it; here it is told to who wrote it. */
static void is_no_larger_than_the_rooms_take(void **state)
{
    json_t *pod = make_pod("", ""), *mounts = json_array();

    (void)state;
    for (size_t i = 0; i <= BOUND_MOUNTS; i++)
        json_array_append_new(mounts, json_pack("{s:s, s:s}", "name", "v", "mountPath", "/v"));
    json_object_set_new(
        json_array_get(json_object_get(json_object_get(pod, "spec"), "containers"), 0),
        "volumeMounts", mounts);
    expect_fault(pod, "spec: container \"front\" has 513 volumeMounts; gantry takes 512");
}

/* Each variable names the one before it twice. Return: the members of a container. */
static char *doubling(unsigned n, unsigned n_args)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    fprintf(f, "\"env\":[{\"name\":\"A0\",\"value\":\"xxxxxxxx\"}");
    for (unsigned i = 1; i <= n; i++)
        fprintf(f, ",{\"name\":\"A%u\",\"value\":\"$(A%u)$(A%u)\"}", i, i - 1, i - 1);
    fprintf(f, "],\"command\":[\"$(A%u)\"],\"args\":[\"$(A%u)\"]", n, n_args > 0 ? n : 0);
    assert_int_equal(fclose(f), 0);
    return text;
}

#define TOO_LONG                                                                                   \
    "with it, and what its variables stand for, the pod's commands, args and variables have more " \
    "than 1048576 bytes"

/* 8 bytes, doubled n times, are in the last value, as many in those before it, and in the command.
 */
static void refuses_what_stands_for_too_much(void **state)
{
    static const struct {
        unsigned n, n_args;
        const char *fault;
    } cases[] = {
        {15, 0, NULL},
        {15, 1, "spec.containers[0].args[0]: " TOO_LONG},
        {16, 0, "spec.containers[0].env[16]: " TOO_LONG},
        {1000, 0, "spec.containers[0].env[16]: " TOO_LONG},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(freep) char *container = doubling(cases[i].n, cases[i].n_args);
        expect_fault(make_pod("", container), cases[i].fault);
    }
}

static void takes_numbers_for_quantities(void **state)
{
    json_auto_t *pod = make_pod(
        "", "\"resources\":{\"limits\":{\"cpu\":1,\"memory\":1e6},\"requests\":{\"cpu\":0.1}}");
    json_auto_t *images = parse("{\"busybox\":{\"id\":\"sha512-1\",\"manifest\":{\"app\":"
                                "{\"exec\":[\"/bin/sh\"]}}}}");
    json_t *faults = NULL, *made = NULL;

    (void)state;
    assert_int_equal(kubepod_check(pod, &faults), 0);
    assert_int_equal(kubepod_to_manifest(&made, pod, images, DIR, NULL), 0);
    struct adopt_limits limits = adopt_limits(made);
    assert_int_equal(limits.cpu, 1000);
    assert_int_equal(limits.memory, 1000000);
    CLEANUP(freep) char *text = json_dumps(made, 0);
    assert_non_null(strstr(text, "\"request\": \"0.1\", \"limit\": \"1\""));
    json_decref(made);
}

static void knows_labels(void **state)
{
    (void)state;
    assert_true(kubepod_is_label("a-1"));
    assert_false(kubepod_is_label(""));
    assert_false(kubepod_is_label("-a"));
    assert_false(kubepod_is_label("a-"));
    assert_false(kubepod_is_label("a.b"));
    assert_false(kubepod_is_label("a@b"));
    assert_false(
        kubepod_is_label("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void has_kubernetes_defaults(void **state)
{
    json_auto_t *pod = make_pod("", "");
    json_auto_t *other = make_pod("\"restartPolicy\":\"Never\",\"terminationGracePeriodSeconds\":0,"
                                  "\"hostname\":\"h\",\"hostNetwork\":true",
                                  "\"securityContext\":{\"privileged\":true}");

    (void)state;
    assert_true(kubepod_is_pod(pod));
    assert_string_equal(kubepod_name(pod), "web");
    assert_string_equal(kubepod_namespace(pod), "default");
    assert_string_equal(kubepod_restart_policy(pod), "Always");
    assert_int_equal(kubepod_grace_seconds(pod), 30);
    assert_string_equal(kubepod_hostname(pod), "web");
    assert_false(kubepod_has_host_network(pod));
    assert_false(kubepod_is_privileged(pod));
    assert_string_equal(kubepod_restart_policy(other), "Never");
    assert_int_equal(kubepod_grace_seconds(other), 0);
    assert_string_equal(kubepod_hostname(other), "h");
    assert_true(kubepod_has_host_network(other));
    assert_true(kubepod_is_privileged(other));
}

static void pulls_by_tag(void **state)
{
    static const struct {
        const char *image, *policy;
    } cases[] = {
        {"busybox", "update"},          {"busybox:latest", "update"},
        {"busybox:1.28", "new"},        {"host:5000/busybox", "update"},
        {"host:5000/busybox:1", "new"}, {"busybox@sha256:00", "new"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        json_auto_t *pod =
            json_pack("{s:{s:[{s:s}]}}", "spec", "containers", "image", cases[i].image);
        struct kubepod_image image;
        assert_true(kubepod_image(pod, 0, &image));
        assert_string_equal(image.name, cases[i].image);
        assert_string_equal(image.pull_policy, cases[i].policy);
        assert_false(kubepod_image(pod, 1, &image));
    }
}

/* The conversion. */

static const char plain_image[] =
    "{\"app\":{\"exec\":[\"/bin/sh\"],\"user\":\"0\",\"group\":\"0\"}}";
static const char docker_image[] =
    "{\"app\":{\"exec\":[\"/entry\",\"run\"],\"user\":\"7\",\"group\":\"8\",\"workingDirectory\":"
    "\"/home\",\"environment\":[{\"name\":\"PATH\",\"value\":\"/bin\"},{\"name\":\"A\",\"value\":"
    "\"image\"}],\"mountPoints\":[{\"name\":\"own\",\"path\":\"/own\"},{\"name\":\"x\",\"path\":"
    "\"/x/\"}]},\"annotations\":[{\"name\":\"appc.io/docker/entrypoint\",\"value\":"
    "\"[\\\"/entry\\\"]\"}]}";

/* Converts a pod, which is consumed, of images "busybox". Return: the manifest. */
static json_t *convert(json_t *pod, const char *image_manifest)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    json_auto_t *images =
        json_pack("{s:{s:s, s:o}}", "busybox", "id", "sha512-1", "manifest", parse(image_manifest));
    json_t *faults = NULL, *manifest = NULL;

    if (kubepod_check(pod, &faults) != 0)
        fail_msg("%s", json_string_value(json_array_get(faults, 0)));
    int r = kubepod_to_manifest(&manifest, pod, images, DIR, &error);
    if (r != 0)
        fail_msg("%s", error_message(&error));
    json_decref(pod);
    return manifest;
}

/* Checks a part of an app: its text. */
static void expect_part(json_t *manifest, const char *part, const char *expected)
{
    json_t *app = json_array_get(json_object_get(manifest, "apps"), 0);
    json_t *value = json_object_get(json_object_get(app, "app"), part);

    CLEANUP(freep) char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (strcmp(text ? text : "", expected) != 0)
        fail_msg("%s: %s instead of %s", part, text, expected);
}

static void expect(const char *container, const char *image, const char *part, const char *expected)
{
    json_auto_t *manifest = convert(
        make_pod("\"volumes\":[{\"name\":\"a\",\"hostPath\":{\"path\":\"/a\"}}]", container),
        image);

    expect_part(manifest, part, expected);
}

static void makes_a_manifest(void **state)
{
    json_auto_t *json = convert(make_pod("", ""), plain_image);
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;

    (void)state;
    assert_string_equal(json_string_value(json_object_get(json, "acKind")), "PodManifest");
    assert_int_equal(manifest_from_json(&manifest, json_incref(json), NULL), 0);
    assert_int_equal(manifest_n_apps(manifest), 1);
    assert_string_equal(manifest_app(manifest, 0).name, "front");
    assert_int_equal(manifest_n_volumes(manifest), 0);
    json_t *app = json_array_get(json_object_get(json, "apps"), 0);
    assert_string_equal(json_string_value(json_object_get(json_object_get(app, "image"), "id")),
                        "sha512-1");
    assert_true(json_is_false(json_object_get(app, "readOnlyRootFS")));
}

static void executes_what_kubernetes_would(void **state)
{
    (void)state;
    expect("", plain_image, "exec", "[\"/bin/sh\"]");
    expect("\"command\":[\"a\",\"b\"]", docker_image, "exec", "[\"a\",\"b\"]");
    expect("\"command\":[\"a\"],\"args\":[\"b\"]", docker_image, "exec", "[\"a\",\"b\"]");
    expect("\"args\":[\"b\"]", docker_image, "exec", "[\"/entry\",\"b\"]");
    expect("", docker_image, "exec", "[\"/entry\",\"run\"]");
}

static void says_what_cannot_be_executed(void **state)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    json_auto_t *pod = make_pod("", "\"args\":[\"b\"]");
    json_auto_t *images =
        json_pack("{s:{s:s, s:o}}", "busybox", "id", "sha512-1", "manifest", parse(plain_image));
    json_t *manifest = NULL;

    (void)state;
    assert_int_equal(kubepod_to_manifest(&manifest, pod, images, DIR, &error), KUBEPOD_E_IMAGE);
    assert_null(manifest);
    assert_string_equal(
        error_message(&error),
        "container \"front\": its image has no entrypoint for the args: give it a command");
}

/* What an image says counts as often as it is said. */
static void refuses_what_is_too_much_with_its_image(void **state)
{
    static const struct {
        const char *container;
        unsigned n_bytes, n_points;
        const char *why;
    } cases[] = {
        {"", 1000000, 1024, NULL},
        {"", 1048576, 0,
         "container \"front\": with those of the images, the commands, args and variables have more "
         "than 1048576 bytes"},
        {"\"args\":[\"$(B)\",\"$(B)\"]", 400000, 0,
         "container \"front\": with those of the images, the commands, args and variables have more "
         "than 1048576 bytes"},
        {"", 0, 1025, "the images have 1025 mountPoints; gantry takes 1024"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(error_deinit) struct error error = ERROR_NULL;
        CLEANUP(freep) char *value = calloc(1, cases[i].n_bytes + 1);
        json_auto_t *pod = make_pod("", cases[i].container), *manifest = NULL;
        json_t *points = json_array();
        memset(value, 'x', cases[i].n_bytes);
        for (unsigned k = 0; k < cases[i].n_points; k++)
            json_array_append_new(points, json_pack("{s:s, s:s}", "name", "p", "path", "/p"));
        json_auto_t *images =
            json_pack("{s:{s:s, s:{s:[{s:s, s:s}], s:{s:[s], s:[{s:s, s:s}], s:o}}}}", "busybox",
                      "id", "sha512-1", "manifest", "annotations", "name",
                      "appc.io/docker/entrypoint", "value", "[\"/entry\"]", "app", "exec", "/entry",
                      "environment", "name", "B", "value", value, "mountPoints", points);
        int r = kubepod_to_manifest(&manifest, pod, images, DIR, &error);
        assert_int_equal(r, cases[i].why ? KUBEPOD_E_IMAGE : 0);
        if (cases[i].why)
            assert_string_equal(error_message(&error), cases[i].why);
    }
}

static void expands_variables(void **state)
{
    const char *container =
        "\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"$(A)2$(C)\"}],"
        "\"command\":[\"$(B)\",\"$$(A)\",\"$(none)\",\"$A $ $(\"]";

    (void)state;
    expect(container, plain_image, "exec", "[\"12$(C)\",\"$(A)\",\"$(none)\",\"$A $ $(\"]");
    expect(container, docker_image, "environment",
           "[{\"name\":\"PATH\",\"value\":\"/bin\"},{\"name\":\"A\",\"value\":\"1\"},"
           "{\"name\":\"B\",\"value\":\"12$(C)\"}]");
}

static void keeps_what_is_the_images(void **state)
{
    (void)state;
    expect("", docker_image, "user", "\"7\"");
    expect("", docker_image, "group", "\"8\"");
    expect("", docker_image, "workingDirectory", "\"/home\"");
    expect("\"securityContext\":{\"runAsUser\":1000},\"workingDir\":\"/w\"", docker_image, "user",
           "\"1000\"");
    expect("\"workingDir\":\"/w\"", docker_image, "workingDirectory", "\"/w\"");
    expect("\"volumeMounts\":[{\"name\":\"a\",\"mountPath\":\"/x\"}]", docker_image, "mountPoints",
           "[{\"name\":\"own\",\"path\":\"/own\"},{\"name\":\"a-0-0\",\"path\":\"/x\",\"readOnly\":"
           "false}]");
    expect(
        "\"volumeMounts\":[{\"name\":\"a\",\"mountPath\":\"/./own/\"}]", docker_image,
        "mountPoints",
        "[{\"name\":\"x\",\"path\":\"/x/\"},{\"name\":\"a-0-0\",\"path\":\"/./own/\",\"readOnly\":"
        "false}]");
}

static void expect_volume(json_t *json, size_t index, const char *name, const char *source,
                          bool read_only)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;

    assert_int_equal(manifest_from_json(&manifest, json_incref(json), NULL), 0);
    struct manifest_volume volume = manifest_volume(manifest, index);
    assert_string_equal(volume.name, name);
    assert_string_equal(volume.kind, "host");
    assert_string_equal(volume.source, source);
    assert_int_equal(volume.read_only, read_only);
}

static void gives_each_mount_its_volume(void **state)
{
    json_t *pod = make_pod("\"volumes\":[{\"name\":\"e\",\"emptyDir\":{}},{\"name\":\"a\","
                           "\"hostPath\":{\"path\":\"/a\"}},{\"name\":\"f\",\"emptyDir\":{}}]",
                           "\"volumeMounts\":[{\"name\":\"a\",\"mountPath\":\"/1\",\"subPath\":"
                           "\"x/y\"},{\"name\":\"e\",\"mountPath\":\"/2\",\"readOnly\":true},"
                           "{\"name\":\"a\",\"mountPath\":\"/3\"}]");
    CLEANUP(freep) char *first = kubepod_empty_dir(pod, 0, DIR);
    CLEANUP(freep) char *second = kubepod_empty_dir(pod, 1, DIR);

    (void)state;
    assert_string_equal(first, DIR "/e");
    assert_string_equal(second, DIR "/f");
    assert_null(kubepod_empty_dir(pod, 2, DIR));
    json_auto_t *manifest = convert(pod, plain_image);
    expect_volume(manifest, 0, "a-0-0", "/a/x/y", false);
    expect_volume(manifest, 1, "e-0-1", DIR "/e", true);
    expect_volume(manifest, 2, "a-0-2", "/a", false);
}

static void writes_isolators(void **state)
{
    (void)state;
    expect("", plain_image, "isolators", "[]");
    expect("\"resources\":{\"limits\":{\"memory\":\"64Mi\"},\"requests\":{\"cpu\":\"100m\","
           "\"memory\":\"32Mi\"}}",
           plain_image, "isolators",
           "[{\"name\":\"resource/cpu\",\"value\":{\"default\":false,\"request\":\"100m\","
           "\"limit\":\"100m\"}},{\"name\":\"resource/memory\",\"value\":{\"default\":false,"
           "\"request\":\"32Mi\",\"limit\":\"64Mi\"}}]");
    expect("\"securityContext\":{\"capabilities\":{\"add\":[\"NET_ADMIN\"],\"drop\":[\"KILL\"]}}",
           plain_image, "isolators",
           "[{\"name\":\"os/linux/capabilities-retain-set\",\"value\":{\"set\":[\"NET_ADMIN\"]}},"
           "{\"name\":\"os/linux/capabilities-remove-set\",\"value\":{\"set\":[\"KILL\"]}}]");
    expect("\"securityContext\":{\"privileged\":true}", plain_image, "isolators",
           "[{\"name\":\"os/linux/capabilities-retain-set\",\"value\":{\"set\":[\"ALL\"]}}]");
}

static void writes_ports(void **state)
{
    json_auto_t *manifest =
        convert(make_pod("", "\"ports\":[{\"containerPort\":80,\"hostPort\":8080},{\"name\":"
                             "\"dns\",\"containerPort\":53,\"protocol\":\"UDP\"}]"),
                plain_image);

    (void)state;
    expect_part(manifest, "ports",
                "[{\"name\":\"front-tcp-80\",\"protocol\":\"tcp\",\"port\":80,\"count\":1,"
                "\"socketActivated\":false},{\"name\":\"front-dns\",\"protocol\":\"udp\",\"port\":"
                "53,\"count\":1,\"socketActivated\":false}]");
    CLEANUP(freep)
    char *host = json_dumps(json_object_get(manifest, "ports"), JSON_COMPACT);
    assert_string_equal(host, "[{\"name\":\"front-tcp-80\",\"hostPort\":8080}]");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_rkt_honours),
        cmocka_unit_test(names_what_it_does_not_take),
        cmocka_unit_test(names_all_of_it),
        cmocka_unit_test(holds_members_to_their_types),
        cmocka_unit_test(holds_values_to_what_they_may_be),
        cmocka_unit_test(takes_no_option_for_an_image),
        cmocka_unit_test(is_no_larger_than_the_rooms_take),
        cmocka_unit_test(refuses_what_stands_for_too_much),
        cmocka_unit_test(takes_numbers_for_quantities),
        cmocka_unit_test(knows_labels),
        cmocka_unit_test(has_kubernetes_defaults),
        cmocka_unit_test(pulls_by_tag),
        cmocka_unit_test(makes_a_manifest),
        cmocka_unit_test(executes_what_kubernetes_would),
        cmocka_unit_test(says_what_cannot_be_executed),
        cmocka_unit_test(expands_variables),
        cmocka_unit_test(refuses_what_is_too_much_with_its_image),
        cmocka_unit_test(keeps_what_is_the_images),
        cmocka_unit_test(gives_each_mount_its_volume),
        cmocka_unit_test(writes_isolators),
        cmocka_unit_test(writes_ports),
    };

    return cmocka_run_group_tests_name("kubepod", tests, NULL, NULL);
}
