/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

static bool is_utf8(const char *text)
{
    json_t *string = json_string(text);

    json_decref(string);
    return string;
}

static bool is_inside(char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Both ends say most: who it is about, and what is wrong. */
static void leave_out_middle(char *text, size_t length, size_t max)
{
    static const char gap[] = " ... ";
    size_t n = max - strlen(gap), head = n / 2, tail = length - (n - head);

    while (head > 0 && is_inside(text[head]))
        head--;
    while (is_inside(text[tail]))
        tail++;
    char *p = mempcpy(text + head, gap, strlen(gap));
    memmove(p, text + tail, length - tail + 1);
}

void text_bound(char *text, size_t max)
{
    size_t length = strlen(text);

    if (!is_utf8(text)) {
        for (char *p = text; *p; p++)
            *p = *p & 0x80 ? '?' : *p;
    }
    if (length > max)
        leave_out_middle(text, length, max);
}
