/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/histogram.h"

/* From a launch that needs nothing, over one that waits for the kubelet, to RequestTimeout= and
 * more. */
const usec_t histogram_bounds[HISTOGRAM_BOUNDS] = {250,    500,     1000,    2500,    5000,
                                                   10000,  25000,   50000,   100000,  250000,
                                                   500000, 1000000, 2500000, 5000000, 10000000};

void histogram_add(struct histogram *histogram, usec_t time)
{
    size_t i = 0;

    while (i < HISTOGRAM_BOUNDS && time > histogram_bounds[i])
        i++;
    histogram->n_class[i]++;
    histogram->sum = usec_add(histogram->sum, time);
}
