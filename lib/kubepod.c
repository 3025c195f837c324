/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/kubepod.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/expansion.h"
#include "lib/path.h"

/* Kubernetes' own. */
#define GRACE_SECONDS 30

static const char *text_of(const json_t *object, const char *name, const char *otherwise)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value && value[0] ? value : otherwise;
}

static json_t *spec_of(const json_t *pod)
{
    return json_object_get(pod, "spec");
}

static json_t *containers_of(const json_t *pod)
{
    return json_object_get(spec_of(pod), "containers");
}

const char *kubepod_name(const json_t *pod)
{
    return text_of(json_object_get(pod, "metadata"), "name", "");
}

const char *kubepod_namespace(const json_t *pod)
{
    return text_of(json_object_get(pod, "metadata"), "namespace", "default");
}

const char *kubepod_restart_policy(const json_t *pod)
{
    return text_of(spec_of(pod), "restartPolicy", "Always");
}

json_int_t kubepod_grace_seconds(const json_t *pod)
{
    const json_t *value = json_object_get(spec_of(pod), "terminationGracePeriodSeconds");

    return json_is_integer(value) ? json_integer_value(value) : GRACE_SECONDS;
}

bool kubepod_has_host_network(const json_t *pod)
{
    return json_is_true(json_object_get(spec_of(pod), "hostNetwork"));
}

static json_t *security_of(const json_t *container)
{
    return json_object_get(container, "securityContext");
}

static bool is_privileged(const json_t *container)
{
    return json_is_true(json_object_get(security_of(container), "privileged"));
}

bool kubepod_is_privileged(const json_t *pod)
{
    const json_t *container;
    size_t i;

    json_array_foreach(containers_of(pod), i, container)
    {
        if (is_privileged(container))
            return true;
    }
    return false;
}

const char *kubepod_hostname(const json_t *pod)
{
    return text_of(spec_of(pod), "hostname", kubepod_name(pod));
}

/* As Kubernetes has it: what is called latest, by name or for want of one, is looked for anew. */
static const char *default_pull_policy(const char *image)
{
    const char *slash = strrchr(image, '/');
    const char *tag = strpbrk(slash ? slash : image, ":@");

    return !tag || strcmp(tag, ":latest") == 0 ? "Always" : "IfNotPresent";
}

bool kubepod_image(const json_t *pod, size_t index, struct kubepod_image *image)
{
    const json_t *container = json_array_get(containers_of(pod), index);

    if (!container)
        return false;
    image->name = text_of(container, "image", "");
    const char *policy = text_of(container, "imagePullPolicy", default_pull_policy(image->name));
    image->pull_policy = strcmp(policy, "Always") == 0  ? "update"
                         : strcmp(policy, "Never") == 0 ? "never"
                                                        : "new";
    return true;
}

static char *empty_dir_path(const json_t *volume, const char *dir)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s", dir, text_of(volume, "name", "")) < 0 ? NULL : path;
}

char *kubepod_empty_dir(const json_t *pod, size_t index, const char *dir)
{
    const json_t *volume;
    size_t i;

    json_array_foreach(json_object_get(spec_of(pod), "volumes"), i, volume)
    {
        if (json_is_object(json_object_get(volume, "emptyDir")) && index-- == 0)
            return empty_dir_path(volume, dir);
    }
    return NULL;
}

/* What is too long, is so with what the images say: without, kubepod_check() had refused it. */
static int too_long(const json_t *container, struct error *error)
{
    return error_set(error, KUBEPOD_E_IMAGE,
                     "container \"%s\": with those of the images, the commands, args and variables "
                     "have more than %zu bytes",
                     text_of(container, "name", ""), BOUND_TEXT);
}

/* The image's variables, and over them the container's, in order. */
static int make_variables(json_t *variables, const json_t *container, const json_t *image_app,
                          size_t *leftp, struct error *error)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(image_app, "environment"), i, entry)
    {
        const char *name = text_of(entry, "name", ""), *value = text_of(entry, "value", "");
        if (!expansion_spend(leftp, strlen(name)) || !expansion_spend(leftp, strlen(value)))
            return too_long(container, error);
        if (json_object_set_new(variables, name, json_string(value)) < 0)
            return -ENOMEM;
    }
    int r = expansion_set(variables, json_object_get(container, "env"), leftp, &i);
    return r > 0 ? too_long(container, error) : r;
}

static json_t *environment(json_t *variables)
{
    json_t *list = json_array(), *value;
    const char *name;

    json_object_foreach(variables, name, value)
        json_array_append_new(list, json_pack("{s:s, s:O}", "name", name, "value", value));
    return list;
}

