/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Becoming the real rkt, and never ourselves: neither by path, by symlink, by hard link nor by bind
 * mount, whatever --with-rkt and the configuration say. What cannot be told from a rkt before it
 * runs, a copy of us or a script that calls us, is found out by $GANTRY_RKT_DEPTH.
 */

#include <stdbool.h>

#include "lib/error.h"

enum {
    REALRKT_E_NONE = 1, /* there is no rkt that could be become; the error says why */
};

/* Whether what we became has led to us again and again: then there is no way on. */
bool realrkt_is_circle(void);

/* Replaces the process by rkt, with argv[0] replaced by rkt's path. `configured` comes first; the
 * one that was configured at build time if that is ourselves. What was set in the environment by
 * then goes along. Return: only if it failed: REALRKT_E_NONE. */
int realrkt_exec(const char *configured, char **argv, struct error *error);
