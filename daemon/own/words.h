/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a unit has written last: the standard output and error of a pod's unit go to the journal,
 * and there they are read again when rkt has failed, for whoever waits to hear why.
 */

#include "lib/usec.h"

/* What to tell of a rkt that has ended before it ran the pod: its status, so that nobody takes what
 * rkt always says for the reason, and its last words. Either need not be known: STATUS_UNKNOWN,
 * NULL. Return: to free(), NULL without memory. */
char *words_of_end(int status, const char *words);

/* The last lines that the unit has written since then, joined by newlines. journald may not have
 * them yet: they are waited for, for a moment. Waits for the file system, too; not for the loop.
 * Return: to free(); NULL if there are none, or they cannot be read. */
char *words_of_unit(const char *unit, wall_t since);
