/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Launches for the tests of rooms, without gantryd around them.
 */

#include "daemon/launch.h"

/* A prepare of a pod default/web with one container "c" of hash `hash` (NULL: a pod that is not the
 * kubelet's), and host volumes v0, v1, ... with these sources, ended by NULL. `config` is referred
 * to. */
struct launch *make_launch(struct config *config, const char *hash, const char *const *sources);

/* After launch->manifest_json, which the manifest stands on, was changed. */
void remake_manifest(struct launch *launch);

/* Loads a configuration from this text. */
struct config *make_config(const char *text);
