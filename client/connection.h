/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The client's end of the API socket: one call after the other, each within a time. It blocks.
 */

#include <jansson.h>

#include "lib/usec.h"
#include "lib/varlink.h"

struct connection {
    int fd; /* -1: not connected */
    struct varlink_buffer in;
};

#define CONNECTION_NULL ((struct connection){.fd = -1, .in.has_replies = true})

enum {
    /* The other side closed before it had answered: it may have been restarted, and can be asked
       again. */
    CONNECTION_E_CLOSED = 1,
    CONNECTION_E_INVALID, /* what it sent is no Varlink reply; the error says why */
};

/* Connects before `deadline`. Return: 0; -ETIMEDOUT, -ENOENT and -ECONNREFUSED (nobody serves),
 * -errno. */
int connection_open(struct connection *connection, const char *path, usec_t deadline);
void connection_close(struct connection *connection);

/* Sends a message, its NUL included.
 * Return: 0, CONNECTION_E_CLOSED, -EMSGSIZE (longer than a call may be), -ETIMEDOUT, -errno. */
int connection_send(struct connection *connection, const char *bytes, size_t length,
                    usec_t deadline);

/* Waits for a reply. Return: 0 and a new reference, of which `reply` borrows; CONNECTION_E_CLOSED,
 * CONNECTION_E_INVALID, -ETIMEDOUT, -errno. */
int connection_receive(struct connection *connection, json_t **messagep,
                       struct varlink_reply *reply, usec_t deadline, struct error *error);
