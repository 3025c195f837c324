/* SPDX-License-Identifier: Apache-2.0 */
#include "client/realrkt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* How many drop-ins are behind this process: in its own past, or its parent's, and so on. */
#define DEPTH "GANTRY_RKT_DEPTH"

/* A rkt that is called by a pod that a rkt runs, and so on, has a few of them; only a circle has
 * more. */
#define DEPTH_MAX 8

static int depth(void)
{
    const char *value = getenv(DEPTH);

    return value ? (int)strtol(value, NULL, 10) : 0;
}

bool realrkt_is_circle(void)
{
    return depth() >= DEPTH_MAX;
}

static void go_deeper(void)
{
    char value[16];

    snprintf(value, sizeof(value), "%d", depth() + 1);
    setenv(DEPTH, value, 1);
}

static bool is_ourselves(const char *path)
{
    struct stat self, other;

    return stat(path, &other) == 0 && stat("/proc/self/exe", &self) == 0 &&
           self.st_dev == other.st_dev && self.st_ino == other.st_ino;
}

int realrkt_exec(const char *configured, char **argv, struct error *error)
{
    const char *paths[] = {configured, RKT_PATH};

    for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
        if (is_ourselves(paths[i]))
            continue;
        go_deeper();
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
