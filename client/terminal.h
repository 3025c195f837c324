/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Standard output, if a person reads it: colours, and a pager for what is longer than a screen.
 */

#include <stdbool.h>

/* The meanings that colours have; none of them is told by its colour alone. */
enum colour {
    COLOUR_NONE, /* back to how it was */
    COLOUR_GOOD,
    COLOUR_WAITS,
    COLOUR_BAD,
    COLOUR_FAINT,
    COLOUR_TITLE,
};

/* Whether standard output takes colours: a terminal that is not dumb, and no NO_COLOR
 * (https://no-color.org) in the environment. Once a pager runs, what held before. */
bool terminal_has_colours(void);

/* Return: what switches to the colour, "" where there are none. A static string. */
const char *terminal_colour(enum colour colour);

/* How many columns a line has: of the terminal, or as $COLUMNS says, or 80. */
unsigned terminal_columns(void);

/* Has a pager stand between us and the terminal, until terminal_close(): $GANTRY_PAGER, $PAGER,
 * less, or more; an empty value or "cat" means none. If standard output is no terminal, nothing is
 * done. Whatever less shows must not let its reader start other programs: gantryctl may have been
 * called through sudo. */
void terminal_page(void);

enum {
    TERMINAL_E_NO_PAGER = 1, /* it could not be run, and what was written is lost */
};

/* Writes what is still to be written, and waits until the pager has been left, if there is one. To
 * leave it before the end is no fault. Return: 0, TERMINAL_E_NO_PAGER, -errno if something could
 * not be printed. */
int terminal_close(void);
