/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How large a pod of the kubelet's may be. A launch of a larger one is refused, in words that name
 * the list and its bound: what is too long to be looked at must not pass for what is not there.
 *
 * Whoever writes a pod chooses how long its lists are, and the drop-in does not wait for ever for
 * gantryd: below these bounds the work of all rooms is a small part of that time. Kubernetes has no
 * such bounds of its own; a pod of some use has a few dozen mounts.
 */

/* Of a pod spec. */
#define BOUND_CONTAINERS 64 /* containers, and as many init containers */
#define BOUND_MOUNTS 512    /* volumeMounts of all containers, and of all init containers */
#define BOUND_VOLUMES 512

/*
 * Of a pod that gantryctl run turns into a pod manifest: the bytes of all commands, args and
 * variables, the images' included, and with what $(NAME) stands for. All containers together have
 * half of what Linux by default gives one program (execve(2), "Limits on size of arguments").
 */
#define BOUND_TEXT ((size_t)1 << 20)

/*
 * Of a pod manifest. Besides the mounts of the pod spec the kubelet writes into it for each
 * container /etc/hosts, /etc/resolv.conf and the termination message, each of which kubelet 1.3
 * writes twice; and it hands on the mount points of the images.
 */
#define BOUND_MANIFEST_VOLUMES 1024
#define BOUND_MOUNT_POINTS 1024 /* of all apps */
#define BOUND_FOLDERS 8192      /* in the sources of all volumes: some may have to be made */
