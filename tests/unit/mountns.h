/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A mount namespace of its own, for tests that mount. Needs root.
 */

/* To be called first in main(). Fails the program if it cannot be done. */
void mountns_enter(void);

/* How many mounts there are at or below the path. */
unsigned mountns_count(const char *path);

/* Unmounts what is mounted below the path. */
void mountns_unmount_below(const char *path);