/* What docker2aci keeps of an image's ENTRYPOINT: JSON in an annotation. Return: a new reference,
 * or NULL. */
static json_t *entrypoint(const json_t *image_manifest)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(image_manifest, "annotations"), i, entry)
    {
        if (strcmp(text_of(entry, "name", ""), "appc.io/docker/entrypoint") == 0)
            return json_loads(text_of(entry, "value", ""), 0, NULL);
    }
    return NULL;
}

/* What the image says goes as it is. Return: as expansion_make_list(). */
static int append_images(json_t *exec, const json_t *list, size_t *leftp)
{
    json_t *string;
    size_t i;

    json_array_foreach(list, i, string)
    {
        if (!expansion_spend(leftp, json_string_length(string)))
            return EXPANSION_E_TOO_LONG;
        if (json_array_append(exec, string) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* What is executed: a command stands for the image's entrypoint, and without one the args are the
 * entrypoint's. Return: 0, KUBEPOD_E_IMAGE, -ENOMEM. */
static int make_exec(json_t *exec, const json_t *container, const json_t *image_manifest,
                     const json_t *variables, size_t *leftp, struct error *error)
{
    const json_t *command = json_object_get(container, "command");
    const json_t *args = json_object_get(container, "args");
    const json_t *own = json_object_get(json_object_get(image_manifest, "app"), "exec");
    CLEANUP(json_decrefp) json_t *first = entrypoint(image_manifest);
    size_t i;
    int r;

    if (json_array_size(command) > 0)
        r = expansion_make_list(exec, command, variables, leftp, &i);
    else if (json_array_size(args) == 0 && json_array_size(own) > 0)
        r = append_images(exec, own, leftp);
    else if (json_array_size(first) > 0)
        r = append_images(exec, first, leftp);
    else
        return error_set(error, KUBEPOD_E_IMAGE,
                         "container \"%s\": its image has no %s: give it a command",
                         text_of(container, "name", ""),
                         json_array_size(args) > 0 ? "entrypoint for the args" : "program");
    if (r == 0)
        r = expansion_make_list(exec, args, variables, leftp, &i);
    return r > 0 ? too_long(container, error) : r;
}

/* Volumes. Each mount has one of its own: stage1-fly takes none that is mounted twice, and its name
 * leaves no doubt which of the spec's it is. */

static json_t *mount_volume_name(const json_t *mount, size_t container, size_t index)
{
    return json_sprintf("%s-%zu-%zu", text_of(mount, "name", ""), container, index);
}

/* Where the volume is on the host. Return: to free(), NULL without memory. */
static char *volume_root(const json_t *pod, const char *name, const char *dir)
{
    const json_t *volume;
    size_t i;

    json_array_foreach(json_object_get(spec_of(pod), "volumes"), i, volume)
    {
        if (strcmp(text_of(volume, "name", ""), name) != 0)
            continue;
        const json_t *host = json_object_get(volume, "hostPath");
        return host ? strdup(text_of(host, "path", "/")) : empty_dir_path(volume, dir);
    }
    return NULL;
}

/* The source is written as the kubelet does, the subPath behind the root: the rooms `volumes` and
 * `subpath` know what to make of it. */
static int add_volume(json_t *volumes, const json_t *pod, const json_t *mount, json_t *name,
                      const char *dir)
{
    CLEANUP(freep) char *root = volume_root(pod, text_of(mount, "name", ""), dir);
    const char *part = text_of(mount, "subPath", "");

    if (!root)
        return -ENOMEM;
    json_t *volume = json_pack("{s:O, s:s, s:o, s:b}", "name", name, "kind", "host", "source",
                               json_sprintf("%s%s%s", root, part[0] ? "/" : "", part), "readOnly",
                               json_is_true(json_object_get(mount, "readOnly")));
    return json_array_append_new(volumes, volume) < 0 ? -ENOMEM : 0;
}

/* The paths on which the container mounts, as members of an object. Return: a new reference, NULL
 * without memory. */
static json_t *mount_paths(const json_t *mounts)
{
    json_t *paths = json_object();
    const json_t *mount;
    size_t i;

    json_array_foreach(mounts, i, mount)
    {
        CLEANUP(freep) char *path = path_normal(text_of(mount, "mountPath", ""));
        if (!path || json_object_set_new(paths, path, json_true()) < 0) {
            json_decref(paths);
            return NULL;
        }
    }
    return paths;
}

/* Those of the image on which the container mounts nothing. */
static int add_images_points(json_t *points, const json_t *mounts, const json_t *image_app)
{
    CLEANUP(json_decrefp) json_t *paths = mount_paths(mounts);
    json_t *point;
    size_t i;

    json_array_foreach(json_object_get(image_app, "mountPoints"), i, point)
    {
        CLEANUP(freep) char *path = path_normal(text_of(point, "path", ""));
        if (!paths || !path)
            return -ENOMEM;
        if (!json_object_get(paths, path) && json_array_append(points, point) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* The image's mount points, as far as the container mounts nothing there, and the container's. */
static int make_mounts(json_t *points, json_t *volumes, const json_t *pod, size_t index,
                       const json_t *image_app, const char *dir)
{
    const json_t *mounts =
        json_object_get(json_array_get(containers_of(pod), index), "volumeMounts");
    json_t *entry;
    size_t i;

    if (add_images_points(points, mounts, image_app) < 0)
        return -ENOMEM;
    json_array_foreach(mounts, i, entry)
    {
        json_auto_t *name = mount_volume_name(entry, index, i);
        if (!name || add_volume(volumes, pod, entry, name, dir) < 0)
            return -ENOMEM;
        json_t *point =
            json_pack("{s:O, s:s, s:b}", "name", name, "path", text_of(entry, "mountPath", ""),
                      "readOnly", json_is_true(json_object_get(entry, "readOnly")));
        if (json_array_append_new(points, point) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* appc wants a name, and of several containers each may have a port "http". */
static json_t *port_name(const json_t *container, const json_t *port, const char *protocol)
{
    const char *owner = text_of(container, "name", ""), *given = text_of(port, "name", NULL);

    if (given)
        return json_sprintf("%s-%s", owner, given);
    return json_sprintf("%s-%s-%" JSON_INTEGER_FORMAT, owner, protocol,
                        json_integer_value(json_object_get(port, "containerPort")));
}

static int add_port(json_t *ports, json_t *host_ports, const json_t *container, const json_t *port)
{
    const char *protocol = strcmp(text_of(port, "protocol", "TCP"), "UDP") == 0 ? "udp" : "tcp";
    json_int_t host = json_integer_value(json_object_get(port, "hostPort"));
    json_auto_t *name = port_name(container, port, protocol);
    json_t *json =
        json_pack("{s:O, s:s, s:O, s:i, s:b}", "name", name, "protocol", protocol, "port",
                  json_object_get(port, "containerPort"), "count", 1, "socketActivated", 0);

    if (json_array_append_new(ports, json) < 0)
        return -ENOMEM;
    if (host == 0)
        return 0;
    json = json_pack("{s:O, s:I}", "name", name, "hostPort", host);
    return json_array_append_new(host_ports, json) < 0 ? -ENOMEM : 0;
}

static int make_ports(json_t *ports, json_t *host_ports, const json_t *container)
{
    const json_t *port;
    size_t i;

    json_array_foreach(json_object_get(container, "ports"), i, port)
    {
        if (add_port(ports, host_ports, container, port) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Isolators. */

static int add_isolator(json_t *isolators, const char *name, json_t *value)
{
    return json_array_append_new(isolators, json_pack("{s:s, s:o}", "name", name, "value", value)) <
                   0
               ? -ENOMEM
               : 0;
}

/* Of request and limit rkt wants both, so one stands for the other, as the kubelet has it. */
static int add_resource(json_t *isolators, const json_t *container, const char *resource,
                        const char *isolator)
{
    const json_t *resources = json_object_get(container, "resources");
    const char *limit = text_of(json_object_get(resources, "limits"), resource, NULL);
    const char *request = text_of(json_object_get(resources, "requests"), resource, limit);

    if (!request)
        return 0;
    return add_isolator(isolators, isolator,
                        json_pack("{s:b, s:s, s:s}", "default", 0, "request", request, "limit",
                                  limit ? limit : request));
}

/* As Kubernetes writes them: the room `capabilities` knows what is meant. */
static int add_capabilities(json_t *isolators, const json_t *container)
{
    json_t *sets = json_object_get(security_of(container), "capabilities");
    json_t *add = json_object_get(sets, "add"), *drop = json_object_get(sets, "drop");
    int r = 0;

    if (is_privileged(container))
        return add_isolator(isolators, "os/linux/capabilities-retain-set",
                            json_pack("{s:[s]}", "set", "ALL"));
    if (json_array_size(add) > 0)
        r = add_isolator(isolators, "os/linux/capabilities-retain-set",
                         json_pack("{s:O}", "set", add));
    if (r == 0 && json_array_size(drop) > 0)
        r = add_isolator(isolators, "os/linux/capabilities-remove-set",
                         json_pack("{s:O}", "set", drop));
    return r;
}

static int make_isolators(json_t *isolators, const json_t *container)
{
    int r = add_resource(isolators, container, "cpu", "resource/cpu");

    if (r == 0)
        r = add_resource(isolators, container, "memory", "resource/memory");
    return r == 0 ? add_capabilities(isolators, container) : r;
}

/* An app. */

static json_t *user_of(const json_t *container, const json_t *image_app)
{
    const json_t *user = json_object_get(security_of(container), "runAsUser");

    if (json_is_integer(user))
        return json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(user));
    return json_string(text_of(image_app, "user", "0"));
}

/* The parts of the manifest that are being made. */
struct parts {
    json_t *exec, *variables, *points, *ports, *isolators;
};

static void parts_deinit(struct parts *parts)
{
    json_decref(parts->exec);
    json_decref(parts->variables);
    json_decref(parts->points);
    json_decref(parts->ports);
    json_decref(parts->isolators);
}

static json_t *pack_app(const struct parts *parts, const json_t *container, const json_t *image_app)
{
    return json_pack("{s:O, s:o, s:s, s:s*, s:o, s:O, s:O, s:O}", "exec", parts->exec, "user",
                     user_of(container, image_app), "group", text_of(image_app, "group", "0"),
                     "workingDirectory",
                     text_of(container, "workingDir", text_of(image_app, "workingDirectory", NULL)),
                     "environment", environment(parts->variables), "mountPoints", parts->points,
                     "ports", parts->ports, "isolators", parts->isolators);
}

static int add_app(json_t *manifest, const json_t *pod, size_t index, const json_t *image,
                   const char *dir, size_t *leftp, struct error *error)
{
    const json_t *container = json_array_get(containers_of(pod), index);
    const json_t *image_manifest = json_object_get(image, "manifest");
    const json_t *image_app = json_object_get(image_manifest, "app");
    CLEANUP(parts_deinit)
    struct parts parts = {json_array(), json_object(), json_array(), json_array(), json_array()};

    int r = make_variables(parts.variables, container, image_app, leftp, error);
    if (r == 0)
        r = make_exec(parts.exec, container, image_manifest, parts.variables, leftp, error);
    if (r == 0)
        r = make_mounts(parts.points, json_object_get(manifest, "volumes"), pod, index, image_app,
                        dir);
    if (r == 0)
        r = make_ports(parts.ports, json_object_get(manifest, "ports"), container);
    if (r == 0)
        r = make_isolators(parts.isolators, container);
    if (r != 0)
        return r;
    json_t *app = json_pack(
        "{s:s, s:{s:s}, s:o, s:b}", "name", text_of(container, "name", ""), "image", "id",
        text_of(image, "id", ""), "app", pack_app(&parts, container, image_app), "readOnlyRootFS",
        json_is_true(json_object_get(security_of(container), "readOnlyRootFilesystem")));
    return json_array_append_new(json_object_get(manifest, "apps"), app) < 0 ? -ENOMEM : 0;
}

/* The rooms would refuse it, too, but only when it is made. */
static int check_mount_points(const json_t *pod, const json_t *images, struct error *error)
{
    struct kubepod_image image;
    size_t n = 0;

    for (size_t i = 0; kubepod_image(pod, i, &image); i++) {
        const json_t *manifest = json_object_get(json_object_get(images, image.name), "manifest");
        n += json_array_size(json_object_get(json_object_get(manifest, "app"), "mountPoints"));
    }
    return n <= BOUND_MOUNT_POINTS ? 0
                                   : error_set(error, KUBEPOD_E_IMAGE,
                                               "the images have %zu mountPoints; gantry takes %d",
                                               n, BOUND_MOUNT_POINTS);
}

int kubepod_to_manifest(json_t **manifestp, const json_t *pod, const json_t *images,
                        const char *dir, struct error *error)
{
    CLEANUP(json_decrefp)
    json_t *manifest =
        json_pack("{s:s, s:s, s:[], s:[], s:[], s:[]}", "acVersion", "0.8.11", "acKind",
                  "PodManifest", "apps", "volumes", "ports", "annotations");
    struct kubepod_image image;
    size_t n_left = BOUND_TEXT;
    int r = manifest ? check_mount_points(pod, images, error) : -ENOMEM;

    for (size_t i = 0; r == 0 && kubepod_image(pod, i, &image); i++)
        r = add_app(manifest, pod, i, json_object_get(images, image.name), dir, &n_left, error);
    if (r == 0) {
        *manifestp = manifest;
        manifest = NULL;
    }
    return r;
}
