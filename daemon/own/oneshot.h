/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A program that is run to its end as a transient unit, and what it wrote: gantryd's own sandbox is
 * not for rkt, so gantryd never is rkt's parent.
 *
 * Its standard output and error are files, below a folder of ours; they are gone when it is over,
 * but for what systemd was lost over: the next one of that name has them removed.
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

/* Runs `unit`, whose name, description and commands are set and copied; `folder` is where the files
 * go, named like the unit. If `input` is not NULL, it is written to FOLDER/INPUT_NAME before. One
 * of that name that still runs, of a gantryd that was killed, is waited for. `done` is called once.
 * Return: it, until `done` is called; NULL if it was already. */
struct oneshot_input {
    const char *name, *text;
};
struct oneshot *oneshot_run(struct bus *bus, uv_loop_t *loop, const char *folder,
                            const struct transient *unit, const struct oneshot_input *input,
                            oneshot_done_fn *done, void *userdata);

/* Waits for one of that name that somebody else has begun, a gantryd that was killed, or this one
 * before systemd was out of reach; not for longer than that. `done` is told what it has written,
 * but not how it ended: the result is that of the waiting. Its files, and the one of `input_name`,
 * are gone after it. Return: as oneshot_run(). */
struct oneshot *oneshot_take_over(struct bus *bus, uv_loop_t *loop, const char *folder,
                                  const char *name, usec_t timeout, const char *input_name,
                                  oneshot_done_fn *done, void *userdata);

/* Removes the files of one of that name whose end nobody has seen. Waits for the file system. */
void oneshot_clear_files(int folder_fd, const char *name);

/* Nobody wants it any more, at whatever point it is: it ends soon, and has failed. */
void oneshot_cancel(struct oneshot *oneshot);

/* What to tell of a failure: that it took too long, the words of the program, or else systemd's;
 * or, of one that went well and printed nonsense, these. Return: borrowed. */
const char *oneshot_words(const struct oneshot_result *result, const char *nonsense);
