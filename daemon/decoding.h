/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A message that is long, read and freed on the thread pool: it takes a tenth of a second, in which
 * the loop would serve nobody.
 */

#include <jansson.h>
#include <uv.h>

#include "lib/error.h"
#include "lib/varlink.h"

struct decoding {
    void *owner; /* whose message it is; NULL when that is gone */
    void *userdata;
    void (*done)(struct decoding *decoding);

    /* What came of it. */
    int result;      /* as varlink_decode() has it */
    json_t *message; /* a reference; who takes it sets NULL */
    struct error error;

    uv_work_t work;
    char *bytes;
    size_t length;
};

/* Takes the first message of the buffer, which has to be whole. `done` is called from the loop;
 * after it the decoding is void. Return: NULL without memory. */
struct decoding *decoding_begin(uv_loop_t *loop, struct varlink_buffer *buffer,
                                void (*done)(struct decoding *decoding), void *owner,
                                void *userdata);

/* Frees the message, or a part of it: the reference is consumed, and should be the last. */
void decoding_discard(uv_loop_t *loop, json_t *json);
