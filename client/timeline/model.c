/* SPDX-License-Identifier: Apache-2.0 */
#include "client/timeline/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/usec.h"

/* Clocks are slewed all the time; below this nobody has set one. */
#define JUMP_USEC (2 * (int64_t)USEC_SEC)

struct maker {
    struct timeline *timeline;
    uint64_t due; /* of the back-off that is open, or 0 */
};

void timeline_events_deinit(struct timeline_events *events)
{
    for (size_t i = 0; i < events->n; i++) {
        free(events->list[i].uuid);
        free(events->list[i].container);
        free(events->list[i].text);
    }
    free(events->list);
    *events = (struct timeline_events){0};
}

static bool same_boot(const struct timeline_event *a, const struct timeline_event *b)
{
    return strcmp(a->boot, b->boot) == 0;
}

static int by_order(size_t one, size_t other)
{
    return (one > other) - (one < other);
}

static int compare(const void *a, const void *b)
{
    const struct timeline_event *one = a, *other = b;

    if (one->boot_order != other->boot_order)
        return by_order(one->boot_order, other->boot_order);
    if (one->monotonic != other->monotonic)
        return one->monotonic < other->monotonic ? -1 : 1;
    return by_order(one->order, other->order);
}

/* No wall clock says in which order boots came, but the journal does. */
static void sort(struct timeline_events *events)
{
    for (size_t i = 0; i < events->n; i++) {
        size_t first = i;
        for (size_t k = i; k-- > 0 && first == i;) {
            if (same_boot(&events->list[k], &events->list[i]))
                first = events->list[k].boot_order;
        }
        events->list[i].order = i;
        events->list[i].boot_order = first;
    }
    if (events->n > 0)
        qsort(events->list, events->n, sizeof(*events->list), compare);
}

static void find_jump(const struct timeline_event *before, struct timeline_event *event)
{
    bool is_same = same_boot(before, event);
    uint64_t passed = is_same ? event->monotonic - before->monotonic : 0;
    int64_t jump = (int64_t)(event->at - before->at) - (int64_t)passed;

    event->jump_is_least = !is_same;
    /* Over a boot any time may have passed, but none has run back. */
    if (jump <= -JUMP_USEC || (is_same && jump >= JUMP_USEC))
        event->jump_usec = jump;
}

void timeline_place(struct timeline_events *events)
{
    sort(events);
    for (size_t i = 1; i < events->n; i++)
        find_jump(&events->list[i - 1], &events->list[i]);
    for (size_t i = events->n; i-- > 1;) {
        struct timeline_event *before = &events->list[i - 1], *event = &events->list[i];
        if (same_boot(before, event))
            before->at = usec_sub(event->at, event->monotonic - before->monotonic);
        else if (before->at > event->at)
            before->at = event->at;
    }
}

static struct timeline_row *row_add(struct maker *maker, const char *uuid)
{
    struct timeline *timeline = maker->timeline;
    struct timeline_row *rows =
        reallocarray(timeline->rows, timeline->n_rows + 1, sizeof(*timeline->rows));

    if (!rows)
        return NULL;
    timeline->rows = rows;
    rows[timeline->n_rows] =
        (struct timeline_row){.uuid = uuid, .number = (unsigned)timeline->n_rows};
    return &rows[timeline->n_rows++];
}

static struct timeline_row *row_find(struct maker *maker, const char *uuid)
{
    for (size_t i = maker->timeline->n_rows; uuid && i-- > 1;) {
        struct timeline_row *row = &maker->timeline->rows[i];
        if (row->uuid && strcmp(row->uuid, uuid) == 0)
            return row;
    }
    return NULL;
}

static int row_open(struct timeline_row *row, enum timeline_kind kind, uint64_t begin)
{
    struct timeline_span *spans = reallocarray(row->spans, row->n_spans + 1, sizeof(*row->spans));

    if (!spans)
        return -ENOMEM;
    row->spans = spans;
    spans[row->n_spans++] =
        (struct timeline_span){.kind = kind, .begin = begin, .end = begin, .goes_on = true};
    return 0;
}

/* The span that has not ended. Return: NULL if there is none. */
static struct timeline_span *row_opened(const struct timeline_row *row)
{
    struct timeline_span *last = row->n_spans > 0 ? &row->spans[row->n_spans - 1] : NULL;

    return last && last->goes_on ? last : NULL;
}

static void row_close(struct timeline_row *row, uint64_t end)
{
    struct timeline_span *span = row_opened(row);

    if (!span)
        return;
    span->end = end > span->begin ? end : span->begin;
    span->goes_on = false;
}

/* A prepare that has not become a run yet. */
static struct timeline_row *row_pending(struct maker *maker)
{
    struct timeline *timeline = maker->timeline;
    struct timeline_row *row = &timeline->rows[timeline->n_rows - 1];
    const struct timeline_span *span = row_opened(row);

