/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Processes that are not our children. A pid names one only together with its start; a pidfd names
 * it for as long as it is held, and becomes readable when it ends (pidfd_open(2)).
 */

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

/* Opens the process of that pid and start. Return: an fd to close, -ESRCH if it has ended, -errno.
 */
int process_open(pid_t pid, uint64_t start_ticks);
