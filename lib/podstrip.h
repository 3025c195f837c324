/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What of a pod as the kubelet tells it nobody here reads: most of it, and as long as its author
 * likes.
 */

#include <jansson.h>

/* Takes away from an entry of a v1.PodList what lib/podspec.c does not read. What it reads stays,
 * of whatever type it is. */
void podstrip(json_t *pod);
