/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A v1.PodList as it comes in: bytes in, pods out, one at a time and as the text that each is.
 *
 * It is not read as one value, for that would take ten times the memory of all of it, and one pod
 * that cannot be read would take the others along. So only brackets and strings are told from each
 * other here. What is around the pods is read at the end, with a 0 in the place of each.
 */

#include <stdbool.h>
#include <stddef.h>

/* What is kept of one pod. The API server has none of 2 MiB, of which JSON may make some more. */
#define PODLIST_POD_MAX ((size_t)8 << 20)

enum {
    PODLIST_E_INVALID = 1, /* it is no PodList */
};

struct podlist_text {
    char *bytes;
    size_t length, size;
    bool is_cut; /* there was more than may be kept */
};

/* All-zero is the beginning. */
struct podlist {
    struct podlist_text pod;   /* that is coming in */
    struct podlist_text frame; /* all the rest */
    char key[8];               /* the beginning of the last string of the frame's object */
    size_t key_length;
    unsigned depth; /* how many brackets are open */
    bool in_string, is_escaped;
    bool in_items, in_pod;
    bool had_items;
};

/* Called for each entry of the list, be it a pod or not. The text is ended by a NUL that does not
 * count, and void after it; of one that is longer than PODLIST_POD_MAX it is the beginning. Return:
 * 0, or what podlist_add() is to return. */
typedef int podlist_fn(void *userdata, const char *text, size_t length, bool is_cut);

/* Return: 0, what `fn` returned, PODLIST_E_INVALID, -ENOMEM. */
int podlist_add(struct podlist *list, const char *bytes, size_t length, podlist_fn *fn,
                void *userdata);

/* Nothing more comes. Return: 0; PODLIST_E_INVALID, also if the end is missing; -ENOMEM. */
int podlist_end(const struct podlist *list);

void podlist_deinit(struct podlist *list);
