/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exposition.h"

#include <string.h>

/* Writes it with a backslash before each of `special`, a newline as n. */
static void escape(FILE *text, const char *string, const char *special)
{
    for (const char *c = string; *c; c++) {
        if (strchr(special, *c))
            fputc('\\', text);
        fputc(*c == '\n' ? 'n' : *c, text);
    }
}

void exposition_metric(FILE *text, const char *name, const char *type, const char *help)
{
    fprintf(text, "# HELP %s ", name);
    escape(text, help, "\\\n");
    fprintf(text, "\n# TYPE %s %s\n", name, type);
}

void exposition_count(FILE *text, const char *name, const char *label, const char *value,
                      uint64_t n)
{
    fputs(name, text);
    if (label) {
        fprintf(text, "{%s=\"", label);
        escape(text, value, "\\\"\n");
        fputs("\"}", text);
    }
    fprintf(text, " %" PRIu64 "\n", n);
}

/* As Go writes it, "0.25" and "5": series are told apart by the text of their labels. */
static void write_seconds(FILE *text, uint64_t usec)
{
    unsigned part = usec % USEC_SEC;
    int n_digits = 6;

    fprintf(text, "%" PRIu64, usec / USEC_SEC);
    if (part == 0)
        return;
    for (; part % 10 == 0; part /= 10)
        n_digits--;
    fprintf(text, ".%0*u", n_digits, part);
}

void exposition_seconds(FILE *text, const char *name, uint64_t usec)
{
    fprintf(text, "%s ", name);
    write_seconds(text, usec);
    fputc('\n', text);
}

void exposition_histogram(FILE *text, const char *name, const struct histogram *histogram)
{
    uint64_t n = 0;

    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        n += histogram->n_class[i];
        fprintf(text, "%s_bucket{le=\"", name);
        write_seconds(text, histogram_bounds[i]);
        fprintf(text, "\"} %" PRIu64 "\n", n);
    }
    n += histogram->n_class[HISTOGRAM_BOUNDS];
    fprintf(text, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, n, name);
    write_seconds(text, histogram->sum);
    fprintf(text, "\n%s_count %" PRIu64 "\n", name, n);
}
