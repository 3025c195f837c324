/* SPDX-License-Identifier: Apache-2.0 */
#include "client/timeline/html.h"

#include "client/timeline/words.h"

/* Heights are pixels; widths are shares of the page's, so that letters keep their size on a
 * telephone. The words of a row are HTML within the picture: only that cuts them where there is no
 * room, with dots. */
#define AXIS_HEIGHT 30
#define ROW_HEIGHT 46
#define BAR_TOP 22
#define BAR_HEIGHT 14
#define MARK_RADIUS 5
/* In hundredths of a per cent. */
#define WHOLE 10000
#define BAR_MIN 40
#define N_TICKS 6

static const char style[] =
    ":root{color-scheme:light dark;--back:#fff;--ink:#1c2128;--soft:#59636e;--line:#d8dee4;"
    "--starting:#6e9bd1;--running:#2e8b57;--held:#d9a441;--unknown:#a0a8b0;--bad:#b3261e}\n"
    "@media (prefers-color-scheme:dark){:root{--back:#14181d;--ink:#e3e8ee;--soft:#9aa5b1;"
    "--line:#303841;--starting:#5b86b8;--running:#43a574;--held:#c2913a;--unknown:#5d6670;"
    "--bad:#f28b82}}\n"
    "body{margin:0 auto;max-width:60rem;padding:1.5rem 1rem 3rem;background:var(--back);"
    "color:var(--ink);font:15px/1.5 system-ui,sans-serif;font-variant-numeric:tabular-nums}\n"
    "h1{font-size:1.4rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}\n"
    "p{margin:0;color:var(--soft);overflow-wrap:anywhere}\n"
    "ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;margin:1rem 0;padding:0}\n"
    "li svg{width:14px;height:14px;vertical-align:-2px;margin-right:.4rem}\n"
    "figure{margin:0}\n"
    "svg{display:block;width:100%;overflow:visible}li svg{display:inline-block}\n"
    "text{fill:var(--soft);font-size:12px}\n"
    ".words{display:flex;justify-content:space-between;gap:1rem;font-size:13px;line-height:20px;"
    "white-space:nowrap}.words span{background:var(--back)}"
    ".words .soft{overflow:hidden;text-overflow:ellipsis;color:var(--soft);font-size:12px}\n"
    ".grid{stroke:var(--line)}.bar{rx:2px}\n"
    ".starting{fill:var(--starting)}.running{fill:var(--running)}.held{fill:var(--held)}"
    ".unknown{fill:var(--unknown);opacity:.5}\n"
    ".mark{fill:var(--back);stroke:var(--ink);stroke-width:2}.bad{stroke:var(--bad)}\n"
    ".wide{overflow-x:auto;margin-top:2rem}table{border-collapse:collapse;width:100%}\n"
    "caption{text-align:left;font-weight:600;padding-bottom:.5rem}\n"
    "th,td{text-align:left;vertical-align:top;padding:.35rem 1rem .35rem 0;"
    "border-bottom:1px solid var(--line)}th{font-weight:600}td:first-child,.when{white-space:"
    "nowrap}td{overflow-wrap:anywhere;min-width:8rem}\n"
    "@media (max-width:40rem){thead{position:absolute;left:-99rem}tr{display:block;padding:.35rem 0;"
    "border-bottom:1px solid var(--line)}td{display:inline;border:0;padding:0 .75rem 0 0}}\n";

static const char *const classes[N_TIMELINE_KINDS] = {
    [TIMELINE_STARTING] = "starting",
    [TIMELINE_RUNNING] = "running",
    [TIMELINE_HELD] = "held",
    [TIMELINE_UNKNOWN] = "unknown",
};

static void put(FILE *f, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", f);
            break;
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        case '\'':
            fputs("&#39;", f);
            break;
        default:
            fputc(*text, f);
        }
    }
}

/* A share of the width in hundredths of a per cent: a number's comma is not the locale's affair. */
static unsigned share(const struct timeline *timeline, uint64_t at)
{
    return (unsigned)((double)(at - timeline->begin) * WHOLE /
                      (double)(timeline->end - timeline->begin));
}

static void put_share(FILE *f, const char *name, unsigned hundredths)
{
    fprintf(f, " %s=\"%u.%02u%%\"", name, hundredths / 100, hundredths % 100);
}

