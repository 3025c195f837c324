/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/gpuset.h"

#include <stdio.h>
#include <stdlib.h>

int gpuset_parse(gpuset_t *setp, const char *text)
{
    gpuset_t set = 0;

    for (const char *p = text;; p++) {
        char *end;
        if (*p < '0' || *p > '9')
            return GPUSET_E_INVALID;
        unsigned long number = strtoul(p, &end, 10);
        if (number >= GPUSET_MAX)
            return GPUSET_E_INVALID;
        set |= UINT64_C(1) << number;
        p = end;
        if (*p == ',')
            continue;
        if (*p != '\0')
            return GPUSET_E_INVALID;
        *setp = set;
        return 0;
    }
}

const char *gpuset_format(char buffer[static GPUSET_TEXT_MAX], gpuset_t set)
{
    size_t length = 0;

    buffer[0] = '\0';
    for (unsigned gpu = 0; gpu < GPUSET_MAX; gpu++) {
        if (gpuset_has(set, gpu))
            length += (size_t)snprintf(buffer + length, GPUSET_TEXT_MAX - length, "%s%u",
                                       length > 0 ? "," : "", gpu);
    }
    return buffer;
}

unsigned gpuset_count(gpuset_t set)
{
    return (unsigned)__builtin_popcountll(set);
}

gpuset_t gpuset_first(gpuset_t set, unsigned n)
{
    gpuset_t first = 0;

    for (unsigned gpu = 0; gpu < GPUSET_MAX && n > 0; gpu++) {
        if (!gpuset_has(set, gpu))
            continue;
        first |= UINT64_C(1) << gpu;
        n--;
    }
    return first;
}
