/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/decoding.h"

/* One buffer serves all connections: what is read goes to its own at once. */
#define READ_BYTES 65536

/* systemd's socket has as many (gantryd.socket): launches wait there while gantryd restarts. */
#define BACKLOG 4096

/* How many calls one connection has answered before another one's turn comes. */
#define CALLS_A_TURN 16

/* Calls that are long to read, of which others' manifests are most, wait for each other: they cost
 * a tenth of a second and a hundred MiB each. */
#define LONG_CALLS_MAX 4

/* What a stream's client may leave unread. */
#define UNREAD_MAX_BYTES ((size_t)1 << 20)

struct server {
    uv_loop_t *loop;
    uv_pipe_t listener;
    const struct server_limits *limits;
    struct events *events;
    server_handler *handler;
    void *userdata;
    bool draining;
    struct connection *first, *last; /* the one that was heard of longest ago is first */
    size_t n_connections;
    unsigned n_long_calls; /* that are read or under way */
    char read_buffer[READ_BYTES];
};

/* A call is part of its connection; both are freed when the socket is closed and the call is over.
 */
struct call {
    struct connection *connection;
    json_t *message;
    struct varlink_call read;
    void (*gone)(void *userdata);
    void (*next)(void *userdata); /* when what was sent of a stream is taken */
    void *userdata;
};

struct connection {
    struct server *server;
    struct connection *previous, *next;
    uv_pipe_t pipe;
    uv_timer_t timer;
    unsigned n_handles; /* not closed yet */
    bool closing;
    bool last_reply_sent; /* after that the connection closes */
    struct peer peer;
    struct varlink_buffer in;
    struct call call;
    bool in_call;
    bool is_long;              /* its call is one of the server's n_long_calls */
    bool is_waiting;           /* its next one has to wait for them */
    struct decoding *decoding; /* reads it; or NULL */
    bool taking; /* take_calls() is at work: an answer given within it does not call it again */
    bool was_answered;
};

/* The list, by last sign of life. */

static void unlink_connection(struct connection *connection)
{
    struct server *server = connection->server;

    *(connection->previous ? &connection->previous->next : &server->first) = connection->next;
    *(connection->next ? &connection->next->previous : &server->last) = connection->previous;
    connection->previous = connection->next = NULL;
}

static void append_connection(struct connection *connection)
{
    struct server *server = connection->server;

    connection->previous = server->last;
    *(server->last ? &server->last->next : &server->first) = connection;
    server->last = connection;
}

static void heard_of(struct connection *connection)
{
    unlink_connection(connection);
    append_connection(connection);
}

static bool is_writing(const struct connection *connection)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&connection->pipe) > 0;
}

/* The end of a connection. */

static void free_if_over(struct connection *connection)
{
    if (connection->n_handles > 0 || connection->in_call)
        return;
    varlink_buffer_deinit(&connection->in);
    free(connection);
}

static void handle_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;

    connection->n_handles--;
    free_if_over(connection);
}

static void end_long_call(struct server *server);

static void end_call(struct call *call)
{
    struct connection *connection = call->connection;

    json_decref(call->message);
    call->message = NULL;
    call->gone = NULL;
    call->next = NULL;
    connection->in_call = false;
    if (connection->is_long)
        end_long_call(connection->server);
    connection->is_long = false;
}

static void close_connection(struct connection *connection)
{
    if (connection->closing)
        return;
    connection->closing = true;
    unlink_connection(connection);
    connection->server->n_connections--;
    uv_close((uv_handle_t *)&connection->pipe, handle_closed);
    uv_close((uv_handle_t *)&connection->timer, handle_closed);
    if (connection->decoding)
        connection->decoding->owner = NULL;
    if (connection->in_call && connection->call.gone) {
        connection->call.gone(connection->call.userdata);
        end_call(&connection->call);
    }
}

/* Tells why a client was cut off: the first time, and then counted. */
static void cut_off(struct connection *connection, const char *why)
{
    CLEANUP(event_deinit) struct event event;

    event_init(&event, MESSAGE_CLIENT, "client %d of user %u was cut off: %s",
               (int)connection->peer.pid, (unsigned)connection->peer.uid, why);
    event_add(&event, "GANTRY_CLIENT_PID", "%d", (int)connection->peer.pid);
    event_add(&event, "GANTRY_CLIENT_UID", "%u", (unsigned)connection->peer.uid);
    events_emit(connection->server->events, &event, NULL, usec_now());
    close_connection(connection);
}

static void timed_out(uv_timer_t *timer)
{
    struct connection *connection = timer->data;

    /* One that had its answer and asks nothing more has only forgotten to go. */
    if (connection->was_answered && connection->in.length == 0 && !is_writing(connection))
        close_connection(connection);
    else
        cut_off(connection, "it took longer than RequestTimeout=");
}

