/* SPDX-License-Identifier: Apache-2.0 */
#include "client/realrkt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Set for a rkt that is a script, to the pid under which it runs: if it leads back here, either we
 * are that process again, or its child. A rkt that is a program gets the environment as it is. */
#define MARK "GANTRY_RKT_PID"

bool realrkt_is_circle(void)
{
    const char *mark = getenv(MARK);
    long pid = mark ? strtol(mark, NULL, 10) : 0;

    return pid > 0 && (pid == (long)getpid() || pid == (long)getppid());
}

enum candidate {
    CANDIDATE_GOOD,
    CANDIDATE_OURSELVES,
    CANDIDATE_SCRIPT,
};

/* Return: what the file is; one that cannot be looked at is left to execve() to complain of. */
static enum candidate look_at(const char *path)
{
    struct stat self, other;
    char magic[2];

    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &other) < 0)
        return CANDIDATE_GOOD;
    if (stat("/proc/self/exe", &self) == 0 && self.st_dev == other.st_dev &&
        self.st_ino == other.st_ino)
        return CANDIDATE_OURSELVES;
    if (read(fd, magic, sizeof(magic)) == sizeof(magic) && memcmp(magic, "#!", 2) == 0)
        return CANDIDATE_SCRIPT;
    return CANDIDATE_GOOD;
}

static void set_mark(void)
{
    char pid[32];

    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    setenv(MARK, pid, 1);
}

int realrkt_exec(const char *configured, char **argv, struct error *error)
{
    const char *paths[] = {configured, RKT_PATH};

    for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
        enum candidate candidate = look_at(paths[i]);
        if (candidate == CANDIDATE_OURSELVES)
            continue;
        if (candidate == CANDIDATE_SCRIPT)
            set_mark();
        else
            unsetenv(MARK);
        char *called_as = argv[0];
        argv[0] = (char *)paths[i];
        execv(paths[i], argv);
        argv[0] = called_as;
        return error_set(error, REALRKT_E_NONE, "cannot become rkt: %s: %s", paths[i],
                         strerror(errno));
    }
    return error_set(
        error, REALRKT_E_NONE,
        "cannot become rkt: %s is this drop-in itself; set [Rkt] Path= to the real one",
        configured);
}
