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

/* Return: how many there are, and the last one's path. */
static unsigned find_below(const char *path, char last[static 4096])
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char line[8192], target[4096];
    size_t length = strlen(path);
    unsigned n = 0;

    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        assert_int_equal(sscanf(line, "%*s %*s %*s %*s %4095s", target), 1);
        if (strncmp(target, path, length) != 0 || (target[length] != '/' && target[length] != '\0'))
            continue;
        strcpy(last, target);
        n++;
    }
    fclose(f);
    return n;
}

unsigned mountns_count(const char *path)
{
    char last[4096];

    return find_below(path, last);
}

void mountns_unmount_below(const char *path)
{
    char last[4096];

    while (find_below(path, last) > 0)
        assert_int_equal(umount2(last, MNT_DETACH | UMOUNT_NOFOLLOW), 0);
}
