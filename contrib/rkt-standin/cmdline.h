/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rkt's command line, as far as the stand-in knows rkt. It is not lib/rktcmd, which serves the
 * launches alone, and which had better not be tested against itself.
 */

#include <stdbool.h>

#include "lib/error.h"

enum verb {
    VERB_NONE, /* only flags: --help, or nothing at all */
    VERB_CAT_MANIFEST,
    VERB_ENTER,
    VERB_FETCH,
    VERB_GC,
    VERB_HELP,
    VERB_IMAGE,
    VERB_IMAGE_CAT_MANIFEST,
    VERB_IMAGE_LIST,
    VERB_IMAGE_RM,
    VERB_LIST,
    VERB_PREPARE,
    VERB_RM,
    VERB_RUN_PREPARED,
    VERB_STATUS,
    VERB_STOP,
    VERB_VERSION,
    N_VERBS,
};

enum {
    CMDLINE_E_UNKNOWN_COMMAND = 1,
    CMDLINE_E_FLAG, /* the usage is due as well */
};

struct cmdline {
    enum verb verb;
    const char *data_dir; /* --dir, absolute */
    char **args;          /* what is no flag, ended by NULL */
    int n_args;
    struct cmdline_flag *flags;
    size_t n_flags;
    char *data_dir_made;
};

/* Reads rkt's arguments; `argv` must outlive `cmd`. In each case cmdline_deinit() is due.
 * Return: 0, CMDLINE_E_*, -errno. */
int cmdline_parse(struct cmdline *cmd, int argc, char **argv, struct error *error);
void cmdline_deinit(struct cmdline *cmd);

/* Return: the value of a flag that was given, the last one; NULL. A switch has the value "true" or
 * "false", --net without a value "default". */
const char *cmdline_value(const struct cmdline *cmd, const char *flag);

bool cmdline_is_on(const struct cmdline *cmd, const char *flag);

/* The values of a flag one by one: start with *atp = 0. Return: NULL after the last. */
const char *cmdline_next(const struct cmdline *cmd, const char *flag, size_t *atp);
