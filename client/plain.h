/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What pods bring along, names and messages with names in them, before it is printed to a person:
 * without what a terminal takes for commands.
 */

#include <jansson.h>
#include <stdbool.h>

/* Puts "?" in the place of each control character; newlines may stay. */
void plain_text(char *text, bool keeps_lines);

/* Does so with all strings in a value, but not with the names of members. */
void plain_json(json_t *value, bool keeps_lines);
