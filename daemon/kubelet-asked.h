/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The pods that kubelet-pods is asked for, and what it prints of them; see daemon/kubelet-pods.c.
 */

#include "lib/podlist.h"

struct asked_pod;

/* All-zero is the beginning. */
struct asked {
    struct asked_pod *pods;
    size_t n;
    char *input; /* of standard input, what was not taken yet */
    size_t input_length;
};

/* For podlist_add(), with a struct asked: prints the pod if it is asked for. Return: 0, -ENOMEM. */
int asked_take(void *asked, const char *text, size_t length, bool is_cut);

/* The whole list has come: prints what is left to say. */
void asked_print_rest(const struct asked *asked);

void asked_print_error(const char *reason);
