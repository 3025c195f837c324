/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/own/units.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/bus-units.h"
#include "daemon/node.h"
#include "daemon/own/pods.h"

/* A place for a program's arguments, one after the other. What there is no memory for leaves it
 * incomplete, and then it is not run. */
struct arguments {
    char **list; /* ended by NULL */
    size_t n;
    bool is_incomplete;
    bool may_fail;
};

static void arguments_deinit(struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->n; i++)
        free(arguments->list[i]);
    free(arguments->list);
}

static void PRINTF(2, 3) add(struct arguments *arguments, const char *format, ...)
{
    char **list = reallocarray(arguments->list, arguments->n + 2, sizeof(*list));
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (!list || vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (list)
        arguments->list = list;
    if (!text) {
        arguments->is_incomplete = true;
        return;
    }
    list[arguments->n++] = text;
    list[arguments->n] = NULL;
}

/* The drop-in: so these calls go the way of the kubelet's. */
static void add_rkt(struct arguments *arguments, const struct ownpod *ownpod, const char *insecure)
{
    const char *program = getenv("GANTRY_DROPIN");

    add(arguments, "%s", program ? program : LIBEXECDIR "/gantry/rkt");
    if (insecure)
        add(arguments, "--insecure-options=%s", insecure);
    add(arguments, "--dir=%s", ownpod->node->config->rkt.data_dir);
}

const char *ownunits_name(char name[static OWNUNITS_NAME_MAX], const struct ownpod *ownpod)
{
    snprintf(name, OWNUNITS_NAME_MAX, "gantry-%s.service", ownpod->name);
    return name;
}

const char *ownunits_pod_of(char buffer[static OWNUNITS_NAME_MAX], const char *unit)
{
    static const char prefix[] = "gantry-", suffix[] = ".service";
    size_t length = strlen(unit), around = strlen(prefix) + strlen(suffix);

    if (length <= around || length >= OWNUNITS_NAME_MAX ||
        strncmp(unit, prefix, strlen(prefix)) != 0 ||
        strcmp(unit + length - strlen(suffix), suffix) != 0)
        return NULL;
    snprintf(buffer, OWNUNITS_NAME_MAX, "%.*s", (int)(length - around), unit + strlen(prefix));
    return buffer;
}

/* A drop-in that reads another configuration than gantryd would ask somebody else. */
static char *environment(void)
{
    const char *path = getenv("GANTRY_CONFIG");
    char *variable = NULL;

    return path && asprintf(&variable, "GANTRY_CONFIG=%s", path) >= 0 ? variable : NULL;
}

/* The oneshots. rkt waits for its own locks without an end. But a fetch waits for the network, and
 * prepare renders the tree of an image: one that is ended half-way begins anew the next time. */
enum call { FETCH, PREPARE, RM, N_CALLS };
static const struct {
    const char *verb;
    usec_t timeout;
} calls[N_CALLS] = {
    [FETCH] = {"fetch", USEC_HOUR},
    [PREPARE] = {"prepare", USEC_HOUR},
    [RM] = {"rm", 2 * USEC_MINUTE},
};

static const char *oneshot_name(char name[static OWNUNITS_NAME_MAX], const struct ownpod *ownpod,
                                enum call call)
{
    snprintf(name, OWNUNITS_NAME_MAX, "gantry-%s@%s.service", calls[call].verb, ownpod->name);
    return name;
}

static const char *input_name(char name[static OWNUNITS_NAME_MAX], const struct ownpod *ownpod)
{
    snprintf(name, OWNUNITS_NAME_MAX, "%s.manifest", ownpod->name);
    return name;
}

/* `before`, if it has anything, is run first. What each prepare has printed is a rkt pod. */
static struct oneshot *run(struct ownpod *ownpod, enum call call, const struct arguments *before,
                           const struct arguments *arguments, const char *manifest,
                           oneshot_done_fn *done)
{
    CLEANUP(freep) char *description = NULL;
    CLEANUP(freep) char *variable = environment();
    char name[OWNUNITS_NAME_MAX], file[OWNUNITS_NAME_MAX];
    struct node *node = ownpod->node;
    const struct oneshot_files files = {
        .folder = ownpods_folder(node->ownpods),
        .input_name = call == PREPARE ? input_name(file, ownpod) : NULL,
        .input = manifest,
        .keeps_output = call == PREPARE,
    };
    struct transient unit = {
        .name = oneshot_name(name, ownpod, call),
        .environment = variable,
        .start_timeout = calls[call].timeout,
    };
    size_t n = 0;

    if (asprintf(&description, "rkt %s for pod %s/%s", calls[call].verb, ownpod->namespace,
                 ownpod->name) < 0)
        description = NULL;
    unit.description = description;
    if (before->n > 0)
        unit.commands[n++] =
            (struct transient_command){(const char *const *)before->list, before->may_fail};
    if (arguments->n > 0)
        unit.commands[n++].argv = (const char *const *)arguments->list;
    if (!before->is_incomplete && !arguments->is_incomplete && n > 0)
        return oneshot_run(node->bus, node->loop, &files, &unit, done, ownpod);
    done(ownpod, &(struct oneshot_result){BUS_E_FAILED, "out of memory", "", ""});
    return NULL;
}

static struct oneshot *run_one(struct ownpod *ownpod, enum call call,
                               const struct arguments *arguments, oneshot_done_fn *done)
{
    return run(ownpod, call, &(struct arguments){0}, arguments, NULL, done);
}

struct oneshot *ownunits_fetch(struct ownpod *ownpod, const struct kubepod_image *image,
                               oneshot_done_fn *done)
{
    CLEANUP(arguments_deinit) struct arguments arguments = {0};
    bool is_file = image->name[0] == '/';

    add_rkt(&arguments, ownpod, "image");
    add(&arguments, "fetch");
    add(&arguments, "--full");
    if (!is_file)
        add(&arguments, "--pull-policy=%s", image->pull_policy);
    add(&arguments, "%s%s", is_file || strstr(image->name, "://") ? "" : "docker://", image->name);
    return run_one(ownpod, FETCH, &arguments, done);
}

struct oneshot *ownunits_inspect(struct ownpod *ownpod, const char *id, oneshot_done_fn *done)
{
    CLEANUP(arguments_deinit) struct arguments arguments = {0};

    add_rkt(&arguments, ownpod, NULL);
    add(&arguments, "image");
    add(&arguments, "cat-manifest");
    add(&arguments, "%s", id);
    return run_one(ownpod, FETCH, &arguments, done);
}

void ownunits_stop_fetch(struct ownpod *ownpod, bus_done_fn *done)
{
    char name[OWNUNITS_NAME_MAX];

    bus_stop_unit(ownpod->node->bus, oneshot_name(name, ownpod, FETCH), done, ownpod);
}

char *ownunits_volumes(const struct ownpod *ownpod)
{
    char *path = NULL;

    return asprintf(&path, OWNUNITS_VOLUMES "/%s", ownpod->uid) < 0 ? NULL : path;
}

/* emptyDirs are made by somebody without our umask, and anybody may write to them. */
static void add_mkdir(struct arguments *arguments, const struct ownpod *ownpod)
{
    CLEANUP(freep) char *volumes = ownunits_volumes(ownpod);

    for (size_t i = 0; volumes; i++) {
        CLEANUP(freep) char *path = kubepod_empty_dir(ownpod->source, i, volumes);
        if (!path)
            return;
        if (i == 0) {
            add(arguments, "/bin/mkdir");
            add(arguments, "-p");
            add(arguments, "-m777");
        }
        add(arguments, "%s", path);
    }
    arguments->is_incomplete = true;
}

static const char *insecure_options(const struct ownpod *ownpod)
{
    return ownpod_is_kubernetes(ownpod) && kubepod_is_privileged(ownpod->source)
               ? "image,ondisk,all-run"
               : "image,ondisk";
}

void ownunits_prepare(struct ownpod *ownpod, const char *manifest, oneshot_done_fn *done)
{
    CLEANUP(arguments_deinit) struct arguments arguments = {0}, mkdir = {0};
    char file[OWNUNITS_NAME_MAX];

    input_name(file, ownpod);
    if (ownpod_is_kubernetes(ownpod))
        add_mkdir(&mkdir, ownpod);
    add_rkt(&arguments, ownpod, insecure_options(ownpod));
    add(&arguments, "prepare");
    add(&arguments, "--quiet");
    add(&arguments, "--pod-manifest");
    add(&arguments, "%s/%s", ownpods_folder(ownpod->node->ownpods), file);
    run(ownpod, PREPARE, &mkdir, &arguments, manifest, done);
}

/* Two units cannot have one name, so one that does nothing comes after it. */
void ownunits_take_over_prepare(struct ownpod *ownpod, oneshot_done_fn *done)
{
    CLEANUP(arguments_deinit) struct arguments nothing = {0};

    add(&nothing, "/bin/true");
    run_one(ownpod, PREPARE, &nothing, done);
}

/* rkt's own processes need memory besides the apps', which the stage1 holds to their limits. */
#define STAGE1_MEMORY ((uint64_t)64 << 20)

void ownunits_start(struct ownpod *ownpod, const struct adopt_limits *limits, bus_done_fn *done)
{
    CLEANUP(arguments_deinit) struct arguments arguments = {0};
    CLEANUP(freep) char *description = NULL;
    CLEANUP(freep) char *variable = environment();
    char name[OWNUNITS_NAME_MAX];
    bool is_kubernetes = ownpod_is_kubernetes(ownpod);
    json_int_t grace = is_kubernetes ? kubepod_grace_seconds(ownpod->source) : 0;

    add_rkt(&arguments, ownpod, insecure_options(ownpod));
    add(&arguments, "run-prepared");
    if (is_kubernetes && kubepod_has_host_network(ownpod->source))
        add(&arguments, "--net=host");
    add(&arguments, "--hostname=%s",
        is_kubernetes ? kubepod_hostname(ownpod->source) : ownpod->name);
    add(&arguments, "%s", ownpod_uuid(ownpod));
    if (asprintf(&description, "Pod %s/%s", ownpod->namespace, ownpod->name) < 0)
        description = NULL;
    if (arguments.is_incomplete) {
        done(ownpod, BUS_E_FAILED, "out of memory");
        return;
    }
    bus_start_unit(
        ownpod->node->bus,
        &(struct transient){
            .name = ownunits_name(name, ownpod),
            .description = description,
            .identifier = ownpod->name,
            .environment = variable,
            .commands = {{(const char *const *)arguments.list, false}},
            /* 0 would be for ever. */
            .stop_timeout = is_kubernetes ? (usec_t)(grace > 0 ? grace : 1) * USEC_SEC : 0,
            .memory_max = limits->memory > 0 ? (uint64_t)limits->memory + STAGE1_MEMORY : 0,
            .cpu_quota = (usec_t)limits->cpu * USEC_MSEC,
        },
        done, ownpod);
}

void ownunits_remove(struct ownpod *ownpod, size_t n_kept, oneshot_done_fn *done)
{
    /* It fails for rkt pods that are gone already. */
    CLEANUP(arguments_deinit) struct arguments rkt = {.may_fail = true}, rm = {0};
    CLEANUP(freep) char *volumes = ownunits_volumes(ownpod);
    size_t n = json_array_size(ownpod->rktpods);

    if (n > n_kept) {
        add_rkt(&rkt, ownpod, NULL);
        add(&rkt, "rm");
    }
    for (size_t i = 0; i + n_kept < n; i++)
        add(&rkt, "%s", json_string_value(json_array_get(ownpod->rktpods, i)));
    if (n_kept == 0) {
        add(&rm, "/bin/rm");
        add(&rm, "-rf");
        add(&rm, "--one-file-system");
        add(&rm, "--");
        add(&rm, "%s", volumes ? volumes : "");
        rm.is_incomplete = rm.is_incomplete || !volumes;
    }
    run(ownpod, RM, &rkt, &rm, NULL, done);
}

void ownunits_clear_files(int folder_fd, const struct ownpod *ownpod)
{
    char name[OWNUNITS_NAME_MAX];

    unlinkat(folder_fd, input_name(name, ownpod), 0);
    for (enum call call = 0; call < N_CALLS; call++)
        oneshot_clear_files(folder_fd, oneshot_name(name, ownpod, call));
}
