/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The few words that every file may use.
 */

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/* Runs f(&variable) when the variable leaves its scope; that may be all that is done with it. */
#define CLEANUP(f) __attribute__((cleanup(f), unused))
#define PRINTF(at, first) __attribute__((format(printf, at, first)))

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* The structure that holds `member`, from a pointer to that member. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline void freep(void *p)
{
    free(*(void **)p);
}

/* Closes an fd and returns -1, for `fd = fd_close(fd)`. A negative fd is no fd. The close is not
 * repeated on EINTR: Linux has closed the descriptor by then (close(2)). */
static inline int fd_close(int fd)
{
    if (fd >= 0)
        close(fd);
    return -1;
}

static inline void fd_closep(int *fdp)
{
    fd_close(*fdp);
}
