/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The API socket, where systemd does not hand it over.
 */

#include <sys/types.h>

/* Binds a socket of that mode, in the place of one that nobody serves any more; its folder is made
 * if it is missing. Return: an fd, not yet listening; -EADDRINUSE if somebody serves it; -errno. */
int listen_bind(const char *path, mode_t mode);
