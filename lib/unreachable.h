/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How many launches the drop-in could not ask gantryd about. gantryd cannot know it by itself, so
 * each leaves a byte in the file "unreachable" beside the API socket, and the size of the file is
 * the number: an append of one byte needs no lock, and is never half done.
 */

#include <stdint.h>

/* Adds one. Never waits, and never fails so that anybody would have to know. */
void unreachable_add(const char *socket);

/* Return: the number since the boot, 0 if there is no such file. */
uint64_t unreachable_read(const char *socket);
