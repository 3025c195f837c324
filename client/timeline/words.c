/* SPDX-License-Identifier: Apache-2.0 */
#include "client/timeline/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/usec.h"

static const struct {
    const char *one;
    bool is_counted;
} mark_words[N_MESSAGES] = {
    [MESSAGE_REFUSAL] = {"launch refused", true},
    [MESSAGE_BACKOFF] = {"restart refused", true},
    [MESSAGE_RESET] = {"back-off ended by hand", false},
    [MESSAGE_UNREACHABLE] = {"gantryd not reached", true},
    [MESSAGE_UNCLEAR] = {"launch not understood", true},
    [MESSAGE_NO_START] = {"cannot be started", true},
    [MESSAGE_STOP] = {"stopped", false},
    [MESSAGE_REMOVE] = {"removed", false},
};

/* In two units at most, the greatest that there are: weeks of running have no seconds. */
static const char *format_length(char buffer[static USEC_GO_MAX], uint64_t usec)
{
    uint64_t unit = usec < USEC_SEC ? USEC_MSEC : usec < USEC_HOUR ? USEC_SEC : USEC_MINUTE;

    if (usec >= USEC_DAY)
        snprintf(buffer, USEC_GO_MAX, "%" PRIu64 "d%" PRIu64 "h", usec / USEC_DAY,
                 usec % USEC_DAY / USEC_HOUR);
    else if (usec >= USEC_HOUR)
        snprintf(buffer, USEC_GO_MAX, "%" PRIu64 "h%" PRIu64 "m", usec / USEC_HOUR,
                 usec % USEC_HOUR / USEC_MINUTE);
    else
        usec_format_go(buffer, usec / unit * unit);
    return buffer;
}

const char *timeline_kind_word(enum timeline_kind kind)
{
    static const char *const words[N_TIMELINE_KINDS] = {
        [TIMELINE_STARTING] = "starting",
        [TIMELINE_RUNNING] = "running",
        [TIMELINE_HELD] = "held back",
        [TIMELINE_UNKNOWN] = "not known",
    };

    return words[kind];
}

const char *timeline_row_label(char buffer[static TIMELINE_WORDS_MAX],
                               const struct timeline_row *row, unsigned n_digits)
{
    if (row->number == 0)
        return strcpy(buffer, "back-off");
    snprintf(buffer, TIMELINE_WORDS_MAX, "run %*u%s%.8s", (int)n_digits, row->number,
             row->uuid ? "  " : "", row->uuid ? row->uuid : "");
    return buffer;
}

/* What has only just begun, or is not known any more, is not said to last. */
static const char *say_span(char buffer[static TIMELINE_WORDS_MAX],
                            const struct timeline_span *span)
{
    uint64_t length = span->end - span->begin;
    bool is_open = span->goes_on || span->end_unknown || span->kind == TIMELINE_UNKNOWN;
    bool is_new = is_open && length < USEC_MSEC;
    bool is_least = span->begin_unknown || span->end_unknown;
    char text[USEC_GO_MAX];

    snprintf(buffer, TIMELINE_WORDS_MAX, "%s%s%s%s", timeline_kind_word(span->kind),
             is_new ? "" : " for ", is_least && !is_new ? "at least " : "",
             is_new ? "" : format_length(text, length));
    return buffer;
}

const char *timeline_span_words(char buffer[static TIMELINE_WORDS_MAX],
                                const struct timeline_span *span)
{
    char words[TIMELINE_WORDS_MAX];

    snprintf(buffer, TIMELINE_WORDS_MAX, "%.200s%s%s", say_span(words, span),
             span->goes_on ? ", and goes on" : "",
             span->end_unknown ? ": its end is not known" : "");
    return buffer;
}

const char *timeline_mark_words(char buffer[static TIMELINE_WORDS_MAX],
                                const struct timeline_mark *mark)
{
    const struct timeline_event *event = mark->event;
    char text[USEC_GO_MAX], status[32] = "unknown";

    if (mark->is_jump) {
        format_length(text, (uint64_t)llabs((long long)event->jump_usec));
        snprintf(buffer, TIMELINE_WORDS_MAX, "clock set %s by %s%s",
                 event->jump_usec > 0 ? "forward" : "back", event->jump_is_least ? "at least " : "",
                 text);
    } else if (event->message == MESSAGE_EXIT) {
        if (event->status != STATUS_NONE)
            snprintf(status, sizeof(status), "%d", event->status);
        snprintf(buffer, TIMELINE_WORDS_MAX, "exit %s%s%.100s%s", status,
                 event->container ? " (" : "", event->container ? event->container : "",
                 event->container ? ")" : "");
    } else if (event->n_times > 1 && mark_words[event->message].is_counted) {
        snprintf(buffer, TIMELINE_WORDS_MAX, "%s %u times", mark_words[event->message].one,
                 event->n_times);
    } else {
        snprintf(buffer, TIMELINE_WORDS_MAX, "%s", mark_words[event->message].one);
    }
    return buffer;
}

bool timeline_mark_is_bad(const struct timeline_mark *mark)
{
    if (mark->is_jump)
        return false;
    switch (mark->event->message) {
    case MESSAGE_RESET:
    case MESSAGE_STOP:
    case MESSAGE_REMOVE:
        return false;
    case MESSAGE_EXIT:
        return mark->event->status != 0;
    default:
        return true;
    }
}

