/* SPDX-License-Identifier: Apache-2.0 */
#include "client/timeline/text.h"

#include <string.h>

#include "client/terminal.h"
#include "client/timeline/words.h"

#define COLUMNS_MIN 60
#define COLUMNS_MAX 400
#define LABEL_COLUMNS 18
#define NOTE_COLUMNS 30
#define TICK_COLUMNS 11

struct cell {
    const char *glyph;
    enum colour colour;
};

struct canvas {
    FILE *f;
    const struct timeline *timeline;
    unsigned n_cells;
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

static const char *const eighths[] = {"▏", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};

/* Where a time is, in eighths of a cell. */
static unsigned position(const struct canvas *canvas, uint64_t at)
{
    double share = (double)(at - canvas->timeline->begin) /
                   (double)(canvas->timeline->end - canvas->timeline->begin);

    return (unsigned)(share * 8 * canvas->n_cells);
}

static void draw_span(const struct canvas *canvas, struct cell *cells,
                      const struct timeline_span *span)
{
    unsigned from = position(canvas, span->begin), to = position(canvas, span->end);
    unsigned first = from / 8 < canvas->n_cells ? from / 8 : canvas->n_cells - 1;
    unsigned last = to / 8 < canvas->n_cells ? to / 8 : canvas->n_cells;
    struct cell full = {kinds[span->kind].glyphs[canvas->is_unicode], kinds[span->kind].colour};

    for (unsigned i = first; i < last; i++)
        cells[i] = full;
    /* The rest of a bar, and something of one that is too short to be seen. */
    if (last < canvas->n_cells && (to % 8 > 0 || first == last)) {
        cells[last] = full;
        if (canvas->is_unicode && span->kind == TIMELINE_RUNNING)
            cells[last].glyph = eighths[to % 8];
    }
}

static void draw_mark(const struct canvas *canvas, struct cell *cells,
                      const struct timeline_mark *mark)
{
    enum message message = mark->is_jump ? N_MESSAGES : mark->event->message;
    unsigned at = position(canvas, mark->at) / 8;

    for (size_t i = 0; i < N_ELEMENTS(marks); i++) {
        if (marks[i].message == message)
            cells[at < canvas->n_cells ? at : canvas->n_cells - 1] =
                (struct cell){marks[i].glyphs[canvas->is_unicode],
                              timeline_mark_is_bad(mark) ? COLOUR_BAD : COLOUR_NONE};
    }
}

static void print_cells(const struct canvas *canvas, const struct cell *cells)
{
    enum colour colour = COLOUR_NONE;

    for (unsigned i = 0; i < canvas->n_cells; i++) {
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

static void print_row(const struct canvas *canvas, const struct timeline_row *row)
{
    struct cell cells[COLUMNS_MAX];
    char label[TIMELINE_WORDS_MAX], note[TIMELINE_WORDS_MAX];

    for (unsigned i = 0; i < canvas->n_cells; i++)
        cells[i] = (struct cell){" ", COLOUR_NONE};
    for (size_t i = 0; i < row->n_spans; i++)
        draw_span(canvas, cells, &row->spans[i]);
    for (size_t i = 0; i < row->n_marks; i++)
        draw_mark(canvas, cells, &row->marks[i]);
    fprintf(canvas->f, "%-*.*s", LABEL_COLUMNS, LABEL_COLUMNS, timeline_row_label(label, row));
    print_cells(canvas, cells);
    timeline_row_note(note, row);
    fprintf(canvas->f, "%s%.*s\n", note[0] ? "  " : "", NOTE_COLUMNS - 2, note);
}

static void print_axis(const struct canvas *canvas)
{
    struct timeline_tick ticks[TIMELINE_TICKS_MAX];
    size_t n_max = canvas->n_cells / TICK_COLUMNS;
    size_t n = timeline_ticks(ticks, canvas->timeline,
                              n_max < TIMELINE_TICKS_MAX ? n_max : TIMELINE_TICKS_MAX);
    char labels[COLUMNS_MAX + 1];
    bool has_tick[COLUMNS_MAX] = {false};

    memset(labels, ' ', canvas->n_cells);
    labels[canvas->n_cells] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t at = position(canvas, ticks[i].at) / 8, length = strlen(ticks[i].label);
        if (at + length > canvas->n_cells)
            continue;
        memcpy(labels + at, ticks[i].label, length);
        has_tick[at] = true;
    }
    for (size_t end = canvas->n_cells; end > 0 && labels[end - 1] == ' '; end--)
        labels[end - 1] = '\0';
    fprintf(canvas->f, "%*s%s\n%*s", LABEL_COLUMNS, "", labels, LABEL_COLUMNS, "");
    for (unsigned i = 0; i < canvas->n_cells; i++) {
        if (canvas->is_unicode)
            fputs(has_tick[i] ? "┬" : "─", canvas->f);
        else
            fputc(has_tick[i] ? '+' : '-', canvas->f);
    }
    fputc('\n', canvas->f);
}

static void print_legend(const struct canvas *canvas)
{
    fputc('\n', canvas->f);
    for (int i = 0; i < N_TIMELINE_KINDS; i++)
        fprintf(canvas->f, "%s%s%s%s %s", i > 0 ? "   " : "", terminal_colour(kinds[i].colour),
                kinds[i].glyphs[canvas->is_unicode], terminal_colour(COLOUR_NONE),
                timeline_kind_word(i));
    fputc('\n', canvas->f);
    for (size_t i = 0; i < N_ELEMENTS(marks); i++) {
        if (marks[i].words)
            fprintf(canvas->f, "%s%s %s", i > 0 ? "   " : "", marks[i].glyphs[canvas->is_unicode],
                    marks[i].words);
    }
    fputc('\n', canvas->f);
}

void timeline_text(FILE *f, const struct timeline_pod *pod, const struct timeline *timeline,
                   unsigned columns, bool is_unicode)
{
    char begin[TIMELINE_WORDS_MAX], end[TIMELINE_WORDS_MAX];
    unsigned width = columns < COLUMNS_MIN   ? COLUMNS_MIN
                     : columns > COLUMNS_MAX ? COLUMNS_MAX
                                             : columns;
    struct canvas canvas = {f, timeline, width - LABEL_COLUMNS - NOTE_COLUMNS, is_unicode};

    fprintf(f, "%spod %s/%s%s\nUID %s\nfrom %s to %s\n", terminal_colour(COLOUR_TITLE),
            pod->namespace, pod->name, terminal_colour(COLOUR_NONE), pod->uid,
            timeline_when(begin, timeline->begin), timeline_when(end, timeline->end));
    if (timeline->n_left_out > 0)
        fprintf(f, "%zu earlier runs are left out\n", timeline->n_left_out);
    fputc('\n', f);
    print_axis(&canvas);
    for (size_t i = 1; i < timeline->n_rows; i++)
        print_row(&canvas, &timeline->rows[i]);
    if (timeline->rows[0].n_spans + timeline->rows[0].n_marks > 0)
        print_row(&canvas, &timeline->rows[0]);
    print_legend(&canvas);
}
