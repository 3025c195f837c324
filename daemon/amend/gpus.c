/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Gap 8 of the rktnetes notes: rkt knows no GPUs, and the kubelet fails a pod that asks for a
 * resource other than cpu and memory before rkt is called (contract section 2). So they are asked
 * for by an annotation of the pod, gpu.gantry.io/CONTAINER: "1" or "all", or else as NVIDIA's own
 * runtime has it, by the container's variable NVIDIA_VISIBLE_DEVICES: "0,1" or "all".
 *
 * A GPU is given to one container at a time (daemon/gpus.h). The container sees its device, those
 * that all share, and the driver's files, as host volumes: what rkt mounts of a device it also
 * allows (contract section 2). Under stage1-fly it sees all of the host's devices as it is, and
 * what is mounted there would stay on the host (fly.h): there it gets the driver and a variable.
 *
 * run-prepared comes through here as well: a rkt pod that was prepared and left, until its GPUs
 * were given to another one, must not run with them.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/amend/rooms.h"
#include "daemon/fly.h"
#include "daemon/gpus.h"
#include "daemon/launch.h"
#include "lib/path.h"

#define ANNOTATION "gpu.gantry.io/"
#define VARIABLE "NVIDIA_VISIBLE_DEVICES"

/* Where the images that NVIDIA made for Kubernetes look for the driver. */
#define DRIVER_TARGET "/usr/local/nvidia"

/* The containers that ask. */
struct requests {
    struct gpu_request *list;
    size_t n;
};

static void requests_deinit(struct requests *requests)
{
    free(requests->list);
}

/* Return: 0, LAUNCH_E_REFUSED. */
static int read_annotation(struct launch *launch, struct gpu_request *request, const char *value)
{
    char *end;

    if (strcmp(value, "all") == 0) {
        request->wants_all = true;
        return 0;
    }
    unsigned long n = strtoul(value, &end, 10);
    if (value[0] < '1' || value[0] > '9' || *end || n > GPUSET_MAX)
        return error_set(&launch->error, LAUNCH_E_REFUSED,
                         "annotation " ANNOTATION
                         "%s: \"%s\" is neither a number from 1 to %d nor \"all\"",
                         request->container, value, GPUSET_MAX);
    request->n = (unsigned)n;
    return 0;
}

static bool asks_for_none(const char *value)
{
    return value[0] == '\0' || strcmp(value, "none") == 0 || strcmp(value, "void") == 0;
}

/* Return: 0, LAUNCH_E_REFUSED. */
static int read_variable(struct launch *launch, struct gpu_request *request, const char *value)
{
    bool is_uuid = strncmp(value, "GPU-", 4) == 0 || strncmp(value, "MIG-", 4) == 0;

    if (asks_for_none(value))
        return 0;
    request->wants_all = strcmp(value, "all") == 0;
    if (request->wants_all || gpuset_parse(&request->wanted, value) == 0)
        return 0;
    return error_set(&launch->error, LAUNCH_E_REFUSED, "container %s: " VARIABLE "=%s: %s",
                     request->container, value,
                     is_uuid
                         ? "GPUs are given by number, not by UUID"
                         : "expected numbers below 64 with commas, \"all\", \"none\" or \"void\"");
}

static bool is_container(const struct launch *launch, const char *name)
{
    const struct podspec *spec = launch->spec;

    for (size_t i = 0; i < manifest_n_apps(launch->manifest); i++) {
        const char *container = manifest_app(launch->manifest, i).container;
        if (container && strcmp(container, name) == 0)
            return true;
    }
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        if (strcmp(spec->init_containers[i].name, name) == 0)
            return true;
    }
    return false;
}

/* An annotation with a slip of the pen would give no GPUs without a word. */
static int check_annotations(struct launch *launch)
{
    size_t prefix = strlen(ANNOTATION);

    for (size_t i = 0; launch->spec && i < launch->spec->n_annotations; i++) {
        const char *name = launch->spec->annotations[i].name;
        if (strncmp(name, ANNOTATION, prefix) == 0 && !is_container(launch, name + prefix))
            return error_set(&launch->error, LAUNCH_E_REFUSED,
                             "annotation %s: the pod has no container of that name", name);
    }
    return 0;
}

/* The annotation of a container. Return: 0, and its value in *valuep, borrowed, or NULL there;
 * -ENOMEM. */
static int find_annotation(const struct launch *launch, const char *container, const char **valuep)
{
    CLEANUP(freep) char *name = NULL;

    if (asprintf(&name, ANNOTATION "%s", container) < 0) {
        name = NULL;
        return -ENOMEM;
    }
    *valuep = launch->spec ? podspec_annotation(launch->spec, name) : NULL;
    return 0;
}

