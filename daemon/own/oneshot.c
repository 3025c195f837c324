/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/own/oneshot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "daemon/bus.h"
#include "daemon/state.h"
#include "lib/def.h"

/* An image's manifest is the longest thing that is read of a program. */
#define OUTPUT_MAX ((size_t)1 << 20)

/* Its files are named like the unit, with these at the end. */
#define OUT ".out"
#define ERR ".err"

struct oneshot {
    uv_work_t work;
    struct bus *bus;
    char *folder, *name, *description, *environment;
    usec_t start_timeout;
    char **argv[TRANSIENT_COMMANDS_MAX];
    bool may_fail[TRANSIENT_COMMANDS_MAX];
    char *input_name, *input;
    char out_path[PATH_MAX], err_path[PATH_MAX];
    bool keeps_output;
    int prepared; /* 0 or -errno: the files */
    bool is_cancelled;
    struct errand *errand; /* NULL: systemd has nothing to do for it, yet or any more */
    int result;
    char *reason, *out, *err;
    oneshot_done_fn *done;
    void *userdata;
};

static void free_argv(char **argv)
{
    for (char **p = argv; p && *p; p++)
        free(*p);
    free(argv);
}

static void oneshot_free(struct oneshot *oneshot)
{
    free(oneshot->folder);
    free(oneshot->name);
    free(oneshot->description);
    free(oneshot->environment);
    for (size_t i = 0; i < TRANSIENT_COMMANDS_MAX; i++)
        free_argv(oneshot->argv[i]);
    free(oneshot->input_name);
    free(oneshot->input);
    free(oneshot->reason);
    free(oneshot->out);
    free(oneshot->err);
    free(oneshot);
}

static void oneshot_freep(struct oneshot **oneshotp)
{
    if (*oneshotp)
        oneshot_free(*oneshotp);
}

static char **copy_argv(const char *const *argv)
{
    size_t n = 0;

    while (argv[n])
        n++;
    char **copy = calloc(n + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = strdup(argv[i]);
        if (!copy[i]) {
            free_argv(copy);
            return NULL;
        }
    }
    return copy;
}

static bool copy(char **slot, const char *text)
{
    *slot = text ? strdup(text) : NULL;
    return *slot || !text;
}

static struct oneshot *oneshot_new(const struct oneshot_files *files, const struct transient *unit)
{
    CLEANUP(oneshot_freep) struct oneshot *oneshot = calloc(1, sizeof(*oneshot));

    if (!oneshot || !copy(&oneshot->folder, files->folder) || !copy(&oneshot->name, unit->name) ||
        !copy(&oneshot->description, unit->description) ||
        !copy(&oneshot->environment, unit->environment) ||
        !copy(&oneshot->input_name, files->input_name) || !copy(&oneshot->input, files->input))
        return NULL;
    for (size_t i = 0; i < TRANSIENT_COMMANDS_MAX && unit->commands[i].argv; i++) {
        oneshot->argv[i] = copy_argv(unit->commands[i].argv);
        oneshot->may_fail[i] = unit->commands[i].may_fail;
        if (!oneshot->argv[i])
            return NULL;
    }
    oneshot->keeps_output = files->keeps_output;
    oneshot->start_timeout = unit->start_timeout;
    snprintf(oneshot->out_path, sizeof(oneshot->out_path), "%s/%s" OUT, files->folder, unit->name);
    snprintf(oneshot->err_path, sizeof(oneshot->err_path), "%s/%s" ERR, files->folder, unit->name);
    struct oneshot *made = oneshot;
    oneshot = NULL;
    return made;
}

/* The files. On the thread pool. */

