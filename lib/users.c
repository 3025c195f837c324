/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/users.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

int user_find(const char *name, uid_t *uidp)
{
    const struct passwd *user = getpwnam(name);

    if (!user)
        return -ENOENT;
    *uidp = user->pw_uid;
    return 0;
}

int group_find(const char *name, gid_t *gidp)
{
    const struct group *group = getgrnam(name);

    if (!group)
        return -ENOENT;
    *gidp = group->gr_gid;
    return 0;
}
