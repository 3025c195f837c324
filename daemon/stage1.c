/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/stage1.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/def.h"
#include "lib/usec.h"

#define ANSWER_USEC (2 * USEC_SEC)
#define LOOK_AGAIN_USEC (2 * USEC_MSEC)

/* Nothing of ours is for rkt: neither streams nor environment nor the signals that libuv's threads
 * block. Return: as posix_spawn(). */
static int start(pid_t *pidp, char *const *argv)
{
    char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;

    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO);
    int r = posix_spawn(pidp, argv[0], &actions, &attributes, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return r;
}

/* Return: what waitpid() says of it, or -ETIMEDOUT: then it was killed. */
static int wait_for_end(pid_t pid)
{
    usec_t deadline = usec_add(usec_now(), ANSWER_USEC);
    int status = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (usec_now() >= deadline) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return -ETIMEDOUT;
        }
        usleep(LOOK_AGAIN_USEC);
    }
    return status;
}

int stage1_find(const char *rkt, const char *data_dir, const char *name)
{
    CLEANUP(freep) char *dir_option = NULL;
    pid_t pid;

    if (access(rkt, X_OK) < 0)
        return -errno;
    if (asprintf(&dir_option, "--dir=%s", data_dir) < 0) {
        dir_option = NULL;
        return -ENOMEM;
    }
    char *argv[] = {(char *)rkt, dir_option, "image", "cat-manifest", (char *)name, NULL};
    int r = start(&pid, argv);
    if (r != 0)
        return -r;
    r = wait_for_end(pid);
    return r > 0 ? STAGE1_E_NOT_FOUND : r;
}
