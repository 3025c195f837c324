/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/varlink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void varlink_buffer_deinit(struct varlink_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct varlink_buffer){.has_replies = buffer->has_replies};
}

static size_t max_of(const struct varlink_buffer *buffer)
{
    return buffer->has_replies ? VARLINK_REPLY_MAX : VARLINK_CALL_MAX;
}

int varlink_buffer_add(struct varlink_buffer *buffer, const char *bytes, size_t length)
{
    if (length > buffer->size - buffer->length) {
        /* What is complete is taken out soon; what is not must not grow past one message. */
        if (buffer->length + length > 2 * max_of(buffer))
            return VARLINK_E_TOO_LONG;
        size_t size = buffer->size > 0 ? buffer->size : 4096;
        while (size < buffer->length + length)
            size *= 2;
        char *grown = realloc(buffer->bytes, size);
        if (!grown)
            return -ENOMEM;
        buffer->bytes = grown;
        buffer->size = size;
    }
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
    return 0;
}

/* Removes the first `length` bytes; an empty buffer keeps no memory, for most connections are idle.
 */
static void buffer_drop(struct varlink_buffer *buffer, size_t length)
{
    buffer->length -= length;
    buffer->scanned = 0;
    if (buffer->length == 0)
        varlink_buffer_deinit(buffer);
    else
        memmove(buffer->bytes, buffer->bytes + length, buffer->length);
}

/* A string at the end of a message, where varlink_encode_with() puts it. */
struct tail {
    char name[64];
    const char *quoted; /* between the quotes; borrowed */
    size_t length;
};

#define TAIL_END "\"}}"

/* The quote that opens the string which `end` closes: the last one with no backslash before it. */
static const char *find_opening(const char *bytes, const char *end)
{
    for (const char *p = end; p > bytes;) {
        if (*--p == '"' && (p == bytes || p[-1] != '\\'))
            return p;
    }
    return NULL;
}

/* Return: whether the message has one, if it is JSON at all. */
static bool find_tail(struct tail *tail, const char *bytes, size_t length)
{
    const size_t n_end = strlen(TAIL_END);

    if (length < n_end || memcmp(bytes + length - n_end, TAIL_END, n_end) != 0)
        return false;
    const char *end = bytes + length - n_end;
    const char *quote = find_opening(bytes, end);
    if (!quote || quote - bytes < 2 || quote[-1] != ':' || quote[-2] != '"')
        return false;
    const char *name_end = quote - 2, *name = find_opening(bytes, name_end);
    size_t name_length = name ? (size_t)(name_end - ++name) : 0;
    if (!name || name_length >= sizeof(tail->name) || memchr(name, '\\', name_length))
        return false;
    *tail = (struct tail){.quoted = quote + 1, .length = (size_t)(end - quote - 1)};
    memcpy(tail->name, name, name_length);
    return true;
}

/* Return: a new string, NULL if more is escaped in it than quotes and backslashes. */
static json_t *unquote(const struct tail *tail)
{
    CLEANUP(freep) char *text = malloc(tail->length + 1);
    size_t n = 0;

    for (size_t i = 0; text && i < tail->length; i++) {
        char c = tail->quoted[i];
        if (c == '"' || (unsigned char)c < ' ')
            return NULL;
        if (c == '\\') {
            c = tail->quoted[++i];
            if (c != '\\' && (c != '"' || i == tail->length))
                return NULL;
        }
        text[n++] = c;
    }
    return text ? json_stringn(text, n) : NULL;
}

/* Puts it where an empty one stands in its place: in the only object that the message has. */
static int put_back(const json_t *message, const char *name, json_t *text)
{
    json_t *parameters = json_object_iter_value(json_object_iter((json_t *)message));

    if (json_object_size(message) != 1 || !json_is_string(json_object_get(parameters, name)))
        return -1;
    return json_object_set(parameters, name, text);
}

/* jansson looks at each byte of a string so often that a pod manifest at the end would take longer
 * than all else that is done to become rkt: it gets the message without it.
 * Return: NULL if the message is another one. */
static json_t *decode_with_tail(const char *bytes, size_t length)
{
    struct tail tail;

    if (!find_tail(&tail, bytes, length))
        return NULL;
    CLEANUP(json_decrefp) json_t *text = unquote(&tail);
    size_t n = (size_t)(tail.quoted - bytes);
    CLEANUP(freep) char *rest = text ? malloc(n + sizeof(TAIL_END)) : NULL;
    if (!rest)
        return NULL;
    memcpy(mempcpy(rest, bytes, n), TAIL_END, sizeof(TAIL_END));
    json_t *message = json_loads(rest, JSON_ALLOW_NUL, NULL);
    if (message && put_back(message, tail.name, text) == 0)
        return message;
    json_decref(message);
    return NULL;
}

