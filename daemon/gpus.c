/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/gpus.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/process.h"
#include "daemon/rktdir.h"

struct gpus {
    /* Held while all who have GPUs are looked up and one more is let in: two launches never count
     * on the same one. */
    pthread_mutex_t mutex;
    char *path, *temporary; /* of the file */
    bool is_loaded;
    char **data_dirs; /* of rkt, that launches have named */
    size_t n_data_dirs;
    struct gpu_holders promises;
};

/* The file. */

/* Return: 0 or -errno. */
static int save(const struct gpus *gpus)
{
    json_t *data_dirs = json_array(), *promises = json_array();
    json_t *json = json_pack("{s:o, s:o}", "dataDirectories", data_dirs, "promises", promises);
    int r = json ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < gpus->n_data_dirs; i++)
        r = json_array_append_new(data_dirs, json_string(gpus->data_dirs[i])) < 0 ? -ENOMEM : 0;
    for (size_t i = 0; r == 0 && i < gpus->promises.n; i++)
        r = json_array_append_new(promises, gpu_holder_to_json(&gpus->promises.list[i])) < 0
                ? -ENOMEM
                : 0;
    errno = EIO;
    if (r == 0 && (json_dump_file(json, gpus->temporary, JSON_COMPACT) < 0 ||
                   rename(gpus->temporary, gpus->path) < 0))
        r = -errno;
    json_decref(json);
    return r;
}

static int know_data_dir(struct gpus *gpus, const char *path)
{
    for (size_t i = 0; i < gpus->n_data_dirs; i++) {
        if (strcmp(gpus->data_dirs[i], path) == 0)
            return 0;
    }
    char **list = reallocarray(gpus->data_dirs, gpus->n_data_dirs + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    gpus->data_dirs = list;
    list[gpus->n_data_dirs] = strdup(path);
    return list[gpus->n_data_dirs] ? (gpus->n_data_dirs++, 0) : -ENOMEM;
}

static int load_promises(struct gpus *gpus, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        CLEANUP(gpu_holder_deinit) struct gpu_holder holder = GPU_HOLDER_NULL;
        int r = gpu_holder_from_json(&holder, json_array_get(list, i));
        if (r == 0)
            r = gpu_holders_append(&gpus->promises, &holder);
        if (r == -ENOMEM)
            return r;
    }
    return 0;
}

/* A file that is none is as good as a missing one: it is written whole or not at all, and holds no
 * more than what is on its way to rkt. Return: 0 or -ENOMEM. */
static int load(struct gpus *gpus)
{
    CLEANUP(json_decrefp) json_t *json = json_load_file(gpus->path, 0, NULL);
    const json_t *data_dirs = json_object_get(json, "dataDirectories");
    int r = 0;

    for (size_t i = 0; r == 0 && i < json_array_size(data_dirs); i++) {
        const char *path = json_string_value(json_array_get(data_dirs, i));
        r = path ? know_data_dir(gpus, path) : 0;
    }
    return r == 0 ? load_promises(gpus, json_object_get(json, "promises")) : r;
}

struct gpus *gpus_new(const char *state_dir)
{
    struct gpus *gpus = calloc(1, sizeof(*gpus));

    if (!gpus)
        return NULL;
    pthread_mutex_init(&gpus->mutex, NULL);
    if (asprintf(&gpus->path, "%s/gpus.json", state_dir) < 0)
        gpus->path = NULL;
    if (asprintf(&gpus->temporary, "%s/.gpus.json.new", state_dir) < 0)
        gpus->temporary = NULL;
    return gpus->path && gpus->temporary ? gpus : gpus_free(gpus);
}

struct gpus *gpus_free(struct gpus *gpus)
{
    if (!gpus)
        return NULL;
    pthread_mutex_destroy(&gpus->mutex);
    gpu_holders_deinit(&gpus->promises);
    for (size_t i = 0; i < gpus->n_data_dirs; i++)
        free(gpus->data_dirs[i]);
    free(gpus->data_dirs);
    free(gpus->path);
    free(gpus->temporary);
    free(gpus);
    return NULL;
}

/* Who has GPUs. */

static bool has_ended(int pidfd)
{
    struct pollfd pollfd = {.fd = pidfd, .events = POLLIN};

    return poll(&pollfd, 1, 0) > 0;
}

static void drop_ended(struct gpu_holders *promises)
{
    for (size_t i = promises->n; i > 0; i--) {
        if (has_ended(promises->list[i - 1].pidfd))
            gpu_holders_remove(promises, i - 1);
    }
}

