/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/harness/client.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/harness/harness.h"

#define MANIFEST "/run/node/manifest.json"

int client_connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval tv = {.tv_sec = 10};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return fd_close(fd);
    return fd;
}

int client_connect(void)
{
    int fd = client_connect_to(NODE_SOCKET);

    assert_true(fd >= 0);
    return fd;
}

void client_send(int fd, const char *text)
{
    assert_true(send(fd, text, strlen(text) + 1, MSG_NOSIGNAL) > 0);
}

json_t *client_receive(int fd)
{
    char bytes[65536];
    size_t length = 0;

    do {
        ssize_t n = recv(fd, bytes + length, 1, 0);
        if (n <= 0)
            return NULL;
        length += (size_t)n;
    } while (bytes[length - 1] != '\0');
    json_t *message = json_loads(bytes, 0, NULL);
    assert_non_null(message);
    return message;
}

const char *client_field(const json_t *message, const char *outer, const char *inner)
{
    return field(json_object_get(message, outer), inner);
}

void client_expect_error(int fd, const char *call, const char *error, const char *name,
                         const char *value)
{
    client_send(fd, call);
    CLEANUP(json_decrefp) json_t *reply = client_receive(fd);
    assert_string_equal(field(reply, "error"), error);
    if (name)
        assert_string_equal(client_field(reply, "parameters", name), value);
}

void launch_pod(const char *uid, const char *name)
{
    char text[1024];

    snprintf(text, sizeof(text),
             "{\"apps\":[{\"name\":\"c\"}],\"annotations\":["
             "{\"name\":\"rkt.kubernetes.io/managed-by-kubelet\",\"value\":\"true\"},"
             "{\"name\":\"io.kubernetes.pod.uid\",\"value\":\"%s\"},"
             "{\"name\":\"io.kubernetes.pod.name\",\"value\":\"%s\"},"
             "{\"name\":\"io.kubernetes.pod.namespace\",\"value\":\"default\"}]}",
             uid, name);
    write_text(MANIFEST, text);
    CLEANUP(result_deinit)
    struct result result = run(node_built("rkt"), "prepare", "--pod-manifest", MANIFEST, NULL);
    assert_int_equal(result.status, 0);
}
