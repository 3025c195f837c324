/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A fetch is one run of the program kubelet-pods (daemon/kubelet-pods.c), which is told the UIDs
 * that are asked for and answers with their pods, a line each. A launch that comes meanwhile has
 * its UID sent after it; if that comes too late, its pod is not in the answer, and a fetch for all
 * who were late follows.
 */

#include "daemon/kubelet.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "daemon/metrics.h"
#include "lib/podlist.h"

/* So long a failure is the answer to who comes next, for a kubelet that hangs must not slow each
 * launch. */
#define FAILURE_HOLDS (1 * USEC_SEC)

/* The longest line has one pod in it. The buffer that it comes in doubles. */
#define LINE_MAX_BYTES (3 * PODLIST_POD_MAX)

/* One who waits. */
struct waiter {
    struct waiter *next;
    char *uid;
    bool is_late; /* perhaps too late for the fetch that is under way */
    kubelet_answer_fn *answer;
    void *userdata;
};

struct fetch {
    struct kubelet *kubelet;
    struct config *config; /* a reference */
    uv_process_t process;
    uv_pipe_t in, out; /* its standard input, which we write to, and its output */
    uv_timer_t timer;
    unsigned n_open; /* of these four */
    bool is_running;
    bool has_ended; /* whoever waited for it is answered */

    char *bytes; /* of its output, not yet taken */
    size_t length, size;
};

struct kubelet {
    uv_loop_t *loop;
    struct events *events;
    struct metrics *metrics;
    struct fetch *fetch; /* under way; or NULL */
    struct waiter *waiters;
    struct repeat repeat;
    bool is_closed;

    char *failure; /* why the last fetch failed; NULL: it did not */
    usec_t failed_at;
    struct config *failed_with; /* a reference */
};

/* What is told. */

static void tell_failure(struct kubelet *kubelet, const char *url, const char *reason)
{
    CLEANUP(event_deinit) struct event event;

    event_init(&event, MESSAGE_KUBELET, "the kubelet cannot be asked for its pods at %s: %s", url,
               reason);
    event_add(&event, "GANTRY_REASON", "%s", reason);
    events_emit(kubelet->events, &event, &kubelet->repeat, usec_now());
}

static void tell_return(struct kubelet *kubelet, const char *url)
{
    CLEANUP(event_deinit) struct event event;

    event_init(&event, MESSAGE_KUBELET_BACK, "the kubelet answers again at %s", url);
    events_emit(kubelet->events, &event, &kubelet->repeat, usec_now());
}

static void forget_failure(struct kubelet *kubelet)
{
    free(kubelet->failure);
    kubelet->failure = NULL;
    kubelet->failed_with = config_unref(kubelet->failed_with);
}

static void note_result(struct kubelet *kubelet, struct config *config, const char *reason)
{
    const char *url = config->kubelet.url;
    bool had_failed = kubelet->failure;

    kubelet->metrics->n_fetches[reason ? FETCH_FAILED : FETCH_ANSWERED]++;
    forget_failure(kubelet);
    if (reason) {
        kubelet->failure = strdup(reason);
        kubelet->failed_with = config_ref(config);
        kubelet->failed_at = usec_now();
        tell_failure(kubelet, url, reason);
    } else if (had_failed) {
        tell_return(kubelet, url);
    }
}

/* Who waits. An answer may well bring the next launch, so the list is looked at anew after each. */

static struct waiter *find_waiter(struct kubelet *kubelet, const char *uid, bool with_late)
{
    struct waiter *waiter = kubelet->waiters;

    while (waiter && ((waiter->is_late && !with_late) || strcmp(waiter->uid, uid) != 0))
        waiter = waiter->next;
    return waiter;
}

static struct waiter *find_punctual(struct kubelet *kubelet)
{
    struct waiter *waiter = kubelet->waiters;

    while (waiter && waiter->is_late)
        waiter = waiter->next;
    return waiter;
}

static void answer_waiter(struct kubelet *kubelet, struct waiter *waiter, int result,
                          struct podspec *spec, const char *reason)
{
    struct waiter **slot = &kubelet->waiters;

    while (*slot != waiter)
        slot = &(*slot)->next;
    *slot = waiter->next;
    waiter->answer(waiter->userdata, result, spec, reason);
    free(waiter->uid);
    free(waiter);
}