/* Many images set the variable, wherever they run: only the pod's own word counts. */
static bool sets_variable(const struct launch *launch, const char *name)
{
    const struct podspec_container *container =
        launch->spec ? podspec_container(launch->spec, name) : NULL;

    return container && container->sets_gpus;
}

static int read_request(struct launch *launch, struct gpu_request *request)
{
    const char *variable = manifest_environment(launch->manifest, request->app, VARIABLE);
    const char *annotation;

    int r = find_annotation(launch, request->container, &annotation);
    if (r < 0)
        return r;
    if (annotation)
        return read_annotation(launch, request, annotation);
    return variable && sets_variable(launch, request->container)
               ? read_variable(launch, request, variable)
               : 0;
}

/* Return: 0, LAUNCH_E_REFUSED, -ENOMEM. */
static int read_requests(struct launch *launch, struct requests *requests)
{
    size_t n_apps = manifest_n_apps(launch->manifest);

    requests->list = calloc(n_apps + 1, sizeof(*requests->list));
    if (!requests->list)
        return -ENOMEM;
    int r = check_annotations(launch);
    for (size_t i = 0; r == 0 && i < n_apps; i++) {
        struct gpu_request request = {.app = i,
                                      .container = manifest_app(launch->manifest, i).container};
        if (!request.container)
            continue;
        r = read_request(launch, &request);
        if (request.wants_all || request.wanted || request.n > 0)
            requests->list[requests->n++] = request;
    }
    return r;
}

/* Who has which GPU must be known for sure; to go on without would be to give one twice. */
static int settle(struct launch *launch, int r)
{
    if (r == GPUS_E_TAKEN)
        return LAUNCH_E_REFUSED;
    if (r == -ESRCH)
        return error_set(&launch->error, LAUNCH_E_REFUSED,
                         "GPUs cannot be given to a process that cannot be watched");
    return r < 0 ? error_set(&launch->error, LAUNCH_E_REFUSED,
                             "it cannot be told which GPUs are free: %s", strerror(-r))
                 : r;
}

/* A host volume of that name, unless we have made it for an earlier container of the pod. */
static int add_volume(struct launch *launch, const char *name, const char *source, bool read_only)
{
    for (size_t i = 0; i < manifest_n_volumes(launch->manifest); i++) {
        struct manifest_volume volume = manifest_volume(launch->manifest, i);
        if (!volume.name || strcmp(volume.name, name) != 0)
            continue;
        if (volume.source && strcmp(volume.source, source) == 0)
            return 0;
        return error_set(&launch->error, LAUNCH_E_REFUSED,
                         "volume \"%s\": that name is kept for GPUs", name);
    }
    return manifest_add_host_volume(launch->manifest, name, source, read_only);
}

static bool has_mount_at(const struct launch *launch, size_t app, const char *path)
{
    for (size_t i = 0; i < manifest_n_mounts(launch->manifest, app); i++) {
        const char *other = manifest_mount(launch->manifest, app, i).path;
        if (other && path_equals(other, path))
            return true;
    }
    return false;
}

/* What the pod itself mounts at that path stays. */
static int add_mount(struct launch *launch, size_t app, const char *name, const char *source,
                     const char *target, bool read_only)
{
    if (has_mount_at(launch, app, target))
        return 0;
    int r = add_volume(launch, name, source, read_only);
    return r == 0 ? manifest_add_mount(launch->manifest, app, name, target, read_only) : r;
}

/* Return: where the device is on the node, to free(); NULL without memory. */
static char *device_path(const struct launch *launch, const char *device)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s", launch->config->gpu.device_dir, device) < 0 ? NULL : path;
}

static int add_device(struct launch *launch, size_t app, const char *device)
{
    CLEANUP(freep) char *source = device_path(launch, device);
    CLEANUP(freep) char *name = NULL;
    CLEANUP(freep) char *target = NULL;

    if (asprintf(&name, "gantry-gpu-%s", device) < 0)
        name = NULL;
    if (asprintf(&target, "/dev/%s", device) < 0)
        target = NULL;
    return source && name && target ? add_mount(launch, app, name, source, target, false) : -ENOMEM;
}

/* Those that every container with a GPU needs, as far as the driver has made them. */
static int add_common_devices(struct launch *launch, size_t app)
{
    static const char *const devices[] = {"nvidiactl", "nvidia-uvm", "nvidia-uvm-tools",
                                          "nvidia-modeset"};
    int r = 0;

    for (size_t i = 0; r == 0 && i < N_ELEMENTS(devices); i++) {
        CLEANUP(freep) char *path = device_path(launch, devices[i]);
        struct stat st;
        if (!path)
            r = -ENOMEM;
        else if (stat(path, &st) == 0 && S_ISCHR(st.st_mode))
            r = add_device(launch, app, devices[i]);
    }
    return r;
}

