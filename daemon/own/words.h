/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a unit has written last: the standard output and error of a pod's unit go to the journal,
 * and there they are read again when rkt has failed, for whoever waits to hear why.
 */

#include "lib/usec.h"

/* The last lines that the unit has written since then, joined by newlines. journald may not have
 * them yet: they are waited for, for a moment. Waits for the file system, too; not for the loop.
 * Return: to free(); NULL if there are none, or they cannot be read. */
char *words_of_unit(const char *unit, wall_t since);
