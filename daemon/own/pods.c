/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/own/pods.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/bus-units.h"
#include "daemon/node.h"
#include "daemon/own/run.h"
#include "daemon/own/units.h"
#include "daemon/state.h"

struct ownpods {
    struct node *node;
    char *folder;
    int fd;
    bool is_closed;
    struct ownpod *list;
};

/* The writing: one at a time of each, on the thread pool. */
struct ownpod_save {
    uv_work_t work;
    struct ownpods *ownpods;
    struct ownpod *ownpod;
    char *name;
    char *text;      /* NULL: the file is to go, or there was no memory */
    bool is_removal; /* the file is to go */
    bool again;
    int result;
    void (*written)(struct ownpod *ownpod);
    void (*written_next)(struct ownpod *ownpod);
};

int ownpods_new(struct ownpods **ownpodsp, struct node *node, const char *state_dir,
                struct error *error)
{
    struct ownpods *ownpods = calloc(1, sizeof(*ownpods));

    if (!ownpods)
        return -ENOMEM;
    *ownpodsp = ownpods;
    ownpods->node = node;
    ownpods->fd = -1;
    if (asprintf(&ownpods->folder, "%s/own", state_dir) < 0) {
        ownpods->folder = NULL;
        return -ENOMEM;
    }
    if ((mkdir(ownpods->folder, 0700) < 0 && errno != EEXIST) ||
        (ownpods->fd = open(ownpods->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return error_set(error, -errno, "state directory %s: %s", ownpods->folder, strerror(errno));
    return 0;
}

const char *ownpods_folder(const struct ownpods *ownpods)
{
    return ownpods->folder;
}

bool ownpods_is_closed(const struct ownpods *ownpods)
{
    return ownpods->is_closed;
}

struct ownpod *ownpods_find(const struct ownpods *ownpods, const char *name)
{
    struct ownpod *ownpod = ownpods->list;

    while (ownpod && strcmp(ownpod->name, name) != 0)
        ownpod = ownpod->next;
    return ownpod;
}

struct ownpod *ownpods_find_uid(const struct ownpods *ownpods, const char *uid)
{
    struct ownpod *ownpod = ownpods->list;

    while (ownpod && strcmp(ownpod->uid, uid) != 0)
        ownpod = ownpod->next;
    return ownpod;
}

/* What of its life the node's register tells. */
static void show(const struct ownpod *ownpod, struct pod *pod)
{
    const struct ownlife *life = &ownpod->life;

    pod->is_stopped = !ownlife_is_wanted(life);
    pod->retry_at = life->state == OWNLIFE_WAITING ? life->retry_at : 0;
}

int ownpods_put(struct ownpods *ownpods, struct ownpod *ownpod)
{
    struct pod_identity identity = ownpod_identity(ownpod);
    char unit[OWNUNITS_NAME_MAX];
    struct pod *pod = pods_get(&ownpods->node->pods, &identity);

    if (!pod) {
        ownpod_free(ownpod);
        return -ENOMEM;
    }
    bus_watch_unit(ownpods->node->bus, ownunits_name(unit, ownpod));
    pod->is_own = true;
    ownpod->next = ownpods->list;
    ownpods->list = ownpod;
    show(ownpod, pod);
    return 0;
}

/* `repeat` as events_emit() has it. */
static void report(struct ownpods *ownpods, const char *name, const char *what, const char *reason,
                   struct repeat *repeat)
{
    CLEANUP(event_deinit) struct event event;

    event_init(&event, MESSAGE_STATE, "state of pod %s of gantry's own %s: %s", name, what, reason);
    event_add(&event, "GANTRY_POD_NAME", "%s", name);
    events_emit(&ownpods->node->events, &event, repeat, usec_now());
}

/* Reading. */

static bool is_of_this_boot(const struct ownpods *ownpods, const json_t *json)
{
    const char *boot = json_string_value(json_object_get(json, "boot"));

    return boot && strcmp(boot, state_boot_id(ownpods->node->state)) == 0;
}

static void load_one(struct ownpods *ownpods, const char *name)
{
    struct ownpod *ownpod = NULL;
    json_error_t at = {.text = ""};
    const char *why = at.text;
    int fd = openat(ownpods->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    json_auto_t *json = fd >= 0 ? json_loadfd(fd, 0, &at) : NULL;

    fd_close(fd);
    if (json && !is_of_this_boot(ownpods, json)) {
        unlinkat(ownpods->fd, name, 0);
        return;
    }
    if (json && ownpod_from_json(&ownpod, ownpods->node, json, &why) == 0) {
        ownpods_put(ownpods, ownpod);
        return;
    }
    report(ownpods, name, "cannot be read, put aside as .bad", why, &(struct repeat){0});
    CLEANUP(freep) char *aside = NULL;
    if (asprintf(&aside, "%s.bad", name) < 0)
        aside = NULL;
    else
        renameat(ownpods->fd, name, ownpods->fd, aside);
}

void ownpods_load(struct ownpods *ownpods)
{
    DIR *dir = opendir(ownpods->folder);

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        const char *suffix = strrchr(entry->d_name, '.');
        if (entry->d_name[0] != '.' && suffix && strcmp(suffix, ".json") == 0)
            load_one(ownpods, entry->d_name);
    }
    if (dir)
        closedir(dir);
}

/* Writing. */

static void write_blocking(uv_work_t *work)
{
    struct ownpod_save *save = container_of(work, struct ownpod_save, work);

    if (save->is_removal)
        ownunits_clear_files(save->ownpods->fd, save->ownpod);
    if (save->text)
        save->result = state_replace_file(save->ownpods->fd, save->name, save->text);
    else if (!save->is_removal)
        save->result = -ENOMEM;
    else
        save->result =
            unlinkat(save->ownpods->fd, save->name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static void after_write(uv_work_t *work, int status);

static void begin_write(struct ownpod_save *save)
{
    struct ownpods *ownpods = save->ownpods;
    bool is_removal = save->ownpod->life.state == OWNLIFE_ERASING;
    json_auto_t *json =
        is_removal ? NULL : ownpod_to_json(save->ownpod, state_boot_id(ownpods->node->state));

    free(save->text);
    save->text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    save->is_removal = is_removal;
    save->again = false;
    save->written = save->written_next;
    save->written_next = NULL;
    uv_queue_work(ownpods->node->loop, &save->work, write_blocking, after_write);
}

static void after_write(uv_work_t *work, int status)
{
    struct ownpod_save *save = container_of(work, struct ownpod_save, work);
    struct ownpod *ownpod = save->ownpod;
    void (*written)(struct ownpod *) = save->written;

    (void)status;
    if (save->result < 0)
        report(save->ownpods, save->name, "cannot be written, and is lost if gantryd ends now",
               strerror(-save->result), NULL);
    if (save->again) {
        begin_write(save);
    } else {
        ownpod->save = NULL;
        free(save->name);
        free(save->text);
        free(save);
    }
    if (written)
        written(ownpod);
}

void ownpods_save(struct ownpods *ownpods, struct ownpod *ownpod,
                  void (*written)(struct ownpod *ownpod))
{
    struct ownpod_save *save = ownpod->save;
    struct pod *pod = pods_find(&ownpods->node->pods, ownpod->uid);

    if (pod)
        show(ownpod, pod);
    if (save) {
        save->again = true;
        save->written_next = written ? written : save->written_next;
        return;
    }
    save = calloc(1, sizeof(*save));
    if (!save || asprintf(&save->name, "%s.json", ownpod->name) < 0) {
        free(save);
        report(ownpods, ownpod->name, "cannot be written", strerror(ENOMEM), NULL);
        if (written)
            written(ownpod);
        return;
    }
    save->ownpods = ownpods;
    save->ownpod = ownpod;
    save->written_next = written;
    ownpod->save = save;
    begin_write(save);
}

/* The end of one. */

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static void drop_timer(struct ownpod *ownpod)
{
    if (ownpod->timer)
        uv_close((uv_handle_t *)ownpod->timer, timer_closed);
    ownpod->timer = NULL;
}

void ownpods_take_out(struct ownpods *ownpods, struct ownpod *ownpod)
{
    struct pod *pod = pods_find(&ownpods->node->pods, ownpod->uid);
    char unit[OWNUNITS_NAME_MAX];

    for (struct ownpod **slot = &ownpods->list; *slot; slot = &(*slot)->next) {
        if (*slot == ownpod) {
            *slot = ownpod->next;
            break;
        }
    }
    bus_unwatch_unit(ownpods->node->bus, ownunits_name(unit, ownpod));
    drop_timer(ownpod);
    if (pod) {
        pod->is_own = false;
        pods_forget(ownpods->node, pod, "it was removed");
    }
}

static void unit_changed(void *userdata, const char *unit)
{
    struct ownpods *ownpods = userdata;
    char buffer[OWNUNITS_NAME_MAX];
    const char *name = unit ? ownunits_pod_of(buffer, unit) : NULL;
    struct ownpod *ownpod = name ? ownpods_find(ownpods, name) : NULL;

    if (ownpod)
        ownrun_feed(ownpod, OWNLIFE_ON_CHANGED);
    for (ownpod = unit ? NULL : ownpods->list; ownpod; ownpod = ownpod->next)
        ownrun_feed(ownpod, OWNLIFE_ON_CUT);
}

void ownpods_attach(struct ownpods *ownpods)
{
    bus_on_change(ownpods->node->bus, unit_changed, ownpods);
    for (struct ownpod *ownpod = ownpods->list, *next; ownpod; ownpod = next) {
        next = ownpod->next;
        ownrun_attach(ownpod);
    }
}

void ownpods_close(struct ownpods *ownpods)
{
    ownpods->is_closed = true;
    for (struct ownpod *ownpod = ownpods->list; ownpod; ownpod = ownpod->next)
        drop_timer(ownpod);
}

struct ownpods *ownpods_free(struct ownpods *ownpods)
{
    if (!ownpods)
        return NULL;
    for (struct ownpod *ownpod; (ownpod = ownpods->list);) {
        ownpods->list = ownpod->next;
        ownpod_free(ownpod);
    }
    fd_close(ownpods->fd);
    free(ownpods->folder);
    free(ownpods);
    return NULL;
}

void ownpods_pod_changed(struct ownpods *ownpods, const struct pod *pod)
{
    struct ownpod *ownpod = ownpods_find_uid(ownpods, pod->uid);

    if (ownpod)
        ownrun_feed(ownpod, OWNLIFE_ON_CHANGED);
}

void ownpods_reset(struct ownpods *ownpods, const struct pod *pod)
{
    struct ownpod *ownpod = ownpods_find_uid(ownpods, pod->uid);

    if (ownpod)
        ownlife_reset(&ownpod->life);
}

void ownpods_config_changed(struct ownpods *ownpods)
{
    usec_t now = usec_now();

    for (struct ownpod *ownpod = ownpods->list, *next; ownpod; ownpod = next) {
        next = ownpod->next;
        if (!ownlife_bound(&ownpod->life, &ownpods->node->config->backoff, now))
            continue;
        ownpods_save(ownpods, ownpod, NULL);
        ownrun_feed(ownpod, OWNLIFE_ON_CHANGED);
    }
}
