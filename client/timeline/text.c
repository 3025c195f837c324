/* SPDX-License-Identifier: Apache-2.0 */
#include "client/timeline/text.h"

#include <string.h>

#include "client/terminal.h"
#include "client/timeline/words.h"

/* Below the one the words have no room either; above the other nobody follows a line. */
#define COLUMNS_MIN 30
#define COLUMNS_MAX 400
/* Bars that would be shorter have lines of their own. */
#define CELLS_MIN 24
#define LABEL_GAP 3
#define NOTE_GAP 2
#define ITEM_GAP 3
/* The label of most ticks, and something between two. */
#define TICK_COLUMNS 8
/* That many lead to one at least, of steps that are not more than three times the one before. */
#define TICKS_MIN 3

struct cell {
    const char *glyph;
    enum colour colour;
};

/* Label, bars and note of a row stand in one line, or, where that is too narrow, label and note in
 * one and the bars below. The last cell is for the mark behind a bar that goes up to the end. */
struct canvas {
    FILE *f;
    const struct timeline *timeline;
    unsigned columns;
    unsigned n_cells;
    unsigned n_digits; /* of the greatest run */
    unsigned indent;   /* of bars and axis; 0: they have lines of their own */
    bool is_unicode;
};

static const struct {
    const char *glyphs[2]; /* ASCII, Unicode */
    enum colour colour;
} kinds[N_TIMELINE_KINDS] = {
    [TIMELINE_STARTING] = {{"-", "░"}, COLOUR_NONE},
    [TIMELINE_RUNNING] = {{"=", "█"}, COLOUR_GOOD},
    [TIMELINE_HELD] = {{"%", "▒"}, COLOUR_WAITS},
    [TIMELINE_UNKNOWN] = {{".", "┄"}, COLOUR_FAINT},
};

/* A mark's letter, and what the legend says of it. */
static const struct {
    enum message message;
    const char *glyphs[2];
    const char *words;
} marks[] = {
    {MESSAGE_EXIT, {"x", "×"}, "exit"},    {MESSAGE_BACKOFF, {"!", "!"}, "refused"},
    {MESSAGE_REFUSAL, {"!", "!"}, NULL},   {MESSAGE_NO_START, {"!", "!"}, NULL},
    {MESSAGE_STOP, {"s", "■"}, "stopped"}, {MESSAGE_REMOVE, {"s", "■"}, NULL},
    {MESSAGE_RESET, {"r", "↺"}, "reset"},  {MESSAGE_UNREACHABLE, {"?", "?"}, "not reached"},
    {MESSAGE_UNCLEAR, {"?", "?"}, NULL},   {N_MESSAGES, {"~", "~"}, "clock set"},
};

static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

/* Where a time is, in eighths of a cell. */
static unsigned position(const struct canvas *canvas, uint64_t at)
{
    double share = (double)(at - canvas->timeline->begin) /
                   (double)(canvas->timeline->end - canvas->timeline->begin);

    return (unsigned)(share * 8 * (canvas->n_cells - 1));
}