/* Gives the client its time, for the next call or for taking a reply. */
static void start_timer(struct connection *connection)
{
    uint64_t msec = connection->server->limits->call_timeout / USEC_MSEC;

    uv_timer_start(&connection->timer, timed_out, msec > 0 ? msec : 1, 0);
}

/* Writing. */

struct writing {
    uv_write_t request;
    struct connection *connection;
    char *bytes;
};

static void take_calls(struct connection *connection);

/* What was to be written has been, as far as it could: the connection goes on with its call, or to
 * its next one. */
static void sent(struct connection *connection)
{
    struct call *call = &connection->call;

    if (connection->closing)
        return;
    if (connection->last_reply_sent) {
        close_connection(connection);
    } else if (connection->in_call && call->next) {
        call->next(call->userdata);
    } else if (!connection->in_call) {
        start_timer(connection);
        take_calls(connection);
    }
}

static void written(uv_write_t *request, int status)
{
    struct writing *writing = container_of(request, struct writing, request);
    struct connection *connection = writing->connection;

    free(writing->bytes);
    free(writing);
    if (status < 0) {
        close_connection(connection);
    } else if (!connection->closing && !is_writing(connection)) {
        uv_timer_stop(&connection->timer);
        sent(connection);
    }
}

/* Sends what did not go out at once: consumes the bytes. */
static void write_rest(struct connection *connection, char *bytes, size_t offset, size_t length)
{
    struct writing *writing = malloc(sizeof(*writing));
    uv_buf_t buffer = uv_buf_init(bytes + offset, (unsigned)(length - offset));

    if (!writing) {
        free(bytes);
        close_connection(connection);
        return;
    }
    *writing = (struct writing){.connection = connection, .bytes = bytes};
    start_timer(connection);
    if (uv_write(&writing->request, (uv_stream_t *)&connection->pipe, &buffer, 1, written) < 0) {
        free(writing);
        free(bytes);
        close_connection(connection);
    }
}

/* Sends a message and frees it; it may be NULL: there was no memory for it. */
static void send_bytes(struct connection *connection, char *bytes, size_t length)
{
    if (connection->closing || !bytes) {
        free(bytes);
        close_connection(connection);
        return;
    }
    uv_buf_t buffer = uv_buf_init(bytes, (unsigned)length);
    int n = uv_try_write((uv_stream_t *)&connection->pipe, &buffer, 1);
    if (n < 0 && n != UV_EAGAIN) {
        free(bytes);
        close_connection(connection);
    } else if (n == (int)length) {
        free(bytes);
    } else {
        write_rest(connection, bytes, n > 0 ? (size_t)n : 0, length);
    }
}

/* The same; consumes the reference, which may be NULL. */
static void send_message(struct connection *connection, json_t *message)
{
    size_t length = 0;
    char *bytes = message ? varlink_encode(message, &length) : NULL;

    json_decref(message);
    send_bytes(connection, bytes, length);
}

/* An error to a client that gets no further: the connection closes behind it. */
static void send_last(struct connection *connection, const char *error, json_t *parameters)
{
    connection->last_reply_sent = true;
    send_message(connection, json_pack("{s:s, s:o*}", "error", error, "parameters", parameters));
    if (!connection->closing && !is_writing(connection))
        close_connection(connection);
}

/* Replies. */

/* Consumes the reference; with a name, `text` is one more of the parameters. */
static void finish_call(struct call *call, json_t *message, const char *name, const char *text)
{
    struct connection *connection = call->connection;
    bool is_sent = !call->read.oneway && !connection->closing;
    size_t length = 0;
    char *bytes = NULL;

    if (is_sent && message)
        bytes = name ? varlink_encode_with(message, name, text, &length)
                     : varlink_encode(message, &length);
    json_decref(message);
    end_call(call);
    connection->was_answered = true;
    if (connection->closing) {
        free_if_over(connection);
        return;
    }
    if (is_sent)
        send_bytes(connection, bytes, length);
    if (!connection->closing && !is_writing(connection))
        sent(connection);
}

void call_reply(struct call *call, json_t *parameters)
{
    call_reply_with(call, parameters, NULL, NULL);
}

void call_reply_with(struct call *call, json_t *parameters, const char *name, const char *text)
{
    finish_call(call, json_pack("{s:o}", "parameters", parameters ? parameters : json_object()),
                name, text);
}

void call_error(struct call *call, const char *error, json_t *parameters)
{
    finish_call(call,
                json_pack("{s:s, s:o}", "error", error, "parameters",
                          parameters ? parameters : json_object()),
                NULL, NULL);
}

