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

size_t path_before(const char *path, const char *end)
{
    size_t n_path = path_depth(path), n_end = path_depth(end), length;
    const char *rest = path;

    if (n_path < n_end)
        return PATH_NONE;
    for (size_t i = 0; i < n_path - n_end; i++)
        path_component(&rest, &length);
    return path_equals(rest, end) ? (size_t)(rest - path) : PATH_NONE;
}

char *path_clean(const char *path)
{
    char *clean = malloc(strlen(path) + 2);
    const char *name;
    size_t n = 0, length;

    if (!clean)
        return NULL;
    while ((name = path_component(&path, &length))) {
        if (length == 2 && memcmp(name, "..", 2) == 0) {
            while (n > 0 && clean[--n] != '/')
                ;
            continue;
        }
        clean[n++] = '/';
        memcpy(clean + n, name, length);
        n += length;
    }
    if (n == 0)
        clean[n++] = '/';
    clean[n] = '\0';
    return clean;
}
