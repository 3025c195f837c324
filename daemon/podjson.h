/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A pod as JSON, as its state file holds it. Points in time are those of usec_t, so they mean
 * something in one boot only.
 *
 * A later gantryd may add members: what is not known is passed over.
 */

#include <jansson.h>

#include "daemon/pod.h"
#include "lib/error.h"

enum {
    PODJSON_E_BAD = 1,    /* it is no pod's state, or another pod's; the error says what is wrong */
    PODJSON_E_OTHER_BOOT, /* it was true before the last boot */
};

/* A launch's record, alike in the state and in the Varlink interface but for the clock of its time.
 * Return: a new reference; NULL for an empty record, or without memory. */
json_t *podjson_record(const struct record *record, json_int_t at);

/* The OOM scores, alike in the state and in the Varlink interface. Return: a new reference; NULL if
 * they are not known, or without memory. */
json_t *podjson_oom_scores(const struct pod *pod);

/* Return: text to free(), NULL without memory. */
char *podjson_write(const struct pod *pod, const char *boot_id);

/* Return: 0 and a pod, whose rkt pods are not watched; PODJSON_E_BAD, PODJSON_E_OTHER_BOOT,
 * -ENOMEM. */
int podjson_read(json_t *json, const char *uid, const char *boot_id, struct pod **podp,
                 struct error *error);
