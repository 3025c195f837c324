/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/kubelet.h"

#include <stdlib.h>

/* To be written: nobody is asked yet. */
struct kubelet {
    uv_loop_t *loop;
};

struct kubelet *kubelet_new(uv_loop_t *loop, struct events *events)
{
    struct kubelet *kubelet = calloc(1, sizeof(*kubelet));

    (void)events;
    if (kubelet)
        kubelet->loop = loop;
    return kubelet;
}

void kubelet_ask(struct kubelet *kubelet, struct config *config, const char *uid,
                 kubelet_answer_fn *answer, void *userdata)
{
    (void)kubelet;
    (void)config;
    (void)uid;
    answer(userdata, NULL, "nobody is asked yet");
}

void kubelet_close(struct kubelet *kubelet)
{
    (void)kubelet;
}

void kubelet_free(struct kubelet *kubelet)
{
    free(kubelet);
}
