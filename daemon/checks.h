/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What of gantryctl doctor only gantryd can tell: it looks from within its own sandbox, with its
 * own configuration, and knows the pods.
 */

#include <jansson.h>

#include "daemon/node.h"

/* `findings` is a list of Finding (lib/io.gantry.Node.varlink), and consumed; NULL without memory.
 */
typedef void checks_done_fn(void *userdata, json_t *findings);

/* Looks at everything; `done` is called once, from the loop, perhaps before this returns. */
void checks_run(struct node *node, checks_done_fn *done, void *userdata);
