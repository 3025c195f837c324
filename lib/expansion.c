/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/expansion.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/def.h"

/* A part of a text: how long it is there, and what it stands for. */
struct piece {
    size_t length;
    const char *value;
    size_t value_length;
};

static struct piece as_it_is(const char *p, size_t length)
{
    return (struct piece){length, p, length};
}

/* As Kubernetes has it, a name is all up to the next ')', whatever is in it, and what it is no name
 * of is passed over whole. So each byte is looked at once; and that no ')' follows is noted. */
static struct piece next_piece(const char *p, const json_t *variables, bool *closesp)
{
    if (p[0] != '$')
        return as_it_is(p, strcspn(p, "$"));
    if (p[1] == '$')
        return (struct piece){2, p, 1};
    if (p[1] != '(' || !*closesp)
        return as_it_is(p, 1);
    const char *end = strchr(p, ')');
    *closesp = end;
    if (!end)
        return as_it_is(p, 1);
    size_t length = (size_t)(end + 1 - p);
    const json_t *value = json_object_getn(variables, p + 2, length - 3);
    return value ? (struct piece){length, json_string_value(value), json_string_length(value)}
                 : as_it_is(p, length);
}

bool expansion_spend(size_t *leftp, size_t length)
{
    if (length >= *leftp)
        return false;
    *leftp -= length + 1;
    return true;
}

int expansion_make(json_t **stringp, const char *text, const json_t *variables, size_t *leftp)
{
    CLEANUP(freep) char *expanded = NULL;
    size_t size, length = 0;
    bool closes = true;

    FILE *f = open_memstream(&expanded, &size);
    if (!f)
        return -ENOMEM;
    while (*text && length < *leftp) {
        struct piece piece = next_piece(text, variables, &closes);
        text += piece.length;
        length += piece.value_length;
        if (length < *leftp)
            fwrite(piece.value, 1, piece.value_length, f);
    }
    bool is_written = fclose(f) == 0;
    if (!expansion_spend(leftp, length))
        return EXPANSION_E_TOO_LONG;
    *stringp = is_written ? json_stringn(expanded, length) : NULL;
    return *stringp ? 0 : -ENOMEM;
}

int expansion_make_list(json_t *to, const json_t *list, const json_t *variables, size_t *leftp,
                        size_t *indexp)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *string;
        *indexp = i;
        int r =
            expansion_make(&string, json_string_value(json_array_get(list, i)), variables, leftp);
        if (r != 0)
            return r;
        if (json_array_append_new(to, string) < 0)
            return -ENOMEM;
    }
    return 0;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static int set(json_t *variables, const json_t *entry, size_t *leftp)
{
    const char *name = text_of(entry, "name");
    json_t *value;

    if (!expansion_spend(leftp, strlen(name)))
        return EXPANSION_E_TOO_LONG;
    int r = expansion_make(&value, text_of(entry, "value"), variables, leftp);
    if (r != 0)
        return r;
    return json_object_set_new(variables, name, value) < 0 ? -ENOMEM : 0;
}

int expansion_set(json_t *variables, const json_t *env, size_t *leftp, size_t *indexp)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < json_array_size(env); i++) {
        *indexp = i;
        r = set(variables, json_array_get(env, i), leftp);
    }
    return r;
}