/* Some images bring the driver along, others start without it and find no GPU. */
static int add_driver(struct launch *launch, const struct gpu_request *request)
{
    const char *path = launch->config->gpu.driver_path;
    struct stat st;

    if (has_mount_at(launch, request->app, DRIVER_TARGET))
        return 0;
    if (fly_is_chosen(launch) && !fly_can_mount_at(launch, request->app, DRIVER_TARGET))
        return launch_note(launch,
                           "container %s gets no driver: under stage1-fly no mount can lie below "
                           "another, and it has one at, above or below " DRIVER_TARGET,
                           request->container);
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return launch_note(launch, "container %s gets no driver: DriverPath=%s is no folder",
                           request->container, path);
    return add_mount(launch, request->app, "gantry-gpu-driver", path, DRIVER_TARGET, true);
}

static int add_devices(struct launch *launch, const struct gpu_request *request)
{
    char device[32];
    int r = 0;

    for (unsigned gpu = 0; r == 0 && gpu < GPUSET_MAX; gpu++) {
        snprintf(device, sizeof(device), "nvidia%u", gpu);
        if (gpuset_has(request->given, gpu))
            r = add_device(launch, request->app, device);
    }
    return r == 0 ? add_common_devices(launch, request->app) : r;
}

/* Lets the container see what it was given. Return: 0, LAUNCH_E_REFUSED, -ENOMEM. */
static int equip(struct launch *launch, const struct gpu_request *request)
{
    bool has_all = fly_is_chosen(launch);
    char words[GPUSET_TEXT_MAX];

    int r = has_all ? 0 : add_devices(launch, request);
    if (r == 0)
        r = add_driver(launch, request);
    gpuset_format(words, request->given);
    if (r == 0)
        r = manifest_set_environment(launch->manifest, request->app, VARIABLE, words);
    return r == 0 ? launch_note(launch, "container %s has GPU %s%s", request->container, words,
                                has_all ? "; stage1-fly mounts none, it has the host's /dev" : "")
                  : r;
}

static int give(struct launch *launch, struct requests *requests)
{
    gpuset_t present = 0;

    int r = gpus_present(launch->config->gpu.device_dir, &present);
    if (r == 0)
        r = gpus_give(launch->gpus, launch, present, requests->list, requests->n, &launch->error);
    if (r != 0)
        return settle(launch, r);
    for (size_t i = 0; r == 0 && i < requests->n; i++)
        r = equip(launch, &requests->list[i]);
    if (r != 0)
        gpus_take_back(launch->gpus, launch);
    return r;
}

/* The kubelet hands on what envFrom sets, but not that it was the pod that set it: it may as well
 * be the image's. */
static int note_unheard(struct launch *launch, size_t app)
{
    const char *variable = manifest_environment(launch->manifest, app, VARIABLE);
    const char *name = manifest_app(launch->manifest, app).container;
    const struct podspec_container *container =
        launch->spec && name ? podspec_container(launch->spec, name) : NULL;
    const char *annotation;

    if (!variable || asks_for_none(variable) || !container || !container->has_env_from ||
        container->sets_gpus)
        return 0;
    int r = find_annotation(launch, name, &annotation);
    if (r < 0 || annotation)
        return r;
    return launch_note(launch,
                       "container %s gets no GPU: " VARIABLE
                       " of envFrom, or of the image, asks for "
                       "none; env of the container does, or the annotation " ANNOTATION "%s",
                       name, name);
}

static int note_all_unheard(struct launch *launch)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < manifest_n_apps(launch->manifest); i++)
        r = note_unheard(launch, i);
    return r;
}

static int prepare(struct launch *launch)
{
    CLEANUP(requests_deinit) struct requests requests = {0};

    int r = read_requests(launch, &requests);
    if (r == 0 && requests.n > 0)
        r = launch->may_wait ? give(launch, &requests) : LAUNCH_E_WAIT;
    return r == 0 ? note_all_unheard(launch) : r;
}

static int run(struct launch *launch)
{
    if (!gpus_are_in(launch->manifest))
        return 0;
    if (!launch->may_wait)
        return LAUNCH_E_WAIT;
    return settle(launch, gpus_keep(launch->gpus, launch, &launch->error));
}

int amend_gpus(struct launch *launch)
{
    if (!launch->is_kubernetes)
        return 0;
    return LAUNCH_PREPARES & 1U << launch->cmd.verb ? prepare(launch) : run(launch);
}

void undo_gpus(struct launch *launch)
{
    if (launch->is_kubernetes)
        gpus_take_back(launch->gpus, launch);
}
