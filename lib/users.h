/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Users and groups by name. A file of its own, because it asks whatever nsswitch.conf(5) names: the
 * drop-in, which is linked statically and reads no setting with a user in it, has
 * client/users-none.c in its place.
 */

#include <sys/types.h>

/* Return: 0, -ENOENT. */
int user_find(const char *name, uid_t *uidp);
int group_find(const char *name, gid_t *gidp);
