/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/kubelet-asked.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/def.h"
#include "lib/podspec.h"
#include "lib/podstrip.h"
#include "lib/text.h"

/* Words of why an entry cannot be read, some of which may be from it. */
#define FAULT_MAX 256

struct asked_pod {
    char *uid;
    bool is_told;
    char *fault; /* why an entry that may be the pod's cannot be read; or NULL */
};

/* gantryd can go on with each line. */
static void print_line(json_t *json)
{
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(json);
}

void asked_print_error(const char *reason)
{
    print_line(json_pack("{s:s}", "error", reason));
}

/* Standard input. */

static struct asked_pod *find_pod(const struct asked *asked, const char *uid, size_t length)
{
    for (size_t i = 0; i < asked->n; i++) {
        struct asked_pod *pod = &asked->pods[i];
        if (strncmp(pod->uid, uid, length) == 0 && pod->uid[length] == '\0')
            return pod;
    }
    return NULL;
}

static int add_pod(struct asked *asked, const char *uid, size_t length)
{
    if (find_pod(asked, uid, length))
        return 0;
    struct asked_pod *pods = reallocarray(asked->pods, asked->n + 1, sizeof(*pods));
    if (!pods)
        return -ENOMEM;
    asked->pods = pods;
    pods[asked->n] = (struct asked_pod){.uid = strndup(uid, length)};
    return pods[asked->n].uid ? (asked->n++, 0) : -ENOMEM;
}

/* Takes the lines that are whole. */
static int take_lines(struct asked *asked)
{
    char *line = asked->input, *end = asked->input + asked->input_length, *newline;
    int r = 0;

    while (r == 0 && (newline = memchr(line, '\n', (size_t)(end - line)))) {
        r = add_pod(asked, line, (size_t)(newline - line));
        line = newline + 1;
    }
    asked->input_length = (size_t)(end - line);
    memmove(asked->input, line, asked->input_length);
    return r;
}

/* Takes what has been sent by now. Return: 0 or -ENOMEM. */
static int read_input(struct asked *asked)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    ssize_t n = 1;
    int r = 0;

    while (r == 0 && n > 0 && poll(&input, 1, 0) > 0) {
        char *bytes = realloc(asked->input, asked->input_length + PIPE_BUF);
        if (!bytes)
            return -ENOMEM;
        asked->input = bytes;
        n = read(STDIN_FILENO, bytes + asked->input_length, PIPE_BUF);
        asked->input_length += n > 0 ? (size_t)n : 0;
        r = take_lines(asked);
    }
    return r;
}

/* Pods. Few are asked for: so those that do not even name one of them are not read. */

/* Return: the quote at which the value of the next "uid" begins; NULL if there is none. */
static const char *next_uid(const char *text, const char *end)
{
    static const char name[] = "\"uid\"", blank[] = " \t\r\n";

    while ((text = memmem(text, (size_t)(end - text), name, strlen(name)))) {
        text += strlen(name);
        text += strspn(text, blank);
        if (*text != ':')
            continue;
        text++;
        text += strspn(text, blank);
        if (*text == '"')
            return text;
    }
    return NULL;
}

/* Return: the next one that the text names, and has not been told; NULL. `*textp` goes on. */
static struct asked_pod *next_named(const struct asked *asked, const char **textp, const char *end)
{
    const char *quote;

    while ((quote = next_uid(*textp, end))) {
        const char *uid = quote + 1;
        *textp = uid + strcspn(uid, "\"");
        struct asked_pod *pod = find_pod(asked, uid, (size_t)(*textp - uid));
        if (pod && !pod->is_told)
            return pod;
    }
    return NULL;
}

/* An entry that cannot be read may be that of any pod that it names. If it is not, then another one
 * proves to be that: who writes a pod says nothing about others. For a pod that was asked for
 * after its own entry had come none does: gantryd asks for that one again. */
static int keep_fault(const struct asked *asked, const char *text, size_t length, const char *fault)
{
    const char *end = text + length;

    for (struct asked_pod *pod; (pod = next_named(asked, &text, end));) {
        free(pod->fault);
        pod->fault = strdup(fault);
        if (!pod->fault)
            return -ENOMEM;
        text_bound(pod->fault, FAULT_MAX);
    }
    return 0;
}

/* `entry` is all that the list has. */
static void print_pod(json_t *list, json_t *entry, const char *uid)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;

    if (podspec_check_size(entry, &error) == 0) {
        podstrip(entry);
        print_line(json_incref(list));
    } else {
        print_line(json_pack("{s:s, s:s}", "tooLarge", uid, "reason", error_message(&error)));
    }
}

/* Consumes the reference. */
static int print_if_asked(const struct asked *asked, json_t *entry)
{
    CLEANUP(json_decrefp) json_t *list = json_pack("{s:[o]}", "items", entry);
    int r = list ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < asked->n; i++) {
        struct asked_pod *pod = &asked->pods[i];
        json_t *found = NULL;
        if (pod->is_told)
            continue;
        r = podspec_entry(&found, list, pod->uid);
        pod->is_told = found;
        if (found)
            print_pod(list, found, pod->uid);
    }
    return r;
}

int asked_take(void *userdata, const char *text, size_t length, bool is_cut)
{
    struct asked *asked = userdata;
    const char *rest = text;
    json_error_t at;
    char fault[64];

    int r = read_input(asked);
    if (r < 0 || !next_named(asked, &rest, text + length))
        return r;
    snprintf(fault, sizeof(fault), "it has more than %zu bytes", PODLIST_POD_MAX);
    if (is_cut)
        return keep_fault(asked, text, length, fault);
    /* A string may well have a NUL in it. */
    json_t *entry = json_loadb(text, length, JSON_ALLOW_NUL | JSON_DECODE_ANY, &at);
    return entry ? print_if_asked(asked, entry) : keep_fault(asked, text, length, at.text);
}

void asked_print_rest(const struct asked *asked)
{
    for (size_t i = 0; i < asked->n; i++) {
        const struct asked_pod *pod = &asked->pods[i];
        if (!pod->is_told && pod->fault)
            print_line(json_pack("{s:s, s:s}", "unreadable", pod->uid, "reason", pod->fault));
    }
    print_line(json_pack("{s:b}", "done", true));
}
