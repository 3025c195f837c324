/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "lib/error.h"

/* What rkt prepare checks in a pod manifest, in rkt's words; it checks little, and neither do we.
 * Return: 0, FAILED. */
int manifest_check(const json_t *manifest, struct error *error);

/* What it checks when it has the images: a port that the pod offers is one app's.
 * Return: 0, FAILED. */
int manifest_check_ports(const json_t *manifest, struct error *error);