static int take_note(const struct rktdir_pod *pod, void *userdata)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    CLEANUP(gpu_holder_deinit) struct gpu_holder holder = GPU_HOLDER_NULL;
    struct gpu_holders *found = userdata;

    /* Those that have ended have none any more. Most never had, and need not be read for that. */
    if ((pod->has_started && !pod->is_running) || !strstr(pod->manifest, GPU_ANNOTATION))
        return 0;
    int r = manifest_parse(&manifest, pod->manifest, pod->length, NULL);
    if (r != 0)
        return r < 0 ? r : 0;
    r = gpu_holder_from_manifest(&holder, manifest, pod->uuid);
    holder.stage = pod->is_running ? GPU_RUNNING : GPU_PREPARED;
    return r == 0 && holder.n_shares > 0 ? gpu_holders_append(found, &holder) : r;
}

static bool has_newer(const struct gpu_holders *holders, const struct gpu_holder *than)
{
    for (size_t i = 0; i < holders->n; i++) {
        if (gpu_holder_is_same_pod(&holders->list[i], than) &&
            holders->list[i].since.usec > than->since.usec)
            return true;
    }
    return false;
}

/* Those that are prepared while there is a newer one of their pod, and those that are there a
 * second time because they began to run meanwhile: the later entry is the truer one. */
static void drop_outdated(struct gpu_holders *found, const struct gpu_holders *promises)
{
    for (size_t i = found->n; i > 0; i--) {
        const struct gpu_holder *holder = &found->list[i - 1];
        bool is_outdated = holder->stage == GPU_PREPARED &&
                           (has_newer(found, holder) || has_newer(promises, holder));
        for (size_t k = 0; k < found->n; k++)
            is_outdated = is_outdated ||
                          (holder->stage == GPU_PREPARED && found->list[k].stage == GPU_RUNNING &&
                           gpu_holder_is_same(&found->list[k], holder));
        if (is_outdated)
            gpu_holders_remove(found, i - 1);
    }
}

/* Finds all rkt pods that have GPUs, and keeps the promises that still count. Promises come first:
 * one whose process has ended has its rkt pod on disk by now. Return: 0 or -errno. */
static int look(struct gpus *gpus, const char *data_dir, struct gpu_holders *found)
{
    int r = gpus->is_loaded ? 0 : load(gpus);

    if (r == 0) {
        gpus->is_loaded = true;
        r = know_data_dir(gpus, data_dir);
    }
    drop_ended(&gpus->promises);
    for (size_t i = 0; r == 0 && i < gpus->n_data_dirs; i++)
        r = rktdir_for_each(gpus->data_dirs[i], take_note, found);
    drop_outdated(found, &gpus->promises);
    return r;
}

/* Return: the first who has one of the set and is not `self`; NULL. Prepared rkt pods of `self`'s
 * own pod do not count if `supersedes`. */
static const struct gpu_holder *find_other(const struct gpu_holders *holders, gpuset_t set,
                                           const struct gpu_holder *self, bool supersedes)
{
    for (size_t i = 0; i < holders->n; i++) {
        const struct gpu_holder *holder = &holders->list[i];
        if (gpu_holder_is_same(holder, self) ||
            (supersedes && holder->stage == GPU_PREPARED && gpu_holder_is_same_pod(holder, self)))
            continue;
        if (gpu_holder_set(holder) & set)
            return holder;
    }
    return NULL;
}

/* What a launch of `self` may choose from, and who has the rest. */
struct choice {
    const struct gpu_holders *found, *promises;
    const struct gpu_holder *self;
    bool supersedes;
};

static const struct gpu_holder *find_holder(const struct choice *choice, gpuset_t set)
{
    const struct gpu_holder *holder =
        find_other(choice->promises, set, choice->self, choice->supersedes);

    return holder ? holder : find_other(choice->found, set, choice->self, choice->supersedes);
}

static const char *container_with(const struct gpu_holder *holder, gpuset_t set)
{
    size_t i = 0;

    while (i + 1 < holder->n_shares && !(holder->shares[i].set & set))
        i++;
    return holder->shares[i].container;
}

static int say_taken(const struct gpu_holder *holder, unsigned gpu, const char *container,
                     struct error *error)
{
    return error_set(error, GPUS_E_TAKEN,
                     "GPU %u for container %s: container %s of pod %s/%s has it", gpu, container,
                     container_with(holder, UINT64_C(1) << gpu), holder->namespace, holder->name);
}

