/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Prometheus' text exposition format, as it is written: a metric with its help and type, then its
 * samples.
 *
 *   # HELP gantry_launches_total Launches, by what came of them.
 *   # TYPE gantry_launches_total counter
 *   gantry_launches_total{result="forwarded"} 12
 *
 * Numbers are whole, or microseconds that are written as seconds: no locale has a say in them.
 */

#include <stdio.h>

#include "lib/histogram.h"

/* Begins a metric; its samples must follow before the next one. `type` is the format's word. */
void exposition_metric(FILE *text, const char *name, const char *type, const char *help);

/* One sample. `label` may be NULL: it has none. */
void exposition_count(FILE *text, const char *name, const char *label, const char *value,
                      uint64_t n);
void exposition_seconds(FILE *text, const char *name, uint64_t usec);

/* All samples of a metric of type "histogram". */
void exposition_histogram(FILE *text, const char *name, const struct histogram *histogram);
