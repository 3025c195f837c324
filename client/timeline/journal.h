/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the journal tells of a pod. Of entries that anyone but root wrote nothing is believed.
 */

#include "client/timeline/model.h"
#include "lib/error.h"

struct timeline_pod {
    char *uid;
    char *name;
    char *namespace;
    char *before; /* the UID of the pod that had its name before; NULL: none is known */
};

enum {
    TIMELINE_E_NO_POD = 1, /* the journal knows no such pod, or more than one */
    TIMELINE_E_NO_JOURNAL, /* there is none that may be read */
};

/* Reads the entries of the pod that `argument` means, placed on one axis: one at least. If several
 * pods had that name one after another, the newest. `directory` holds the journal's files, and
 * its last entry of the pod is taken for now; NULL: the node's own, up to now. Return: 0, negative,
 * or TIMELINE_E_*; `error` says the rest. */
int timeline_read(struct timeline_pod *pod, struct timeline_events *events, const char *directory,
                  const char *argument, struct error *error);

void timeline_pod_deinit(struct timeline_pod *pod);
