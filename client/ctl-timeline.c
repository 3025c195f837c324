/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl.h"

#include <errno.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/terminal.h"
#include "client/timeline/html.h"
#include "client/timeline/journal.h"
#include "client/timeline/model.h"
#include "client/timeline/text.h"
#include "client/timeline/words.h"

static json_t *json_span(const struct timeline_span *span)
{
    return json_pack("{s:s, s:I, s:I, s:b, s:b, s:b}", "kind", timeline_kind_word(span->kind),
                     "begin", (json_int_t)span->begin, "end", (json_int_t)span->end, "beginUnknown",
                     span->begin_unknown, "endUnknown", span->end_unknown, "goesOn", span->goes_on);
}

static json_t *json_mark(const struct timeline_mark *mark)
{
    const struct timeline_event *event = mark->event;
    char words[TIMELINE_WORDS_MAX];
    bool is_exit = !mark->is_jump && event->message == MESSAGE_EXIT;

    json_t *status = is_exit && event->status != STATUS_NONE ? json_integer(event->status) : NULL;
    return json_pack("{s:s, s:I, s:s, s:s*, s:s*, s:o*}", "kind",
                     mark->is_jump ? "clock" : message_info(event->message)->name, "at",
                     (json_int_t)mark->at, "words", timeline_mark_words(words, mark), "container",
                     mark->is_jump ? NULL : event->container, "message",
                     mark->is_jump ? NULL : event->text, "exitStatus", status);
}

static json_t *json_row(const struct timeline_row *row)
{
    char label[TIMELINE_WORDS_MAX], note[TIMELINE_WORDS_MAX];
    json_t *spans = json_array(), *marks = json_array();
    int r = 0;

    for (size_t i = 0; r == 0 && i < row->n_spans; i++)
        r = json_array_append_new(spans, json_span(&row->spans[i]));
    for (size_t i = 0; r == 0 && i < row->n_marks; i++)
        r = json_array_append_new(marks, json_mark(&row->marks[i]));
    if (r < 0) {
        json_decref(spans);
        json_decref(marks);
        return NULL;
    }
    return json_pack("{s:s, s:s*, s:s, s:o, s:o}", "label", timeline_row_label(label, row, 0),
                     "uuid", row->uuid, "note", timeline_row_note(note, row), "spans", spans,
                     "marks", marks);
}

/* What is not all of it is not printed. Return: false without memory. */
static bool print_json(const struct timeline_pod *pod, const struct timeline *timeline)
{
    json_t *rows = json_array();
    int r = 0;

    for (size_t i = 0; r == 0 && i < timeline->n_rows; i++)
        r = json_array_append_new(rows, json_row(&timeline->rows[(i + 1) % timeline->n_rows]));
    if (r < 0) {
        json_decref(rows);
        return false;
    }
    CLEANUP(json_decrefp)
    json_t *json = json_pack("{s:s, s:s, s:s, s:s*, s:I, s:I, s:I, s:o}", "uid", pod->uid, "name",
                             pod->name, "namespace", pod->namespace, "before", pod->before, "begin",
                             (json_int_t)timeline->begin, "end", (json_int_t)timeline->end,
                             "leftOut", (json_int_t)timeline->n_left_out, "rows", rows);
    if (json)
        ctl_print_json(json, false);
    return json;
}

static int write_html(const char *path, const struct timeline_pod *pod,
                      const struct timeline *timeline)
{
    FILE *f = fopen(path, "we");
    int r = f ? 0 : -errno;

    if (f) {
        timeline_html(f, pod, timeline);
        if (ferror(f))
            r = -EIO;
        if (fclose(f) != 0)
            r = -errno;
    }
    if (r < 0)
        fprintf(stderr, "gantryctl: %s: %s\n", path, strerror(-r));
    return r < 0 ? EXIT_FAILED : 0;
}

static int show(const struct ctl *ctl, const struct timeline_pod *pod,
                const struct timeline_events *events)
{
    CLEANUP(timeline_deinit) struct timeline timeline = TIMELINE_NULL;

    if (timeline_make(&timeline, events) < 0 || (ctl->json && !print_json(pod, &timeline))) {
        fprintf(stderr, "gantryctl: %s\n", strerror(ENOMEM));
        return EXIT_FAILED;
    }
    if (!ctl->json && !ctl->html)
        timeline_text(stdout, pod, &timeline, terminal_columns(),
                      strcmp(nl_langinfo(CODESET), "UTF-8") == 0);
    return ctl->html ? write_html(ctl->html, pod, &timeline) : 0;
}

int ctl_timeline(const struct ctl *ctl)
{
    CLEANUP(timeline_pod_deinit) struct timeline_pod pod = {0};
    CLEANUP(timeline_events_deinit) struct timeline_events events = {0};
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    const char *directory = getenv("GANTRY_JOURNAL");

    int r = timeline_read(&pod, &events, directory, ctl->argument, &error);
    if (r == 0)
        return show(ctl, &pod, &events);
    fprintf(stderr, "gantryctl: %s\n", r < 0 ? strerror(-r) : error_message(&error));
    return r == TIMELINE_E_NO_POD ? EXIT_NO_POD : EXIT_FAILED;
}
