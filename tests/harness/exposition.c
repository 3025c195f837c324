/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/harness/exposition.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789_"

/* The metric whose samples come now. */
struct reader {
    struct exposition *exposition;
    char name[128], type[16];
    size_t n_samples;
    /* Of a histogram. */
    double bound, in_bucket, count;
    bool has_sum, has_count;
};

void exposition_deinit(struct exposition *exposition)
{
    json_decref(exposition->metrics);
    json_decref(exposition->samples);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), n = strlen(end);

    return length >= n && strcmp(text + length - n, end) == 0;
}

/* Copies a name. Return: what follows it, NULL if there is none. */
static const char *take_name(const char *line, char *name, size_t size)
{
    size_t length = strspn(line, NAME_CHARACTERS);

    if (length == 0 || length >= size || (*line >= '0' && *line <= '9'))
        return NULL;
    snprintf(name, size, "%.*s", (int)length, line);
    return line + length;
}

/* Every backslash is followed by one of these. */
static bool is_escaped(const char *text, size_t length, const char *allowed)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\\' && (++i == length || !strchr(allowed, text[i])))
            return false;
    }
    return true;
}

static const char *end_metric(const struct reader *reader)
{
    if (reader->name[0] && reader->type[0] == '\0')
        return "HELP without TYPE";
    if (reader->name[0] && reader->n_samples == 0)
        return "no samples";
    if (strcmp(reader->type, "histogram") != 0)
        return NULL;
    if (!reader->has_sum || !reader->has_count)
        return "a histogram without sum or count";
    return isinf(reader->bound) && reader->in_bucket == reader->count ? NULL
                                                                      : "+Inf is not the count";
}

static const char *read_help(struct reader *reader, const char *line)
{
    const char *wrong = end_metric(reader);

    if (wrong)
        return wrong;
    *reader = (struct reader){.exposition = reader->exposition, .bound = -INFINITY};
    line = take_name(line, reader->name, sizeof(reader->name));
    if (!line || line[0] != ' ' || line[1] == '\0')
        return "no HELP";
    if (json_object_get(reader->exposition->metrics, reader->name))
        return "a metric twice";
    return is_escaped(line, strlen(line), "\\n") ? NULL : "a bad escape in HELP";
}

static const char *read_type(struct reader *reader, const char *line)
{
    char name[128] = "";

    line = take_name(line, name, sizeof(name));
    if (!line || line[0] != ' ' || strcmp(name, reader->name) != 0 || reader->type[0])
        return "TYPE does not follow its HELP";
    snprintf(reader->type, sizeof(reader->type), "%s", line + 1);
    bool is_counter = strcmp(reader->type, "counter") == 0;
    if (!is_counter && strcmp(reader->type, "gauge") != 0 && strcmp(reader->type, "histogram") != 0)
        return "an unknown TYPE";
    if (is_counter != ends_with(name, "_total"))
        return "counters, and only they, end in _total";
    json_object_set_new(reader->exposition->metrics, name, json_string(reader->type));
    return NULL;
}

/* Steps over {name="value",...}. Return: what follows, NULL if that is not what it is. */
static const char *skip_labels(const char *labels, char *value, size_t size)
{
    char name[128];

    value[0] = '\0';
    if (*labels != '{')
        return labels;
    do {
        const char *start = take_name(labels + 1, name, sizeof(name));
        if (!start || strncmp(start, "=\"", 2) != 0)
            return NULL;
        const char *stop = start += 2;
        while (*stop && *stop != '"')
            stop += stop[0] == '\\' && stop[1] ? 2 : 1;
        if (*stop == '\0' || !is_escaped(start, (size_t)(stop - start), "\\\"n"))
            return NULL;
        snprintf(value, size, "%.*s", (int)(stop - start), start);
        labels = stop + 1;
    } while (*labels == ',');
    return *labels == '}' ? labels + 1 : NULL;
}

static const char *take_bucket(struct reader *reader, const char *labels, const char *bound,
                               double number)
{
    char *end;
    double at = strtod(bound, &end);

    if (strncmp(labels, "{le=\"", 5) != 0 || end == bound || *end)
        return "a bucket without a bound";
    if (at <= reader->bound || number < reader->in_bucket)
        return "buckets are not cumulative";
    reader->bound = at;
    reader->in_bucket = number;
    return NULL;
}

/* A sample belongs to the metric that was begun last. */
static const char *take_sample(struct reader *reader, const char *name, const char *labels,
                               const char *value, double number)
{
    size_t length = strlen(reader->name);
    const char *part = name + length;

    if (reader->type[0] == '\0' || strncmp(name, reader->name, length) != 0)
        return "a sample of another metric";
    reader->n_samples++;
    if (strcmp(reader->type, "histogram") != 0)
        return *part == '\0' ? NULL : "a sample of another metric";
    if (strcmp(part, "_bucket") == 0)
        return take_bucket(reader, labels, value, number);
    if (strcmp(part, "_sum") == 0)
        reader->has_sum = true;
    else if (strcmp(part, "_count") == 0)
        reader->has_count = true;
    else
        return "a sample of another metric";
    if (reader->has_count)
        reader->count = number;
    return NULL;
}

static const char *read_sample(struct reader *reader, const char *line)
{
    char name[128], value[256], series[512], *end;
    const char *labels = take_name(line, name, sizeof(name));
    const char *rest = labels ? skip_labels(labels, value, sizeof(value)) : NULL;

    if (!rest || rest[0] != ' ' || !strchr("0123456789+-", rest[1]))
        return "no sample";
    double number = strtod(rest + 1, &end);
    if (end == rest + 1 || *end)
        return "no number";
    if (number < 0)
        return "a number below zero";
    snprintf(series, sizeof(series), "%.*s", (int)(rest - line), line);
    if (json_object_get(reader->exposition->samples, series))
        return "a series twice";
    json_object_set_new(reader->exposition->samples, series, json_real(number));
    return take_sample(reader, name, labels, value, number);
}

static const char *read_line(struct reader *reader, const char *line)
{
    if (strncmp(line, "# HELP ", 7) == 0)
        return read_help(reader, line + 7);
    if (strncmp(line, "# TYPE ", 7) == 0)
        return read_type(reader, line + 7);
    return read_sample(reader, line);
}

char *exposition_read(struct exposition *exposition, const char *text)
{
    struct reader reader = {.exposition = exposition};
    const char *wrong = NULL;
    char line[1024] = "", *words = NULL;

    *exposition = (struct exposition){json_object(), json_object()};
    while (!wrong && *text) {
        size_t length = strcspn(text, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)length, text);
        if (length >= sizeof(line))
            wrong = "a line that is too long";
        else
            wrong = text[length] == '\n' ? read_line(&reader, line) : "a line without an end";
        text += length + (text[length] == '\n');
    }
    if (!wrong)
        wrong = end_metric(&reader);
    if (wrong && asprintf(&words, "%s: %s", wrong, line) < 0)
        abort();
    return words;
}
