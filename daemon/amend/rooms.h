/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The rooms that a launch walks through, in the order of daemon/amend/rooms.c. Each closes one gap
 * of the rktnetes notes, is one file here, and does nothing else.
 */

struct launch;

/* Holds back the pods that keep failing. */
int amend_backoff(struct launch *launch);

/* Makes the host directories that a pod's volumes name and that do not exist. */
int amend_hostpath(struct launch *launch);
