/* SPDX-License-Identifier: Apache-2.0 */

/* Varlink's framing: the first byte says in which pieces the rest comes in. The pieces must not
 * matter, the first message is what jansson makes of it, and what is a message stays one when it is
 * written and read again. */

#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "lib/varlink.h"

#define MESSAGES_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all messages of the bytes, and how the reading ended. */
static int read_all(const char *bytes, size_t size, size_t piece, json_t **messages, size_t *np)
{
    struct varlink_buffer buffer = {0};
    int r = VARLINK_E_INCOMPLETE;

    *np = 0;
    for (size_t at = 0; at < size && r == VARLINK_E_INCOMPLETE; at += piece) {
        assert(varlink_buffer_add(&buffer, bytes + at, size - at < piece ? size - at : piece) == 0);
        while (*np < MESSAGES_MAX && (r = varlink_buffer_take(&buffer, &messages[*np], NULL)) == 0)
            ++*np;
        if (r == 0)
            break;
    }
    varlink_buffer_deinit(&buffer);
    return r;
}

static void look_at(json_t *message)
{
    struct varlink_buffer buffer = {0};
    struct varlink_reply reply;
    struct varlink_call call;
    json_t *again = NULL;
    size_t length;

    assert(json_is_object(message));
    if (varlink_call_read(&call, message, NULL) == 0)
        assert(call.method && (!call.parameters || json_is_object(call.parameters)));
    varlink_reply_read(&reply, message, NULL);

    char *bytes = varlink_encode(message, &length);
    assert(bytes && bytes[length - 1] == '\0' && strlen(bytes) == length - 1);
    assert(varlink_buffer_add(&buffer, bytes, length) == 0);
    assert(varlink_buffer_take(&buffer, &again, NULL) == 0);
    assert(json_equal(message, again));
    json_decref(again);
    free(bytes);
    varlink_buffer_deinit(&buffer);
}

/* What lib/varlink.c reads by itself is read as jansson would. */
static void compare_with_jansson(const char *bytes, size_t size, int result, const json_t *message)
{
    const char *end = memchr(bytes, '\0', size);

    if (!end)
        return;
    json_t *expected = json_loadb(bytes, (size_t)(end - bytes), JSON_ALLOW_NUL, NULL);
    assert(message ? json_equal(message, expected) != 0
                   : result == VARLINK_E_INVALID && !json_is_object(expected));
    json_decref(expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *whole[MESSAGES_MAX], *pieces[MESSAGES_MAX];
    size_t n_whole, n_pieces;

    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 1;
    int r = read_all(bytes, size - 1, size, whole, &n_whole);
    assert(read_all(bytes, size - 1, data[0] + 1U, pieces, &n_pieces) == r);
    assert(n_whole == n_pieces);
    compare_with_jansson(bytes, size - 1, r, n_whole > 0 ? whole[0] : NULL);
    for (size_t i = 0; i < n_whole; i++) {
        assert(json_equal(whole[i], pieces[i]));
        look_at(whole[i]);
        json_decref(whole[i]);
        json_decref(pieces[i]);
    }
    return 0;
}
