/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a check of gantryctl doctor has found, on either side of the API socket.
 */

#include <jansson.h>

#include "lib/def.h"

enum finding_status {
    FINDING_OK,
    FINDING_WARNING, /* pods run, but not all of gantry works, or it will not for ever */
    FINDING_FAILED,
    FINDING_UNKNOWN, /* it could not be found out */
    N_FINDING_STATUSES,
};

struct finding {
    enum finding_status status;
    char *found;  /* one line: "rkt 1.30.0 at /usr/bin/rkt" */
    char *remedy; /* finding_mend(), finding_advise(); NULL: it is well */
};

/* Return: static, "warning". */
const char *finding_status_name(enum finding_status status);

/* Says what was found, in place of what was said before. */
void finding_set(struct finding *finding, enum finding_status status, const char *format, ...)
    PRINTF(3, 4);
/* Says which command mends it, run by a shell as it stands: tests/node/tests-doctor runs each. */
void finding_mend(struct finding *finding, const char *format, ...) PRINTF(2, 3);
/* Says what somebody has to do who knows what we do not. It is told as a comment, for a shell that
 * is given it. */
void finding_advise(struct finding *finding, const char *format, ...) PRINTF(2, 3);

void finding_deinit(struct finding *finding);

/* A Finding of lib/io.gantry.Node.varlink. Return: a new reference, NULL without memory. */
json_t *finding_to_json(const char *name, const struct finding *finding);

/* Takes the one of that name from a list of them; unknown if it is not in it. */
void finding_from_json(struct finding *finding, const json_t *list, const char *name);
