/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Words that are made of what a pod brought along, before they are told: somebody else decided how
 * long they are.
 */

#include <stddef.h>

/* Makes the text UTF-8, which is all that a Varlink message can hold, and no longer than `max`
 * bytes, of which there have to be 16 or more: "?" stands for a byte that is none, " ... " for what
 * was left out of the middle. */
void text_bound(char *text, size_t max);
