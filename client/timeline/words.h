/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The words and the ticks of a timeline: the same in a terminal, on a page and in JSON.
 */

#include "client/timeline/model.h"

#define TIMELINE_WORDS_MAX 256
#define TIMELINE_TICKS_MAX 64

struct timeline_tick {
    uint64_t at;
    char label[16];
};

/* A static word, such as "held back". */
const char *timeline_kind_word(enum timeline_kind kind);

/* "run 3  6f1b2c3d", "back-off"; the number has room for n_digits. Return: `buffer`. */
const char *timeline_row_label(char buffer[static TIMELINE_WORDS_MAX],
                               const struct timeline_row *row, unsigned n_digits);

/* How a row ended, or how it is: "ran 12s, exit 1 (front)". What may be long comes last. Return:
 * `buffer`. */
const char *timeline_row_note(char buffer[static TIMELINE_WORDS_MAX],
                              const struct timeline_row *row);

/* "running for 12s, and goes on". Return: `buffer`. */
const char *timeline_span_words(char buffer[static TIMELINE_WORDS_MAX],
                                const struct timeline_span *span);

/* "exit 1 (front)", "refused 3 times". Return: `buffer`. */
const char *timeline_mark_words(char buffer[static TIMELINE_WORDS_MAX],
                                const struct timeline_mark *mark);

/* Whether something went wrong. */
bool timeline_mark_is_bad(const struct timeline_mark *mark);

/* Local date and time. Return: `buffer`. */
const char *timeline_when(char buffer[static TIMELINE_WORDS_MAX], uint64_t at);

/* Ticks at round local times, at most `n_max` (not above TIMELINE_TICKS_MAX). Return: how many. */
size_t timeline_ticks(struct timeline_tick ticks[static TIMELINE_TICKS_MAX],
                      const struct timeline *timeline, size_t n_max);
