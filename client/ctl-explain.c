/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ctl.h"

#include <stdio.h>
#include <string.h>

#include "client/plain.h"
#include "client/terminal.h"

static void print_state(const json_t *pod)
{
    const char *state = ctl_state(pod);
    uint64_t backoff = (uint64_t)ctl_number(pod, "backoffUSec");
    char left[CTL_SPAN_MAX], whole[CTL_SPAN_MAX];

    if (strcmp(state, "held") == 0)
        printf("  state      held back: a restart has to wait another %s of %s\n",
               ctl_span(left, (uint64_t)ctl_number(pod, "heldUSec")), ctl_span(whole, backoff));
    else if (backoff > 0 && strcmp(state, "stopped") != 0)
        printf("  state      %s; the next restart has to wait %s\n", state,
               ctl_span(whole, backoff));
    else
        printf("  state      %s\n", state);
}

static void print_end(const json_t *run)
{
    const json_t *status = json_object_get(run, "exitStatus");
    const json_t *apps = json_object_get(run, "apps");
    int64_t finished_at = ctl_number(run, "finishedAt");
    char span[CTL_SPAN_MAX], age[CTL_SPAN_MAX];

    printf(", ended %s after %s", ctl_age(age, finished_at),
           ctl_span(span, (uint64_t)(finished_at - ctl_number(run, "startedAt"))));
    if (status)
        printf(" with status %" PRId64, (int64_t)json_integer_value(status));
    for (size_t i = 0; i < json_array_size(apps); i++) {
        const json_t *app = json_array_get(apps, i);
        printf("%s%s: %" PRId64, i == 0 ? " (" : ", ", ctl_string(app, "container"),
               ctl_number(app, "exitStatus"));
    }
    if (json_array_size(apps) > 0)
        putchar(')');
}

static void print_runs(const json_t *pod)
{
    const json_t *runs = json_object_get(pod, "rktPods");
    char age[CTL_SPAN_MAX];

    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        const char *uuid = ctl_string(run, "uuid"), *unit = ctl_string(run, "unit");
        printf("  rkt pod    %s: began %s", uuid[0] ? uuid : "of unknown UUID",
               ctl_age(age, ctl_number(run, "startedAt")));
        if (json_object_get(run, "finishedAt"))
            print_end(run);
        else
            printf(", runs as process %" PRId64, ctl_number(run, "pid"));
        printf("%s%s\n", unit[0] ? ", " : "", unit);
    }
}

static void print_qos(const json_t *pod)
{
    const json_t *scores = json_object_get(pod, "oomScores");

    if (!ctl_string(pod, "qosClass")[0])
        return;
    printf("  QoS class  %s", ctl_string(pod, "qosClass"));
    for (size_t i = 0; i < json_array_size(scores); i++) {
        const json_t *score = json_array_get(scores, i);
        printf("%s%s %" PRId64, i == 0 ? "; OOM scores: " : ", ", ctl_string(score, "container"),
               ctl_number(score, "oomScoreAdj"));
    }
    putchar('\n');
}

static void print_record(const char *title, const json_t *record)
{
    const json_t *notes = json_object_get(record, "notes");
    const char *refusal = ctl_string(record, "refusal");
    char age[CTL_SPAN_MAX];

    if (!record)
        return;
    printf("  %-10s %s, %s", title, ctl_string(record, "command"),
           ctl_age(age, ctl_number(record, "at")));
    if (ctl_number(record, "times") > 1)
        printf(", %" PRId64 " times in a row", ctl_number(record, "times"));
    if (refusal[0])
        printf(":\n               %s%s%s", terminal_colour(COLOUR_BAD), refusal,
               terminal_colour(COLOUR_NONE));
    putchar('\n');
    for (size_t i = 0; i < json_array_size(notes); i++) {
        const json_t *note = json_array_get(notes, i);
        printf("               %s: %s\n", ctl_string(note, "room"), ctl_string(note, "text"));
    }
}

static int explain(const struct ctl *ctl, json_t *parameters, void *userdata)
{
    const json_t *pod = json_object_get(parameters, "pod");

    (void)userdata;
    if (ctl->json) {
        ctl_print_json(pod, false);
        return 0;
    }
    plain_json(parameters, false);
    printf("%spod %s/%s%s\n", terminal_colour(COLOUR_TITLE), ctl_string(pod, "namespace"),
           ctl_string(pod, "name"), terminal_colour(COLOUR_NONE));
    printf("  UID        %s\n", ctl_string(pod, "uid"));
    print_state(pod);
    printf("  restarts   %" PRId64 "\n", ctl_number(pod, "restarts"));
    print_qos(pod);
    if (ctl_string(pod, "endedBy")[0])
        printf("  ended by   container \"%s\"\n", ctl_string(pod, "endedBy"));
    print_runs(pod);
    print_record("launched", json_object_get(pod, "passed"));
    print_record("refused", json_object_get(pod, "refused"));
    return 0;
}

int ctl_explain(const struct ctl *ctl)
{
    return ctl_call(ctl, "io.gantry.Node.Explain", json_pack("{s:s}", "pod", ctl->argument), false,
                    explain, NULL);
}

static int told_reset(const struct ctl *ctl, json_t *parameters, void *userdata)
{
    const json_t *pod = json_object_get(parameters, "pod");

    (void)userdata;
    if (ctl->json) {
        ctl_print_json(pod, false);
        return 0;
    }
    plain_json(parameters, false);
    printf("pod %s/%s: the next restart goes at once\n", ctl_string(pod, "namespace"),
           ctl_string(pod, "name"));
    return 0;
}

int ctl_reset(const struct ctl *ctl)
{
    return ctl_call(ctl, "io.gantry.Node.Reset", json_pack("{s:s}", "pod", ctl->argument), false,
                    told_reset, NULL);
}
