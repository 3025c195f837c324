/* SPDX-License-Identifier: Apache-2.0 */

/* The limit of what a drop-in can cost: connects to an echo server on a Unix socket, sends as many
 * bytes as the drop-in does, receives as many as it gets, and becomes a program.
 *
 *   limit SOCKET BYTES-TO-SEND BYTES-TO-RECEIVE PROGRAM
 */

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char bytes[1 << 16];

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (argc < 5)
        return 99;
    strncpy(address.sun_path, argv[1], sizeof(address.sun_path) - 1);
    ssize_t to_send = atoi(argv[2]), to_receive = atoi(argv[3]);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        send(fd, bytes, (size_t)to_send, 0) != to_send)
        return 98;
    while (to_receive > 0) {
        ssize_t n = recv(fd, bytes, (size_t)to_receive, 0);
        if (n <= 0)
            return 97;
        to_receive -= n;
    }
    execv(argv[4], argv + 4);
    return 96;
}
