/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A program that is run to its end as a transient unit, and what it wrote: gantryd's own sandbox is
 * not for rkt, so gantryd never is rkt's parent.
 *
 * Its standard output and error are files, in a folder of ours and named like the unit; they are
 * gone when it is over, but for those of one whose end nobody has seen, for gantryd was killed or
 * systemd out of reach: the next one of that name sees to them.
 */

#include <stdbool.h>
#include <uv.h>

#include "daemon/bus-units.h"

/* What it wrote: never NULL, and cut off where it is longer than anybody needs. */
struct oneshot;
struct oneshot_result {
    int result; /* as bus_start_unit() has it */
    const char *reason;
    const char *out, *err;
};

typedef void oneshot_done_fn(void *userdata, const struct oneshot_result *result);

/* The files of one. */
struct oneshot_files {
    const char *folder;
    const char *input_name; /* is gone when it is over; NULL: none */
    const char *input;      /* is written there before; NULL: nothing */
    bool keeps_output; /* what others of that name have printed that nobody has read comes first
                          in `out`; else it is removed */
};

/* Runs `unit`, whose name, description and commands are set and copied. One of that name that still
 * runs, of a gantryd that was killed or from before systemd was out of reach, is waited for. `done`
 * is called once. Return: it, until `done` is called; NULL if it was already. */
struct oneshot *oneshot_run(struct bus *bus, uv_loop_t *loop, const struct oneshot_files *files,
                            const struct transient *unit, oneshot_done_fn *done, void *userdata);

/* Removes the files of one of that name whose end nobody has seen. Waits for the file system. */
void oneshot_clear_files(int folder_fd, const char *name);

/* Nobody wants it any more, at whatever point it is: it ends soon, and has failed. */
void oneshot_cancel(struct oneshot *oneshot);

/* What to tell of a failure: that it took too long, the words of the program, or else systemd's;
 * or, of one that went well and printed nonsense, these. Return: borrowed. */
const char *oneshot_words(const struct oneshot_result *result, const char *nonsense);
