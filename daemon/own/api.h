/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The methods for pods of gantry's own: Run, Stop, Remove. Their calls last as long as what is
 * asked for, and with `more` each step is told.
 */

#include "daemon/node.h"
#include "daemon/own/pod.h"
#include "daemon/server.h"

void api_own_run(struct node *node, struct call *call, const json_t *parameters);

/* Stop and Remove, of a pod that was found. */
void api_own_wish(struct node *node, struct call *call, const struct pod *pod,
                  enum ownlife_wish wish);
