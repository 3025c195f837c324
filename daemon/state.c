/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/podjson.h"
#include "lib/manifest.h"

#define BOOT_ID_MAX 64

struct state {
    int dir_fd;
    uv_loop_t *loop;
    struct events *events;
    char boot_id[BOOT_ID_MAX];
    struct save *removals; /* of forgotten pods: a pod of that UID may be met anew meanwhile */
};

static int read_boot_id(struct state *state)
{
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

    if (!f)
        return -errno;
    if (!fgets(state->boot_id, sizeof(state->boot_id), f))
        state->boot_id[0] = '\0';
    fclose(f);
    state->boot_id[strcspn(state->boot_id, "\n")] = '\0';
    return 0;
}

int state_new(struct state **statep, const char *dir, uv_loop_t *loop, struct events *events,
              struct error *error)
{
    char path[PATH_MAX];
    struct state *state = calloc(1, sizeof(*state));

    if (!state)
        return -ENOMEM;
    state->loop = loop;
    state->events = events;
    snprintf(path, sizeof(path), "%s/pods", dir);
    if ((mkdir(dir, 0755) < 0 && errno != EEXIST) || (mkdir(path, 0700) < 0 && errno != EEXIST) ||
        (state->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        int code = errno;
        free(state);
        return error_set(error, -code, "state directory %s: %s", path, strerror(code));
    }
    int r = read_boot_id(state);
    if (r < 0) {
        state_free(state);
        return error_set(error, r, "/proc/sys/kernel/random/boot_id: %s", strerror(-r));
    }
    *statep = state;
    return 0;
}

struct state *state_free(struct state *state)
{
    if (state)
        fd_close(state->dir_fd);
    free(state);
    return NULL;
}

const char *state_boot_id(const struct state *state)
{
    return state->boot_id;
}

static void report(struct state *state, const char *uid, const char *what, const char *reason)
{
    CLEANUP(event_deinit) struct event event;

    event_init(&event, MESSAGE_STATE, "state of pod %s %s: %s", uid, what, reason);
    event_add(&event, "GANTRY_POD_UID", "%s", uid);
    events_emit(state->events, &event, NULL, usec_now());
}

/* Reads pods/NAME. Return: 0 and a pod, or NULL if it is of another boot; PODJSON_E_BAD, -ENOMEM.
 */
static int load_one(struct state *state, const char *name, const char *uid, struct pod **podp,
                    struct error *error)
{
    json_error_t at;
    int fd = openat(state->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return error_set(error, PODJSON_E_BAD, "%s", strerror(errno));
    json_t *json = json_loadfd(fd, 0, &at);
    close(fd);
    if (!json)
        return error_set(error, PODJSON_E_BAD, "%s", at.text);

    int r = podjson_read(json, uid, state->boot_id, podp, error);
    if (r == PODJSON_E_OTHER_BOOT) {
        unlinkat(state->dir_fd, name, 0);
        r = 0;
    }
    json_decref(json);
    return r;
}

static void put_aside(struct state *state, const char *name, const char *uid, struct error *error)
{
    char aside[NAME_MAX + 1];

    report(state, uid, "cannot be read, put aside as .bad", error_message(error));
    snprintf(aside, sizeof(aside), "%.200s.bad", name);
    if (renameat(state->dir_fd, name, state->dir_fd, aside) < 0)
        report(state, uid, "cannot be put aside", strerror(errno));
}

/* Return: true and the UID if the name is UID.json. */
static bool uid_of_name(const char *name, char uid[static POD_UID_MAX + 1])
{
    static const char suffix[] = ".json";
    size_t length = strlen(name);

    if (length < sizeof(suffix) || length - strlen(suffix) > POD_UID_MAX ||
        strcmp(name + length - strlen(suffix), suffix) != 0)
        return false;
    snprintf(uid, POD_UID_MAX + 1, "%.*s", (int)(length - strlen(suffix)), name);
    return pod_uid_is_valid(uid);
}

void state_load(struct state *state, void (*loaded)(void *userdata, struct pod *pod),
                void *userdata)
{
    int fd = openat(state->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (!dir) {
        report(state, "*", "cannot be listed", strerror(errno));
        fd_close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        CLEANUP(error_deinit) struct error error = ERROR_NULL;
        char uid[POD_UID_MAX + 1];
        struct pod *pod = NULL;
        if (!uid_of_name(entry->d_name, uid))
            continue;
        if (load_one(state, entry->d_name, uid, &pod, &error) != 0)
            put_aside(state, entry->d_name, uid, &error);
        else if (pod)
            loaded(userdata, pod);
    }
    closedir(dir);
}

/* The writing. */

struct waiter {
    struct waiter *next;
    void (*done)(void *userdata);
    void *userdata;
};

struct save {
    uv_work_t work;
    struct state *state;
    struct save *next_removal;
    struct pod *pod;  /* a reference */
    struct pod *heir; /* a reference: the pod of the same UID that is to be written next, or NULL */
    char *text;       /* NULL: the file is to go */
    int result;
    struct waiter *waiters;      /* for what is being written */
    struct waiter *next_waiters; /* for what has changed since */
    bool again;
};

int state_replace_file(int dir_fd, const char *name, const char *text)
{
    char temporary[NAME_MAX + 1];
    size_t length = strlen(text);

    snprintf(temporary, sizeof(temporary), ".%.200s.new", name);
    /* One that a daemon left that was killed here. */
    unlinkat(dir_fd, temporary, 0);
    CLEANUP(fd_closep)
    int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    for (size_t at = 0; at < length;) {
        ssize_t n = write(fd, text + at, length - at);
        if (n < 0) {
            int r = -errno;
            unlinkat(dir_fd, temporary, 0);
            return r;
        }
        at += (size_t)n;
    }
    return renameat(dir_fd, temporary, dir_fd, name) < 0 ? -errno : 0;
}

static void write_blocking(uv_work_t *work)
{
    struct save *save = container_of(work, struct save, work);
    char name[NAME_MAX + 1];

    snprintf(name, sizeof(name), "%s.json", save->pod->uid);
    if (save->text)
        save->result = state_replace_file(save->state->dir_fd, name, save->text);
    else if (unlinkat(save->state->dir_fd, name, 0) < 0 && errno != ENOENT)
        save->result = -errno;
}

static void tell(struct waiter *waiters)
{
    for (struct waiter *waiter; (waiter = waiters);) {
        waiters = waiter->next;
        waiter->done(waiter->userdata);
        free(waiter);
    }
}

static void written(uv_work_t *work, int status);

static void begin(struct save *save)
{
    free(save->text);
    save->text = NULL;
    save->result = 0;
    if (!save->pod->forgotten) {
        save->text = podjson_write(save->pod, save->state->boot_id);
        if (!save->text)
            save->result = -ENOMEM;
    }
    if (save->result < 0)
        written(&save->work, 0);
    else
        uv_queue_work(save->state->loop, &save->work, write_blocking, written);
}

static void drop_removal(struct save *save)
{
    struct save **link = &save->state->removals;

    while (*link && *link != save)
        link = &(*link)->next_removal;
    if (*link)
        *link = save->next_removal;
}

static struct save *find_removal(const struct state *state, const char *uid)
{
    struct save *save = state->removals;

    while (save && strcmp(save->pod->uid, uid) != 0)
        save = save->next_removal;
    return save;
}

static void end(struct save *save)
{
    save->pod->save = NULL;
    pod_unref(save->pod);
    free(save->text);
    free(save);
}

/* What has changed meanwhile. */
static void begin_again(struct save *save)
{
    if (save->heir) {
        if (!save->heir->forgotten)
            drop_removal(save);
        save->pod->save = NULL;
        pod_unref(save->pod);
        save->pod = save->heir;
        save->heir = NULL;
    }
    save->again = false;
    save->waiters = save->next_waiters;
    save->next_waiters = NULL;
    begin(save);
}

static void written(uv_work_t *work, int status)
{
    struct save *save = container_of(work, struct save, work);
    struct waiter *waiters = save->waiters;

    (void)status;
    if (save->result < 0)
        report(save->state, save->pod->uid, "cannot be written, and is lost if gantryd ends now",
               strerror(-save->result));
    if (save->again) {
        begin_again(save);
    } else {
        drop_removal(save);
        end(save);
    }
    tell(waiters);
}

/* Return: 0 or -ENOMEM. The order of those that wait does not matter. */
static int add_waiter(struct waiter **list, void (*done)(void *userdata), void *userdata)
{
    if (!done)
        return 0;
    struct waiter *waiter = malloc(sizeof(*waiter));
    if (!waiter)
        return -ENOMEM;
    *waiter = (struct waiter){.next = *list, .done = done, .userdata = userdata};
    *list = waiter;
    return 0;
}

/* The last one that comes is the one that is written. */
static void set_heir(struct save *save, struct pod *pod)
{
    if (save->pod == pod || save->heir == pod)
        return;
    if (save->heir)
        save->heir->save = NULL;
    pod_unref(save->heir);
    save->heir = pod_ref(pod);
}

void state_save(struct state *state, struct pod *pod, void (*done)(void *userdata), void *userdata)
{
    struct save *save = pod->save ? pod->save : find_removal(state, pod->uid);
    bool under_way = save;

    if (!under_way)
        save = calloc(1, sizeof(*save));
    if (!save || add_waiter(under_way ? &save->next_waiters : &save->waiters, done, userdata) < 0) {
        report(state, pod->uid, "cannot be written", strerror(ENOMEM));
        if (!under_way)
            free(save);
        if (done)
            done(userdata);
        return;
    }
    pod->save = save;
    if (under_way) {
        save->again = true;
        set_heir(save, pod);
    } else {
        save->state = state;
        save->pod = pod_ref(pod);
    }
    if (pod->forgotten && !find_removal(state, pod->uid)) {
        save->next_removal = state->removals;
        state->removals = save;
    }
    if (!under_way)
        begin(save);
}