bool call_continue(struct call *call, json_t *parameters)
{
    struct connection *connection = call->connection;

    if (connection->closing) {
        json_decref(parameters);
        return false;
    }
    send_message(connection, json_pack("{s:o, s:b}", "parameters", parameters, "continues", 1));
    if (!connection->closing &&
        uv_stream_get_write_queue_size((uv_stream_t *)&connection->pipe) > UNREAD_MAX_BYTES)
        cut_off(connection, "it does not read what it asked for");
    return !connection->closing;
}

static void go_on(uv_timer_t *timer)
{
    sent(timer->data);
}

void call_continue_with(struct call *call, json_t *parameters, void (*next)(void *userdata))
{
    struct connection *connection = call->connection;

    call->next = next;
    send_message(connection, json_pack("{s:o, s:b}", "parameters", parameters, "continues", 1));
    if (!connection->closing && !is_writing(connection))
        uv_timer_start(&connection->timer, go_on, 0, 0);
}

void call_on_gone(struct call *call, void (*gone)(void *userdata), void *userdata)
{
    call->gone = gone;
    call->userdata = userdata;
}

bool call_takes_more(const struct call *call)
{
    return call->read.more;
}

struct peer call_peer(const struct call *call)
{
    return call->connection->peer;
}

static int socket_of(const struct connection *connection)
{
    int fd = -1;

    uv_fileno((const uv_handle_t *)&connection->pipe, &fd);
    return fd;
}

bool call_is_long(const struct call *call)
{
    return call->connection->is_long;
}

int call_open_peer(const struct call *call)
{
    return process_peer_pidfd(socket_of(call->connection), call->connection->peer.pid);
}

/* Reading. */

static void bad_message(struct connection *connection, const char *reason)
{
    CLEANUP(event_deinit) struct event event;

    event_init(&event, MESSAGE_CLIENT, "client %d of user %u sent no Varlink call: %s",
               (int)connection->peer.pid, (unsigned)connection->peer.uid, reason);
    event_add(&event, "GANTRY_CLIENT_PID", "%d", (int)connection->peer.pid);
    event_add(&event, "GANTRY_CLIENT_UID", "%u", (unsigned)connection->peer.uid);
    events_emit(connection->server->events, &event, NULL, usec_now());
    send_last(connection, "io.gantry.Node.BadMessage", json_pack("{s:s}", "reason", reason));
}

static void begin_call(struct connection *connection, json_t *message)
{
    struct server *server = connection->server;
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    struct call *call = &connection->call;

    *call = (struct call){.connection = connection, .message = message};
    if (varlink_call_read(&call->read, message, &error) != 0) {
        end_call(call);
        bad_message(connection, error_message(&error));
        return;
    }
    connection->in_call = true;
    uv_timer_stop(&connection->timer);
    server->handler(server->userdata, call, &call->read);
}

static bool may_take(const struct connection *connection)
{
    return !connection->closing && !connection->in_call && !connection->last_reply_sent &&
           !connection->decoding && !is_writing(connection) && !connection->server->draining;
}

/* Long calls. Reading one would hold up all others, so it is done on the thread pool. */

static void decoded(struct decoding *decoding)
{
    struct connection *connection = decoding->owner;
    struct server *server = decoding->userdata;
    bool is_wanted = connection && !server->draining;

    if (connection)
        connection->decoding = NULL;
    if (is_wanted && decoding->result == 0) {
        json_t *message = decoding->message;
        decoding->message = NULL;
        connection->is_long = true;
        begin_call(connection, message);
        return;
    }
    if (is_wanted)
        bad_message(connection, error_message(&decoding->error));
    end_long_call(server);
}

static void begin_decoding(struct connection *connection)
{
    struct server *server = connection->server;

    connection->decoding =
        decoding_begin(server->loop, &connection->in, decoded, connection, server);
    if (connection->decoding)
        server->n_long_calls++;
    else
        close_connection(connection);
}

/* Its client has done its part, and waits for us. */
static void take_long_call(struct connection *connection)
{
    uv_timer_stop(&connection->timer);
    connection->is_waiting = connection->server->n_long_calls >= LONG_CALLS_MAX;
    if (!connection->is_waiting)
        begin_decoding(connection);
}

/* It is the next one's turn: of those that wait, the one that was heard of first. */
static void end_long_call(struct server *server)
{
    struct connection *connection = server->first;

    server->n_long_calls--;
    while (connection && !connection->is_waiting)
        connection = connection->next;
    if (connection && may_take(connection))
        take_long_call(connection);
}