/* One that is too short to be seen is seen, and stays inside. Return: where it ends. */
static unsigned put_span(FILE *f, const struct timeline *timeline, const struct timeline_span *span,
                         unsigned top)
{
    char words[TIMELINE_WORDS_MAX];
    unsigned from = share(timeline, span->begin), to = share(timeline, span->end);

    if (to < from + BAR_MIN)
        to = from + BAR_MIN;
    if (to > WHOLE) {
        from -= to - WHOLE;
        to = WHOLE;
    }
    fprintf(f, "<rect class=\"bar %s\" y=\"%u\" height=\"%u\"", classes[span->kind], top + BAR_TOP,
            BAR_HEIGHT);
    put_share(f, "x", from);
    put_share(f, "width", to - from);
    fputs("><title>", f);
    put(f, timeline_span_words(words, span));
    fputs("</title></rect>\n", f);
    return to;
}

/* Of a run it stands behind the bars, that end there: it hides none. `behind` is 0 for others. */
static void put_mark(FILE *f, const struct timeline *timeline, const struct timeline_mark *mark,
                     unsigned top, unsigned behind)
{
    char words[TIMELINE_WORDS_MAX];
    unsigned at = share(timeline, mark->at);

    fprintf(f, "<circle class=\"mark%s\" r=\"%u\" cy=\"%u\"",
            timeline_mark_is_bad(mark) ? " bad" : "", MARK_RADIUS, top + BAR_TOP + BAR_HEIGHT / 2);
    put_share(f, "cx", at > behind ? at : behind);
    fprintf(f, " transform=\"translate(%u)\"><title>", behind > 0 ? MARK_RADIUS + 3 : 0);
    put(f, timeline_mark_words(words, mark));
    fputs("</title></circle>\n", f);
}

static void put_row(FILE *f, const struct timeline *timeline, const struct timeline_row *row,
                    unsigned top)
{
    char words[TIMELINE_WORDS_MAX];
    unsigned behind = 0;

    fprintf(f, "<foreignObject y=\"%u\" width=\"100%%\" height=\"%u\"><div class=\"words\"><span>",
            top, BAR_TOP);
    put(f, timeline_row_label(words, row, 0));
    fputs("</span><span class=\"soft\">", f);
    put(f, timeline_row_note(words, row));
    fputs("</span></div></foreignObject>\n", f);
    for (size_t i = 0; i < row->n_spans; i++) {
        unsigned end = put_span(f, timeline, &row->spans[i], top);
        behind = end > behind && row->number > 0 ? end : behind;
    }
    for (size_t i = 0; i < row->n_marks; i++)
        put_mark(f, timeline, &row->marks[i], top, behind);
}

static void put_axis(FILE *f, const struct timeline *timeline, unsigned height)
{
    struct timeline_tick ticks[TIMELINE_TICKS_MAX];
    size_t n = timeline_ticks(ticks, timeline, N_TICKS);

    for (size_t i = 0; i < n; i++) {
        unsigned at = share(timeline, ticks[i].at);
        const char *anchor = at < 800 ? "start" : at > 9200 ? "end" : "middle";
        fprintf(f, "<line class=\"grid\" y1=\"18\" y2=\"%u\"", height);
        put_share(f, "x1", at);
        put_share(f, "x2", at);
        fprintf(f, "/><text y=\"12\" text-anchor=\"%s\"", anchor);
        put_share(f, "x", at);
        fputc('>', f);
        put(f, ticks[i].label);
        fputs("</text>\n", f);
    }
}

/* Runs first, what holds them back below, as in a terminal. */
static const struct timeline_row *row_at(const struct timeline *timeline, size_t i)
{
    return &timeline->rows[(i + 1) % timeline->n_rows];
}

