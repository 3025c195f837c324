/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Prometheus' text exposition format, as a reader takes it that forgives nothing: each metric once,
 * with HELP and TYPE before its samples; counters, and nothing else, end in _total; no series
 * twice; the buckets of a histogram are cumulative, and the last one, +Inf, is its count.
 */

#include <jansson.h>

struct exposition {
    json_t *metrics; /* the type of each, by its name */
    json_t *samples; /* the value of each, by its series: name{label="value"} */
};

/* Reads a whole text. Return: NULL, or what is wrong with it, to free(). exposition_deinit() is due
 * in each case. */
char *exposition_read(struct exposition *exposition, const char *text);

void exposition_deinit(struct exposition *exposition);