/* It cannot be asked. */
static void answer_all(struct kubelet *kubelet, const char *reason)
{
    while (kubelet->waiters)
        answer_waiter(kubelet, kubelet->waiters, KUBELET_E_UNANSWERED, NULL, reason);
}

/* Return: one who waits for a pod of the list; NULL. */
static struct waiter *find_asker(struct kubelet *kubelet, const json_t *list)
{
    struct waiter *waiter = kubelet->waiters;
    json_t *pod = NULL;

    while (waiter && (podspec_entry(&pod, list, waiter->uid) < 0 || !pod))
        waiter = waiter->next;
    return waiter;
}

/* One line has come, with one pod. */
static void hand_out(struct kubelet *kubelet, const json_t *list)
{
    CLEANUP(podspec_unrefp) struct podspec *spec = NULL;
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    struct waiter *waiter = find_asker(kubelet, list);
    CLEANUP(freep) char *uid = waiter ? strdup(waiter->uid) : NULL;

    if (!uid)
        return;
    int r = podspec_find(&spec, list, uid, &error);
    int result = r == PODSPEC_E_TOO_LARGE ? KUBELET_E_TOO_LARGE : r < 0 ? KUBELET_E_UNANSWERED : 0;
    if (r < 0)
        error_set(&error, 0, "%s", strerror(-r));
    while ((waiter = find_waiter(kubelet, uid, true)))
        answer_waiter(kubelet, waiter, result, spec, error_message(&error));
}

/* What is told of a pod cannot be read, or need not be. What cannot be read may be another pod's,
 * if its own came before it was asked for: who is late waits for the next fetch. */
static void hand_out_fault(struct kubelet *kubelet, const char *uid, int result, const char *reason)
{
    bool with_late = result != KUBELET_E_UNREADABLE;
    struct waiter *waiter;

    while ((waiter = find_waiter(kubelet, uid, with_late)))
        answer_waiter(kubelet, waiter, result, NULL, reason);
}

/* The end of a fetch. */

static void fetch_closed(uv_handle_t *handle)
{
    struct fetch *fetch = handle->data;

    if (--fetch->n_open > 0)
        return;
    config_unref(fetch->config);
    free(fetch->bytes);
    free(fetch);
}

/* Its process is waited for, so that nothing of it stays behind. */
static void exited(uv_process_t *process, int64_t status, int signum)
{
    struct fetch *fetch = process->data;

    (void)status;
    (void)signum;
    /* From here on its pid may be another's. */
    fetch->is_running = false;
    uv_close((uv_handle_t *)process, fetch_closed);
}

static void let_go(struct fetch *fetch)
{
    fetch->has_ended = true;
    uv_close((uv_handle_t *)&fetch->in, fetch_closed);
    uv_close((uv_handle_t *)&fetch->out, fetch_closed);
    uv_close((uv_handle_t *)&fetch->timer, fetch_closed);
    if (fetch->is_running)
        uv_process_kill(&fetch->process, SIGKILL);
    else if (!uv_is_closing((uv_handle_t *)&fetch->process))
        uv_close((uv_handle_t *)&fetch->process, fetch_closed);
}

static void begin(struct kubelet *kubelet, struct config *config);

/* A fetch that came to its end; `reason` says why it failed, or is NULL. Who waits is answered, but
 * for the late ones. */
static void end(struct fetch *fetch, const char *reason)
{
    struct kubelet *kubelet = fetch->kubelet;
    CLEANUP(config_unrefp) struct config *config = config_ref(fetch->config);
    CLEANUP(freep) char *copy = reason ? strdup(reason) : NULL;
    struct waiter *waiter;

    note_result(kubelet, config, reason);
    let_go(fetch);
    if (reason)
        answer_all(kubelet, copy);
    while ((waiter = find_punctual(kubelet)))
        answer_waiter(kubelet, waiter, 0, NULL, NULL);
    kubelet->fetch = NULL;
    if (kubelet->waiters)
        begin(kubelet, config);
}

static void timed_out(uv_timer_t *timer)
{
    struct fetch *fetch = timer->data;
    char reason[64], time[USEC_GO_MAX];

    snprintf(reason, sizeof(reason), "no answer within %s",
             usec_format_go(time, fetch->config->kubelet.timeout));
    end(fetch, reason);
}

/* What it prints. */

