/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/histogram.h"

/* From a launch that needs nothing, over one that waits for the kubelet, to RequestTimeout= and
 * more. */
const usec_t histogram_bounds[HISTOGRAM_BOUNDS] = {
    250,
    500,
    1000,
    2500,
    5000,
    10 * USEC_MSEC,
    25 * USEC_MSEC,
    100 * USEC_MSEC,
    250 * USEC_MSEC,
    500 * USEC_MSEC,
    1 * USEC_SEC,
    5 * USEC_SEC,
    10 * USEC_SEC,
};

void histogram_add(struct histogram *histogram, usec_t time)
{
    size_t class = 0;

    while (class < HISTOGRAM_BOUNDS && time > histogram_bounds[class])
        class ++;
    histogram->n_class[class]++;
    histogram->sum = usec_add(histogram->sum, time);
}
