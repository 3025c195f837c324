/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/text.h"

static char *format_message(const char *format, va_list args) PRINTF(1, 0);

static char *format_message(const char *format, va_list args)
{
    char *message = NULL;

    if (vasprintf(&message, format, args) < 0)
        return NULL;
    text_bound(message, ERROR_MAX);
    return message;
}

int error_set(struct error *error, int code, const char *format, ...)
{
    va_list args;

    if (!error)
        return code;
    va_start(args, format);
    char *message = format_message(format, args);
    va_end(args);

    free(error->message);
    error->message = message;
    return code;
}

int error_wrap(struct error *error, int code, const char *format, ...)
{
    va_list args;
    char *whole = NULL;

    if (!error || !error->message)
        return code;
    va_start(args, format);
    CLEANUP(freep) char *prefix = format_message(format, args);
    va_end(args);

    /* Without memory for the longer message the shorter one still stands. */
    if (!prefix || asprintf(&whole, "%s: %s", prefix, error->message) < 0)
        return code;
    free(error->message);
    error->message = whole;
    text_bound(whole, ERROR_MAX);
    return code;
}

const char *error_message(const struct error *error)
{
    return error->message ? error->message : "out of memory";
}

void error_deinit(struct error *error)
{
    free(error->message);
    error->message = NULL;
}
