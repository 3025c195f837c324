/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rkt of the tests: notes how it was called in /run/recorder/calls, one JSON object a line, and
 * becomes the program that /run/recorder/next points to. Without that it exits with 0.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static json_t *list_of(char **strings)
{
    json_t *list = json_array();

    for (; *strings; strings++) {
        json_t *string = json_string(*strings);
        json_array_append_new(list, string ? string : json_string("(not UTF-8)"));
    }
    return list;
}

/* The open descriptors, with what they are. */
static json_t *descriptors(void)
{
    json_t *fds = json_object();
    DIR *dir = opendir("/proc/self/fd");

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char target[256] = "";
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir))
            continue;
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        json_object_set_new(fds, entry->d_name, json_string(target));
    }
    if (dir)
        closedir(dir);
    return fds;
}

/* The bytes of the manifest, if there is one. */
static json_t *manifest(char **argv)
{
    const char *path = NULL;

    for (; *argv; argv++) {
        if (strcmp(*argv, "--pod-manifest") == 0)
            path = argv[1];
        else if (strncmp(*argv, "--pod-manifest=", 15) == 0)
            path = *argv + 15;
    }
    FILE *f = path ? fopen(path, "re") : NULL;
    if (!f)
        return json_null();
    static char text[8 << 20];
    size_t n = fread(text, 1, sizeof(text), f);
    fclose(f);
    json_t *string = json_stringn(text, n);
    return string ? string : json_string("(not UTF-8)");
}

int main(int argc, char **argv)
{
    char directory[4096];
    int is_open = open("/run/recorder/calls", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    (void)argc;
    if (is_open < 0 || !getcwd(directory, sizeof(directory)))
        return 99;
    json_t *call = json_pack("{s:o, s:o, s:s, s:i, s:i, s:o}", "argv", list_of(argv), "environment",
                             list_of(environ), "directory", directory, "pid", (int)getpid(), "tty",
                             isatty(0), "manifest", manifest(argv));
    /* Its own descriptor is none of the caller's. */
    json_t *fds = descriptors();
    char own[16];
    snprintf(own, sizeof(own), "%d", is_open);
    json_object_del(fds, own);
    json_object_set_new(call, "fds", fds);

    char *line = json_dumps(call, JSON_COMPACT);
    size_t length = strlen(line);
    line[length] = '\n';
    if (write(is_open, line, length + 1) != (ssize_t)(length + 1))
        return 99;
    free(line);
    json_decref(call);
    execv("/run/recorder/next", argv);
    return errno == ENOENT ? 0 : 99;
}
