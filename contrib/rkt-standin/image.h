/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The image store: cas/tree/deps-IMAGE-ID/ is an unpacked image: its `manifest`, its `rootfs`, and
 * `size`, written when it came in.
 */

#include "contrib/rkt-standin/util.h"

/* "sha512-", 64 digits and the NUL. */
#define IMAGE_ID_SIZE 72

/* Finds an image by the beginning of its id, or by NAME or NAME:VERSION. Return: 0, -ENOENT. */
int image_find(const char *data_dir, const char *text, char id[static IMAGE_ID_SIZE]);

/* What rkt says of one that it has not. Return: a text to free(), NULL. */
char *image_missing(const char *text);

/* The path of a file of the image. Return: `buffer`, of PATH_MAX. */
const char *image_path(char *buffer, const char *data_dir, const char *id, const char *file);

/* NAME:VERSION. Return: a text to free(), NULL. */
char *image_name(const char *data_dir, const char *id);
