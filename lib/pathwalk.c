/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pathwalk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* As many as the kernel follows, path_resolution(7). */
#define LINKS_MAX 40

/* How often a walk starts over because somebody else removed a folder under it. */
#define ATTEMPTS_MAX 16

struct folder_id {
    dev_t dev;
    ino_t ino;
};

/* One folder on the way down. They are kept, so that `..` is a step back on the way that was
 * walked, never a look-up that a rename could bend. */
struct level {
    int fd;
    size_t text_length; /* how much of walk.text names this folder */
    bool trusted;       /* root alone decides what stands here */
    bool denied;        /* at or below a folder of rules.deny */
};

struct walk {
    const struct pathwalk_rules *rules;
    struct pathwalk_made *made;
    struct error *error;

    struct level *levels;
    size_t n_levels;
    struct folder_id *denied;
    size_t n_denied;

    char text[2 * PATH_MAX]; /* where the walk is, symlinks resolved; "" for the root */
    char path[2 * PATH_MAX]; /* what was to be walked, from the last symlink on */
    const char *rest;        /* what of it still is */
    size_t literal_length;   /* that much of the end of rest is the caller's own text, no link's;
                                slashes before it do not count */
    unsigned n_links;
    bool making;
    bool is_for_file; /* the end of the path is to be a file, and it alone is made */
};

static int refuse(struct walk *walk, const char *reason)
{
    return error_set(walk->error, PATHWALK_E_REFUSED, "%s", reason);
}

static struct level *top(struct walk *walk)
{
    return &walk->levels[walk->n_levels - 1];
}

static void pop(struct walk *walk)
{
    fd_close(top(walk)->fd);
    walk->n_levels--;
    walk->text[top(walk)->text_length] = '\0';
}

static void walk_deinit(struct walk *walk)
{
    while (walk->n_levels > 0)
        fd_close(walk->levels[--walk->n_levels].fd);
    free(walk->levels);
    free(walk->denied);
}

static const char *skip_slashes(const char *path)
{
    return path + strspn(path, "/");
}

