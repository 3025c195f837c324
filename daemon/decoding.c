/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/decoding.h"

#include <malloc.h>

static void decode(uv_work_t *work)
{
    struct decoding *decoding = container_of(work, struct decoding, work);

    decoding->result =
        varlink_decode(decoding->bytes, decoding->length, &decoding->message, &decoding->error);
}

static void decoded(uv_work_t *work, int status)
{
    struct decoding *decoding = container_of(work, struct decoding, work);

    (void)status;
    decoding->done(decoding);
    if (decoding->message)
        decoding_discard(work->loop, decoding->message);
    error_deinit(&decoding->error);
    free(decoding->bytes);
    free(decoding);
}

struct decoding *decoding_begin(uv_loop_t *loop, struct varlink_buffer *buffer,
                                void (*done)(struct decoding *decoding), void *owner,
                                void *userdata)
{
    struct decoding *decoding = calloc(1, sizeof(*decoding));

    if (!decoding || varlink_buffer_take_bytes(buffer, &decoding->bytes, &decoding->length) != 0) {
        free(decoding);
        return NULL;
    }
    decoding->owner = owner;
    decoding->userdata = userdata;
    decoding->done = done;
    uv_queue_work(loop, &decoding->work, decode, decoded);
    return decoding;
}

struct discarding {
    uv_work_t work;
    json_t *json;
};

static void discard(uv_work_t *work)
{
    struct discarding *discarding = container_of(work, struct discarding, work);

    json_decref(discarding->json);
    /* It was a hundred MiB, perhaps, in small pieces: libc would keep them. */
    malloc_trim(0);
}

static void discarded(uv_work_t *work, int status)
{
    (void)status;
    free(container_of(work, struct discarding, work));
}

void decoding_discard(uv_loop_t *loop, json_t *json)
{
    struct discarding *discarding = calloc(1, sizeof(*discarding));

    if (!discarding) {
        json_decref(json);
        return;
    }
    discarding->json = json;
    uv_queue_work(loop, &discarding->work, discard, discarded);
}
