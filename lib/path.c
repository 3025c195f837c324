/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/path.h"

#include <stdlib.h>
#include <string.h>

const char *path_component(const char **restp, size_t *lengthp)
{
    const char *start = *restp;
    size_t length;

    do {
        start += strspn(start, "/");
        length = strcspn(start, "/");
        *restp = start + length;
        *lengthp = length;
        if (length != 1 || start[0] != '.')
            return length > 0 ? start : NULL;
        start += length;
    } while (true);
}

const char *path_below(const char *path, const char *folder)
{
    const char *name, *expected;
    size_t length, expected_length;

    while ((expected = path_component(&folder, &expected_length))) {
        name = path_component(&path, &length);
        if (!name || length != expected_length || memcmp(name, expected, length) != 0)
            return NULL;
    }
    return path;
}

bool path_equals(const char *a, const char *b)
{
    const char *rest = path_below(a, b);
    size_t length;

    return rest && !path_component(&rest, &length);
}

size_t path_depth(const char *path)
{
    size_t n = 0, length;

    while (path_component(&path, &length))
        n++;
    return n;
}

bool path_has_dot_dot(const char *path)
{
    const char *name;
    size_t length;

    while ((name = path_component(&path, &length))) {
        if (length == 2 && memcmp(name, "..", 2) == 0)
            return true;
    }
    return false;
}

static char *rewrite(const char *path, bool resolves)
{
    char *text = malloc(strlen(path) + 2);
    const char *name;
    size_t n = 0, length;

    if (!text)
        return NULL;
    while ((name = path_component(&path, &length))) {
        if (resolves && length == 2 && memcmp(name, "..", 2) == 0) {
            while (n > 0 && text[--n] != '/')
                ;
            continue;
        }
        text[n++] = '/';
        memcpy(text + n, name, length);
        n += length;
    }
    text[n] = '\0';
    return text;
}

char *path_normal(const char *path)
{
    return rewrite(path, false);
}

char *path_clean(const char *path)
{
    return rewrite(path, true);
}
