/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Processes that are not our children. A pid names one only together with its start; a pidfd names
 * it for as long as it is held, and becomes readable when it ends (pidfd_open(2)).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Who is at the other end of a Unix socket. */
struct peer {
    pid_t pid;
    uid_t uid;
};

/* Return: 0 or -errno. The pid is the one that connected, unix(7) SO_PEERCRED. */
int process_peer(int socket_fd, struct peer *peer);

/* A pidfd of the peer: by SO_PEERPIDFD where the kernel has it (6.5), so that no other process can
 * have taken the pid meanwhile; by its pid elsewhere. Return: an fd to close, -errno. */
int process_peer_pidfd(int socket_fd, pid_t pid);

/* The start of a process in clock ticks since boot, proc(5) stat. Return: 0 or -errno. */
int process_start_ticks(pid_t pid, uint64_t *ticksp);

/* /proc/PID, through which one process is meant until it is closed. Return: an fd to close, -errno.
 */
int process_open_proc(pid_t pid);

/* The same for what the process has begun, and what that has, ... but no more than
 * PROCESS_TREE_MAX. It needs a kernel with /proc/PID/task/TID/children.
 * Return: 0, and the fds to close in an array to free(); -errno. */
#define PROCESS_TREE_MAX 4096
int process_open_tree(pid_t pid, int **proc_fdsp, size_t *np);

/* Whether it runs in the cgroup of a systemd unit of that name, on the host or in a container. */
bool process_is_in_unit(int proc_fd, const char *unit);

/* Whether it is in a pid namespace below that of whoever mounted /proc. */
bool process_is_nested(int proc_fd);

/* Whether this kernel tells it, and what process_open_tree() needs: Linux 4.1,
 * CONFIG_PROC_CHILDREN.
 */
bool process_nesting_is_told(void);

/* Whether one of the arguments that it was executed with is this. */
bool process_has_argument(int proc_fd, const char *argument);

/* Sees that its oom_score_adj, proc(5), is this. Return: 0 if it was, 1 if it was changed, -EACCES
 * or -EPERM if the kernel does not allow that, -errno. */
int process_set_oom_score(int proc_fd, int score);

/* Opens the process of that pid and start. Return: an fd to close, -ESRCH if it has ended, -errno.
 */
int process_open(pid_t pid, uint64_t start_ticks);
