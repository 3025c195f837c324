/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The methods of io.gantry.Node and org.varlink.service: parameters in, replies out.
 */

#include "daemon/node.h"
#include "daemon/server.h"

struct api;

/* Return: NULL without memory. */
struct api *api_new(struct node *node);
/* Ends the streams that are open. */
void api_close(struct api *api);
/* Return: NULL. */
struct api *api_free(struct api *api);

/* A server_handler; the userdata is a struct api. */
void api_handle(void *userdata, struct call *call, const struct varlink_call *message);

/* To be told of every event; the userdata is a struct api. */
void api_event(void *userdata, const struct event *event);
