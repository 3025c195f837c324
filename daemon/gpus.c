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

/* Where a manifest says what was given: "SINCE CONTAINER=0,1 CONTAINER=2", with the time in
 * microseconds since 1970. The kubelet passes no annotation of the user's on (contract section 2),
 * so nobody else can have written it. */
#define ANNOTATION "gpu.gantry.io/given"

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

/* Holders. */

static void holder_deinit(struct gpu_holder *holder)
{
    free(holder->uid);
    free(holder->name);
    free(holder->namespace);
    free(holder->uuid);
    free(holder->launch);
    for (size_t i = 0; i < holder->n_shares; i++)
        free(holder->shares[i].container);
    free(holder->shares);
    fd_close(holder->pidfd);
    *holder = (struct gpu_holder){.pidfd = -1};
}

void gpu_holders_deinit(struct gpu_holders *holders)
{
    for (size_t i = 0; i < holders->n; i++)
        holder_deinit(&holders->list[i]);
    free(holders->list);
    *holders = (struct gpu_holders){0};
}

static void remove_at(struct gpu_holders *holders, size_t index)
{
    holder_deinit(&holders->list[index]);
    holders->list[index] = holders->list[--holders->n];
}

/* Takes the holder over; what was at its place is empty after that. Return: 0 or -ENOMEM. */
static int append(struct gpu_holders *holders, struct gpu_holder *holder)
{
    struct gpu_holder *list = reallocarray(holders->list, holders->n + 1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    holders->list = list;
    list[holders->n++] = *holder;
    *holder = (struct gpu_holder){.pidfd = -1};
    return 0;
}

/* Return: 0 or -ENOMEM. */
static int holder_init(struct gpu_holder *holder, const struct pod_identity *identity,
                       const char *uuid)
{
    *holder = (struct gpu_holder){
        .uid = strdup(identity->uid),
        .name = strdup(identity->name),
        .namespace = strdup(identity->namespace),
        .uuid = strdup(uuid),
        .pidfd = -1,
    };
    return holder->uid && holder->name && holder->namespace && holder->uuid ? 0 : -ENOMEM;
}

static int add_share(struct gpu_holder *holder, const char *container, gpuset_t set)
{
    struct gpu_share *shares = reallocarray(holder->shares, holder->n_shares + 1, sizeof(*shares));

    if (!shares)
        return -ENOMEM;
    holder->shares = shares;
    shares[holder->n_shares] = (struct gpu_share){.container = strdup(container), .set = set};
    return shares[holder->n_shares++].container ? 0 : -ENOMEM;
}

static gpuset_t set_of(const struct gpu_holder *holder)
{
    gpuset_t set = 0;

    for (size_t i = 0; i < holder->n_shares; i++)
        set |= holder->shares[i].set;
    return set;
}

static bool is_same_pod(const struct gpu_holder *a, const struct gpu_holder *b)
{
    return strcmp(a->uid, b->uid) == 0;
}

/* Whether it is the same that was given, seen at two places. */
static bool is_same(const struct gpu_holder *a, const struct gpu_holder *b)
{
    return is_same_pod(a, b) && a->since.usec == b->since.usec;
}

/* The annotation. */

/* Return: a string to free(), NULL without memory. */
static char *shares_to_text(const struct gpu_holder *holder)
{
    char buffer[GPUSET_TEXT_MAX], *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        return NULL;
    fprintf(f, "%" PRIu64, holder->since.usec);
    for (size_t i = 0; i < holder->n_shares; i++)
        fprintf(f, " %s=%s", holder->shares[i].container,
                gpuset_format(buffer, holder->shares[i].set));
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}

/* What is not as we write it gives nothing. Return: 0 or -ENOMEM. */
static int shares_from_text(struct gpu_holder *holder, const char *text)
{
    CLEANUP(freep) char *copy = strdup(text);
    char *rest = copy;
    int r = 0;

    if (!copy)
        return -ENOMEM;
    holder->since.usec = strtoull(strsep(&rest, " "), NULL, 10);
    for (char *word; r == 0 && (word = strsep(&rest, " "));) {
        const char *container = strsep(&word, "=");
        gpuset_t set;
        if (word && gpuset_parse(&set, word) == 0)
            r = add_share(holder, container, set);
    }
    return r;
}

bool gpus_are_in(const struct manifest *manifest)
{
    return manifest_annotation(manifest, ANNOTATION) != NULL;
}

/* Return: 0, and a holder without shares if the manifest tells of none; -ENOMEM. */
static int holder_from_manifest(struct gpu_holder *holder, const struct manifest *manifest,
                                const char *uuid)
{
    const char *given = manifest_annotation(manifest, ANNOTATION);
    struct pod_identity identity;

    *holder = (struct gpu_holder){.pidfd = -1};
    if (!given || !manifest_identity(manifest, &identity))
        return 0;
    int r = holder_init(holder, &identity, uuid);
    return r == 0 ? shares_from_text(holder, given) : r;
}

/* The file. */

static json_t *holder_to_json(const struct gpu_holder *holder)
{
    CLEANUP(freep) char *given = shares_to_text(holder);

    if (!given)
        return NULL;
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I}", "uid", holder->uid, "name",
                     holder->name, "namespace", holder->namespace, "uuid", holder->uuid, "given",
                     given, "launch", holder->launch, "pid", (int)holder->pid, "startTicks",
                     (json_int_t)holder->start_ticks);
}

