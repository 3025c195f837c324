/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/unit/volumes.h"

#include <stdio.h>

#include "daemon/amend/rooms.h"
#include "tests/unit/launches.h"

#define WORDS_MAX 4

/* Reads "word word, word word" into a list of what `make` makes of each part. */
static json_t *read_list(const char *text, json_t *(*make)(char **words))
{
    CLEANUP(freep) char *copy = strdup(text);
    char *rest = copy;
    json_t *list = json_array();

    for (char *part; (part = strsep(&rest, ","));) {
        char *words[WORDS_MAX + 1] = {NULL};
        size_t n = 0;
        for (char *word; n < WORDS_MAX && (word = strsep(&part, " "));) {
            if (*word)
                words[n++] = word;
        }
        if (n > 0)
            json_array_append_new(list, make(words));
    }
    return list;
}

/* The word of that beginning. Return: what follows it, or NULL. */
static const char *option(char **words, const char *beginning)
{
    for (size_t i = 1; words[i]; i++) {
        if (strncmp(words[i], beginning, strlen(beginning)) == 0)
            return words[i] + strlen(beginning);
    }
    return NULL;
}

static json_t *make_point(char **words)
{
    json_t *point = json_pack("{s:s, s:s}", "name", words[0], "path", words[1]);

    if (option(words, "ro"))
        json_object_set_new(point, "readOnly", json_true());
    return point;
}

static json_t *make_volume(char **words)
{
    json_t *volume =
        json_pack("{s:s, s:s, s:s}", "name", words[0], "kind", "host", "source", words[1]);

    if (option(words, "ro") || option(words, "rw"))
        json_object_set_new(volume, "readOnly", json_boolean(option(words, "ro") != NULL));
    return volume;
}

static json_t *make_spec_mount(char **words)
{
    json_t *mount = json_pack("{s:s, s:s}", "name", words[0], "mountPath", words[1]);

    if (option(words, "ro"))
        json_object_set_new(mount, "readOnly", json_true());
    if (option(words, "sub="))
        json_object_set_new(mount, "subPath", json_string(option(words, "sub=")));
    return mount;
}

static json_t *make_spec_volume(char **words)
{
    json_t *volume = json_pack("{s:s}", "name", words[0]);

    if (option(words, "hostPath="))
        json_object_set_new(volume, "hostPath",
                            json_pack("{s:s}", "path", option(words, "hostPath=")));
    else
        json_object_set_new(volume, words[1], json_object());
    return volume;
}

/* Reads "web: ... | log: ..."; `make` gets name and list, which it consumes. */
static json_t *read_groups(const char *text, json_t *(*make_entry)(char **words),
                           json_t *(*make)(const char *name, json_t *list))
{
    CLEANUP(freep) char *copy = strdup(text);
    char *rest = copy;
    json_t *groups = json_array();

    for (char *group; (group = strsep(&rest, "|"));) {
        char *name = strsep(&group, ":");
        name += strspn(name, " ");
        json_array_append_new(groups, make(name, read_list(group, make_entry)));
    }
    return groups;
}

static json_t *make_app(const char *name, json_t *points)
{
    return json_pack("{s:s, s:{s:o}}", "name", name, "app", "mountPoints", points);
}

static json_t *make_container(const char *name, json_t *mounts)
{
    return json_pack("{s:s, s:o}", "name", name, "volumeMounts", mounts);
}

struct launch *launch_of(struct config *config, const char *points, const char *volumes)
{
    struct launch *launch = make_launch(config, "1", NULL);

    json_object_set_new(launch->manifest_json, "apps", read_groups(points, make_point, make_app));
    json_object_set_new(launch->manifest_json, "volumes", read_list(volumes, make_volume));
    remake_manifest(launch);
    return launch;
}

void tell(struct launch *launch, const char *mounts, const char *volumes)
{
    json_t *list =
        json_pack("{s:[{s:{s:s}, s:{s:o, s:o}}]}", "items", "metadata", "uid", launch->identity.uid,
                  "spec", "containers", read_groups(mounts, make_spec_mount, make_container),
                  "volumes", read_list(volumes, make_spec_volume));

    assert_int_equal(podspec_find(&launch->spec, list, launch->identity.uid, NULL), 0);
    assert_non_null(launch->spec);
    json_decref(list);
}

static void print_points(FILE *f, const struct manifest *manifest)
{
    for (size_t app = 0; app < manifest_n_apps(manifest); app++) {
        fprintf(f, "%s%s:", app > 0 ? " | " : "", manifest_app(manifest, app).name);
        for (size_t i = 0; i < manifest_n_mounts(manifest, app); i++) {
            struct manifest_mount mount = manifest_mount(manifest, app, i);
            fprintf(f, "%s %s %s%s", i > 0 ? "," : "", mount.volume, mount.path,
                    mount.read_only ? " ro" : "");
        }
    }
}

static void print_volumes(FILE *f, const struct manifest *manifest)
{
    for (size_t i = 0; i < manifest_n_volumes(manifest); i++) {
        struct manifest_volume volume = manifest_volume(manifest, i);
        fprintf(f, "%s%s %s%s", i > 0 ? ", " : "", volume.name, volume.source,
                volume.read_only ? " ro" : "");
    }
}

void becomes(const struct launch *launch, const char *points, const char *volumes)
{
    char text[2][1024] = {"", ""};

    FILE *f = fmemopen(text[0], sizeof(text[0]), "w");
    print_points(f, launch->manifest);
    fclose(f);
    f = fmemopen(text[1], sizeof(text[1]), "w");
    print_volumes(f, launch->manifest);
    fclose(f);
    assert_string_equal(text[0], points);
    assert_string_equal(text[1], volumes);
}

void is_for_part(const struct launch *launch, size_t index, const char *volume, const char *path)
{
    assert_true(index < launch->n_subpaths);
    assert_string_equal(launch->subpaths[index].volume, volume);
    assert_string_equal(launch->subpaths[index].path, path);
}

void is_untouched(struct launch *launch)
{
    assert_int_equal(amend_volumes(launch), 0);
    assert_false(manifest_is_edited(launch->manifest));
    assert_int_equal(launch->notes.n, 0);
    assert_int_equal(launch->n_subpaths, 0);
}

void is_refused(struct launch *launch, const char *message)
{
    assert_int_equal(amend_volumes(launch), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&launch->error), message);
}
