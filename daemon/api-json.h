/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The types of lib/io.gantry.Node.varlink, from and to what the daemon works with.
 */

#include <jansson.h>

#include "daemon/event.h"
#include "daemon/gpus.h"
#include "daemon/launch.h"
#include "daemon/pod.h"

enum {
    API_E_INVALID = 1, /* a parameter is missing or of another type; its name is set */
};

/* Fills in what the drop-in sent, without reading it any further.
 * Return: 0, API_E_INVALID and a static name, -ENOMEM. */
int launch_from_json(struct launch *launch, json_t *parameters, const char **parameterp);

/* What the drop-in is to do otherwise, but for the manifest. Return: a new reference, NULL without
 * memory. */
json_t *launch_to_json(const struct launch *launch);

/* A Pod and an Event. Return: a new reference, NULL without memory. */
json_t *pod_to_json(const struct pod *pod, const struct backoff_limits *limits);
json_t *event_to_json(const struct event *event, wall_t at);

/* A list of GPU: those that are present in `device_dir`, and those that somebody has.
 * Return: a new reference, NULL without memory. */
json_t *gpus_to_json(const char *device_dir, gpuset_t present, const struct gpu_holders *holders);
