/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>

#include "client/terminal.h"

enum {
    COLUMN_DEVICE,
    COLUMN_POD,
    COLUMN_CONTAINER,
    COLUMN_STAGE,
    COLUMN_SINCE,
};

static const struct {
    const char *name;
    double width;
} columns[] = {
    [COLUMN_DEVICE] = {"DEVICE", 12},       [COLUMN_POD] = {"POD", 0.3},
    [COLUMN_CONTAINER] = {"CONTAINER", 10}, [COLUMN_STAGE] = {"STAGE", 8},
    [COLUMN_SINCE] = {"SINCE", 10},
};

static int collect(const struct ctl *ctl, json_t *parameters, void *userdata)
{
    (void)ctl;
    json_array_extend(userdata, json_object_get(parameters, "gpus"));
    return 0;
}

static int add_line(struct libscols_table *table, const json_t *gpu)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    const json_t *holder = json_object_get(gpu, "holder");
    char pod[512] = "", since[CTL_SPAN_MAX] = "";

    if (!line)
        return -ENOMEM;
    if (holder) {
        snprintf(pod, sizeof(pod), "%s/%s", ctl_string(holder, "namespace"),
                 ctl_string(holder, "name"));
        ctl_age(since, ctl_number(holder, "since"));
    }
    const char *cells[] = {
        [COLUMN_DEVICE] = ctl_string(gpu, "device"),
        [COLUMN_POD] = pod,
        [COLUMN_CONTAINER] = ctl_string(holder, "container"),
        [COLUMN_STAGE] = holder ? ctl_string(holder, "stage") : "free",
        [COLUMN_SINCE] = since,
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < N_ELEMENTS(cells); i++)
        r = scols_line_set_data(line, i, cells[i]);
    return r;
}

static int print_table(const json_t *gpus)
{
    struct libscols_table *table = scols_new_table();
    int r = table ? scols_table_set_termwidth(table, terminal_columns()) : -ENOMEM;

    for (size_t i = 0; r == 0 && i < N_ELEMENTS(columns); i++) {
        if (!scols_table_new_column(table, columns[i].name, columns[i].width, 0))
            r = -ENOMEM;
    }
    for (size_t i = 0; r == 0 && i < json_array_size(gpus); i++)
        r = add_line(table, json_array_get(gpus, i));
    if (r == 0)
        r = scols_print_table(table);
    scols_unref_table(table);
    return r;
}

int ctl_gpus(const struct ctl *ctl)
{
    CLEANUP(json_decrefp) json_t *gpus = json_array();

    int r = ctl_call(ctl, "io.gantry.Node.GPUs", NULL, false, collect, gpus);
    if (r != 0)
        return r;
    if (ctl->json) {
        ctl_print_json(gpus, false);
        return 0;
    }
    if (json_array_size(gpus) == 0) {
        puts("The node has no GPUs.");
        return 0;
    }
    r = print_table(gpus);
    if (r < 0)
        fprintf(stderr, "gantryctl: %s\n", strerror(-r));
    return r < 0 ? EXIT_FAILED : 0;
}
