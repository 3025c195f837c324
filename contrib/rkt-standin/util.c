/* SPDX-License-Identifier: Apache-2.0 */
#include "contrib/rkt-standin/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

int dir_make(int dir_fd, const char *path, mode_t mode)
{
    char part[PATH_MAX];

    if (strlen(path) >= sizeof(part))
        return -ENAMETOOLONG;
    strcpy(part, path);
    for (char *at = part + 1; at; at = *at ? at + 1 : NULL) {
        at += strcspn(at, "/");
        char kept = *at;
        *at = '\0';
        if (mkdirat(dir_fd, part, mode) < 0 && errno != EEXIST)
            return -errno;
        *at = kept;
    }
    return 0;
}

int file_write(int dir_fd, const char *path, mode_t mode, const char *bytes, size_t length)
{
    CLEANUP(fd_closep)
    int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0)
        return -errno;
    for (size_t at = 0; at < length;) {
        ssize_t n = write(fd, bytes + at, length - at);
        if (n < 0)
            return -errno;
        at += (size_t)n;
    }
    return 0;
}

int file_print(int dir_fd, const char *path, mode_t mode, const char *format, ...)
{
    CLEANUP(freep) char *text = NULL;
    va_list args;

    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) {
        text = NULL;
        return -ENOMEM;
    }
    return file_write(dir_fd, path, mode, text, (size_t)length);
}

/* Return: what is read up to the end of the file, to free(); NULL and errno. */
static char *read_all(int fd, size_t *lengthp)
{
    size_t length = 0, size = 4096;
    CLEANUP(freep) char *bytes = malloc(size);

    for (ssize_t n = 1; bytes && n > 0;) {
        n = read(fd, bytes + length, size - length - 1);
        if (n < 0)
            return NULL;
        length += (size_t)n;
        if (length + 1 < size)
            continue;
        char *grown = realloc(bytes, size *= 2);
        if (!grown)
            return NULL;
        bytes = grown;
    }
    if (!bytes)
        return NULL;
    bytes[length] = '\0';
    if (lengthp)
        *lengthp = length;
    char *read_bytes = bytes;
    bytes = NULL;
    return read_bytes;
}

char *file_read(int dir_fd, const char *path, size_t *lengthp)
{
    CLEANUP(fd_closep) int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? NULL : read_all(fd, lengthp);
}

int open_in_root(int root_fd, const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

int program_run(const char *const *argv, char **outputp)
{
    CLEANUP(fd_closep) int read_fd = -1;
    posix_spawn_file_actions_t actions;
    int fds[2] = {-1, -1}, status;
    pid_t pid;

    if (outputp && pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    read_fd = fds[0];
    posix_spawn_file_actions_init(&actions);
    /* What a program prints is no part of ours, whose stdout is read by the kubelet. */
    posix_spawn_file_actions_adddup2(&actions, outputp ? fds[1] : STDERR_FILENO, STDOUT_FILENO);
    int r = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    fd_close(fds[1]);
    if (r != 0)
        return -r;
    if (outputp)
        *outputp = read_all(read_fd, NULL);
    if (waitpid(pid, &status, 0) < 0)
        return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int tree_copy(const char *from, const char *to)
{
    const char *const argv[] = {"cp", "-a", "--reflink=auto", from, to, NULL};

    return program_run(argv, NULL) == 0 ? 0 : -EIO;
}

const char *json_text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

void json_print(json_t *json, bool is_pretty)
{
    CLEANUP(freep)
    char *text = json_dumps(json, JSON_ENCODE_ANY | (is_pretty ? JSON_INDENT(1) : JSON_COMPACT));
    bool in_indent = true;

    json_decref(json);
    for (const char *p = text; p && *p; p++) {
        in_indent = p[0] == '\n' || (in_indent && p[0] == ' ');
        putchar(in_indent && p[0] == ' ' ? '\t' : p[0]);
    }
    putchar('\n');
}

const char *time_print(char buffer[static TIME_SIZE], struct timespec time)
{
    char date[32], zone[16], fraction[8];
    struct tm tm;

    if (time.tv_sec == 0)
        return strcpy(buffer, "0001-01-01 00:00:00 +0000 UTC");
    localtime_r(&time.tv_sec, &tm);
    strftime(date, sizeof(date), "%F %T", &tm);
    strftime(zone, sizeof(zone), "%z %Z", &tm);
    snprintf(fraction, sizeof(fraction), ".%03ld", time.tv_nsec / 1000000 % 1000);
    for (size_t i = 3; i > 0 && fraction[i] == '0'; i--)
        fraction[i == 1 ? 0 : i] = '\0';
    snprintf(buffer, TIME_SIZE, "%s%s %s", date, fraction, zone);
    return buffer;
}
