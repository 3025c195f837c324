/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>

#include "client/terminal.h"

enum {
    COLUMN_POD,
    COLUMN_STATE,
    COLUMN_RESTARTS,
    COLUMN_LEFT,
    COLUMN_LAST_EXIT,
    COLUMN_UID,
};

static const struct {
    const char *name;
    double width;
    int flags;
} columns[] = {
    [COLUMN_POD] = {"POD", 0.2, 0},
    [COLUMN_STATE] = {"STATE", 8, 0},
    [COLUMN_RESTARTS] = {"RESTARTS", 8, SCOLS_FL_RIGHT},
    [COLUMN_LEFT] = {"BACK-OFF LEFT", 13, SCOLS_FL_RIGHT},
    [COLUMN_LAST_EXIT] = {"LAST EXIT", 0.3, 0},
    [COLUMN_UID] = {"UID", 0.3, SCOLS_FL_TRUNC},
};

static int collect(const struct ctl *ctl, json_t *parameters, void *userdata)
{
    (void)ctl;
    json_array_extend(userdata, json_object_get(parameters, "pods"));
    return 0;
}

/* The newest run that has ended, or NULL. */
static const json_t *last_run(const json_t *pod)
{
    const json_t *runs = json_object_get(pod, "rktPods");

    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        if (json_object_get(run, "finishedAt"))
            return run;
    }
    return NULL;
}

static void describe_exit(const json_t *pod, char *buffer, size_t size)
{
    const json_t *run = last_run(pod), *status = json_object_get(run, "exitStatus");
    const char *container = ctl_string(pod, "endedBy");
    char age[CTL_SPAN_MAX], code[32] = "unknown";

    buffer[0] = '\0';
    if (!run)
        return;
    if (status)
        snprintf(code, sizeof(code), "%" PRId64, (int64_t)json_integer_value(status));
    snprintf(buffer, size, "%s%s%s, %s", container, container[0] ? ": " : "", code,
             ctl_age(age, ctl_number(run, "finishedAt")));
}

static enum colour colour_of(const char *state)
{
    if (strcmp(state, "running") == 0)
        return COLOUR_GOOD;
    return strcmp(state, "held") == 0 ? COLOUR_WAITS : COLOUR_NONE;
}

static int add_line(struct libscols_table *table, const json_t *pod)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    char name[512], restarts[32], left[CTL_SPAN_MAX] = "", last_exit[512];
    int64_t held = ctl_number(pod, "heldUSec");

    if (!line)
        return -ENOMEM;
    snprintf(name, sizeof(name), "%s/%s", ctl_string(pod, "namespace"), ctl_string(pod, "name"));
    snprintf(restarts, sizeof(restarts), "%" PRId64, ctl_number(pod, "restarts"));
    if (held > 0 && strcmp(ctl_state(pod), "stopped") != 0)
        ctl_span(left, (uint64_t)held);
    describe_exit(pod, last_exit, sizeof(last_exit));

    const char *cells[] = {
        [COLUMN_POD] = name,
        [COLUMN_STATE] = ctl_state(pod),
        [COLUMN_RESTARTS] = restarts,
        [COLUMN_LEFT] = left,
        [COLUMN_LAST_EXIT] = last_exit,
        [COLUMN_UID] = ctl_string(pod, "uid"),
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < N_ELEMENTS(cells); i++)
        r = scols_line_set_data(line, i, cells[i]);
    enum colour colour = colour_of(cells[COLUMN_STATE]);
    if (r == 0 && colour != COLOUR_NONE)
        r = scols_cell_set_color(scols_line_get_cell(line, COLUMN_STATE), terminal_colour(colour));
    return r;
}

static int print_table(const json_t *pods)
{
    struct libscols_table *table = scols_new_table();
    int r = table ? scols_table_enable_colors(table, terminal_has_colours()) : -ENOMEM;

    if (r == 0)
        r = scols_table_set_termwidth(table, terminal_columns());
    for (size_t i = 0; r == 0 && i < N_ELEMENTS(columns); i++) {
        if (!scols_table_new_column(table, columns[i].name, columns[i].width, columns[i].flags))
            r = -ENOMEM;
    }
    for (size_t i = 0; r == 0 && i < json_array_size(pods); i++)
        r = add_line(table, json_array_get(pods, i));
    if (r == 0)
        r = scols_print_table(table);
    scols_unref_table(table);
    return r;
}

int ctl_list(const struct ctl *ctl)
{
    CLEANUP(json_decrefp) json_t *pods = json_array();

    int r = ctl_call(ctl, "io.gantry.Node.List", NULL, true, collect, pods);
    if (r != 0)
        return r;
    if (ctl->json) {
        ctl_print_json(pods, false);
        return 0;
    }
    if (json_array_size(pods) == 0) {
        puts("No pods are known.");
        return 0;
    }
    r = print_table(pods);
    if (r < 0)
        fprintf(stderr, "gantryctl: %s\n", strerror(-r));
    return r < 0 ? EXIT_FAILED : 0;
}