/* The GPUs that a container names. */
static int choose_named(const struct choice *choice, gpuset_t present, struct gpu_request *request,
                        struct error *error)
{
    for (unsigned gpu = 0; gpu < GPUSET_MAX; gpu++) {
        if (!gpuset_has(request->wanted, gpu))
            continue;
        if (!gpuset_has(present, gpu))
            return error_set(error, GPUS_E_TAKEN, "GPU %u for container %s: the node has none", gpu,
                             request->container);
        const struct gpu_holder *holder = find_holder(choice, UINT64_C(1) << gpu);
        if (holder)
            return say_taken(holder, gpu, request->container, error);
    }
    request->given = request->wanted;
    return 0;
}

static int choose_any(gpuset_t present, gpuset_t free, struct gpu_request *request,
                      struct error *error)
{
    unsigned n = request->wants_all ? gpuset_count(present) : request->n;

    if (n == 0 || gpuset_count(free) < n)
        return error_set(error, GPUS_E_TAKEN, "%u/%u GPUs free for container %s",
                         gpuset_count(free), gpuset_count(present), request->container);
    request->given = gpuset_first(free, n);
    return 0;
}

/* Who names GPUs comes first, so that no other container of the pod is given them. Two that name
 * the same one have `self` tell of each other. */
static int choose(const struct choice *choice, struct gpu_holder *self, gpuset_t present,
                  struct gpu_request *requests, size_t n, struct error *error)
{
    gpuset_t mine = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        gpuset_t twice = requests[i].wanted & mine;
        if (requests[i].wanted == 0)
            continue;
        if (twice)
            return say_taken(self, (unsigned)__builtin_ctzll(twice), requests[i].container, error);
        r = choose_named(choice, present, &requests[i], error);
        if (r == 0)
            r = gpu_holder_add_share(self, requests[i].container, requests[i].given);
        mine |= requests[i].given;
    }
    for (size_t i = 0; r == 0 && i < n; i++) {
        gpuset_t free = present & ~mine;
        if (requests[i].wanted != 0)
            continue;
        for (unsigned gpu = 0; gpu < GPUSET_MAX; gpu++) {
            if (find_holder(choice, UINT64_C(1) << gpu))
                free &= ~(UINT64_C(1) << gpu);
        }
        r = choose_any(present, free, &requests[i], error);
        if (r == 0)
            r = gpu_holder_add_share(self, requests[i].container, requests[i].given);
        mine |= requests[i].given;
    }
    return r;
}

/* A promise is to the process of the launch. Return: 0, -ESRCH if it cannot be watched, -errno. */
static int bind_to_process(struct gpu_holder *holder, const struct launch *launch)
{
    holder->launch = strdup(launch->id);
    holder->pid = launch->pid;
    holder->pidfd = launch->pidfd >= 0 ? fcntl(launch->pidfd, F_DUPFD_CLOEXEC, 0) : -1;
    if (!holder->launch)
        return -ENOMEM;
    return holder->pidfd < 0 ? -ESRCH : process_start_ticks(launch->pid, &holder->start_ticks);
}

static void drop_promise(struct gpus *gpus, const char *launch)
{
    for (size_t i = gpus->promises.n; i > 0; i--) {
        if (strcmp(gpus->promises.list[i - 1].launch, launch) == 0)
            gpu_holders_remove(&gpus->promises, i - 1);
    }
}

/* Takes the holder over, and writes it down. Return: 0 or -errno, and then nothing is promised. */
static int promise(struct gpus *gpus, struct gpu_holder *holder, const struct launch *launch)
{
    int r = bind_to_process(holder, launch);

    if (r == 0)
        r = gpu_holders_append(&gpus->promises, holder);
    if (r < 0)
        return r;
    r = save(gpus);
    if (r < 0)
        drop_promise(gpus, launch->id);
    return r;
}

static int give(struct gpus *gpus, struct launch *launch, gpuset_t present,
                struct gpu_request *requests, size_t n, struct error *error)
{
    CLEANUP(gpu_holders_deinit) struct gpu_holders found = {0};
    CLEANUP(gpu_holder_deinit) struct gpu_holder self = GPU_HOLDER_NULL;
    struct choice choice = {
        .found = &found, .promises = &gpus->promises, .self = &self, .supersedes = true};

    int r = look(gpus, launch->data_dir, &found);
    /* It asks again: the answer to its first question was lost. */
    drop_promise(gpus, launch->id);
    if (r == 0)
        r = gpu_holder_init(&self, &launch->identity, launch->uuid ? launch->uuid : "");
    self.since = wall_now();
    if (r == 0)
        r = choose(&choice, &self, present, requests, n, error);
    if (r != 0)
        return r;
    CLEANUP(freep) char *text = gpu_holder_to_text(&self);
    r = text ? manifest_set_annotation(launch->manifest, GPU_ANNOTATION, text) : -ENOMEM;
    return r == 0 ? promise(gpus, &self, launch) : r;
}

