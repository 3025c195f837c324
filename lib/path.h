/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Paths as text: nothing here looks at a file system. Two paths are the same if their components
 * are; slashes at the ends, several in a row, and "." make no difference, and all paths begin at
 * the root. ".." is a component like any other.
 */

#include <stdbool.h>
#include <stddef.h>

/* Steps to the next component of *restp. Return: it, `*lengthp` bytes long, or NULL at the end. */
const char *path_component(const char **restp, size_t *lengthp);

bool path_equals(const char *a, const char *b);

/* What of `path` lies below `folder`. Return: borrowed from `path`, without components if they are
 * the same; NULL if it does not lie there. */
const char *path_below(const char *path, const char *folder);

/* Finds the components `end` at the end of `path`. Return: how much of `path` stands before them, 0
 * if that is the root; PATH_NONE if it ends otherwise. */
#define PATH_NONE ((size_t)-1)
size_t path_before(const char *path, const char *end);

/* The number of components. */
size_t path_depth(const char *path);

/* Makes a path absolute and resolves "..", as Go's path.Clean("/" + path) does: "a//b/../c/" is
 * "/a/c". Return: to free(), or NULL without memory. */
char *path_clean(const char *path);