static bool is_below(const char *path, const char *prefix)
{
    size_t length = strlen(prefix);

    while (length > 0 && prefix[length - 1] == '/')
        length--;
    return strncmp(path, prefix, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static bool text_is_denied(const struct walk *walk)
{
    for (const char *const *deny = walk->rules->deny; deny && *deny; deny++) {
        if (is_below(walk->text, *deny))
            return true;
    }
    return false;
}

static bool folder_is_denied(const struct walk *walk, const struct stat *st)
{
    for (size_t i = 0; i < walk->n_denied; i++) {
        if (walk->denied[i].dev == st->st_dev && walk->denied[i].ino == st->st_ino)
            return true;
    }
    return false;
}

/* Remembers the denied folders by identity too: a bind mount gives them another name. */
static int find_denied(struct walk *walk)
{
    for (const char *const *deny = walk->rules->deny; deny && *deny; deny++) {
        struct stat st;
        const char *relative = skip_slashes(*deny);
        if (fstatat(walk->rules->root_fd, *relative ? relative : ".", &st, 0) < 0)
            continue;
        struct folder_id *denied = reallocarray(walk->denied, walk->n_denied + 1, sizeof(*denied));
        if (!denied)
            return -ENOMEM;
        walk->denied = denied;
        walk->denied[walk->n_denied++] = (struct folder_id){st.st_dev, st.st_ino};
    }
    return 0;
}

/* Whether only root can have put an entry of this owner into the folder. */
static bool keeps_for_root(const struct walk *walk, const struct stat *folder, uid_t entry_uid)
{
    if (folder->st_uid != walk->rules->root_uid || entry_uid != walk->rules->root_uid)
        return false;
    return !(folder->st_mode & (S_IWGRP | S_IWOTH)) || (folder->st_mode & S_ISVTX);
}

/* Steps into a folder: consumes `fd`; walk.text must name it already. */
static int push(struct walk *walk, int fd, const struct stat *st, bool trusted)
{
    bool denied = (walk->n_levels > 0 && top(walk)->denied) || folder_is_denied(walk, st) ||
                  text_is_denied(walk);
    struct level *levels = reallocarray(walk->levels, walk->n_levels + 1, sizeof(*levels));

    if (!levels) {
        fd_close(fd);
        return -ENOMEM;
    }
    walk->levels = levels;
    walk->levels[walk->n_levels++] = (struct level){
        .fd = fd, .text_length = strlen(walk->text), .trusted = trusted, .denied = denied};
    return 0;
}

/* Back to the root folder, at the start and for a link that begins with '/'. */
static int start_at_root(struct walk *walk)
{
    struct stat st;

    while (walk->n_levels > 0)
        fd_close(walk->levels[--walk->n_levels].fd);
    walk->text[0] = '\0';

    int fd = fcntl(walk->rules->root_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int code = errno;
        fd_close(fd);
        return refuse(walk, strerror(code));
    }
    return push(walk, fd, &st, st.st_uid == walk->rules->root_uid);
}

static int append_name(struct walk *walk, const char *name)
{
    size_t length = strlen(walk->text);
    int n = snprintf(walk->text + length, sizeof(walk->text) - length, "/%s", name);

    if ((size_t)n >= sizeof(walk->text) - length)
        return refuse(walk, strerror(ENAMETOOLONG));
    return 0;
}

/* Puts the link's target before what is still to be walked. */
static int follow(struct walk *walk, int link_fd, const struct stat *link, bool in_link)
{
    char target[PATH_MAX], rest[sizeof(walk->path)];
    struct stat folder;

    if (fstat(top(walk)->fd, &folder) < 0)
        return refuse(walk, strerror(errno));
    if (!top(walk)->trusted || link->st_uid != walk->rules->root_uid ||
        (folder.st_mode & (S_IWGRP | S_IWOTH)))
        return refuse(walk, "a symlink on the way that not only root controls");
    if (++walk->n_links > LINKS_MAX)
        return refuse(walk, "too many symlinks, or a loop of them");

    ssize_t length = readlinkat(link_fd, "", target, sizeof(target));
    if (length < 0)
        return refuse(walk, strerror(errno));
    if ((size_t)length >= sizeof(target))
        return refuse(walk, strerror(ENAMETOOLONG));
    target[length] = '\0';

    if (!in_link)
        walk->literal_length = strlen(skip_slashes(walk->rest));
    int n = snprintf(rest, sizeof(rest), "%s/%s", target, walk->rest);
    if ((size_t)n >= sizeof(rest))
        return refuse(walk, strerror(ENAMETOOLONG));
    strcpy(walk->path, rest);
    walk->rest = walk->path;
    return target[0] == '/' ? start_at_root(walk) : 0;
}

/* Notes what was just made. Consumes nothing. */
static int remember(struct pathwalk_made *made, int parent_fd, const char *name,
                    const struct stat *st)
{
    struct pathwalk_folder *folders =
        reallocarray(made->folders, made->n_folders + 1, sizeof(*folders));
    if (!folders)
        return -ENOMEM;
    made->folders = folders;

    struct pathwalk_folder folder = {
        .parent_fd = fcntl(parent_fd, F_DUPFD_CLOEXEC, 0),
        .name = strdup(name),
        .dev = st->st_dev,
        .ino = st->st_ino,
        .is_file = S_ISREG(st->st_mode),
    };
    if (folder.parent_fd < 0 || !folder.name) {
        int r = folder.name ? -errno : -ENOMEM;
        fd_close(folder.parent_fd);
        free(folder.name);
        return r;
    }
    folders[made->n_folders++] = folder;
    return 0;
}

/* Gives the new folder its owner and mode, and steps into it.
 * Return: 0, PATHWALK_E_REFUSED, -EAGAIN (it is gone again), other errors. */
static int enter_made(struct walk *walk, const char *name)
{
    const struct pathwalk_rules *rules = walk->rules;
    int parent_fd = top(walk)->fd;
    struct stat st;

    CLEANUP(fd_closep)
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -EAGAIN : refuse(walk, strerror(errno));
    if (fstat(fd, &st) < 0)
        return refuse(walk, strerror(errno));

    int r = remember(walk->made, parent_fd, name, &st);
    if (r < 0) {
        unlinkat(parent_fd, name, AT_REMOVEDIR);
        return r == -ENOMEM ? r : refuse(walk, strerror(-r));
    }
    /* In this order: a change of owner clears the set-id bits. */
    if (fchown(fd, rules->uid, rules->gid) < 0 || fchmod(fd, rules->mode) < 0)
        return refuse(walk, strerror(errno));

    r = push(walk, fd, &st, top(walk)->trusted && rules->uid == rules->root_uid);
    fd = -1;
    return r;
}

/* The same for the new file, but for stepping in. Consumes nothing. */
static int finish_file(struct walk *walk, const char *name, int fd)
{
    const struct pathwalk_rules *rules = walk->rules;
    int parent_fd = top(walk)->fd;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return refuse(walk, strerror(errno));
    int r = remember(walk->made, parent_fd, name, &st);
    if (r < 0) {
        unlinkat(parent_fd, name, 0);
        return r == -ENOMEM ? r : refuse(walk, strerror(-r));
    }
    if (fchown(fd, rules->uid, rules->gid) < 0 || fchmod(fd, rules->mode) < 0)
        return refuse(walk, strerror(errno));
    return 0;
}

/* Return: as enter_made(). */
static int make_file(struct walk *walk, const char *name)
{
    if (*walk->rest != '\0')
        return error_set(walk->error, PATHWALK_E_REFUSED, "%s: %s", walk->text, strerror(ENOENT));

    CLEANUP(fd_closep)
    int fd =
        openat(top(walk)->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST || errno == ENOENT ? -EAGAIN : refuse(walk, strerror(errno));
    return finish_file(walk, name, fd);
}

/* Makes the component that is missing. Return: as enter_made(). */
static int make(struct walk *walk, const char *name, bool in_link)
{
    if (in_link)
        return refuse(walk, "a symlink on the way points to nothing");

    bool denied = top(walk)->denied;
    int r = append_name(walk, name);
    if (r != 0)
        return r;
    if (denied || text_is_denied(walk))
        return refuse(walk, walk->is_for_file ? "no file is ever made there (Deny=)"
                                              : "no folder is ever made there (Deny=)");
    if (walk->is_for_file)
        return make_file(walk, name);
    if (mkdirat(top(walk)->fd, name, 0700) < 0) {
        /* EEXIST: another launch was quicker. ENOENT: another one has taken its folder back. */
        if (errno == EEXIST || errno == ENOENT)
            return -EAGAIN;
        return refuse(walk, strerror(errno));
    }
    walk->making = true;
    return enter_made(walk, name);
}

/* One component. Return: as enter_made(). */
static int step(struct walk *walk, const char *name, bool in_link)
{
    struct stat st, folder;

    if (strcmp(name, ".") == 0)
        return 0;
    if (strcmp(name, "..") == 0) {
        if (walk->making)
            return refuse(walk, "`..` out of a folder that does not exist");
        if (walk->n_levels == 1)
            return refuse(walk, "`..` leads above the root folder");
        pop(walk);
        return 0;
    }

    CLEANUP(fd_closep)
    int fd = openat(top(walk)->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return make(walk, name, in_link);
    if (fd < 0 || fstat(fd, &st) < 0 || fstat(top(walk)->fd, &folder) < 0)
        return refuse(walk, strerror(errno));

    if (S_ISLNK(st.st_mode))
        return follow(walk, fd, &st, in_link);

    int r = append_name(walk, name);
    if (r != 0)
        return r;
    if (!S_ISDIR(st.st_mode)) {
        /* The end of the path may be anything; before it, a file cannot be walked through. */
        if (*skip_slashes(walk->rest) == '\0')
            return 0;
        return error_set(walk->error, PATHWALK_E_REFUSED, "%s: not a directory", walk->text);
    }
    r = push(walk, fd, &st, top(walk)->trusted && keeps_for_root(walk, &folder, st.st_uid));
    fd = -1;
    return r;
}

/* Cuts the next component off walk.rest into `name`.
 * Return: its length, 0 at the end, NAME_MAX + 1 if it is longer than a name may be. */
static size_t next_component(struct walk *walk, char name[static NAME_MAX + 1])
{
    const char *start = skip_slashes(walk->rest);
    size_t length = strcspn(start, "/");

    if (length > NAME_MAX)
        return NAME_MAX + 1;
    memcpy(name, start, length);
    name[length] = '\0';
    walk->rest = start + length;
    return length;
}

static int walk_path(struct walk *walk, const char *path)
{
    char name[NAME_MAX + 1];

    strcpy(walk->path, path);
    walk->rest = walk->path;
    walk->literal_length = strlen(skip_slashes(path));

    int r = start_at_root(walk);
    while (r == 0) {
        bool in_link = strlen(skip_slashes(walk->rest)) > walk->literal_length;
        size_t length = next_component(walk, name);
        if (length == 0)
            return 0;
        if (length > NAME_MAX)
            return refuse(walk, strerror(ENAMETOOLONG));
        r = step(walk, name, in_link);
    }
    return r;
}

static int attempt(const struct pathwalk_rules *rules, const char *path, bool is_for_file,
                   struct pathwalk_made *made, struct error *error)
{
    struct walk walk = {.rules = rules, .made = made, .error = error, .is_for_file = is_for_file};

    int r = find_denied(&walk);
    if (r == 0)
        r = walk_path(&walk, path);
    walk_deinit(&walk);
    return r;
}

static int make_path(const struct pathwalk_rules *rules, const char *path, bool is_for_file,
                     struct pathwalk_made *made, struct error *error)
{
    int r = -EAGAIN;

    if (path[0] != '/')
        return error_set(error, PATHWALK_E_REFUSED, "not an absolute path");
    if (strlen(path) >= PATH_MAX)
        return error_set(error, PATHWALK_E_REFUSED, "longer than %d bytes", PATH_MAX - 1);

    for (unsigned i = 0; r == -EAGAIN && i < ATTEMPTS_MAX; i++)
        r = attempt(rules, path, is_for_file, made, error);
    if (r == -EAGAIN)
        return error_set(error, PATHWALK_E_REFUSED, "its folders are being removed meanwhile");
    return r;
}

int pathwalk_make(const struct pathwalk_rules *rules, const char *path, struct pathwalk_made *made,
                  struct error *error)
{
    return make_path(rules, path, false, made, error);
}

int pathwalk_make_file(const struct pathwalk_rules *rules, const char *path,
                       struct pathwalk_made *made, struct error *error)
{
    return make_path(rules, path, true, made, error);
}

/* A file has no unlinking that fails if it is not empty. */
static void take_back(const struct pathwalk_folder *folder, const struct stat *st)
{
    if (st->st_dev != folder->dev || st->st_ino != folder->ino)
        return;
    if (!folder->is_file)
        unlinkat(folder->parent_fd, folder->name, AT_REMOVEDIR);
    else if (st->st_size == 0)
        unlinkat(folder->parent_fd, folder->name, 0);
}

void pathwalk_undo(struct pathwalk_made *made)
{
    while (made->n_folders > 0) {
        struct pathwalk_folder *folder = &made->folders[--made->n_folders];
        struct stat st;
        if (fstatat(folder->parent_fd, folder->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            take_back(folder, &st);
        fd_close(folder->parent_fd);
        free(folder->name);
    }
    pathwalk_made_deinit(made);
}

void pathwalk_made_deinit(struct pathwalk_made *made)
{
    for (size_t i = 0; i < made->n_folders; i++) {
        fd_close(made->folders[i].parent_fd);
        free(made->folders[i].name);
    }
    free(made->folders);
    *made = PATHWALK_MADE_NULL;
}