static void put_picture(FILE *f, const struct timeline_pod *pod, const struct timeline *timeline)
{
    unsigned height = AXIS_HEIGHT + ROW_HEIGHT * (unsigned)timeline->n_rows;

    fprintf(f,
            "<figure><svg id=\"timeline\" role=\"img\" aria-labelledby=\"title desc\" "
            "height=\"%u\"><title id=\"title\">Timeline of pod ",
            height);
    put(f, pod->namespace);
    fputc('/', f);
    put(f, pod->name);
    fprintf(f,
            "</title><desc id=\"desc\">A bar for each of %zu runs and for the back-offs, along an "
            "axis of time; the table below says the same.</desc>\n",
            timeline->n_rows - 1);
    put_axis(f, timeline, height);
    for (size_t i = 0; i < timeline->n_rows; i++)
        put_row(f, timeline, row_at(timeline, i), AXIS_HEIGHT + ROW_HEIGHT * (unsigned)i);
    fputs("</svg></figure>\n", f);
}

static void put_legend(FILE *f)
{
    fputs("<ul aria-label=\"Legend\">", f);
    for (int i = 0; i < N_TIMELINE_KINDS; i++)
        fprintf(f,
                "<li><svg aria-hidden=\"true\"><rect class=\"%s\" width=\"14\" height=\"14\" "
                "rx=\"2\"/></svg>%s</li>\n",
                classes[i], timeline_kind_word(i));
    fputs("<li><svg aria-hidden=\"true\"><circle class=\"mark bad\" cx=\"7\" cy=\"7\" r=\"5\"/>"
          "</svg>failed exit, refusal, no start, not reached</li>\n"
          "<li><svg aria-hidden=\"true\"><circle class=\"mark\" cx=\"7\" cy=\"7\" r=\"5\"/></svg>"
          "exit 0, reset, stopped, removed, clock set</li></ul>\n",
          f);
}

/* What is narrow shows a line as running text: blanks between the cells are where it breaks. */
static void put_line(FILE *f, const struct timeline_row *row, uint64_t at, const char *what,
                     const char *message)
{
    char words[TIMELINE_WORDS_MAX];

    fputs("<tr><td>", f);
    put(f, timeline_row_label(words, row, 0));
    fputs("</td>\n<td class=\"when\">", f);
    put(f, timeline_when(words, at));
    fputs("</td>\n<td>", f);
    put(f, what);
    fputs("</td>\n<td>", f);
    put(f, message ? message : "");
    fputs("</td></tr>\n", f);
}

static void put_table(FILE *f, const struct timeline *timeline)
{
    char words[TIMELINE_WORDS_MAX];

    fputs("<div class=\"wide\"><table><caption>The same in words</caption><thead><tr>"
          "<th scope=\"col\">Row</th><th scope=\"col\">From</th><th scope=\"col\">What</th>"
          "<th scope=\"col\">As the journal says it</th></tr></thead><tbody>\n",
          f);
    for (size_t i = 0; i < timeline->n_rows; i++) {
        const struct timeline_row *row = row_at(timeline, i);
        for (size_t k = 0; k < row->n_spans; k++)
            put_line(f, row, row->spans[k].begin, timeline_span_words(words, &row->spans[k]), NULL);
        for (size_t k = 0; k < row->n_marks; k++)
            put_line(f, row, row->marks[k].at, timeline_mark_words(words, &row->marks[k]),
                     row->marks[k].is_jump ? NULL : row->marks[k].event->text);
    }
    fputs("</tbody></table></div>\n", f);
}

void timeline_html(FILE *f, const struct timeline_pod *pod, const struct timeline *timeline)
{
    char words[TIMELINE_WORDS_MAX];

    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
          "<link rel=\"icon\" href=\"data:,\">\n<title>",
          f);
    put(f, pod->name);
    fprintf(f, " - timeline</title>\n<style>\n%s</style></head>\n<body><h1>", style);
    put(f, pod->namespace);
    fputc('/', f);
    put(f, pod->name);
    fputs("</h1>\n<p>UID ", f);
    put(f, pod->uid);
    fputs("</p>\n<p>", f);
    put(f, timeline_when(words, timeline->begin));
    fputs(" to ", f);
    put(f, timeline_when(words, timeline->end));
    fputs("</p>\n", f);
    if (pod->before) {
        fputs("<p>before it, UID ", f);
        put(f, pod->before);
        fputs(" had that name</p>\n", f);
    }
    if (timeline->n_left_out > 0)
        fprintf(f, "<p>%zu earlier runs are left out</p>\n", timeline->n_left_out);
    put_legend(f);
    put_picture(f, pod, timeline);
    put_table(f, timeline);
    fputs("</body></html>\n", f);
}
