/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The numbers that gantryd keeps of its work, for Prometheus. They are counted where things happen,
 * and begin at zero with each gantryd; what can be looked up when somebody asks is not counted.
 */

#include "lib/histogram.h"
#include "lib/usec.h"

struct launch;
struct node;

enum fetch_result {
    FETCH_ANSWERED,
    FETCH_FAILED,
    N_FETCH_RESULTS,
};

enum launch_result {
    RESULT_FORWARDED,
    RESULT_REFUSED,
    RESULT_FAILED,
    N_LAUNCH_RESULTS,
};

enum run_result {
    RUN_SUCCEEDED,
    RUN_FAILED,
    RUN_UNKNOWN,
    N_RUN_RESULTS,
};

struct metrics {
    wall_t started_at;
    uint64_t n_launches[N_LAUNCH_RESULTS];
    uint64_t *n_refusals;         /* for each row of rooms[] */
    struct histogram launch_time; /* from arrival to answer */
    uint64_t n_starts;
    uint64_t n_exits[N_RUN_RESULTS];
    uint64_t n_fetches[N_FETCH_RESULTS];
};

/* Return: 0 or -ENOMEM. metrics_deinit() is due in each case. */
int metrics_init(struct metrics *metrics);
void metrics_deinit(struct metrics *metrics);

/* The launch was answered just now. */
void metrics_count_launch(struct metrics *metrics, const struct launch *launch);

/* A run has ended with that exit status, or STATUS_UNKNOWN. */
void metrics_count_exit(struct metrics *metrics, int status);

/* Everything in Prometheus' text format. Return: to free(), or NULL without memory. */
char *metrics_text(const struct node *node);
