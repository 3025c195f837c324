/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the verbs of gantryctl share. Each verb is a file of its own.
 */

#include <jansson.h>
#include <stdbool.h>

#include "client/connection.h"
#include "lib/config.h"

/* Exit statuses, gantryctl(1). */
enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_UNREACHABLE = 3, /* gantryd cannot be asked */
    EXIT_NO_POD = 4,      /* there is no such pod, or more than one */
};

struct ctl {
    struct config *config;
    const char *socket;
    const char *argument; /* the verb's, NULL if it has none */
    /* Options; NULL and false: not given. */
    bool json; /* print the replies as they are */
    bool no_pager;
    bool follow;
    const char *html;       /* a file's name */
    const char *output;     /* a file's name */
    const char *restart;    /* a restart policy */
    bool tells_unreachable; /* what the verb writes says that gantryd is not there */
};

/* Each returns an exit status, and has said what went wrong. */
int ctl_list(const struct ctl *ctl);
int ctl_explain(const struct ctl *ctl);
int ctl_reset(const struct ctl *ctl);
int ctl_gpus(const struct ctl *ctl);
int ctl_metrics(const struct ctl *ctl);
int ctl_monitor(const struct ctl *ctl);
int ctl_doctor(const struct ctl *ctl);
int ctl_run(const struct ctl *ctl);
int ctl_stop(const struct ctl *ctl);
int ctl_rm(const struct ctl *ctl);
int ctl_logs(const struct ctl *ctl);
int ctl_timeline(const struct ctl *ctl);

/* Calls a method; parameters are consumed. `reply` is called for each reply, with borrowed
 * parameters, and ends the call early by returning something else than 0. With `more` replies may
 * come for ever. Return: 0, what `reply` returned, or an exit status when the call failed. */
int ctl_call(const struct ctl *ctl, const char *method, json_t *parameters, bool more,
             int (*reply)(const struct ctl *ctl, json_t *parameters, void *userdata),
             void *userdata);

/* Calls a method of run, stop or rm; its steps are told as they come. */
int ctl_call_steps(const struct ctl *ctl, const char *method, json_t *parameters);

/* Prints JSON, one object a line if it is one of many. */
void ctl_print_json(const json_t *json, bool one_of_many);

/* Reads a member; 0 and "" if it is missing. */
int64_t ctl_number(const json_t *object, const char *name);
const char *ctl_string(const json_t *object, const char *name);

/* The pod's state in a word: gantryd's own, or "stopped". */
const char *ctl_state(const json_t *pod);

/* Big enough for ctl_age() and ctl_span(). */
#define CTL_SPAN_MAX 40

/* A length of time for people: no finer than they would say it. Return: `buffer`. */
const char *ctl_span(char buffer[static CTL_SPAN_MAX], uint64_t usec);
/* How long ago a point in time (microseconds since 1970) was. Return: `buffer`. */
const char *ctl_age(char buffer[static CTL_SPAN_MAX], int64_t at);
