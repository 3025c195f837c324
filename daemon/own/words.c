/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/own/words.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-journal.h>

#include "daemon/pod.h"
#include "lib/def.h"

/* rkt says a line or two; its stage1s may say more. */
#define LINES_MAX 8
#define LINE_MAX_BYTES 512

/* journald takes what is in its sockets as soon as it can. */
#define WAIT_USEC USEC_SEC

struct lines {
    char *list[LINES_MAX]; /* the last one first */
    size_t n;
};

static void lines_clear(struct lines *lines)
{
    while (lines->n > 0)
        free(lines->list[--lines->n]);
}

static void journal_closep(sd_journal **journalp)
{
    sd_journal_close(*journalp);
}

/* Only what its processes have written: not what systemd, or gantryd, says about it. */
static int open_journal(sd_journal **journalp, const char *unit)
{
    const char *directory = getenv("GANTRY_JOURNAL");
    CLEANUP(freep) char *match = NULL;
    int r = directory ? sd_journal_open_directory(journalp, directory, 0)
                      : sd_journal_open(journalp, SD_JOURNAL_LOCAL_ONLY);

    if (r == 0 && asprintf(&match, "_SYSTEMD_UNIT=%s", unit) < 0)
        match = NULL;
    if (r == 0)
        r = match ? sd_journal_add_match(*journalp, match, 0) : -1;
    return r == 0 ? sd_journal_add_match(*journalp, "_TRANSPORT=stdout", 0) : r;
}

static char *read_line(sd_journal *journal)
{
    static const char name[] = "MESSAGE=";
    const void *data;
    size_t length;

    if (sd_journal_get_data(journal, "MESSAGE", &data, &length) < 0 || length <= strlen(name))
        return NULL;
    length -= strlen(name);
    return strndup((const char *)data + strlen(name),
                   length < LINE_MAX_BYTES ? length : LINE_MAX_BYTES);
}

/* From the newest entry back. */
static void read_lines(sd_journal *journal, wall_t since, struct lines *lines)
{
    uint64_t at;

    if (sd_journal_seek_tail(journal) < 0)
        return;
    while (lines->n < LINES_MAX && sd_journal_previous(journal) > 0 &&
           sd_journal_get_realtime_usec(journal, &at) == 0 && at >= since.usec) {
        char *line = read_line(journal);
        if (line)
            lines->list[lines->n++] = line;
    }
}

static char *join(const struct lines *lines)
{
    char *text = NULL;
    size_t size;
    FILE *f = lines->n > 0 ? open_memstream(&text, &size) : NULL;

    if (!f)
        return NULL;
    for (size_t i = lines->n; i-- > 0;)
        fprintf(f, "%s%s", lines->list[i], i > 0 ? "\n" : "");
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}

char *words_of_unit(const char *unit, wall_t since)
{
    CLEANUP(journal_closep) sd_journal *journal = NULL;
    CLEANUP(lines_clear) struct lines lines = {.n = 0};
    usec_t give_up = usec_add(usec_now(), WAIT_USEC);

    if (open_journal(&journal, unit) < 0)
        return NULL;
    for (;;) {
        usec_t left = usec_sub(give_up, usec_now());
        read_lines(journal, since, &lines);
        if (lines.n > 0 || left == 0 || sd_journal_wait(journal, left) < 0)
            return join(&lines);
    }
}

char *words_of_end(int status, const char *words)
{
    char *text = NULL;
    int r;

    if (status == STATUS_UNKNOWN)
        return strdup(words ? words : "rkt has ended before it ran the pod");
    r = asprintf(&text, "rkt has ended with status %d%s%s", status, words ? ": " : "",
                 words ? words : "");
    return r < 0 ? NULL : text;
}
