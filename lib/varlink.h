/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Varlink's messages: JSON objects, each ended by a NUL byte. Bytes in, messages out; no socket.
 */

#include <jansson.h>
#include <stdbool.h>

#include "lib/error.h"

/*
 * How long a message may be, its NUL included. What a pod's author can make longer than that must
 * never lead past gantry: the drop-in refuses a launch that it cannot ask about, and gantryd one
 * whose answer the drop-in would not read.
 *
 * An answer to a launch is longer than the question: rooms add to the manifest in it, and it is
 * quoted, which takes two bytes for one at most. The rest of an answer is no longer than the call.
 * So each answer fits whose manifest does: all of a call's, and 2 MiB for what the rooms add.
 */
#define VARLINK_CALL_MAX ((size_t)4 << 20)
#define VARLINK_REPLY_MAX ((size_t)16 << 20)
#define VARLINK_MANIFEST_MAX ((VARLINK_REPLY_MAX - VARLINK_CALL_MAX) / 2)

/* A message above that takes long to read: not to be done where others wait. */
#define VARLINK_LONG ((size_t)256 << 10)

enum {
    VARLINK_E_INCOMPLETE = 1, /* no whole message is there yet */
    VARLINK_E_TOO_LONG,       /* a message is longer than the buffer's bound */
    VARLINK_E_INVALID,        /* the bytes are no message; the error says why */
};

/* Bytes that have come in and are not taken as messages yet. All-zero is empty, for calls. */
struct varlink_buffer {
    bool has_replies; /* it is for replies: their bound holds */
    char *bytes;
    size_t size;    /* allocated */
    size_t length;  /* filled */
    size_t scanned; /* that much of it holds no NUL */
};

void varlink_buffer_deinit(struct varlink_buffer *buffer);

/* Return: 0, VARLINK_E_TOO_LONG, -ENOMEM. After an error the stream is of no more use. */
int varlink_buffer_add(struct varlink_buffer *buffer, const char *bytes, size_t length);

/* Takes the first whole message out, always a JSON object.
 * Return: 0 and a new reference, VARLINK_E_INCOMPLETE, VARLINK_E_TOO_LONG, VARLINK_E_INVALID,
 * -ENOMEM. */
int varlink_buffer_take(struct varlink_buffer *buffer, json_t **messagep, struct error *error);

/* Return: true if the first message is there as a whole, and longer than VARLINK_LONG. */
bool varlink_buffer_has_long(struct varlink_buffer *buffer);

/* Takes the first message out as it is, for varlink_decode(). Return: 0 and its bytes, to be freed,
 * and their count without the NUL; VARLINK_E_INCOMPLETE, VARLINK_E_TOO_LONG, -ENOMEM. */
int varlink_buffer_take_bytes(struct varlink_buffer *buffer, char **bytesp, size_t *lengthp);

/* Return: 0 and a new reference, VARLINK_E_INVALID, -ENOMEM. */
int varlink_decode(const char *bytes, size_t length, json_t **messagep, struct error *error);

/* A message as it goes over the wire. Return: its bytes, to be freed, and their count with the NUL;
 * NULL without memory. */
char *varlink_encode(const json_t *message, size_t *lengthp);

/* The same for a message whose last member is "parameters", an object, which gets a string more.
 * `text` must be JSON itself, and is only quoted, not looked at again: as one value among the
 * others it would be read and written twice more, and a pod manifest is most of what is sent. */
char *varlink_encode_with(const json_t *message, const char *name, const char *text,
                          size_t *lengthp);

/* A client's call. The members are borrowed from the message. */
struct varlink_call {
    const char *method; /* "interface.Method" */
    json_t *parameters; /* an object, or NULL: none were sent */
    bool more;          /* the client takes several replies */
    bool oneway;        /* it takes none */
    bool upgrade;       /* it wants to speak something else afterwards */
};

/* Return: 0, VARLINK_E_INVALID. */
int varlink_call_read(struct varlink_call *call, const json_t *message, struct error *error);

/* A server's reply. The members are borrowed from the message. */
struct varlink_reply {
    const char *error;  /* "interface.Error", or NULL */
    json_t *parameters; /* an object, or NULL */
    bool continues;     /* more replies follow */
};

/* Return: 0, VARLINK_E_INVALID. */
int varlink_reply_read(struct varlink_reply *reply, const json_t *message, struct error *error);
