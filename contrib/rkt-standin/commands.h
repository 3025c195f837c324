/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The subcommands. Return: the exit status; what is to be said of a failure is in `error`, without
 * the subcommand's name.
 */

#include "contrib/rkt-standin/cmdline.h"

int command_cat_manifest(const struct cmdline *cmd, struct error *error);
int command_enter(const struct cmdline *cmd, struct error *error);
int command_fetch(const struct cmdline *cmd, struct error *error);
int command_gc(const struct cmdline *cmd, struct error *error);
int command_image_cat_manifest(const struct cmdline *cmd, struct error *error);
int command_image_list(const struct cmdline *cmd, struct error *error);
int command_image_rm(const struct cmdline *cmd, struct error *error);
int command_list(const struct cmdline *cmd, struct error *error);
int command_prepare(const struct cmdline *cmd, struct error *error);
int command_rm(const struct cmdline *cmd, struct error *error);
int command_run_prepared(const struct cmdline *cmd, struct error *error);
int command_status(const struct cmdline *cmd, struct error *error);
int command_stop(const struct cmdline *cmd, struct error *error);
