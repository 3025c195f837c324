/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/podlist.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "lib/def.h"

/* Half a million pods have their zeros in it. */
#define FRAME_MAX ((size_t)1 << 20)

/* How many brackets are open around a pod: those of the list's object, and of its items. */
#define DEPTH_OF_PODS 2

static int text_add(struct podlist_text *text, const char *bytes, size_t length, size_t max)
{
    if (length > max - text->length) {
        length = max - text->length;
        text->is_cut = true;
    }
    /* and a NUL */
    if (text->length + length >= text->size) {
        size_t size = 2 * (text->length + length) + 1;
        char *grown = realloc(text->bytes, size);
        if (!grown)
            return -ENOMEM;
        text->bytes = grown;
        text->size = size;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    return 0;
}

static void note_key(struct podlist *list, const char *bytes, size_t length)
{
    size_t free = sizeof(list->key) - list->key_length;

    memcpy(list->key + list->key_length, bytes, length < free ? length : free);
    list->key_length += length < free ? length : free;
}

/* Bytes of where we are. */
static int add(struct podlist *list, const char *bytes, size_t length)
{
    if (list->in_pod)
        return text_add(&list->pod, bytes, length, PODLIST_POD_MAX);
    if (list->in_string && list->depth == 1)
        note_key(list, bytes, length);
    int r = text_add(&list->frame, bytes, length, FRAME_MAX);
    return r == 0 && list->frame.is_cut ? PODLIST_E_INVALID : r;
}

/* The pod is complete, if there was one at all. */
static int end_pod(struct podlist *list, podlist_fn *fn, void *userdata)
{
    struct podlist_text *pod = &list->pod;

    if (!list->in_pod)
        return 0;
    list->in_pod = false;
    pod->bytes[pod->length] = '\0';
    int r = fn(userdata, pod->bytes, pod->length, pod->is_cut);
    pod->length = 0;
    pod->is_cut = false;
    return r == 0 ? add(list, "0", 1) : r;
}

static bool is_bracket(char byte)
{
    return byte == '{' || byte == '}' || byte == '[' || byte == ']';
}

/* How much of it changes nothing: of a string, or within a pod. */
static size_t plain_length(const struct podlist *list, const char *bytes, size_t length)
{
    size_t n = 0;

    if (list->in_string) {
        while (!list->is_escaped && n < length && bytes[n] != '"' && bytes[n] != '\\')
            n++;
    } else if (list->depth > DEPTH_OF_PODS) {
        while (n < length && bytes[n] != '"' && !is_bracket(bytes[n]))
            n++;
    }
    return n;
}

static int add_to_string(struct podlist *list, char byte)
{
    if (list->is_escaped)
        list->is_escaped = false;
    else if (byte == '\\')
        list->is_escaped = true;
    else if (byte == '"')
        list->in_string = false;
    return add(list, &byte, 1);
}

static int open_bracket(struct podlist *list, char byte)
{
    bool is_items = byte == '[' && list->depth == 1 && list->key_length == strlen("items") &&
                    memcmp(list->key, "items", strlen("items")) == 0;

    int r = add(list, &byte, 1);
    list->depth++;
    if (!is_items)
        return r;
    /* With two of them it would not be told which one is meant. */
    if (list->had_items)
        return PODLIST_E_INVALID;
    list->in_items = list->had_items = true;
    return r;
}

static int close_bracket(struct podlist *list, char byte, podlist_fn *fn, void *userdata)
{
    int r = 0;

    if (list->depth == 0)
        return PODLIST_E_INVALID;
    if (list->in_items && list->depth == DEPTH_OF_PODS) {
        r = end_pod(list, fn, userdata);
        list->in_items = false;
    }
    list->depth--;
    return r == 0 ? add(list, &byte, 1) : r;
}

static int add_byte(struct podlist *list, char byte, podlist_fn *fn, void *userdata)
{
    bool is_between = list->in_items && list->depth == DEPTH_OF_PODS;
    int r = 0;

    if (list->in_string)
        return add_to_string(list, byte);
    if (is_between && byte == ',')
        r = end_pod(list, fn, userdata);
    else if (is_between && byte != ']' && !strchr("} \t\r\n", byte))
        list->in_pod = true;
    if (r != 0)
        return r;
    if (byte == '{' || byte == '[')
        return open_bracket(list, byte);
    if (byte == '}' || byte == ']')
        return close_bracket(list, byte, fn, userdata);
    r = add(list, &byte, 1);
    if (byte == '"') {
        list->in_string = true;
        list->key_length = list->depth == 1 ? 0 : list->key_length;
    }
    return r;
}

int podlist_add(struct podlist *list, const char *bytes, size_t length, podlist_fn *fn,
                void *userdata)
{
    int r = 0;

    while (r == 0 && length > 0) {
        size_t n = plain_length(list, bytes, length);
        r = n > 0 ? add(list, bytes, n) : add_byte(list, *bytes, fn, userdata);
        n = n > 0 ? n : 1;
        bytes += n;
        length -= n;
    }
    return r;
}

int podlist_end(const struct podlist *list)
{
    json_error_t at;
    CLEANUP(json_decrefp)
    json_t *frame = json_loadb(list->frame.bytes ? list->frame.bytes : "", list->frame.length,
                               JSON_ALLOW_NUL, &at);
    const json_t *items = json_object_get(frame, "items");

    if (!frame && json_error_code(&at) == json_error_out_of_memory)
        return -ENOMEM;
    /* Go writes an empty list as null. */
    return (json_is_array(items) && list->had_items) || json_is_null(items) ? 0 : PODLIST_E_INVALID;
}

void podlist_deinit(struct podlist *list)
{
    free(list->pod.bytes);
    free(list->frame.bytes);
    *list = (struct podlist){0};
}
