/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether rkt has the image of a stage1. Its store is a database of its own, so rkt is asked. A
 * prepare with a stage1 that it has not would go and look for it in the network, and fail.
 */

enum {
    STAGE1_E_NOT_FOUND = 1,
};

/* Runs `rkt image cat-manifest NAME` and waits for its end, no longer than two seconds; not for the
 * loop. Return: 0, STAGE1_E_NOT_FOUND, -ETIMEDOUT, -errno if rkt cannot be run. */
int stage1_find(const char *rkt, const char *data_dir, const char *name);
