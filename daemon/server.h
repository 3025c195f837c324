/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The API socket: Varlink on a Unix socket, on the loop. The only file that knows connections.
 *
 * A peer's uid is looked at before a byte of it is read. Each connection may take its time only up
 * to a limit for a whole call, may send no more than one message's worth, and has one call answered
 * at a time; long calls are read on the thread pool, and few at a time; a stream that its client
 * does not read is cut. When there are too many connections,
 * the one that has been silent the longest makes place. So nobody who is slow, silent or mad keeps
 * another one waiting.
 */

#include <jansson.h>
#include <uv.h>

#include "daemon/event.h"
#include "daemon/process.h"
#include "lib/varlink.h"

struct server;
struct call;

struct server_limits {
    size_t n_connections_max;
    usec_t call_timeout; /* for a whole call to come in, and for a reply to be taken */
    const uid_t *users;  /* who may call besides root */
    size_t n_users;
};

/* Answers a call: at once or later, once or, if the client takes more, several times. The message's
 * members are borrowed and live as long as the call. */
typedef void server_handler(void *userdata, struct call *call, const struct varlink_call *message);

/* Serves the listening socket `fd`, which is consumed. `limits` are asked each time, and may
 * change. Return: 0 or -errno; if there is a server, server_close() and server_free() are due in
 * each case. */
int server_new(struct server **serverp, uv_loop_t *loop, int fd, const struct server_limits *limits,
               struct events *events, server_handler *handler, void *userdata);

/* Takes no more connections and no more calls. Those under way are still answered. */
void server_drain(struct server *server);

/* Return: true if a reply is still on its way out. */
bool server_is_writing(const struct server *server);

/* Cuts all connections, and lets go of the loop. server_free() may follow when the loop has ended.
 */
void server_close(struct server *server);
/* Return: NULL. */
struct server *server_free(struct server *server);

/* The last reply, and the end of the call: the references to `parameters` are consumed, and may be
 * NULL for an empty object. What a client does not see any more is dropped. */
void call_reply(struct call *call, json_t *parameters);
void call_error(struct call *call, const char *error, json_t *parameters);

/* call_reply() with one parameter more, a string that is itself JSON; see varlink_encode_with(). */
void call_reply_with(struct call *call, json_t *parameters, const char *name, const char *text);

/* One reply, and more to follow. Return: false if the client is gone: then the call is to be ended.
 */
bool call_continue(struct call *call, json_t *parameters);

/* One reply, and `next` is called with the userdata of call_on_gone() when the client has taken it:
 * for what is too long to be sent at once. */
void call_continue_with(struct call *call, json_t *parameters, void (*next)(void *userdata));

/* Has `gone` called if the client goes before the last reply; the call is over with that. Without
 * it, a call whose client has gone stays until it is replied to. */
void call_on_gone(struct call *call, void (*gone)(void *userdata), void *userdata);

/* Return: true if the client takes several replies. */
bool call_takes_more(const struct call *call);

struct peer call_peer(const struct call *call);

/* Return: true if it was longer than VARLINK_LONG: what is made of it is not for the loop. */
bool call_is_long(const struct call *call);

/* Return: a pidfd of the peer, to close, or -errno. */
int call_open_peer(const struct call *call);
