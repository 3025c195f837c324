/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Making the missing end of a path, so that nobody but root decides where it is made.
 *
 * The path is walked from the root folder's descriptor, one component at a time, with O_NOFOLLOW;
 * what is missing is made with mkdirat() in the folder whose descriptor is held. So a component
 * that is swapped while the walk goes on leads nowhere.
 *
 * A symlink is followed only if root made it where only root could have: root owns it, and it
 * stands in a folder that root alone can write to, as are all folders on the way to that one. (A
 * pod's root is the host's root under rkt: without the last condition it could put links of root's
 * into folders of root's, inside a volume that everybody may write to.) A folder with the sticky
 * bit counts as far as root's own entries in it go: nobody else can rename or remove them,
 * unlink(2).
 *
 * Nothing is made through a symlink whose target is missing, after a `..` that leads above the
 * root, or with a `..` that would leave a folder that was only just made.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "lib/error.h"

struct pathwalk_rules {
    int root_fd;             /* the folder that "/" means; borrowed */
    uid_t root_uid;          /* whom to trust: 0 but in tests */
    mode_t mode;             /* of what is made, whatever the umask */
    uid_t uid;               /* their owner */
    gid_t gid;               /* their group */
    const char *const *deny; /* absolute paths, ended by NULL: nothing is made in or below them */
};

/* The folders and files that a walk has made, so that they can be taken back. */
struct pathwalk_made {
    struct pathwalk_folder {
        int parent_fd;
        char *name;
        dev_t dev;
        ino_t ino;
        bool is_file;
    } * folders;
    size_t n_folders;
};

#define PATHWALK_MADE_NULL ((struct pathwalk_made){NULL, 0})

enum {
    /* The path cannot be made; the error says why, without the path itself. */
    PATHWALK_E_REFUSED = 1,
};

/* Makes what is missing of `path`, all of it folders; what is there already is left alone, whatever
 * it is. What was made is added to `made`, also when the walk fails further on. It may block for as
 * long as the file systems on the way do. Return: 0, PATHWALK_E_REFUSED, -ENOMEM. */
int pathwalk_make(const struct pathwalk_rules *rules, const char *path, struct pathwalk_made *made,
                  struct error *error);

/* Makes `path` an empty file, with the mode of the rules; its folder has to be there. The rest is
 * as with pathwalk_make(). */
int pathwalk_make_file(const struct pathwalk_rules *rules, const char *path,
                       struct pathwalk_made *made, struct error *error);

/* Removes what was made again, the last one first. What is not empty any more, or is no longer the
 * one that was made, stays. */
void pathwalk_undo(struct pathwalk_made *made);

/* Forgets what was made; it stays. */
void pathwalk_made_deinit(struct pathwalk_made *made);