int gpus_give(struct gpus *gpus, struct launch *launch, gpuset_t present,
              struct gpu_request *requests, size_t n, struct error *error)
{
    pthread_mutex_lock(&gpus->mutex);
    int r = give(gpus, launch, present, requests, n, error);
    pthread_mutex_unlock(&gpus->mutex);
    return r;
}

static int keep(struct gpus *gpus, const struct launch *launch, struct error *error)
{
    CLEANUP(gpu_holders_deinit) struct gpu_holders found = {0};
    CLEANUP(gpu_holder_deinit) struct gpu_holder self = GPU_HOLDER_NULL;
    struct choice choice = {.found = &found, .promises = &gpus->promises, .self = &self};

    int r = gpu_holder_from_manifest(&self, launch->manifest, launch->uuid ? launch->uuid : "");
    if (r < 0 || self.n_shares == 0)
        return r;
    r = look(gpus, launch->data_dir, &found);
    if (r < 0)
        return r;
    drop_promise(gpus, launch->id);
    for (unsigned gpu = 0; gpu < GPUSET_MAX; gpu++) {
        gpuset_t set = gpu_holder_set(&self) & UINT64_C(1) << gpu;
        const struct gpu_holder *holder = set ? find_holder(&choice, set) : NULL;
        if (holder)
            return say_taken(holder, gpu, container_with(&self, set), error);
    }
    return promise(gpus, &self, launch);
}

int gpus_keep(struct gpus *gpus, const struct launch *launch, struct error *error)
{
    pthread_mutex_lock(&gpus->mutex);
    int r = keep(gpus, launch, error);
    pthread_mutex_unlock(&gpus->mutex);
    return r;
}

void gpus_take_back(struct gpus *gpus, const struct launch *launch)
{
    pthread_mutex_lock(&gpus->mutex);
    drop_promise(gpus, launch->id);
    pthread_mutex_unlock(&gpus->mutex);
}

/* A copy, for show. Return: 0 or -ENOMEM. */
static int copy(struct gpu_holders *holders, const struct gpu_holder *holder)
{
    CLEANUP(gpu_holder_deinit) struct gpu_holder new = GPU_HOLDER_NULL;
    struct pod_identity identity = {
        .uid = holder->uid, .name = holder->name, .namespace = holder->namespace};

    int r = gpu_holder_init(&new, &identity, holder->uuid);
    new.since = holder->since;
    for (size_t i = 0; r == 0 && i < holder->n_shares; i++)
        r = gpu_holder_add_share(&new, holder->shares[i].container, holder->shares[i].set);
    return r == 0 ? gpu_holders_append(holders, &new) : r;
}

static bool is_among(const struct gpu_holders *holders, const struct gpu_holder *holder)
{
    for (size_t i = 0; i < holders->n; i++) {
        if (gpu_holder_is_same(&holders->list[i], holder))
            return true;
    }
    return false;
}

int gpus_list(struct gpus *gpus, const char *data_dir, struct gpu_holders *holders)
{
    pthread_mutex_lock(&gpus->mutex);
    int r = look(gpus, data_dir, holders);
    for (size_t i = 0; r == 0 && i < gpus->promises.n; i++) {
        if (!is_among(holders, &gpus->promises.list[i]))
            r = copy(holders, &gpus->promises.list[i]);
    }
    pthread_mutex_unlock(&gpus->mutex);
    return r;
}

bool gpus_are_in(const struct manifest *manifest)
{
    return manifest_annotation(manifest, GPU_ANNOTATION) != NULL;
}

/* The devices. */

static void closedirp(DIR **dirp)
{
    if (*dirp)
        closedir(*dirp);
}

/* Return: true and the number, if the name is nvidiaN as the driver writes it. */
static bool number_of(const char *name, unsigned *numberp)
{
    char *end, again[32];

    if (strncmp(name, "nvidia", strlen("nvidia")) != 0)
        return false;
    unsigned long number = strtoul(name + strlen("nvidia"), &end, 10);
    snprintf(again, sizeof(again), "nvidia%lu", number);
    *numberp = (unsigned)number;
    return number < GPUSET_MAX && strcmp(name, again) == 0;
}

int gpus_present(const char *device_dir, gpuset_t *setp)
{
    CLEANUP(closedirp) DIR *dir = opendir(device_dir);
    gpuset_t set = 0;

    if (!dir && errno != ENOENT)
        return -errno;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        unsigned number;
        struct stat st;
        if (number_of(entry->d_name, &number) && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
            S_ISCHR(st.st_mode))
            set |= UINT64_C(1) << number;
    }
    *setp = set;
    return 0;
}