static void take_line(struct fetch *fetch, const char *line, size_t length)
{
    json_t *json = json_loadb(line, length, JSON_ALLOW_NUL, NULL);
    const char *error = json_string_value(json_object_get(json, "error"));
    const char *unreadable = json_string_value(json_object_get(json, "unreadable"));
    const char *too_large = json_string_value(json_object_get(json, "tooLarge"));
    const char *reason = json_string_value(json_object_get(json, "reason"));

    if (error)
        end(fetch, error);
    else if (unreadable)
        hand_out_fault(fetch->kubelet, unreadable, KUBELET_E_UNREADABLE, reason);
    else if (too_large)
        hand_out_fault(fetch->kubelet, too_large, KUBELET_E_TOO_LARGE, reason);
    else if (json_is_true(json_object_get(json, "done")))
        end(fetch, NULL);
    else
        hand_out(fetch->kubelet, json);
    json_decref(json);
}

static void take_lines(struct fetch *fetch)
{
    char *line = fetch->bytes, *stop = fetch->bytes + fetch->length, *newline;

    while (!fetch->has_ended && (newline = memchr(line, '\n', (size_t)(stop - line)))) {
        take_line(fetch, line, (size_t)(newline - line));
        line = newline + 1;
    }
    fetch->length = (size_t)(stop - line);
    memmove(fetch->bytes, line, fetch->length);
}

static void make_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct fetch *fetch = handle->data;
    size_t size = 2 * fetch->length + suggested;

    *buffer = uv_buf_init(NULL, 0); /* read_output() gets UV_ENOBUFS for that */
    if (fetch->size < fetch->length + suggested) {
        char *bytes = size <= LINE_MAX_BYTES ? realloc(fetch->bytes, size) : NULL;
        if (!bytes)
            return;
        fetch->bytes = bytes;
        fetch->size = size;
    }
    *buffer = uv_buf_init(fetch->bytes + fetch->length, (unsigned)suggested);
}

static void read_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct fetch *fetch = stream->data;

    (void)buffer;
    if (n == UV_EOF) {
        end(fetch, "kubelet-pods ended without an answer");
    } else if (n < 0) {
        end(fetch, uv_strerror((int)n));
    } else if (n > 0) {
        fetch->length += (size_t)n;
        take_lines(fetch);
    }
}

/* The beginning of a fetch. */

static const char *program(void)
{
    const char *path = getenv("GANTRY_KUBELET_PODS");

    return path ? path : LIBEXECDIR "/gantry/kubelet-pods";
}

/* Return: 0, or what uv_spawn() returns. */
static int start(struct fetch *fetch)
{
    struct config *config = fetch->config;
    char *argv[] = {"kubelet-pods",
                    config->kubelet.url,
                    config->kubelet.ca,
                    config->kubelet.certificate,
                    config->kubelet.key,
                    config->kubelet.token_file,
                    NULL};
    char *environment[] = {NULL};
    uv_stdio_container_t stdio[] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&fetch->in},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&fetch->out},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
    };
    const uv_process_options_t options = {
        .file = program(),
        .args = argv,
        .env = environment,
        .stdio = stdio,
        .stdio_count = N_ELEMENTS(stdio),
        .exit_cb = exited,
    };

    int r = uv_spawn(fetch->kubelet->loop, &fetch->process, &options);
    fetch->is_running = r == 0;
    return r < 0 ? r : uv_read_start((uv_stream_t *)&fetch->out, make_room, read_output);
}

/* If it cannot be sent now, because the pipe is full, the waiter has another fetch. */
static void send_uid(struct fetch *fetch, struct waiter *waiter)
{
    size_t length = strlen(waiter->uid) + 1;
    uv_buf_t parts[] = {uv_buf_init(waiter->uid, (unsigned)strlen(waiter->uid)),
                        uv_buf_init("\n", 1)};

    if (fetch->has_ended || uv_try_write((uv_stream_t *)&fetch->in, parts, 2) != (int)length)
        waiter->is_late = true;
}

static struct fetch *fetch_new(struct kubelet *kubelet, struct config *config)
{
    struct fetch *fetch = calloc(1, sizeof(*fetch));

