/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl.h"

#include <stdio.h>
#include <time.h>

#include "client/plain.h"

static int print_event(const struct ctl *ctl, json_t *parameters, void *userdata)
{
    const json_t *event = json_object_get(parameters, "event");
    int64_t at = ctl_number(event, "at");
    time_t seconds = (time_t)(at / (int64_t)USEC_SEC);
    char stamp[64];
    struct tm tm;

    (void)userdata;
    /* The first reply only says that we are heard. */
    if (!event)
        return 0;
    if (ctl->json) {
        ctl_print_json(event, true);
        return 0;
    }
    plain_json(parameters, false);
    strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &tm));
    printf("%s.%03d %-8s %s\n", stamp, (int)(at % (int64_t)USEC_SEC / (int64_t)USEC_MSEC),
           ctl_string(event, "name"), ctl_string(event, "message"));
    fflush(stdout);
    return 0;
}

int ctl_monitor(const struct ctl *ctl)
{
    return ctl_call(ctl, "io.gantry.Node.Monitor", NULL, true, print_event, NULL);
}
