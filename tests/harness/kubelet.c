/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/harness/kubelet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define PORT 10255

static struct {
    pthread_t thread;
    int listen_fd;
    int end_fd; /* the other end of a pipe: closed to end it */
    pthread_mutex_t mutex;
    char *bytes;
    size_t length;
    usec_t delay;
    bool holds;
    size_t n_before; /* bytes that come though it holds */
    pthread_cond_t released;
    unsigned n_requests;
    char request[256]; /* its first line */
    char head[8192];   /* all of it */
} kubelet = {
    .mutex = PTHREAD_MUTEX_INITIALIZER, .released = PTHREAD_COND_INITIALIZER, .listen_fd = -1};

static void raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    CLEANUP(fd_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
}

/* Reads to the empty line that ends the request. */
static bool read_request(int fd, char *request, size_t size)
{
    size_t length = 0;

    while (length < size - 1) {
        ssize_t n = recv(fd, request + length, size - 1 - length, 0);
        if (n <= 0)
            return false;
        length += (size_t)n;
        request[length] = '\0';
        if (strstr(request, "\r\n\r\n"))
            return true;
    }
    return false;
}

static void send_bytes(int fd, const char *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t n = send(fd, bytes + at, length - at, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        at += (size_t)n;
    }
}

/* One connection, in a thread of its own. */
static void *answer(void *data)
{
    int fd = (int)(intptr_t)data;
    char request[8192] = "";

    if (read_request(fd, request, sizeof(request))) {
        pthread_mutex_lock(&kubelet.mutex);
        kubelet.n_requests++;
        snprintf(kubelet.request, sizeof(kubelet.request), "%.*s", (int)strcspn(request, "\r"),
                 request);
        memcpy(kubelet.head, request, sizeof(request));
        size_t length = kubelet.length;
        char *bytes = kubelet.bytes ? memcpy(malloc(length + 1), kubelet.bytes, length) : NULL;
        usec_t delay = kubelet.delay;
        size_t n_before = bytes && kubelet.holds ? kubelet.n_before : 0;
        send_bytes(fd, bytes, n_before);
        while (kubelet.holds)
            pthread_cond_wait(&kubelet.released, &kubelet.mutex);
        pthread_mutex_unlock(&kubelet.mutex);
        usleep((useconds_t)delay);
        if (bytes)
            send_bytes(fd, bytes + n_before, length - n_before);
        else
            recv(fd, request, 1, 0); /* until the other end gives up */
        free(bytes);
    }
    close(fd);
    return NULL;
}

static void *serve(void *data)
{
    struct pollfd fds[] = {{.fd = kubelet.listen_fd, .events = POLLIN},
                           {.fd = (int)(intptr_t)data, .events = POLLIN}};

    while (poll(fds, 2, -1) > 0 && !fds[1].revents) {
        int fd = accept4(kubelet.listen_fd, NULL, NULL, SOCK_CLOEXEC);
        pthread_t thread;
        if (fd < 0)
            continue;
        if (pthread_create(&thread, NULL, answer, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
        else
            close(fd);
    }
    close(fds[1].fd);
    return NULL;
}

void kubelet_start(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int ends[2], yes = 1;

    raise_loopback();
    kubelet.n_requests = 0;
    kubelet.delay = 0;
    kubelet.holds = false;
    kubelet.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(kubelet.listen_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    assert_int_equal(bind(kubelet.listen_fd, (const struct sockaddr *)&address, sizeof(address)),
                     0);
    assert_int_equal(listen(kubelet.listen_fd, 512), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    kubelet.end_fd = ends[1];
    assert_int_equal(pthread_create(&kubelet.thread, NULL, serve, (void *)(intptr_t)ends[0]), 0);
}

void kubelet_stop(void)
{
    if (kubelet.listen_fd < 0)
        return;
    kubelet_holds(false);
    close(kubelet.end_fd);
    pthread_join(kubelet.thread, NULL);
    kubelet.listen_fd = fd_close(kubelet.listen_fd);
    free(kubelet.bytes);
    kubelet.bytes = NULL;
}

void kubelet_serves(const char *bytes, size_t length)
{
    pthread_mutex_lock(&kubelet.mutex);
    free(kubelet.bytes);
    kubelet.bytes = bytes ? memcpy(malloc(length + 1), bytes, length) : NULL;
    kubelet.length = length;
    pthread_mutex_unlock(&kubelet.mutex);
}

void kubelet_serves_pods(json_t *pods)
{
    json_t *list = json_pack("{s:s, s:s, s:{}, s:O}", "kind", "PodList", "apiVersion", "v1",
                             "metadata", "items", pods);
    CLEANUP(freep) char *body = json_dumps(list, JSON_COMPACT);
    CLEANUP(freep) char *bytes = NULL;

    json_decref(list);
    int n = asprintf(&bytes,
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                     "%zu\r\nConnection: close\r\n\r\n%s",
                     strlen(body), body);
    assert_true(n > 0);
    kubelet_serves(bytes, (size_t)n);
}

void kubelet_waits(usec_t delay)
{
    pthread_mutex_lock(&kubelet.mutex);
    kubelet.delay = delay;
    pthread_mutex_unlock(&kubelet.mutex);
}

static void set_hold(bool holds, size_t n_before)
{
    pthread_mutex_lock(&kubelet.mutex);
    kubelet.holds = holds;
    kubelet.n_before = n_before;
    pthread_cond_broadcast(&kubelet.released);
    pthread_mutex_unlock(&kubelet.mutex);
}

void kubelet_holds(bool holds)
{
    set_hold(holds, 0);
}

void kubelet_holds_after(size_t length)
{
    set_hold(true, length);
}

unsigned kubelet_n_requests(void)
{
    pthread_mutex_lock(&kubelet.mutex);
    unsigned n = kubelet.n_requests;
    pthread_mutex_unlock(&kubelet.mutex);
    return n;
}

const char *kubelet_request(void)
{
    static char request[sizeof(kubelet.request)];

    pthread_mutex_lock(&kubelet.mutex);
    memcpy(request, kubelet.request, sizeof(request));
    pthread_mutex_unlock(&kubelet.mutex);
    return request;
}

const char *kubelet_head(void)
{
    static char head[sizeof(kubelet.head)];

    pthread_mutex_lock(&kubelet.mutex);
    memcpy(head, kubelet.head, sizeof(head));
    pthread_mutex_unlock(&kubelet.mutex);
    return head;
}

static const char *annotation(const json_t *manifest, const char *name)
{
    const json_t *list = json_object_get(manifest, "annotations");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        if (strcmp(json_string_value(json_object_get(entry, "name")), name) == 0)
            return json_string_value(json_object_get(entry, "value"));
    }
    fail_msg("the manifest has no %s", name);
    return NULL;
}

json_t *kubelet_pod(const json_t *manifest, json_t *spec)
{
    return json_pack("{s:{s:s, s:s, s:s}, s:O}", "metadata", "name",
                     annotation(manifest, "io.kubernetes.pod.name"), "namespace",
                     annotation(manifest, "io.kubernetes.pod.namespace"), "uid",
                     annotation(manifest, "io.kubernetes.pod.uid"), "spec", spec);
}
