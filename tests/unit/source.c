/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/source.h"

#include "tests/unit/unit.h"

#include <stdio.h>

char *source_path(const char *name)
{
    const char *top = getenv("abs_top_srcdir");
    char *path = NULL;

    assert_true(asprintf(&path, "%s/%s", top ? top : ".", name) > 0);
    return path;
}

char *source_read(const char *name)
{
    CLEANUP(freep) char *path = source_path(name);
    char *text = NULL;
    size_t size = 0;

    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_true(getdelim(&text, &size, EOF, f) > 0);
    fclose(f);
    return text;
}

size_t source_count(const char *text, const char *part)
{
    size_t n = 0;

    for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}
