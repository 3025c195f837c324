/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A folder of its own for each test, removed with all that is in it.
 */

struct scratch {
    char path[64];
    int fd;
};

/* For cmocka's setup and teardown: *state is a struct scratch. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* printf() into a path below the folder. Return: a string to free(). */
char *scratch_path(const struct scratch *scratch, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes a file below the folder. */
void scratch_write(const struct scratch *scratch, const char *name, const char *text);
