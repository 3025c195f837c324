/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <uv.h>

#include "daemon/api.h"
#include "daemon/listen.h"
#include "daemon/node.h"
#include "daemon/server.h"

/* Threads for what waits for file systems: so many may hang before a launch has to wait. */
#define POOL_THREADS "16"

#define STATUS_MSEC 500
#define DRAIN_MSEC 10

struct daemon {
    const struct daemon_options *options;
    uv_loop_t loop;
    struct journal *journal;
    struct node node;
    struct api *api;
    struct server *server;
    struct server_limits limits;
    int listen_fd; /* until there is a server */
    char *bound;   /* the socket's path, if it is our own */

    uv_signal_t sigterm, sigint, sighup;
    uv_timer_t watchdog, status, drain;
    usec_t drain_until; /* 0: not draining */
    bool failed;
};

static void set_limits(struct daemon *daemon)
{
    const struct config *config = daemon->node.config;

    daemon->limits = (struct server_limits){
        .n_connections_max = config->daemon.n_connections_max,
        .call_timeout = config->launch.request_timeout,
        .users = config->daemon.users,
        .n_users = config->daemon.n_users,
    };
}

/* What we are at, for systemctl status; not more often than somebody could read it. */

static void send_status(uv_timer_t *timer)
{
    const struct daemon *daemon = timer->data;

    sd_notifyf(0, "STATUS=%zu pods, %zu of them held back; %zu launches under way",
               daemon->node.pods.n_pods, daemon->node.pods.n_held, daemon->node.n_launches);
}

static void status_changed(struct node *node)
{
    struct daemon *daemon = container_of(node, struct daemon, node);

    if (!uv_is_active((uv_handle_t *)&daemon->status) &&
        !uv_is_closing((uv_handle_t *)&daemon->status))
        uv_timer_start(&daemon->status, send_status, STATUS_MSEC, 0);
}

static void feed_watchdog(uv_timer_t *timer)
{
    (void)timer;
    sd_notify(0, "WATCHDOG=1");
}

static void start_watchdog(struct daemon *daemon)
{
    uint64_t usec;

    if (sd_watchdog_enabled(0, &usec) > 0)
        uv_timer_start(&daemon->watchdog, feed_watchdog, usec / USEC_MSEC / 2,
                       usec / USEC_MSEC / 2);
}

/* Reload. */

static void tell_fault(void *userdata, bool is_warning, const char *message)
{
    struct daemon *daemon = userdata;
    CLEANUP(event_deinit) struct event event;
    struct repeat none = {0};

    (void)is_warning;
    event_init(&event, MESSAGE_FAULT, "%s", message);
    events_emit(&daemon->node.events, &event, &none, usec_now());
}

static void reload(uv_signal_t *handle, int signum)
{
    struct daemon *daemon = handle->data;
    CLEANUP(event_deinit) struct event event;
    struct repeat none = {0};
    struct config *config = NULL;

    (void)signum;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, uv_hrtime() / 1000);
    int r = config_load(&config, daemon->options->config_path, CONFIG_ALL, tell_fault, daemon);
    if (r == 0) {
        node_set_config(&daemon->node, config);
        set_limits(daemon);
        event_init(&event, MESSAGE_CONFIG, "the configuration was read again");
    } else {
        config_unref(config);
        event_init(&event, MESSAGE_FAULT,
                   "the configuration is bad; the one before stays in force");
    }
    events_emit(&daemon->node.events, &event, &none, usec_now());
    sd_notify(0, "READY=1");
}

/* The end: what is under way is answered, then everything lets go of the loop. */

static void let_go(struct daemon *daemon)
{
    uv_handle_t *handles[] = {
        (uv_handle_t *)&daemon->sigterm, (uv_handle_t *)&daemon->sigint,
        (uv_handle_t *)&daemon->sighup,  (uv_handle_t *)&daemon->watchdog,
        (uv_handle_t *)&daemon->status,  (uv_handle_t *)&daemon->drain,
    };

    daemon->node.events.watch = NULL;
    api_close(daemon->api);
    if (daemon->server)
        server_close(daemon->server);
    node_stop(&daemon->node);
    for (size_t i = 0; i < N_ELEMENTS(handles); i++)
        uv_close(handles[i], NULL);
}

static void look_if_drained(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    bool busy =
        daemon->node.n_launches > 0 || (daemon->server && server_is_writing(daemon->server));

    if (!busy || usec_now() >= daemon->drain_until)
        let_go(daemon);
}

static void stop(uv_signal_t *handle, int signum)
{
    struct daemon *daemon = handle->data;

    (void)signum;
    if (daemon->drain_until > 0)
        return;
    sd_notify(0, "STOPPING=1");
    daemon->drain_until = usec_add(usec_now(), daemon->node.config->launch.request_timeout);
    if (daemon->server)
        server_drain(daemon->server);
    uv_timer_start(&daemon->drain, look_if_drained, 0, DRAIN_MSEC);
}