    if (!fetch)
        return NULL;
    fetch->kubelet = kubelet;
    fetch->config = config_ref(config);
    uv_pipe_init(kubelet->loop, &fetch->in, 0);
    uv_pipe_init(kubelet->loop, &fetch->out, 0);
    uv_timer_init(kubelet->loop, &fetch->timer);
    fetch->in.data = fetch->out.data = fetch->timer.data = fetch->process.data = fetch;
    fetch->n_open = 4;
    return fetch;
}

/* Fetches for all who wait. */
static void begin(struct kubelet *kubelet, struct config *config)
{
    struct fetch *fetch = kubelet->fetch = fetch_new(kubelet, config);

    if (!fetch) {
        answer_all(kubelet, strerror(ENOMEM));
        return;
    }
    int r = start(fetch);
    if (r < 0) {
        CLEANUP(freep) char *reason = NULL;
        if (asprintf(&reason, "%s: %s", program(), uv_strerror(r)) < 0)
            reason = NULL;
        end(fetch, reason ? reason : uv_strerror(r));
        return;
    }
    for (struct waiter *waiter = kubelet->waiters; waiter; waiter = waiter->next) {
        waiter->is_late = false;
        send_uid(fetch, waiter);
    }
    uv_update_time(kubelet->loop);
    uv_timer_start(&fetch->timer, timed_out,
                   usec_add(config->kubelet.timeout, USEC_MSEC - 1) / USEC_MSEC, 0);
}

/* The kubelet as the others see it. */

struct kubelet *kubelet_new(uv_loop_t *loop, struct events *events, struct metrics *metrics)
{
    struct kubelet *kubelet = calloc(1, sizeof(*kubelet));

    if (!kubelet)
        return NULL;
    kubelet->loop = loop;
    kubelet->events = events;
    kubelet->metrics = metrics;
    return kubelet;
}

/* The words for who need not wait; NULL: he has to. */
static const char *known_failure(const struct kubelet *kubelet, const struct config *config)
{
    if (kubelet->is_closed)
        return "gantryd is about to end";
    if (kubelet->failure && !kubelet->fetch && kubelet->failed_with == config &&
        usec_sub(usec_now(), kubelet->failed_at) < FAILURE_HOLDS)
        return kubelet->failure;
    return NULL;
}

void kubelet_ask(struct kubelet *kubelet, struct config *config, const char *uid,
                 kubelet_answer_fn *answer, void *userdata)
{
    CLEANUP(freep) char *reason = NULL;
    const char *failure = known_failure(kubelet, config);
    struct waiter *waiter = calloc(1, sizeof(*waiter));
    char *copy = strdup(uid);

    if (failure || !waiter || !copy) {
        free(waiter);
        free(copy);
        reason = strdup(failure ? failure : strerror(ENOMEM));
        answer(userdata, KUBELET_E_UNANSWERED, NULL, reason);
        return;
    }
    *waiter = (struct waiter){.next = kubelet->waiters,
                              .uid = copy,
                              .is_late = true,
                              .answer = answer,
                              .userdata = userdata};
    kubelet->waiters = waiter;
    if (kubelet->fetch)
        send_uid(kubelet->fetch, waiter);
    else
        begin(kubelet, config);
}

bool kubelet_is_asked_alike(const struct config *a, const struct config *b)
{
    return strcmp(a->kubelet.url, b->kubelet.url) == 0 &&
           strcmp(a->kubelet.ca, b->kubelet.ca) == 0 &&
           strcmp(a->kubelet.certificate, b->kubelet.certificate) == 0 &&
           strcmp(a->kubelet.key, b->kubelet.key) == 0 &&
           strcmp(a->kubelet.token_file, b->kubelet.token_file) == 0;
}

static void give_up(struct kubelet *kubelet)
{
    if (kubelet->fetch)
        let_go(kubelet->fetch);
    kubelet->fetch = NULL;
}

void kubelet_ask_anew(struct kubelet *kubelet, struct config *config)
{
    give_up(kubelet);
    if (kubelet->waiters && config->kubelet.url[0])
        begin(kubelet, config);
    else
        answer_all(kubelet, "it is not asked any more");
}

void kubelet_close(struct kubelet *kubelet)
{
    kubelet->is_closed = true;
    give_up(kubelet);
    answer_all(kubelet, known_failure(kubelet, NULL));
}

void kubelet_free(struct kubelet *kubelet)
{
    if (!kubelet)
        return;
    forget_failure(kubelet);
    free(kubelet);
}
