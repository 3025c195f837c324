/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a path names below a folder, and never anything else, whoever swaps its components meanwhile
 * (CVE-2017-1002101, CVE-2021-25741).
 *
 * No symlink is followed, not even one that stays below the folder: whoever may write there could
 * have made it. (Volumes whose keys are symlinks of the kubelet's are none of this; see
 * daemon/amend/volumes.c.) What is missing is made, all of it folders: with the mode of the
 * folder that the walk began at, and its set-group-ID bit, whose group Linux hands down. They
 * belong to whom we run as.
 */

#include <stdbool.h>

#include "lib/error.h"

enum {
    /* It cannot be had; the error says why and, with the way to it, at which component. */
    BENEATH_E_REFUSED = 1,
    /* A file system would have to be asked. Only BENEATH_CACHED comes to that. */
    BENEATH_E_WAIT,
};

enum beneath_way {
    BENEATH_CACHED,       /* openat2(2), Linux 5.12, for what the kernel knows by heart; no other */
    BENEATH_AT_ONCE,      /* openat2(2), Linux 5.6, for what is there; the other way for the rest */
    BENEATH_BY_COMPONENT, /* one openat(2) with O_NOFOLLOW for each */
};

struct beneath {
    int fd;               /* O_PATH, to close */
    bool made;            /* folders were made */
    enum beneath_way way; /* that was taken in the end */
};

/* Opens `path` below the folder `root_fd`, which is borrowed. Empty components and `.` count for
 * nothing; a path of nothing else is the folder itself. It may block for as long as the file
 * system does, unless the way is BENEATH_CACHED.
 * Return: 0 and *found; BENEATH_E_REFUSED, BENEATH_E_WAIT. */
int beneath_open(int root_fd, const char *path, enum beneath_way way, struct beneath *found,
                 struct error *error);