int varlink_decode(const char *bytes, size_t length, json_t **messagep, struct error *error)
{
    json_error_t at;
    json_t *message = decode_with_tail(bytes, length);

    if (!message)
        message = json_loadb(bytes, length, JSON_ALLOW_NUL, &at);
    if (!message && json_error_code(&at) == json_error_out_of_memory)
        return -ENOMEM;
    if (!message)
        return error_set(error, VARLINK_E_INVALID, "byte %d: %s", at.position, at.text);
    if (!json_is_object(message)) {
        json_decref(message);
        return error_set(error, VARLINK_E_INVALID, "not a JSON object");
    }
    *messagep = message;
    return 0;
}

/* Looks for the first message. Return: 0 and its length without the NUL, VARLINK_E_INCOMPLETE,
 * VARLINK_E_TOO_LONG. */
static int find_first(struct varlink_buffer *buffer, size_t *lengthp)
{
    const char *end = NULL;

    if (buffer->length > buffer->scanned)
        end = memchr(buffer->bytes + buffer->scanned, '\0', buffer->length - buffer->scanned);
    if (!end) {
        buffer->scanned = buffer->length;
        return buffer->length >= max_of(buffer) ? VARLINK_E_TOO_LONG : VARLINK_E_INCOMPLETE;
    }
    *lengthp = (size_t)(end - buffer->bytes);
    /* It may be looked for again. */
    buffer->scanned = *lengthp;
    return *lengthp >= max_of(buffer) ? VARLINK_E_TOO_LONG : 0;
}

int varlink_buffer_take(struct varlink_buffer *buffer, json_t **messagep, struct error *error)
{
    size_t length;

    int r = find_first(buffer, &length);
    if (r != 0)
        return r;
    r = varlink_decode(buffer->bytes, length, messagep, error);
    buffer_drop(buffer, length + 1);
    return r;
}

bool varlink_buffer_has_long(struct varlink_buffer *buffer)
{
    size_t length;

    return find_first(buffer, &length) == 0 && length > VARLINK_LONG;
}

int varlink_buffer_take_bytes(struct varlink_buffer *buffer, char **bytesp, size_t *lengthp)
{
    int r = find_first(buffer, lengthp);
    if (r != 0)
        return r;
    *bytesp = malloc(*lengthp + 1);
    if (!*bytesp)
        return -ENOMEM;
    memcpy(*bytesp, buffer->bytes, *lengthp + 1);
    buffer_drop(buffer, *lengthp + 1);
    return 0;
}

char *varlink_encode(const json_t *message, size_t *lengthp)
{
    char *bytes = json_dumps(message, JSON_COMPACT);

    if (bytes)
        *lengthp = strlen(bytes) + 1;
    return bytes;
}

/* JSON has no other characters in it that a string must not have. */
static char *quote(char *p, const char *text)
{
    *p++ = '"';
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            *p++ = '\\';
        *p++ = *text;
    }
    *p++ = '"';
    return p;
}

char *varlink_encode_with(const json_t *message, const char *name, const char *text,
                          size_t *lengthp)
{
    static const char end[] = "}}";
    CLEANUP(freep) char *bytes = json_dumps(message, JSON_COMPACT);
    size_t length = bytes ? strlen(bytes) - strlen(end) : 0;
    char *whole = bytes ? malloc(length + strlen(name) + 2 * strlen(text) + 16) : NULL;

    if (!whole)
        return NULL;
    char *p = mempcpy(whole, bytes, length);
    p += sprintf(p, "%s\"%s\":", p[-1] == '{' ? "" : ",", name);
    p = quote(p, text);
    p = mempcpy(p, end, sizeof(end));
    *lengthp = (size_t)(p - whole);
    return whole;
}

/* An optional member that must be an object if it is there; null is as good as absent. */
static int read_parameters(const json_t *message, json_t **parametersp, struct error *error)
{
    json_t *parameters = json_object_get(message, "parameters");

    if (json_is_null(parameters))
        parameters = NULL;
    if (parameters && !json_is_object(parameters))
        return error_set(error, VARLINK_E_INVALID, "\"parameters\" is not an object");
    *parametersp = parameters;
    return 0;
}

int varlink_call_read(struct varlink_call *call, const json_t *message, struct error *error)
{
    *call = (struct varlink_call){
        .method = json_string_value(json_object_get(message, "method")),
        .more = json_is_true(json_object_get(message, "more")),
        .oneway = json_is_true(json_object_get(message, "oneway")),
        .upgrade = json_is_true(json_object_get(message, "upgrade")),
    };
    if (!call->method)
        return error_set(error, VARLINK_E_INVALID, "no \"method\"");
    return read_parameters(message, &call->parameters, error);
}

int varlink_reply_read(struct varlink_reply *reply, const json_t *message, struct error *error)
{
    json_t *name = json_object_get(message, "error");

    *reply = (struct varlink_reply){
        .error = json_string_value(name),
        .continues = json_is_true(json_object_get(message, "continues")),
    };
    if (name && !json_is_null(name) && !reply->error)
        return error_set(error, VARLINK_E_INVALID, "\"error\" is not a string");
    return read_parameters(message, &reply->parameters, error);
}
