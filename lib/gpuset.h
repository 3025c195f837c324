/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A set of a node's GPUs, by their numbers: the N of /dev/nvidiaN. Written as
 * NVIDIA_VISIBLE_DEVICES has it, "0,2".
 */

#include <stdbool.h>
#include <stdint.h>

/* Nodes have eight, or sixteen; a later one is not seen. */
#define GPUSET_MAX 64

typedef uint64_t gpuset_t;

/* Room for all of them in words. */
#define GPUSET_TEXT_MAX (3 * GPUSET_MAX + 1)

enum {
    GPUSET_E_INVALID = 1, /* no list of numbers below GPUSET_MAX */
};

/* Reads numbers with commas between them; one may stand there twice. Return: 0, GPUSET_E_INVALID.
 */
int gpuset_parse(gpuset_t *setp, const char *text);

/* Return: `buffer`; "" for an empty set. */
const char *gpuset_format(char buffer[static GPUSET_TEXT_MAX], gpuset_t set);

/* How many there are. */
unsigned gpuset_count(gpuset_t set);

/* The first `n` of a set. */
gpuset_t gpuset_first(gpuset_t set, unsigned n);

/* Return: true if the GPU is in the set. */
static inline bool gpuset_has(gpuset_t set, unsigned gpu)
{
    return set & UINT64_C(1) << gpu;
}
