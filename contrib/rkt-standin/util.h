/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Files below a folder's descriptor, other programs, JSON, and how rkt prints.
 */

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "lib/error.h"

/* The exit status of rkt's own failures. In the stand-in a positive value that is returned beside a
 * struct error is the exit status that the program ends with, and -errno one that needs no words
 * but strerror()'s. */
enum {
    FAILED = 254,
};

/* mkdir -p. Return: 0, -errno. */
int dir_make(int dir_fd, const char *path, mode_t mode);

/* Makes a file, or replaces what is in it. Return: 0, -errno. */
int file_write(int dir_fd, const char *path, mode_t mode, const char *bytes, size_t length);

/* The same with a formatted text. */
int file_print(int dir_fd, const char *path, mode_t mode, const char *format, ...) PRINTF(4, 5);

/* Return: all bytes of the file and a NUL that is not counted, to free(); NULL and errno.
 * `lengthp` may be NULL. */
char *file_read(int dir_fd, const char *path, size_t *lengthp);

/* Opens what `path` means to a process that has `root_fd` for its root: no symlink leads out of it.
 * Return: an fd with O_CLOEXEC, -errno. */
int open_in_root(int root_fd, const char *path, int flags);

/* Runs a program of $PATH and waits for it. `argv` ends with NULL. What it prints goes to *outputp,
 * to free(), unless that is NULL. Return: its exit status, 128 + the signal that killed it, or
 * -errno. */
int program_run(const char *const *argv, char **outputp);

/* Copies what is in a folder, or the folder itself, into another. Return: 0, -EIO. */
int tree_copy(const char *from, const char *to);

/* Return: a member that is a string, borrowed; "" if there is none. */
const char *json_text(const json_t *object, const char *key);

/* Prints JSON in one line or, pretty, indented by tabs. Consumes the reference. */
void json_print(json_t *json, bool is_pretty);

/* Big enough for a time. */
#define TIME_SIZE 64

/* Writes "2017-11-23 16:18:25.525 +0000 UTC"; an all-zero time is Go's year 1.
 * Return: `buffer`. */
const char *time_print(char buffer[static TIME_SIZE], struct timespec time);

static inline json_int_t time_nsec(struct timespec time)
{
    return (json_int_t)time.tv_sec * 1000000000 + time.tv_nsec;
}
