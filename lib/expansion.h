/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What $(NAME) stands for in the command, args and values of a Kubernetes Pod.
 *
 * Values may be made of values, so a short pod can stand for a very long one: each variable that
 * names the one before it twice doubles it. What is made is therefore counted as it is made, and
 * nothing is made beyond the bound (BOUND_TEXT in lib/bounds.h).
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    EXPANSION_E_TOO_LONG = 1, /* there is more of it than is left of the bound */
};

/* Takes this many bytes, and the NUL that ends them, from what is left. Return: false, and nothing
 * is taken, if that is more. */
bool expansion_spend(size_t *leftp, size_t length);

/* $(NAME) stands for a variable, $$ for a $; what names no variable stays as it is written.
 * Return: 0 and a new reference to a string, EXPANSION_E_TOO_LONG, -ENOMEM. */
int expansion_make(json_t **stringp, const char *text, const json_t *variables, size_t *leftp);

/* The same of a list of strings, appended to another one, and of a list of {"name":, "value":}, set
 * in the variables one after the other, so that a value may use those before it.
 * Return: 0; EXPANSION_E_TOO_LONG, and the index at which it was; -ENOMEM. */
int expansion_make_list(json_t *to, const json_t *list, const json_t *variables, size_t *leftp,
                        size_t *indexp);
int expansion_set(json_t *variables, const json_t *env, size_t *leftp, size_t *indexp);