    return span && span->kind == TIMELINE_STARTING ? row : NULL;
}

static int mark_add(struct timeline_row *row, const struct timeline_event *event, bool is_jump)
{
    struct timeline_mark *last = row->n_marks > 0 ? &row->marks[row->n_marks - 1] : NULL;

    if (!is_jump && event->n_times > 1 && last && !last->is_jump &&
        last->event->message == event->message) {
        last->event = event;
        return 0;
    }
    struct timeline_mark *marks = reallocarray(row->marks, row->n_marks + 1, sizeof(*row->marks));
    if (!marks)
        return -ENOMEM;
    row->marks = marks;
    marks[row->n_marks++] =
        (struct timeline_mark){.event = event, .at = event->at, .is_jump = is_jump};
    return 0;
}

static int take_launch(struct maker *maker, const struct timeline_event *event)
{
    struct timeline_row *row = row_pending(maker);

    row_close(&maker->timeline->rows[0], event->at);
    if (row) {
        row_close(row, event->at);
        row->spans[row->n_spans - 1].end_unknown = true;
    }
    row = row_add(maker, event->uuid);
    return row ? row_open(row, TIMELINE_STARTING, event->at) : -ENOMEM;
}

static int take_start(struct maker *maker, const struct timeline_event *event)
{
    struct timeline_row *row = row_find(maker, event->uuid);

    if (!row)
        row = row_pending(maker);
    /* A pending one of another UUID never ran. */
    if (!row || (row->uuid && event->uuid && strcmp(row->uuid, event->uuid) != 0))
        row = row_add(maker, event->uuid);
    if (!row)
        return -ENOMEM;
    row->uuid = event->uuid;
    row_close(row, event->at);
    return row_open(row, TIMELINE_RUNNING, event->at);
}

/* The begin of one that the journal does not tell: its end says how long it ran. */
static int add_ended(struct maker *maker, const struct timeline_event *event,
                     struct timeline_row **rowp)
{
    struct timeline_row *row = row_add(maker, event->uuid);

    *rowp = row;
    if (!row)
        return -ENOMEM;
    int r = row_open(row, TIMELINE_RUNNING, usec_sub(event->at, event->ran_usec));
    if (r == 0)
        row->spans[0].begin_unknown = event->ran_usec == 0;
    return r;
}

static int take_exit(struct maker *maker, const struct timeline_event *event)
{
    struct timeline_row *row = row_find(maker, event->uuid);
    int r = row ? 0 : add_ended(maker, event, &row);

    if (r < 0)
        return r;
    row_close(row, event->at);
    r = mark_add(row, event, false);
    struct timeline_row *waits = &maker->timeline->rows[0];
    if (r < 0 || event->backoff_usec == 0 || row_opened(waits))
        return r;
    maker->due = usec_add(event->at, event->backoff_usec);
    return row_open(waits, TIMELINE_HELD, event->at);
}

/* Of a pod of gantry's own. What failed may have come after the prepare, or before. */
static int take_no_start(struct maker *maker, const struct timeline_event *event)
{
    struct timeline_row *row = row_pending(maker);

    if (!row)
        return mark_add(&maker->timeline->rows[0], event, false);
    row_close(row, event->at);
    return mark_add(row, event, false);
}

static int take_backoff(struct maker *maker, const struct timeline_event *event)
{
    struct timeline_row *waits = &maker->timeline->rows[0];

    if (!row_opened(waits)) {
        int r = row_open(waits, TIMELINE_HELD, event->at);
        if (r < 0)
            return r;
        waits->spans[waits->n_spans - 1].begin_unknown = true;
        maker->due = 0;
    }
    return mark_add(waits, event, false);
}

static int take_event(struct maker *maker, const struct timeline_event *event)
{
    struct timeline *timeline = maker->timeline;

    switch (event->message) {
    case TIMELINE_NOW:
        return 0;
    case MESSAGE_LAUNCH:
        return take_launch(maker, event);
    case MESSAGE_START:
        return take_start(maker, event);
    case MESSAGE_EXIT:
        return take_exit(maker, event);
    case MESSAGE_BACKOFF:
        return take_backoff(maker, event);
    case MESSAGE_RELEASE:
        row_close(&timeline->rows[0], event->at);
        return 0;
    case MESSAGE_NO_START:
        return take_no_start(maker, event);
    case MESSAGE_RESET:
    case MESSAGE_STOP:
    case MESSAGE_REMOVE:
        row_close(&timeline->rows[0], event->at);
        return mark_add(&timeline->rows[0], event, false);
    case MESSAGE_FORGET:
        for (size_t i = 0; i < timeline->n_rows; i++)
            row_close(&timeline->rows[i], event->at);
        return 0;
    default:
        return mark_add(&timeline->rows[0], event, false);
    }
}

