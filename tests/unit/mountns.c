/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/unit/mountns.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>

void mountns_enter(void)
{
    /* Shared within, as the mounts of a node are. */
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) == 0)
        return;
    printf("Bail out! these tests need root, for a mount namespace: %s\n", strerror(errno));
    exit(99);
}

unsigned mountns_count(const char *path)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char line[8192], target[4096];
    size_t length = strlen(path);
    unsigned n = 0;

    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        assert_int_equal(sscanf(line, "%*s %*s %*s %*s %4095s", target), 1);
        n +=
            strncmp(target, path, length) == 0 && (target[length] == '/' || target[length] == '\0');
    }
    fclose(f);
    return n;
}
