/* SPDX-License-Identifier: Apache-2.0 */
#include "client/plain.h"

#include <string.h>

#include "lib/def.h"

static bool is_utf8(const char *text)
{
    json_t *string = json_string(text);

    json_decref(string);
    return string;
}

void plain_text(char *text, bool keeps_lines)
{
    bool is_text = is_utf8(text);

    for (unsigned char *at = (unsigned char *)text; *at; at++) {
        bool is_c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;
        if (keeps_lines && *at == '\n')
            continue;
        if (is_c1)
            *at++ = '?';
        if (*at < 0x20 || *at == 0x7f || is_c1 || (!is_text && *at >= 0x80))
            *at = '?';
    }
}

void plain_json(json_t *value, bool keeps_lines)
{
    const char *key;
    size_t index;
    json_t *member;

    if (json_is_string(value)) {
        CLEANUP(freep) char *text = strdup(json_string_value(value));
        if (text)
            plain_text(text, keeps_lines);
        json_string_set_nocheck(value, text ? text : "");
    }
    json_object_foreach(value, key, member) plain_json(member, keeps_lines);
    json_array_foreach(value, index, member) plain_json(member, keeps_lines);
}
