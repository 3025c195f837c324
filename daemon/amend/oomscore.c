/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Gap 9 of the rktnetes notes: the rkt runtime knows no QoS classes, so that a pod that asked for
 * nothing is as safe from the kernel's OOM killer as one with guarantees. Each app gets the score
 * that Kubernetes' rules give its container (contract section 4), as an isolator. One that the
 * image brings stays.
 *
 * rkt before 1.19 does not know the isolator, and stage1-fly does not heed it; what it says is seen
 * to once more when the apps run (daemon/scores.h). Where the kernel does not let a score be
 * lowered, rkt's stage1s go on without, so that it does no harm there.
 */

#include <errno.h>
#include <stdio.h>
#include <sys/sysinfo.h>

#include "daemon/amend/rooms.h"
#include "daemon/launch.h"

/* MemTotal, without /proc/meminfo, for whose other lines the kernel counts through all it has. */
static int64_t total_memory(void)
{
    struct sysinfo info;

    return sysinfo(&info) == 0 ? (int64_t)info.totalram * info.mem_unit : 0;
}

/* Return: 0, and the score that the app has now; one that is there is rkt's to judge. */
static int set_score(struct launch *launch, size_t app, const struct podspec_container *container,
                     int *scorep)
{
    *scorep = 0;
    if (manifest_has_isolator(launch->manifest, app, MANIFEST_OOM_SCORE_ADJ)) {
        manifest_oom_score_adj(launch->manifest, app, scorep);
        return 0;
    }
    *scorep = podspec_oom_score_adj(launch->spec, container, total_memory());
    return manifest_set_oom_score_adj(launch->manifest, app, *scorep);
}

/* Each app that the spec knows, with a word about it to `words`. */
static int set_scores(struct launch *launch, FILE *words)
{
    const char *separator = "";
    int r = 0;

    for (size_t i = 0; r == 0 && i < manifest_n_apps(launch->manifest); i++) {
        const char *name = manifest_app(launch->manifest, i).container;
        const struct podspec_container *container =
            name ? podspec_container(launch->spec, name) : NULL;
        int score;
        if (!container)
            continue;
        r = set_score(launch, i, container, &score);
        if (r == 0)
            r = pod_add_oom_score(launch->pod, name, score);
        fprintf(words, "%s%s %d", separator, name, score);
        separator = ", ";
    }
    return r;
}

int amend_oomscore(struct launch *launch)
{
    CLEANUP(freep) char *text = NULL;
    size_t size;

    if (!launch->spec)
        return 0;
    const char *qos = podspec_qos_name(podspec_qos(launch->spec));
    int r = pod_set_qos_class(launch->pod, qos);
    if (r < 0)
        return r;
    FILE *words = open_memstream(&text, &size);
    if (!words)
        return -errno;
    r = set_scores(launch, words);
    if (fclose(words) != 0)
        return -ENOMEM;
    return r == 0 ? launch_note(launch, "QoS class %s; OOM scores: %s", qos, text) : r;
}
