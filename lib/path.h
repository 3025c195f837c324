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

/* The number of components. */
size_t path_depth(const char *path);

/* Whether one of them is "..". */
bool path_has_dot_dot(const char *path);

/* One form for all paths that are the same, so that they can be compared and joined as text: a
 * slash and a name for each component, "/a/b", and "" for the root. Return: to free(), or NULL
 * without memory. */
char *path_normal(const char *path);

/* The same with ".." resolved, as Go's path.Clean("/" + path) does: "a//b/../c/" is "/a/c". */
char *path_clean(const char *path);