const char *timeline_row_note(char buffer[static TIMELINE_WORDS_MAX],
                              const struct timeline_row *row)
{
    const struct timeline_span *span = row->n_spans > 0 ? &row->spans[row->n_spans - 1] : NULL;
    char words[TIMELINE_WORDS_MAX] = "", length[USEC_GO_MAX];
    const char *comma = "";

    buffer[0] = '\0';
    if (span && span->goes_on)
        return say_span(buffer, span);
    if (row->n_marks > 0) {
        timeline_mark_words(words, &row->marks[row->n_marks - 1]);
        comma = ", ";
    }
    if (row->number == 0 || !span || (span->kind == TIMELINE_UNKNOWN && row->n_marks > 0))
        snprintf(buffer, TIMELINE_WORDS_MAX, "%s", words);
    else if (span->kind == TIMELINE_STARTING)
        snprintf(buffer, TIMELINE_WORDS_MAX, "never ran%s%.200s", comma, words);
    else if (row->n_marks == 0)
        snprintf(buffer, TIMELINE_WORDS_MAX, "end not known");
    else
        snprintf(buffer, TIMELINE_WORDS_MAX, "ran %s%s, %.200s",
                 span->begin_unknown ? "at least " : "",
                 format_length(length, span->end - span->begin), words);
    return buffer;
}

static struct tm to_local(uint64_t at)
{
    time_t seconds = (time_t)(at / USEC_SEC);
    struct tm tm = {0};

    localtime_r(&seconds, &tm);
    return tm;
}

const char *timeline_when(char buffer[static TIMELINE_WORDS_MAX], uint64_t at)
{
    struct tm tm = to_local(at);

    if (strftime(buffer, TIMELINE_WORDS_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        buffer[0] = '\0';
    return buffer;
}

/* Midnight is told by the day that it begins. */
static void label_tick(struct timeline_tick *tick, uint64_t step)
{
    struct tm tm = to_local(tick->at);
    bool is_midnight = tm.tm_hour == 0 && tm.tm_min == 0 && tm.tm_sec == 0;
    size_t n;

    if (step >= USEC_DAY || is_midnight)
        n = strftime(tick->label, sizeof(tick->label), "%m-%d", &tm);
    else if (step < USEC_MINUTE)
        n = strftime(tick->label, sizeof(tick->label), "%H:%M:%S", &tm);
    else
        n = strftime(tick->label, sizeof(tick->label), "%H:%M", &tm);
    if (n == 0)
        tick->label[0] = '\0';
}

static uint64_t tick_step(uint64_t length, size_t n_max)
{
    static const uint64_t steps[] = {
        USEC_SEC,         2 * USEC_SEC,     5 * USEC_SEC,    10 * USEC_SEC,   15 * USEC_SEC,
        30 * USEC_SEC,    USEC_MINUTE,      2 * USEC_MINUTE, 5 * USEC_MINUTE, 10 * USEC_MINUTE,
        15 * USEC_MINUTE, 30 * USEC_MINUTE, USEC_HOUR,       2 * USEC_HOUR,   3 * USEC_HOUR,
        6 * USEC_HOUR,    12 * USEC_HOUR,   USEC_DAY,        2 * USEC_DAY,    USEC_WEEK,
    };

    for (size_t i = 0; i < N_ELEMENTS(steps); i++) {
        if (length / steps[i] < n_max)
            return steps[i];
    }
    return (length / n_max / USEC_WEEK + 1) * USEC_WEEK;
}

/* The i-th round time from the begin of a day on, by the clock on the wall: between two there is an
 * hour more or less where summer time begins or ends. */
static uint64_t tick_at(const struct tm *day, uint64_t step, uint64_t i)
{
    struct tm tm = {.tm_year = day->tm_year, .tm_mon = day->tm_mon, .tm_mday = day->tm_mday};
    uint64_t passed = step * i;

    tm.tm_isdst = -1;
    tm.tm_mday += (int)(passed / USEC_DAY);
    tm.tm_hour = (int)(passed % USEC_DAY / USEC_HOUR);
    tm.tm_min = (int)(passed % USEC_HOUR / USEC_MINUTE);
    tm.tm_sec = (int)(passed % USEC_MINUTE / USEC_SEC);
    time_t at = mktime(&tm);
    return at < 0 ? UINT64_MAX : (uint64_t)at * USEC_SEC;
}

size_t timeline_ticks(struct timeline_tick ticks[static TIMELINE_TICKS_MAX],
                      const struct timeline *timeline, size_t n_max)
{
    uint64_t step = tick_step(timeline->end - timeline->begin, n_max), at;
    struct tm day = to_local(timeline->begin);
    uint64_t passed = (uint64_t)((day.tm_hour * 60 + day.tm_min) * 60 + day.tm_sec) * USEC_SEC;
    size_t n = 0;

    /* Days are counted from the first that begins within. */
    if (step >= USEC_DAY && tick_at(&day, step, 0) < timeline->begin)
        day.tm_mday++;
    for (uint64_t i = step < USEC_DAY ? passed / step : 0;
         n < n_max && (at = tick_at(&day, step, i)) <= timeline->end; i++) {
        if (at < timeline->begin || (n > 0 && at <= ticks[n - 1].at))
            continue;
        ticks[n].at = at;
        label_tick(&ticks[n], step);
        n++;
    }
    return n;
}
