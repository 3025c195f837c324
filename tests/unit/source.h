/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Files of the source folder, for tests that hold documents against the programs.
 */

#include <stddef.h>

/* Return: the path of such a file, to free(). */
char *source_path(const char *name);
/* Return: its text, to free(); the test fails if there is none. */
char *source_read(const char *name);

/* Return: how often a part stands in a text. */
size_t source_count(const char *text, const char *part);