/* The node went down: what had not ended by `last` has, at some time before `back`. */
static int end_boot(struct maker *maker, uint64_t last, uint64_t back)
{
    for (size_t i = 0; i < maker->timeline->n_rows; i++) {
        struct timeline_row *row = &maker->timeline->rows[i];
        struct timeline_span *span = row_opened(row);
        if (!span)
            continue;
        span->end_unknown = true;
        row_close(row, last);
        /* A back-off is not kept over a boot. */
        if (i == 0)
            continue;
        int r = row_open(row, TIMELINE_UNKNOWN, last);
        if (r < 0)
            return r;
        row_close(row, back);
    }
    return 0;
}

/* What has not ended goes up to now. */
static void reach_now(struct maker *maker, uint64_t now)
{
    for (size_t i = 0; i < maker->timeline->n_rows; i++) {
        struct timeline_span *span = row_opened(&maker->timeline->rows[i]);
        if (!span)
            continue;
        if (i == 0 && maker->due != 0 && maker->due <= now)
            row_close(&maker->timeline->rows[i], maker->due);
        else
            span->end = now > span->begin ? now : span->begin;
    }
}

static void row_deinit(struct timeline_row *row)
{
    free(row->spans);
    free(row->marks);
}

/* The row of back-offs, from `begin` on. */
static void cut_waits(struct timeline_row *waits, uint64_t begin)
{
    size_t n = 0;

    for (size_t i = 0; i < waits->n_spans; i++) {
        if (waits->spans[i].end > begin)
            waits->spans[n++] = waits->spans[i];
    }
    waits->n_spans = n;
    if (n > 0 && waits->spans[0].begin < begin)
        waits->spans[0].begin = begin;
    n = 0;
    for (size_t i = 0; i < waits->n_marks; i++) {
        if (waits->marks[i].at >= begin)
            waits->marks[n++] = waits->marks[i];
    }
    waits->n_marks = n;
}

static void leave_out(struct timeline *timeline)
{
    size_t n_runs = timeline->n_rows - 1;

    if (n_runs <= TIMELINE_RUNS_MAX)
        return;
    size_t n = n_runs - TIMELINE_RUNS_MAX;
    for (size_t i = 1; i <= n; i++)
        row_deinit(&timeline->rows[i]);
    memmove(&timeline->rows[1], &timeline->rows[1 + n],
            TIMELINE_RUNS_MAX * sizeof(*timeline->rows));
    timeline->n_rows -= n;
    timeline->n_left_out = n;
    cut_waits(&timeline->rows[0], timeline->rows[1].spans[0].begin);
}

static void measure(struct timeline *timeline, uint64_t now)
{
    timeline->begin = now;
    timeline->end = now;
    for (size_t i = 0; i < timeline->n_rows; i++) {
        const struct timeline_row *row = &timeline->rows[i];
        for (size_t k = 0; k < row->n_spans; k++) {
            if (row->spans[k].begin < timeline->begin)
                timeline->begin = row->spans[k].begin;
            if (row->spans[k].end > timeline->end)
                timeline->end = row->spans[k].end;
        }
        for (size_t k = 0; k < row->n_marks; k++) {
            if (row->marks[k].at < timeline->begin)
                timeline->begin = row->marks[k].at;
            if (row->marks[k].at > timeline->end)
                timeline->end = row->marks[k].at;
        }
    }
    if (timeline->end - timeline->begin < USEC_SEC)
        timeline->end = timeline->begin + USEC_SEC;
    /* What began before the first thing that is known begins with the picture. */
    for (size_t i = 0; i < timeline->n_rows; i++) {
        struct timeline_row *row = &timeline->rows[i];
        if (row->n_spans > 0 && row->spans[0].begin_unknown)
            row->spans[0].begin = i == 0 ? row->spans[0].begin : timeline->begin;
    }
}

int timeline_make(struct timeline *timeline, const struct timeline_events *events)
{
    struct maker maker = {.timeline = timeline};
    uint64_t now = events->n > 0 ? events->list[events->n - 1].at : 0;
    int r = row_add(&maker, NULL) ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < events->n; i++) {
        const struct timeline_event *event = &events->list[i];
        if (i > 0 && !same_boot(&events->list[i - 1], event))
            r = end_boot(&maker, events->list[i - 1].at, event->at);
        if (r == 0 && event->jump_usec != 0)
            r = mark_add(&timeline->rows[0], event, true);
        if (r == 0)
            r = take_event(&maker, event);
    }
    if (r < 0)
        return r;
    reach_now(&maker, now);
    leave_out(timeline);
    measure(timeline, now);
    return 0;
}

void timeline_deinit(struct timeline *timeline)
{
    for (size_t i = 0; i < timeline->n_rows; i++)
        row_deinit(&timeline->rows[i]);
    free(timeline->rows);
    *timeline = TIMELINE_NULL;
}
