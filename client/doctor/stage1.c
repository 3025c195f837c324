/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The stage1s of the real rkt: the one for pods of the host's PID namespace, and one for all
 * others.
 */

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "client/doctor/doctor.h"

/* Of what `rkt image list` prints: enough for a thousand images and more. */
#define OUT_SIZE (256 * 1024)

#define DEFAULT_STAGE1 "coreos.com/rkt/stage1-coreos:1.30.0"

/* Those of rkt's store and those beside it, as they are told: "stage1-fly:1.30.0, stage1-x.aci". */
struct stage1s {
    char names[512];
    bool has_other; /* than stage1-fly */
};

static void add(struct stage1s *stage1s, const char *name)
{
    size_t length = strlen(stage1s->names);

    snprintf(stage1s->names + length, sizeof(stage1s->names) - length, "%s%s",
             length > 0 ? ", " : "", name);
    if (strncmp(name, "stage1-fly", strlen("stage1-fly")) != 0)
        stage1s->has_other = true;
}

/* From what `rkt image list` prints. */
static void add_stored(struct stage1s *stage1s, char *out)
{
    char *state = NULL;

    for (char *word = strtok_r(out, " \t\n", &state); word;
         word = strtok_r(NULL, " \t\n", &state)) {
        const char *name = strstr(word, "/stage1-");
        if (name)
            add(stage1s, name + 1);
    }
}

static void add_files_of(struct stage1s *stage1s, const char *folder, int length)
{
    CLEANUP(freep) char *pattern = NULL;
    glob_t found = {0};

    if (asprintf(&pattern, "%.*s/stage1-*.aci", length, folder) < 0) {
        pattern = NULL;
        return;
    }
    glob(pattern, 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++)
        add(stage1s, strrchr(found.gl_pathv[i], '/') + 1);
    globfree(&found);
}

/* rkt takes its default stage1 from a file into the store only when a pod first needs it. The file
 * is where packages of rkt put it, or beside rkt, as in rkt's own releases. */
static void add_files(struct stage1s *stage1s, const struct doctor *doctor)
{
    const char *rkt = doctor->config->rkt.path, *slash = strrchr(rkt, '/');
    char folder[256];

    int length = snprintf(folder, sizeof(folder), "%s/lib/rkt/stage1-images", doctor->usr);
    add_files_of(stage1s, folder, length);
    if (slash)
        add_files_of(stage1s, rkt, (int)(slash - rkt));
}

static void judge(const struct doctor *doctor, const struct stage1s *stage1s, bool has_fly,
                  struct finding *finding)
{
    const struct config *config = doctor->config;
    const char *names = stage1s->names[0] ? stage1s->names : "no stage1";
    const char *missing = stage1s->has_other ? config->namespaces.stage1_fly : DEFAULT_STAGE1;

    if (stage1s->has_other && has_fly) {
        finding_set(finding, FINDING_OK, "rkt has %s", names);
        return;
    }
    if (stage1s->has_other)
        finding_set(finding, FINDING_WARNING,
                    "rkt does not have %s: hostPID of pods will not work; it has %s", missing,
                    names);
    else
        finding_set(finding, FINDING_WARNING,
                    "rkt has %s, and none was found for pods without hostPID", names);
    finding_advise(finding,
                   "fetch it by name: %s --dir=%s fetch %s; or the file of it in rkt's release, "
                   "with --insecure-options=image",
                   config->rkt.path, config->rkt.data_dir, missing);
}

void doctor_stage1(struct doctor *doctor, struct finding *finding)
{
    char *rkt = doctor->config->rkt.path, *name = doctor->config->namespaces.stage1_fly;
    CLEANUP(freep) char *dir_option = NULL, *out = malloc(OUT_SIZE);
    struct stage1s stage1s = {0};

    if (!out || asprintf(&dir_option, "--dir=%s", doctor->config->rkt.data_dir) < 0) {
        dir_option = NULL;
        return;
    }
    char *find[] = {rkt, dir_option, "image", "cat-manifest", name, NULL};
    char *list[] = {rkt, dir_option, "image", "list", "--no-legend", "--full", NULL};
    if (geteuid() != 0) {
        finding_set(finding, FINDING_UNKNOWN, "only root may look into rkt's store");
        finding_advise(finding, AS_ROOT);
        return;
    }
    int r = doctor_run(list, out, OUT_SIZE);
    if (r != 0) {
        finding_set(finding, FINDING_UNKNOWN, "rkt cannot be asked: %s",
                    r < 0 ? strerror(-r) : "`image list` fails");
        finding_advise(finding, "see what it says: %s image list", rkt);
        return;
    }
    add_stored(&stage1s, out);
    add_files(&stage1s, doctor);
    judge(doctor, &stage1s, doctor_run(find, out, OUT_SIZE) == 0, finding);
}