static unsigned min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned max(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

/* Each has a cell at least, however short it was. Return: the cell behind it. */
static unsigned draw_span(const struct canvas *canvas, struct cell *cells,
                          const struct timeline_span *span)
{
    unsigned from = position(canvas, span->begin), to = position(canvas, span->end);
    unsigned first = min(from / 8, canvas->n_cells - 2), last = to / 8;
    unsigned rest = to % 8;
    struct cell full = {kinds[span->kind].glyphs[canvas->is_unicode], kinds[span->kind].colour};

    if (to - from < 8) {
        last = first;
        rest = max(to - from, 1);
    }
    for (unsigned i = first; i < last; i++)
        cells[i] = full;
    if (rest == 0)
        return last;
    cells[last] = full;
    if (canvas->is_unicode && span->kind == TIMELINE_RUNNING)
        cells[last].glyph = eighths[rest];
    return last + 1;
}

/* `behind` the bars of a row at the earliest: its end hides none of it. Return: the cell behind. */
static unsigned draw_mark(const struct canvas *canvas, struct cell *cells,
                          const struct timeline_mark *mark, unsigned behind)
{
    enum message message = mark->is_jump ? N_MESSAGES : mark->event->message;
    unsigned at = position(canvas, mark->at) / 8;

    at = min(max(at, behind), canvas->n_cells - 1);
    for (size_t i = 0; i < N_ELEMENTS(marks); i++) {
        if (marks[i].message == message)
            cells[at] = (struct cell){marks[i].glyphs[canvas->is_unicode],
                                      timeline_mark_is_bad(mark) ? COLOUR_BAD : COLOUR_NONE};
    }
    return at + 1;
}

static void draw_row(const struct canvas *canvas, struct cell *cells,
                     const struct timeline_row *row)
{
    /* Of two that meet in a cell, the one that tells more is seen. */
    static const enum timeline_kind order[N_TIMELINE_KINDS] = {TIMELINE_UNKNOWN, TIMELINE_STARTING,
                                                               TIMELINE_RUNNING, TIMELINE_HELD};
    unsigned behind = 0;

    for (unsigned i = 0; i < canvas->n_cells; i++)
        cells[i] = (struct cell){" ", COLOUR_NONE};
    for (int kind = 0; kind < N_TIMELINE_KINDS; kind++) {
        for (size_t i = 0; i < row->n_spans; i++) {
            if (row->spans[i].kind == order[kind])
                behind = max(behind, draw_span(canvas, cells, &row->spans[i]));
        }
    }
    /* A run is marked at its end, a back-off anywhere. */
    for (size_t i = 0; i < row->n_marks; i++)
        behind = draw_mark(canvas, cells, &row->marks[i], row->number > 0 ? behind : 0);
}

static void print_cells(const struct canvas *canvas, const struct cell *cells, bool is_last)
{
    enum colour colour = COLOUR_NONE;
    unsigned n = canvas->n_cells;

    while (is_last && n > 0 && cells[n - 1].glyph[0] == ' ')
        n--;
    for (unsigned i = 0; i < n; i++) {
        if (cells[i].colour != colour && colour != COLOUR_NONE)
            fputs(terminal_colour(COLOUR_NONE), canvas->f);
        if (cells[i].colour != colour && cells[i].colour != COLOUR_NONE)
            fputs(terminal_colour(cells[i].colour), canvas->f);
        colour = cells[i].colour;
        fputs(cells[i].glyph, canvas->f);
    }
    if (colour != COLOUR_NONE)
        fputs(terminal_colour(COLOUR_NONE), canvas->f);
}

/* What does not fit ends in dots. All words are ASCII: client/timeline/journal.c. */
static void print_words(const struct canvas *canvas, const char *words, unsigned columns)
{
    const char *dots = canvas->is_unicode ? "…" : "...";
    unsigned n_dots = canvas->is_unicode ? 1 : 3;

    if (strlen(words) <= columns)
        fputs(words, canvas->f);
    else
        fprintf(canvas->f, "%.*s%s", (int)(columns - n_dots), words, dots);
}

static void print_row(const struct canvas *canvas, const struct timeline_row *row)
{
    struct cell cells[COLUMNS_MAX];
    char label[TIMELINE_WORDS_MAX], note[TIMELINE_WORDS_MAX], both[2 * TIMELINE_WORDS_MAX];

    draw_row(canvas, cells, row);
    timeline_row_label(label, row, canvas->n_digits);
    timeline_row_note(note, row);
    if (canvas->indent > 0) {
        fprintf(canvas->f, "%-*s", (int)canvas->indent, label);
        print_cells(canvas, cells, note[0] == '\0');
        fprintf(canvas->f, "%*s%s\n", note[0] ? NOTE_GAP : 0, "", note);
    } else {
        snprintf(both, sizeof(both), "%s%*s%s", label, note[0] ? NOTE_GAP : 0, "", note);
        print_words(canvas, both, canvas->columns);
        fputc('\n', canvas->f);
        print_cells(canvas, cells, true);
        fputc('\n', canvas->f);
    }
}

/* A label begins at its tick, or ends with the axis; it is left out where another is already, up to
 * the column `free`. Return: the next that is free. */
static size_t place_label(const struct canvas *canvas, char *labels, size_t free,
                          const struct timeline_tick *tick)
{
    size_t at = position(canvas, tick->at) / 8, length = strlen(tick->label);

    if (at + length > canvas->n_cells)
        at = canvas->n_cells - length;
    if (at < free)
        return free;
    memcpy(labels + at, tick->label, length);
    return at + length + 1;
}

static void print_axis(const struct canvas *canvas)
{
    struct timeline_tick ticks[TIMELINE_TICKS_MAX];
    size_t n_max = min(canvas->n_cells / TICK_COLUMNS, TIMELINE_TICKS_MAX), free = 0;
    size_t n = timeline_ticks(ticks, canvas->timeline, n_max < TICKS_MIN ? TICKS_MIN : n_max);
    char labels[COLUMNS_MAX + 1] = "";
    bool has_tick[COLUMNS_MAX] = {false};

    memset(labels, ' ', canvas->n_cells);
    for (size_t i = 0; i < n; i++) {
        free = place_label(canvas, labels, free, &ticks[i]);
        has_tick[position(canvas, ticks[i].at) / 8] = true;
    }
    labels[free > 0 ? free - 1 : 0] = '\0';
    fprintf(canvas->f, "%*s%s\n%*s", (int)canvas->indent, "", labels, (int)canvas->indent, "");
    for (unsigned i = 0; i < canvas->n_cells; i++) {
        if (canvas->is_unicode)
            fputs(has_tick[i] ? "┬" : "─", canvas->f);
        else
            fputc(has_tick[i] ? '+' : '-', canvas->f);
    }
    fputc('\n', canvas->f);
}

/* One of a line of them, or of the next line. Return: the columns that the line has now. */
static unsigned print_item(const struct canvas *canvas, unsigned column, enum colour colour,
                           const char *glyph, const char *words)
{
    unsigned width = (unsigned)strlen(words) + 2;

    if (column > 0 && column + ITEM_GAP + width > canvas->columns) {
        fputc('\n', canvas->f);
        column = 0;
    }
    fprintf(canvas->f, "%*s%s%s%s %s", column > 0 ? ITEM_GAP : 0, "", terminal_colour(colour),
            glyph, terminal_colour(COLOUR_NONE), words);
    return column + (column > 0 ? ITEM_GAP : 0) + width;
}

static void print_legend(const struct canvas *canvas)
{
    unsigned column = 0;

    fputc('\n', canvas->f);
    for (int i = 0; i < N_TIMELINE_KINDS; i++)
        column = print_item(canvas, column, kinds[i].colour, kinds[i].glyphs[canvas->is_unicode],
                            timeline_kind_word(i));
    fputc('\n', canvas->f);
    column = 0;
    for (size_t i = 0; i < N_ELEMENTS(marks); i++) {
        if (marks[i].words)
            column = print_item(canvas, column, COLOUR_NONE, marks[i].glyphs[canvas->is_unicode],
                                marks[i].words);
    }
    fputc('\n', canvas->f);
}

static void print_title(const struct canvas *canvas, const struct timeline_pod *pod)
{
    char begin[TIMELINE_WORDS_MAX], end[TIMELINE_WORDS_MAX];

    timeline_when(begin, canvas->timeline->begin);
    timeline_when(end, canvas->timeline->end);
    bool is_wide = strlen("from  to ") + strlen(begin) + strlen(end) <= canvas->columns;
    fprintf(canvas->f, "%spod %s/%s%s\nUID %s\nfrom %s%sto %s\n", terminal_colour(COLOUR_TITLE),
            pod->namespace, pod->name, terminal_colour(COLOUR_NONE), pod->uid, begin,
            is_wide ? " " : "\n  ", end);
    if (pod->before)
        fprintf(canvas->f, "before it, UID %s had that name\n", pod->before);
    if (canvas->timeline->n_left_out > 0)
        fprintf(canvas->f, "%zu earlier runs are left out\n", canvas->timeline->n_left_out);
    fputc('\n', canvas->f);
}

/* Runs first, what holds them back below, if anything does. Return: NULL behind the last. */
static const struct timeline_row *row_at(const struct timeline *timeline, size_t i)
{
    const struct timeline_row *waits = &timeline->rows[0];

    if (i + 1 < timeline->n_rows)
        return &timeline->rows[i + 1];
    return i + 1 == timeline->n_rows && waits->n_spans + waits->n_marks > 0 ? waits : NULL;
}

static void lay_out(struct canvas *canvas)
{
    unsigned label_columns = 0, note_columns = 0;
    const struct timeline_row *row;

    for (unsigned n = canvas->timeline->rows[canvas->timeline->n_rows - 1].number; n > 0; n /= 10)
        canvas->n_digits++;
    for (size_t i = 0; (row = row_at(canvas->timeline, i)); i++) {
        char words[TIMELINE_WORDS_MAX];
        size_t label = strlen(timeline_row_label(words, row, canvas->n_digits));
        size_t note = strlen(timeline_row_note(words, row));
        label_columns = max(label_columns, (unsigned)label);
        note_columns = max(note_columns, (unsigned)note);
    }
    unsigned used = label_columns + LABEL_GAP + NOTE_GAP + note_columns;
    bool has_room = used + CELLS_MIN <= canvas->columns;
    canvas->indent = has_room ? label_columns + LABEL_GAP : 0;
    canvas->n_cells = has_room ? canvas->columns - used : canvas->columns;
}

void timeline_text(FILE *f, const struct timeline_pod *pod, const struct timeline *timeline,
                   unsigned columns, bool is_unicode)
{
    struct canvas canvas = {
        .f = f,
        .timeline = timeline,
        .columns = columns < COLUMNS_MIN ? COLUMNS_MIN : min(columns, COLUMNS_MAX),
        .is_unicode = is_unicode,
    };
    const struct timeline_row *row;

    lay_out(&canvas);
    print_title(&canvas, pod);
    print_axis(&canvas);
    for (size_t i = 0; (row = row_at(timeline, i)); i++)
        print_row(&canvas, row);
    print_legend(&canvas);
}
