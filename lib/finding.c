/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/finding.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const status_names[N_FINDING_STATUSES] = {
    [FINDING_OK] = "ok",
    [FINDING_WARNING] = "warning",
    [FINDING_FAILED] = "failed",
    [FINDING_UNKNOWN] = "unknown",
};

const char *finding_status_name(enum finding_status status)
{
    return status_names[status];
}

static bool is_json_text(const char *text)
{
    json_t *string = json_string(text);

    json_decref(string);
    return string;
}

/* In one line, and in UTF-8, whatever the words came from. */
static void PRINTF(3, 0) print(char **slot, const char *before, const char *format, va_list args)
{
    CLEANUP(freep) char *words = NULL;
    char *text = NULL;

    if (vasprintf(&words, format, args) < 0)
        words = NULL;
    if (!words || asprintf(&text, "%s%s", before, words) < 0)
        text = NULL;
    bool is_utf8 = text && is_json_text(text);
    for (char *p = text; p && *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
        else if (!is_utf8 && (unsigned char)*p > 0x7f)
            *p = '?';
    }
    free(*slot);
    *slot = text;
}

void finding_set(struct finding *finding, enum finding_status status, const char *format, ...)
{
    va_list args;

    finding->status = status;
    va_start(args, format);
    print(&finding->found, "", format, args);
    va_end(args);
}

void finding_mend(struct finding *finding, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print(&finding->remedy, "", format, args);
    va_end(args);
}

void finding_advise(struct finding *finding, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print(&finding->remedy, "# ", format, args);
    va_end(args);
}

void finding_deinit(struct finding *finding)
{
    free(finding->found);
    free(finding->remedy);
    *finding = (struct finding){0};
}

json_t *finding_to_json(const char *name, const struct finding *finding)
{
    return json_pack("{s:s, s:s, s:s, s:s*}", "name", name, "status",
                     finding_status_name(finding->status), "found",
                     finding->found ? finding->found : "", "remedy", finding->remedy);
}

static enum finding_status status_of(const json_t *json)
{
    const char *name = json_string_value(json_object_get(json, "status"));

    for (enum finding_status status = 0; name && status < N_FINDING_STATUSES; status++) {
        if (strcmp(status_names[status], name) == 0)
            return status;
    }
    return FINDING_UNKNOWN;
}

void finding_from_json(struct finding *finding, const json_t *list, const char *name)
{
    const json_t *json;
    size_t i;

    json_array_foreach(list, i, json)
    {
        const char *its_name = json_string_value(json_object_get(json, "name"));
        const char *found = json_string_value(json_object_get(json, "found"));
        const char *remedy = json_string_value(json_object_get(json, "remedy"));
        if (!its_name || strcmp(its_name, name) != 0)
            continue;
        finding_set(finding, status_of(json), "%s", found ? found : "");
        if (remedy)
            finding_mend(finding, "%s", remedy);
        return;
    }
    finding_set(finding, FINDING_UNKNOWN, "gantryd does not look at it");
}