/* Return: true if there was one that is answered, or will be. */
static bool take_call(struct connection *connection)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    json_t *message = NULL;

    if (varlink_buffer_has_long(&connection->in)) {
        take_long_call(connection);
        return false;
    }
    int r = varlink_buffer_take(&connection->in, &message, &error);
    if (r == VARLINK_E_INCOMPLETE)
        return false;
    if (r == 0)
        begin_call(connection, message);
    else if (r == VARLINK_E_TOO_LONG)
        bad_message(connection, "it is longer than 4 MiB");
    else
        bad_message(connection, error_message(&error));
    return true;
}

static void resume(uv_timer_t *timer)
{
    start_timer(timer->data);
    take_calls(timer->data);
}

/* Takes the next call that has come in whole, and those behind it as far as they are answered at
 * once. */
static void take_calls(struct connection *connection)
{
    if (connection->taking)
        return;
    connection->taking = true;
    unsigned n = 0;
    while (n < CALLS_A_TURN && may_take(connection) && take_call(connection))
        n++;
    connection->taking = false;
    if (n == CALLS_A_TURN && may_take(connection))
        uv_timer_start(&connection->timer, resume, 0, 0);
}

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *connection = handle->data;

    (void)suggested;
    *buffer = uv_buf_init(connection->server->read_buffer, READ_BYTES);
}

static void have_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;

    if (n == 0)
        return;
    if (n < 0) {
        close_connection(connection);
        return;
    }
    heard_of(connection);
    if (connection->last_reply_sent)
        return;
    if (varlink_buffer_add(&connection->in, buffer->base, (size_t)n) != 0) {
        bad_message(connection, "it is longer than 4 MiB");
        return;
    }
    take_calls(connection);
}

/* Who may come in. */

static bool may_call(const struct server *server, uid_t uid)
{
    if (uid == 0)
        return true;
    for (size_t i = 0; i < server->limits->n_users; i++) {
        if (server->limits->users[i] == uid)
            return true;
    }
    return false;
}

/* Makes place for a new connection at the cost of the one that was silent the longest. Return:
 * false if all have calls under way. */
static bool make_place(struct server *server)
{
    if (server->n_connections <= server->limits->n_connections_max)
        return true;
    for (struct connection *connection = server->first; connection; connection = connection->next) {
        if (connection->in_call || connection->decoding || connection->is_waiting ||
            connection == server->last)
            continue;
        cut_off(connection, "there were too many connections, and it was silent the longest");
        return true;
    }
    return false;
}

/* Return: NULL without memory, or if the connection is gone already. */
static struct connection *accept_connection(struct server *server)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (!connection)
        return NULL;
    connection->server = server;
    uv_pipe_init(server->loop, &connection->pipe, 0);
    uv_timer_init(server->loop, &connection->timer);
    connection->pipe.data = connection->timer.data = connection;
    connection->n_handles = 2;
    append_connection(connection);
    server->n_connections++;
    if (uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)&connection->pipe) < 0 ||
        process_peer(socket_of(connection), &connection->peer) < 0) {
        close_connection(connection);
        return NULL;
    }
    return connection;
}

static void connected(uv_stream_t *listener, int status)
{
    struct server *server = listener->data;
    struct connection *connection = status < 0 ? NULL : accept_connection(server);

    if (!connection)
        return;
    start_timer(connection);
    if (!may_call(server, connection->peer.uid))
        send_last(connection, "io.gantry.Node.NotPermitted",
                  json_pack("{s:I}", "uid", (json_int_t)connection->peer.uid));
    else if (!make_place(server))
        send_last(connection, "io.gantry.Node.TooManyConnections", json_object());
    else
        uv_read_start((uv_stream_t *)&connection->pipe, lend_buffer, have_read);
}

int server_new(struct server **serverp, uv_loop_t *loop, int fd, const struct server_limits *limits,
               struct events *events, server_handler *handler, void *userdata)
{
    struct server *server = calloc(1, sizeof(*server));

    if (!server) {
        fd_close(fd);
        return -ENOMEM;
    }
    server->loop = loop;
    server->limits = limits;
    server->events = events;
    server->handler = handler;
    server->userdata = userdata;
    uv_pipe_init(loop, &server->listener, 0);
    server->listener.data = server;

    int r = uv_pipe_open(&server->listener, fd);
    if (r < 0)
        fd_close(fd);
    else
        r = uv_listen((uv_stream_t *)&server->listener, BACKLOG, connected);
    *serverp = server;
    return r;
}

void server_drain(struct server *server)
{
    if (server->draining)
        return;
    server->draining = true;
    uv_close((uv_handle_t *)&server->listener, NULL);
}

bool server_is_writing(const struct server *server)
{
    for (const struct connection *connection = server->first; connection;
         connection = connection->next) {
        if (is_writing(connection))
            return true;
    }
    return false;
}

void server_close(struct server *server)
{
    server_drain(server);
    while (server->first)
        close_connection(server->first);
}

struct server *server_free(struct server *server)
{
    free(server);
    return NULL;
}
