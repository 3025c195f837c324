/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gantryd from start to end: under systemd, which hands over the socket, is told when we are ready
 * and what we are at, and looks after us; or by hand, where it runs the same.
 */

#include "lib/config.h"

struct daemon_options {
    const char *config_path;
    const char *state_dir;
};

/* Runs until SIGTERM or SIGINT. Return: the exit status. */
int daemon_run(const struct daemon_options *options, struct config *config);