/* The beginning. */

/* The rkt pods of the daemon before are taken up: from now on launches can be judged. */
static void attached(struct node *node)
{
    struct daemon *daemon = container_of(node, struct daemon, node);

    if (daemon->drain_until > 0)
        return;
    int r = server_new(&daemon->server, &daemon->loop, daemon->listen_fd, &daemon->limits,
                       &node->events, api_handle, daemon->api);
    daemon->listen_fd = -1;
    if (r < 0) {
        fprintf(stderr, "gantryd: the API socket cannot be served: %s\n", strerror(-r));
        daemon->failed = true;
        stop(&daemon->sigterm, 0);
        return;
    }
    sd_notify(0, "READY=1");
    status_changed(node);
}

/* The socket that systemd hands over; without one, our own. Return: an fd or -errno. */
static int open_socket(struct daemon *daemon, const struct config *config)
{
    int n = sd_listen_fds(1);

    if (n == 0) {
        /* Who it is that calls is looked at before anything is read. */
        int fd = listen_bind(config->daemon.socket, config->daemon.n_users > 0 ? 0666 : 0600);
        daemon->bound = fd >= 0 ? strdup(config->daemon.socket) : NULL;
        return fd;
    }
    if (n != 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, -1, NULL, 0) <= 0)
        return -EINVAL;
    return SD_LISTEN_FDS_START;
}

static void init_handles(struct daemon *daemon)
{
    uv_signal_t *signals[] = {&daemon->sigterm, &daemon->sigint, &daemon->sighup};
    uv_timer_t *timers[] = {&daemon->watchdog, &daemon->status, &daemon->drain};

    for (size_t i = 0; i < N_ELEMENTS(signals); i++) {
        uv_signal_init(&daemon->loop, signals[i]);
        signals[i]->data = daemon;
    }
    for (size_t i = 0; i < N_ELEMENTS(timers); i++) {
        uv_timer_init(&daemon->loop, timers[i]);
        timers[i]->data = daemon;
    }
    uv_signal_start(&daemon->sigterm, stop, SIGTERM);
    uv_signal_start(&daemon->sigint, stop, SIGINT);
    uv_signal_start(&daemon->sighup, reload, SIGHUP);
    start_watchdog(daemon);
}

static int start(struct daemon *daemon, struct config *config, struct error *error)
{
    int r = journal_new(&daemon->journal);
    if (r < 0)
        return error_set(error, r, "cannot start the journal's thread: %s", strerror(-r));
    daemon->listen_fd = open_socket(daemon, config);
    if (daemon->listen_fd < 0)
        return error_set(error, daemon->listen_fd, "%s: %s", config->daemon.socket,
                         strerror(-daemon->listen_fd));
    r = node_init(&daemon->node, &daemon->loop, config, daemon->journal, daemon->options->state_dir,
                  error);
    if (r < 0)
        return r;
    daemon->api = api_new(&daemon->node);
    if (!daemon->api)
        return -ENOMEM;
    daemon->node.events.watch = api_event;
    daemon->node.events.userdata = daemon->api;
    daemon->node.on_status = status_changed;
    set_limits(daemon);
    init_handles(daemon);
    node_attach(&daemon->node, attached);
    return 0;
}

int daemon_run(const struct daemon_options *options, struct config *config)
{
    struct daemon daemon = {.options = options, .listen_fd = -1};
    CLEANUP(error_deinit) struct error error = ERROR_NULL;

    /* One that writes to a client that has gone is told by the error. */
    signal(SIGPIPE, SIG_IGN);
    setenv("UV_THREADPOOL_SIZE", POOL_THREADS, 0);
    /* An arena for each of those threads would be most of our memory. */
    mallopt(M_ARENA_MAX, 1);
    /* What a long message is read into is given back when it is freed. */
    mallopt(M_MMAP_THRESHOLD, VARLINK_LONG);
    int r = uv_loop_init(&daemon.loop);
    if (r < 0) {
        fprintf(stderr, "gantryd: %s\n", uv_strerror(r));
        return EXIT_FAILURE;
    }

    r = start(&daemon, config, &error);
    if (r < 0)
        fprintf(stderr, "gantryd: %s\n", error_message(&error));
    uv_run(&daemon.loop, UV_RUN_DEFAULT);

    server_free(daemon.server);
    api_free(daemon.api);
    node_deinit(&daemon.node);
    fd_close(daemon.listen_fd);
    if (daemon.bound)
        unlink(daemon.bound);
    free(daemon.bound);
    uv_loop_close(&daemon.loop);
    journal_free(daemon.journal);
    return r < 0 || daemon.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
