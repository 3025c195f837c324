/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A timeline for a terminal.
 */

#include <stdio.h>

#include "client/timeline/journal.h"
#include "client/timeline/model.h"

/* Writes lines of at most `columns` (not below 30), but for the pod's name and UID; with block
 * characters or with ASCII only. */
void timeline_text(FILE *f, const struct timeline_pod *pod, const struct timeline *timeline,
                   unsigned columns, bool is_unicode);
