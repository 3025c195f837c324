/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Pods without a kubelet: gantryctl run.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/ctl.h"
#include "client/plain.h"

/* The last reply has no step. */
static int tell_step(const struct ctl *ctl, json_t *parameters, void *userdata)
{
    bool *has_begun = userdata;

    *has_begun = true;
    if (ctl->json) {
        ctl_print_json(parameters, true);
        return 0;
    }
    plain_json(parameters, false);
    if (ctl_string(parameters, "step")[0])
        printf("%s\n", ctl_string(parameters, "step"));
    fflush(stdout);
    return 0;
}

int ctl_call_steps(const struct ctl *ctl, const char *method, json_t *parameters)
{
    bool has_begun = false;
    int r = ctl_call(ctl, method, parameters, true, tell_step, &has_begun);

    if (r == EXIT_UNREACHABLE && has_begun)
        fprintf(stderr, "What was begun goes on when gantryd is there again: gantryctl list\n");
    return r;
}

/* "web" of "/srv/web.json", or an empty name. Return: to free(), NULL without memory. */
static char *name_of_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = strdup(slash ? slash + 1 : path);
    char *suffix = name ? strrchr(name, '.') : NULL;

    if (suffix && strcmp(suffix, ".json") == 0)
        *suffix = '\0';
    return name;
}

static bool is_policy(const char *text)
{
    return strcmp(text, "Always") == 0 || strcmp(text, "OnFailure") == 0 ||
           strcmp(text, "Never") == 0;
}

static int not_read(const struct ctl *ctl, const char *why)
{
    fprintf(stderr, "gantryctl: %s: %s\n", ctl->argument, why);
    return EXIT_FAILED;
}

/* Return: a new reference, or NULL and an exit status. */
static json_t *read_manifest(const struct ctl *ctl, FILE *f, int *statusp)
{
    json_error_t at;
    struct stat st;

    if (fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode)) {
        *statusp = not_read(ctl, strerror(EISDIR));
        return NULL;
    }
    json_t *manifest = json_loadf(f, 0, &at);
    if (!manifest) {
        fprintf(stderr,
                "gantryctl: %s: not JSON: line %d, column %d: %s\n"
                "Of YAML, kubectl makes it: kubectl convert --local -o json -f FILE\n",
                ctl->argument, at.line, at.column, at.text);
        *statusp = EXIT_FAILED;
    } else if (!json_is_object(manifest)) {
        json_decref(manifest);
        manifest = NULL;
        *statusp = not_read(ctl, "neither a Pod nor a PodManifest");
    }
    return manifest;
}

int ctl_run(const struct ctl *ctl)
{
    bool is_stdin = strcmp(ctl->argument, "-") == 0;
    CLEANUP(freep) char *name = is_stdin ? strdup("") : name_of_file(ctl->argument);
    int status = 0;

    if (ctl->restart && !is_policy(ctl->restart)) {
        fprintf(stderr, "gantryctl: --restart takes Always, OnFailure or Never, not %s\n",
                ctl->restart);
        return EXIT_USAGE;
    }
    FILE *f = is_stdin ? stdin : fopen(ctl->argument, "re");
    if (!f)
        return not_read(ctl, strerror(errno));
    json_t *manifest = read_manifest(ctl, f, &status);
    if (!is_stdin)
        fclose(f);
    if (!manifest)
        return status;
    json_t *parameters = json_pack("{s:o, s:s*, s:s*}", "manifest", manifest, "name",
                                   name && name[0] ? name : NULL, "restartPolicy", ctl->restart);
    return ctl_call_steps(ctl, "io.gantry.Node.Run", parameters);
}
