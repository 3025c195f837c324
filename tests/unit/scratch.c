/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tests/unit/scratch.h"

int scratch_setup(void **state)
{
    struct scratch *scratch = calloc(1, sizeof(*scratch));
    const char *dir = getenv("TMPDIR");

    snprintf(scratch->path, sizeof(scratch->path), "%s/gantry-test-XXXXXX", dir ? dir : "/tmp");
    assert_non_null(mkdtemp(scratch->path));
    assert_int_equal(chmod(scratch->path, 0755), 0);
    scratch->fd = open(scratch->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(scratch->fd >= 0);
    *state = scratch;
    return 0;
}

/* fts steps into each folder, so a tree may be deeper than PATH_MAX. */
static int remove_tree(char *path)
{
    char *const roots[] = {path, NULL};
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_XDEV, NULL);
    int r = 0;

    if (!fts)
        return -1;
    for (FTSENT *entry; (entry = fts_read(fts));) {
        if (entry->fts_info != FTS_D && remove(entry->fts_accpath) < 0)
            r = -1;
    }
    fts_close(fts);
    return r;
}

int scratch_teardown(void **state)
{
    struct scratch *scratch = *state;

    fd_close(scratch->fd);
    int r = remove_tree(scratch->path);
    free(scratch);
    return r;
}

char *scratch_path(const struct scratch *scratch, const char *format, ...)
{
    CLEANUP(freep) char *name = NULL;
    char *path = NULL;
    va_list args;

    va_start(args, format);
    assert_true(vasprintf(&name, format, args) >= 0);
    va_end(args);
    assert_true(asprintf(&path, "%s/%s", scratch->path, name) >= 0);
    return path;
}

void scratch_write(const struct scratch *scratch, const char *name, const char *text)
{
    CLEANUP(freep) char *path = scratch_path(scratch, "%s", name);
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}
