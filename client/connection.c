/* SPDX-License-Identifier: Apache-2.0 */
#include "client/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

/* Lets the next connect(), send() or recv() wait until the deadline at most; unix(7) heeds both. */
static int limit_time(int fd, int option, usec_t deadline)
{
    usec_t left = usec_sub(deadline, usec_now());
    struct timeval tv = {0}; /* for ever */

    if (left == 0)
        return -ETIMEDOUT;
    if (deadline != USEC_MAX)
        tv = (struct timeval){.tv_sec = (time_t)(left / USEC_SEC),
                              .tv_usec = (suseconds_t)(left % USEC_SEC)};
    return setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv)) < 0 ? -errno : 0;
}

static int error_of_wait(void)
{
    return errno == EAGAIN || errno == EINPROGRESS ? -ETIMEDOUT : -errno;
}

int connection_open(struct connection *connection, const char *path, usec_t deadline)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    CLEANUP(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = limit_time(fd, SO_SNDTIMEO, deadline);
    if (r < 0)
        return r;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return error_of_wait();
    connection->fd = fd;
    fd = -1;
    return 0;
}

void connection_close(struct connection *connection)
{
    fd_close(connection->fd);
    varlink_buffer_deinit(&connection->in);
    *connection = CONNECTION_NULL;
}

int connection_send(struct connection *connection, const char *bytes, size_t length,
                    usec_t deadline)
{
    if (length > VARLINK_CALL_MAX)
        return -EMSGSIZE;
    while (length > 0) {
        int r = limit_time(connection->fd, SO_SNDTIMEO, deadline);
        if (r < 0)
            return r;
        ssize_t n = send(connection->fd, bytes, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EPIPE || errno == ECONNRESET ? CONNECTION_E_CLOSED : error_of_wait();
        bytes += n;
        length -= (size_t)n;
    }
    return 0;
}

/* Waits for more bytes. */
static int fill(struct connection *connection, usec_t deadline)
{
    char bytes[16384];

    int r = limit_time(connection->fd, SO_RCVTIMEO, deadline);
    if (r < 0)
        return r;
    ssize_t n = recv(connection->fd, bytes, sizeof(bytes), 0);
    if (n < 0 && errno == EINTR)
        return 0;
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        return CONNECTION_E_CLOSED;
    if (n < 0)
        return error_of_wait();
    r = varlink_buffer_add(&connection->in, bytes, (size_t)n);
    return r == VARLINK_E_TOO_LONG ? CONNECTION_E_INVALID : r;
}

int connection_receive(struct connection *connection, json_t **messagep,
                       struct varlink_reply *reply, usec_t deadline, struct error *error)
{
    for (;;) {
        json_t *message = NULL;
        int r = varlink_buffer_take(&connection->in, &message, error);
        if (r == 0) {
            r = varlink_reply_read(reply, message, error);
            if (r == 0)
                *messagep = message;
            else
                json_decref(message);
            return r == 0 ? 0 : CONNECTION_E_INVALID;
        }
        if (r == VARLINK_E_INCOMPLETE)
            r = fill(connection, deadline);
        else if (r == VARLINK_E_TOO_LONG)
            return error_set(error, CONNECTION_E_INVALID, "a reply longer than 16 MiB");
        else if (r == VARLINK_E_INVALID)
            return CONNECTION_E_INVALID;
        if (r != 0)
            return r == CONNECTION_E_INVALID ? error_set(error, r, "a reply longer than 16 MiB")
                                             : r;
    }
}
