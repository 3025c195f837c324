/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/backoff.h"

usec_t backoff_lifetime(const struct backoff_limits *limits)
{
    return usec_add(limits->max, limits->max);
}

static bool is_fresh(const struct backoff *backoff, const struct backoff_limits *limits,
                     usec_t finished_at)
{
    return backoff->delay == 0 ||
           usec_sub(finished_at, backoff->allowed_at) > backoff_lifetime(limits);
}

void backoff_bound(struct backoff *backoff, const struct backoff_limits *limits)
{
    if (backoff->delay > limits->max)
        backoff->delay = limits->max;
}

usec_t backoff_due(const struct backoff *backoff, const struct backoff_limits *limits,
                   usec_t finished_at)
{
    if (limits->initial == 0 || is_fresh(backoff, limits, finished_at))
        return 0;
    return usec_add(finished_at, backoff->delay);
}

void backoff_allow(struct backoff *backoff, const struct backoff_limits *limits, usec_t finished_at,
                   usec_t now)
{
    if (is_fresh(backoff, limits, finished_at))
        backoff->delay = limits->initial;
    else
        backoff->delay = usec_add(backoff->delay, backoff->delay);

    backoff_bound(backoff, limits);
    backoff->allowed_at = now;
}
