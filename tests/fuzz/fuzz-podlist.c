/* SPDX-License-Identifier: Apache-2.0 */

/* The kubelet's /pods in pieces, of which the first byte says how large they are: they must not
 * matter, and the pods are those that jansson finds in the whole. */

#undef NDEBUG
#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "lib/def.h"
#include "lib/podlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was handed out: a value for each, and whether one was none. */
struct taken {
    json_t *pods;
    bool has_odd;
};

static int take(void *userdata, const char *text, size_t length, bool is_cut)
{
    struct taken *taken = userdata;
    json_t *pod = json_loadb(text, length, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);

    assert(!is_cut);
    taken->has_odd = taken->has_odd || !pod;
    json_array_append_new(taken->pods, pod ? pod : json_stringn_nocheck(text, length));
    return 0;
}

static int read_list(const char *bytes, size_t size, size_t piece, struct taken *taken)
{
    struct podlist list = {0};
    int r = 0;

    *taken = (struct taken){.pods = json_array()};
    for (size_t at = 0; r == 0 && at < size; at += piece)
        r = podlist_add(&list, bytes + at, size - at < piece ? size - at : piece, take, taken);
    if (r == 0)
        r = podlist_end(&list);
    podlist_deinit(&list);
    return r;
}

static void compare_with_jansson(const char *bytes, size_t size, int result,
                                 const struct taken *taken)
{
    json_error_t at;
    json_t *whole = json_loadb(bytes, size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &at);
    json_t *items = json_object_get(whole, "items");

    /* A name may be written with escapes; nobody does. */
    if (json_is_array(items) && !memmem(bytes, size, "\\u", 2))
        assert(result == 0 && !taken->has_odd && json_equal(items, taken->pods));
    if (result == 0 && !taken->has_odd && !whole)
        assert(json_error_code(&at) == json_error_duplicate_key ||
               json_error_code(&at) == json_error_stack_overflow);
    json_decref(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct taken whole, pieces;

    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 1;
    int r = read_list(bytes, size - 1, size, &whole);
    assert(read_list(bytes, size - 1, data[0] + 1U, &pieces) == r);
    assert(json_equal(whole.pods, pieces.pods));
    compare_with_jansson(bytes, size - 1, r, &whole);
    json_decref(whole.pods);
    json_decref(pieces.pods);
    return 0;
}
