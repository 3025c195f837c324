/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How long something takes, counted by classes of length.
 */

#include "lib/usec.h"

#define HISTOGRAM_BOUNDS 15

/* The longest time that each class takes in, ascending. What is longer than all of them goes into
 * the class behind the last one. */
extern const usec_t histogram_bounds[HISTOGRAM_BOUNDS];

/* All-zero: nothing was counted. */
struct histogram {
    uint64_t n_class[HISTOGRAM_BOUNDS + 1];
    usec_t sum;
};

void histogram_add(struct histogram *histogram, usec_t time);
