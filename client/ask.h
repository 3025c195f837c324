/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The drop-in's question to gantryd: io.gantry.Node.Launch, and what its answer means.
 */

#include <jansson.h>

#include "lib/config.h"
#include "lib/error.h"

enum {
    ASK_E_REFUSED = 1, /* answer.message and answer.status are set */
    /* gantryd cannot be reached, does not answer in time, cannot do it or answers nonsense; the
     * error says which. */
    ASK_E_UNREACHABLE,
    /* Two ways round gantryd, if it went on: it is longer than a call may be, and nobody was asked;
     * or longer than VARLINK_LONG, and nobody answered in time. The error says how long it is. */
    ASK_E_TOO_LONG,
    ASK_E_LATE,
};

struct question {
    int argc;
    char **argv;
    const char *manifest; /* NULL: there is none, or it is so long that it was not even read */
    size_t manifest_length;
};

/* What is to be another than it was: members that are NULL are not. Borrowed from `json`. */
struct answer {
    json_t *json;
    json_t *argv;              /* a list of strings */
    json_t *set_environment;   /* an object of strings */
    json_t *unset_environment; /* a list of strings */
    json_t *manifest;          /* a string */
    const char *message;
    int status;
};

/* Asks, and asks again if gantryd is restarted meanwhile, until config->launch.request_timeout is
 * over. Return: 0 (go on, as the answer says), ASK_E_REFUSED, ASK_E_UNREACHABLE,
 * ASK_E_TOO_LONG, ASK_E_LATE. answer_deinit() is due. */
int ask(const struct config *config, const struct question *question, struct answer *answer,
        struct error *error);

void answer_deinit(struct answer *answer);