static void make_ready(uv_work_t *work)
{
    struct oneshot *oneshot = container_of(work, struct oneshot, work);

    if (!oneshot->keeps_output)
        unlink(oneshot->out_path);
    unlink(oneshot->err_path);
    if (!oneshot->input)
        return;
    CLEANUP(fd_closep) int fd = open(oneshot->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    oneshot->prepared =
        fd < 0 ? -errno : state_replace_file(fd, oneshot->input_name, oneshot->input);
}

/* Return: what the file has, "" if it cannot be read; NULL without memory. */
static char *read_output(const char *path)
{
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char *text = malloc(OUTPUT_MAX + 1);
    size_t length = 0;

    while (text && fd >= 0 && length < OUTPUT_MAX) {
        ssize_t n = read(fd, text + length, OUTPUT_MAX - length);
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    if (text)
        text[length] = '\0';
    return text;
}

static void read_files(uv_work_t *work)
{
    struct oneshot *oneshot = container_of(work, struct oneshot, work);
    char path[PATH_MAX];

    /* It may well go on. */
    if (oneshot->result == BUS_E_LOST)
        return;
    oneshot->out = read_output(oneshot->out_path);
    oneshot->err = read_output(oneshot->err_path);
    unlink(oneshot->out_path);
    unlink(oneshot->err_path);
    if (!oneshot->input_name)
        return;
    snprintf(path, sizeof(path), "%s/%s", oneshot->folder, oneshot->input_name);
    unlink(path);
}

/* The way: make ready - run - read. */

static void over(uv_work_t *work, int status)
{
    struct oneshot *oneshot = container_of(work, struct oneshot, work);

    (void)status;
    oneshot->done(oneshot->userdata,
                  &(struct oneshot_result){.result = oneshot->result,
                                           .reason = oneshot->reason ? oneshot->reason : "",
                                           .out = oneshot->out ? oneshot->out : "",
                                           .err = oneshot->err ? oneshot->err : ""});
    oneshot_free(oneshot);
}

static void unit_done(void *userdata, int result, const char *reason)
{
    struct oneshot *oneshot = userdata;

    oneshot->errand = NULL;
    oneshot->result = result;
    oneshot->reason = strdup(reason);
    uv_queue_work(oneshot->work.loop, &oneshot->work, read_files, over);
}

static void is_ready(uv_work_t *work, int status)
{
    struct oneshot *oneshot = container_of(work, struct oneshot, work);
    struct transient unit = {
        .name = oneshot->name,
        .description = oneshot->description,
        .environment = oneshot->environment,
        .is_oneshot = true,
        .start_timeout = oneshot->start_timeout,
        .stdout_path = oneshot->out_path,
        .stderr_path = oneshot->err_path,
    };

    (void)status;
    for (size_t i = 0; i < TRANSIENT_COMMANDS_MAX && oneshot->argv[i]; i++)
        unit.commands[i] =
            (struct transient_command){(const char *const *)oneshot->argv[i], oneshot->may_fail[i]};
    if (oneshot->prepared < 0)
        unit_done(oneshot, BUS_E_FAILED, strerror(-oneshot->prepared));
    else if (oneshot->is_cancelled)
        unit_done(oneshot, BUS_E_FAILED, "cancelled");
    else
        oneshot->errand = bus_start_unit(oneshot->bus, &unit, unit_done, oneshot);
}

void oneshot_cancel(struct oneshot *oneshot)
{
    oneshot->is_cancelled = true;
    if (oneshot->errand)
        bus_cancel_start(oneshot->errand);
}

struct oneshot *oneshot_run(struct bus *bus, uv_loop_t *loop, const struct oneshot_files *files,
                            const struct transient *unit, oneshot_done_fn *done, void *userdata)
{
    struct oneshot *oneshot = oneshot_new(files, unit);

    if (!oneshot) {
        done(userdata, &(struct oneshot_result){BUS_E_FAILED, strerror(ENOMEM), "", ""});
        return NULL;
    }
    oneshot->bus = bus;
    oneshot->done = done;
    oneshot->userdata = userdata;
    oneshot->work.loop = loop;
    uv_queue_work(loop, &oneshot->work, make_ready, is_ready);
    return oneshot;
}

void oneshot_clear_files(int folder_fd, const char *name)
{
    static const char *const ends[] = {OUT, ERR};
    char file[NAME_MAX + 1];

    for (size_t i = 0; i < N_ELEMENTS(ends); i++) {
        snprintf(file, sizeof(file), "%s%s", name, ends[i]);
        unlinkat(folder_fd, file, 0);
    }
}

const char *oneshot_words(const struct oneshot_result *result, const char *nonsense)
{
    if (result->err[0] && result->result != BUS_E_LATE)
        return result->err;
    return result->result == 0 ? nonsense : result->reason;
}
