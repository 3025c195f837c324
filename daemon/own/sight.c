/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/own/sight.h"

#include <stdlib.h>

#include "daemon/process.h"
#include "daemon/rktdir.h"

/* rkt's own failures, contract section 3. */
#define STATUS_OF_RKT 254

static bool has_nested(pid_t pid)
{
    bool is_nested = false;
    int *proc_fds;
    size_t n;

    if (process_open_tree(pid, &proc_fds, &n) < 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        is_nested = is_nested || process_is_nested(proc_fds[i]);
        fd_close(proc_fds[i]);
    }
    free(proc_fds);
    return is_nested;
}

static bool is_executed(pid_t pid, const char *uuid)
{
    CLEANUP(fd_closep) int proc_fd = process_open_proc(pid);

    return proc_fd >= 0 && !process_has_argument(proc_fd, uuid);
}

bool sight_runs(const char *data_dir, const char *uuid)
{
    pid_t pid;

    switch (rktdir_process(data_dir, uuid, &pid)) {
    case RKTDIR_PROCESS_HAS_APPS:
        /* Who cannot see it does not wait for it, either. */
        return (has_nested(pid) || !process_nesting_is_told()) && rktdir_is_running(data_dir, uuid);
    case RKTDIR_PROCESS_IS_APP:
        return is_executed(pid, uuid) && rktdir_is_running(data_dir, uuid);
    default:
        return false;
    }
}

bool sight_has_run(const char *data_dir, const char *uuid, int status)
{
    CLEANUP(rktdir_exits_deinit) struct rktdir_exits exits = {0};

    rktdir_read_exits(data_dir, uuid, &exits);
    return exits.n > 0 || (rktdir_process(data_dir, uuid, NULL) == RKTDIR_PROCESS_IS_APP &&
                           status != STATUS_OF_RKT);
}
