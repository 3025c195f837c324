/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where entries go: to journald with all their fields if that is where standard error is connected
 * to (systemd.exec(5), $JOURNAL_STREAM), else as lines to standard error.
 *
 * Both may block for as long as the other end does not read, so a thread of its own writes, behind
 * a bounded queue: nothing that the loop does waits for a log. What does not fit is counted and
 * told.
 */

#include <stddef.h>

struct journal;

/* Starts the writer. Return: 0 and a journal to journal_free(), -errno. */
int journal_new(struct journal **journalp);

/* Writes what is queued, but waits no longer than a second for it. Return: NULL. */
struct journal *journal_free(struct journal *journal);

/* Queues one entry: `fields` are "NAME=value", MESSAGE= first. They are copied. */
void journal_write(struct journal *journal, char *const *fields, size_t n_fields);
