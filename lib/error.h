/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How things fail here. One contract, for every function that returns an int and says nothing else:
 *
 *   0          success
 *   negative   -errno: what the caller cannot mend; it is passed up as it is
 *   positive   a condition of that function's own enum, documented at the function, handled by its
 *              caller and never passed further
 *
 * libuv, libsystemd, libdbus, jansson and errno itself are turned into this at the call.
 *
 * What a person will read is a struct error beside that number: a message, made where the failure
 * is known best and wrapped on the way up, so that it ends as
 *
 *   launch of pod default/web: volume "cache": /srv/cache: not a directory
 */

#include "lib/def.h"

struct error {
    char *message; /* NULL: no error, or there was no memory to tell it */
};

#define ERROR_NULL ((struct error){NULL})

/* The longest message, in bytes. Words of a pod's may be in it: of a longer one the middle is left
 * out, and it is UTF-8 in any case. */
#define ERROR_MAX 8192

/* Sets the message, in place of an earlier one. `error` may be NULL: nobody wants the words.
 * Return: `code`, so that one writes `return error_set(error, CONFIG_E_INVALID, ...)`. */
int error_set(struct error *error, int code, const char *format, ...) PRINTF(3, 4);

/* Puts words and ": " before the message, if there is one. Return: `code`. */
int error_wrap(struct error *error, int code, const char *format, ...) PRINTF(3, 4);

/* What to print. Return: borrowed, never NULL. */
const char *error_message(const struct error *error);

void error_deinit(struct error *error);