/* Return: 0; -ENOENT for a process that has ended; -EINVAL, -ENOMEM. */
static int holder_from_json(struct gpu_holder *holder, json_t *json)
{
    const char *uuid, *given, *launch;
    struct pod_identity identity;
    json_int_t start_ticks;
    int pid;

    if (json_unpack(json, "{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I}", "uid", &identity.uid, "name",
                    &identity.name, "namespace", &identity.namespace, "uuid", &uuid, "given",
                    &given, "launch", &launch, "pid", &pid, "startTicks", &start_ticks) < 0)
        return -EINVAL;
    int r = holder_init(holder, &identity, uuid);
    if (r == 0)
        r = shares_from_text(holder, given);
    holder->launch = strdup(launch);
    holder->pid = pid;
    holder->start_ticks = (uint64_t)start_ticks;
    holder->pidfd = process_open(pid, (uint64_t)start_ticks);
    if (r < 0 || !holder->launch)
        return -ENOMEM;
    return holder->pidfd >= 0 ? 0 : -ENOENT;
}

/* Return: 0 or -errno. */
static int save(const struct gpus *gpus)
{
    json_t *data_dirs = json_array(), *promises = json_array();
    json_t *json = json_pack("{s:o, s:o}", "dataDirectories", data_dirs, "promises", promises);
    int r = json ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < gpus->n_data_dirs; i++)
        r = json_array_append_new(data_dirs, json_string(gpus->data_dirs[i])) < 0 ? -ENOMEM : 0;
    for (size_t i = 0; r == 0 && i < gpus->promises.n; i++)
        r = json_array_append_new(promises, holder_to_json(&gpus->promises.list[i])) < 0 ? -ENOMEM
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
        CLEANUP(holder_deinit) struct gpu_holder holder = {.pidfd = -1};
        int r = holder_from_json(&holder, json_array_get(list, i));
        if (r == 0)
            r = append(&gpus->promises, &holder);
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
            remove_at(promises, i - 1);
    }
}

static int take_note(const struct rktdir_pod *pod, void *userdata)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    CLEANUP(holder_deinit) struct gpu_holder holder = {.pidfd = -1};
    struct gpu_holders *found = userdata;

    /* Those that have ended have none any more. Most never had, and need not be read for that. */
    if ((pod->has_started && !pod->is_running) || !strstr(pod->manifest, ANNOTATION))
        return 0;
    int r = manifest_parse(&manifest, pod->manifest, pod->length, NULL);
    if (r != 0)
        return r < 0 ? r : 0;
    r = holder_from_manifest(&holder, manifest, pod->uuid);
    holder.stage = pod->is_running ? GPU_RUNNING : GPU_PREPARED;
    return r == 0 && holder.n_shares > 0 ? append(found, &holder) : r;
}

static bool has_newer(const struct gpu_holders *holders, const struct gpu_holder *than)
{
    for (size_t i = 0; i < holders->n; i++) {
        if (is_same_pod(&holders->list[i], than) && holders->list[i].since.usec > than->since.usec)
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
                           is_same(&found->list[k], holder));
        if (is_outdated)
            remove_at(found, i - 1);
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
        if (is_same(holder, self) ||
            (supersedes && holder->stage == GPU_PREPARED && is_same_pod(holder, self)))
            continue;
        if (set_of(holder) & set)
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
            r = add_share(self, requests[i].container, requests[i].given);
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
            r = add_share(self, requests[i].container, requests[i].given);
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
            remove_at(&gpus->promises, i - 1);
    }
}

/* Takes the holder over, and writes it down. Return: 0 or -errno, and then nothing is promised. */
static int promise(struct gpus *gpus, struct gpu_holder *holder, const struct launch *launch)
{
    int r = bind_to_process(holder, launch);

    if (r == 0)
        r = append(&gpus->promises, holder);
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
    CLEANUP(holder_deinit) struct gpu_holder self = {.pidfd = -1};
    struct choice choice = {
        .found = &found, .promises = &gpus->promises, .self = &self, .supersedes = true};

    int r = look(gpus, launch->data_dir, &found);
    /* It asks again: the answer to its first question was lost. */
    drop_promise(gpus, launch->id);
    if (r == 0)
        r = holder_init(&self, &launch->identity, launch->uuid ? launch->uuid : "");
    self.since = wall_now();
    if (r == 0)
        r = choose(&choice, &self, present, requests, n, error);
    if (r != 0)
        return r;
    CLEANUP(freep) char *text = shares_to_text(&self);
    r = text ? manifest_set_annotation(launch->manifest, ANNOTATION, text) : -ENOMEM;
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
    CLEANUP(holder_deinit) struct gpu_holder self = {.pidfd = -1};
    struct choice choice = {.found = &found, .promises = &gpus->promises, .self = &self};

    int r = holder_from_manifest(&self, launch->manifest, launch->uuid ? launch->uuid : "");
    if (r < 0 || self.n_shares == 0)
        return r;
    r = look(gpus, launch->data_dir, &found);
    if (r < 0)
        return r;
    drop_promise(gpus, launch->id);
    for (unsigned gpu = 0; gpu < GPUSET_MAX; gpu++) {
        gpuset_t set = set_of(&self) & UINT64_C(1) << gpu;
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
    CLEANUP(holder_deinit) struct gpu_holder new = {.pidfd = -1};
    struct pod_identity identity = {
        .uid = holder->uid, .name = holder->name, .namespace = holder->namespace};

    int r = holder_init(&new, &identity, holder->uuid);
    new.since = holder->since;
    for (size_t i = 0; r == 0 && i < holder->n_shares; i++)
        r = add_share(&new, holder->shares[i].container, holder->shares[i].set);
    return r == 0 ? append(holders, &new) : r;
}

static bool is_among(const struct gpu_holders *holders, const struct gpu_holder *holder)
{
    for (size_t i = 0; i < holders->n; i++) {
        if (is_same(&holders->list[i], holder))
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
