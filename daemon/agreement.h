/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether gantryd and rkt are of one mind about which pods run. What gantryd believes is taken down
 * on the loop; what rkt's data directory and the processes say is looked up elsewhere; and what has
 * changed meanwhile is left out when they are held against each other.
 */

#include "daemon/node.h"
#include "lib/finding.h"

struct agreement;

/* Takes down what gantryd believes. Return: NULL without memory. */
struct agreement *agreement_new(const struct node *node);
/* Not for the loop: waits for the file system. */
void agreement_look(struct agreement *agreement);
/* Says what came of it. */
void agreement_judge(const struct agreement *agreement, const struct node *node,
                     struct finding *finding);
/* Return: NULL. */
struct agreement *agreement_free(struct agreement *agreement);
