/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/harness/script.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/harness/harness.h"

static char *read_message(int fd)
{
    size_t length = 0, size = 1 << 20;
    char *message = malloc(size);

    for (;;) {
        ssize_t n = recv(fd, message + length, size - length, 0);
        if (n <= 0)
            break;
        length += (size_t)n;
        if (message[length - 1] == '\0')
            return message;
        if (length == size)
            message = realloc(message, size *= 2);
    }
    free(message);
    return NULL;
}

static void *play(void *data)
{
    struct script *script = data;

    for (size_t i = 0; i < script->n_replies; i++) {
        int fd = accept4(script->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            break;
        script->messages[script->n_messages++] = read_message(fd);
        const char *reply = script->replies[i];
        if (!reply) {
            script->kept = fd;
            continue;
        }
        if (reply[0] && send(fd, reply, strlen(reply) + 1, MSG_NOSIGNAL) < 0)
            print_message("# send: %s\n", strerror(errno));
        close(fd);
    }
    return NULL;
}

void script_begin(struct script *script)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = NODE_SOCKET};

    script->kept = -1;
    script->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(script->fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(script->fd, 8), 0);
    assert_int_equal(pthread_create(&script->thread, NULL, play, script), 0);
}

void script_end(struct script *script)
{
    shutdown(script->fd, SHUT_RDWR);
    pthread_join(script->thread, NULL);
    close(script->fd);
    fd_close(script->kept);
    unlink(NODE_SOCKET);
    for (size_t i = 0; i < script->n_messages; i++)
        free(script->messages[i]);
}

int script_setup(void **state)
{
    node_setup(state);
    gantryd_end(SIGTERM);
    unlink(NODE_SOCKET);
    write_text(MANIFEST, KUBELETS_MANIFEST);
    return 0;
}

size_t recorder_n_fds(void)
{
    char *const argv[] = {"recorder", NULL};

    assert_int_equal(finish(start_argv(node_built("tests/harness/rkt-recorder"), argv)), 0);
    json_t *calls = recorded_calls();
    size_t n = json_object_size(json_object_get(json_array_get(calls, 0), "fds"));
    json_decref(calls);
    recorder_forget();
    return n;
}

json_t *recorded_call(void)
{
    json_t *calls = recorded_calls();

    assert_int_equal(json_array_size(calls), 1);
    json_t *call = json_incref(json_array_get(calls, 0));
    json_decref(calls);
    return call;
}

const char *recorded_argument(const json_t *call, size_t index)
{
    const char *text = json_string_value(json_array_get(json_object_get(call, "argv"), index));

    return text ? text : "(none)";
}
