/* SPDX-License-Identifier: Apache-2.0 */
#include "contrib/rkt-standin/check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "contrib/rkt-standin/util.h"

typedef int check_fn(const json_t *value, struct error *error);

static int refuse_type(const char *what, struct error *error)
{
    return error_set(error, FAILED, "json: cannot unmarshal the value of \"%s\"", what);
}

/* Checks each element of a member that is a list; null is as good as nothing. */
static int check_list(const json_t *object, const char *key, check_fn *check, struct error *error)
{
    const json_t *list = json_object_get(object, key), *element;
    int r = 0;
    size_t i;

    if (list && !json_is_null(list) && !json_is_array(list))
        return refuse_type(key, error);
    json_array_foreach(list, i, element)
    {
        if (r == 0 && check)
            r = check(element, error);
    }
    return r;
}

/* No two elements of a list may have one name. */
static int check_unique(const json_t *object, const char *key, const char *complaint,
                        struct error *error)
{
    const json_t *list = json_object_get(object, key), *element;
    size_t i;

    json_array_foreach(list, i, element)
    {
        const char *name = json_text(element, "name");
        for (size_t other = 0; other < i; other++) {
            if (strcmp(name, json_text(json_array_get(list, other), "name")) == 0)
                return error_set(error, FAILED, "%s \"%s\"", complaint, name);
        }
    }
    return 0;
}

static int check_name(const json_t *object, struct error *error)
{
    const char *name = json_text(object, "name");
    size_t length = strlen(name);

    if (length == 0)
        return error_set(error, FAILED, "ACName cannot be empty");
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
        return error_set(error, FAILED,
                         "ACName must contain only lower case alphanumeric characters plus \"-\"");
    if (name[0] == '-' || name[length - 1] == '-')
        return error_set(error, FAILED,
                         "ACName must start and end with only lower case alphanumeric characters");
    return 0;
}

static int check_identifier(const char *name, struct error *error)
{
    static const char inner[] = "-._~/", all[] = "abcdefghijklmnopqrstuvwxyz0123456789-._~/";
    size_t length = strlen(name);

    if (length == 0)
        return error_set(error, FAILED, "ACIdentifier cannot be empty");
    if (strspn(name, all) != length)
        return error_set(error, FAILED,
                         "ACIdentifier must contain only lower case alphanumeric characters plus "
                         "\"%s\"",
                         inner);
    if (strchr(inner, name[0]) || strchr(inner, name[length - 1]))
        return error_set(error, FAILED,
                         "ACIdentifier must start and end with only lower case alphanumeric "
                         "characters");
    return 0;
}

static int check_annotation(const json_t *annotation, struct error *error)
{
    if (!json_is_string(json_object_get(annotation, "value")))
        return refuse_type("annotations", error);
    return check_identifier(json_text(annotation, "name"), error);
}

static int check_annotations(const json_t *object, struct error *error)
{
    int r = check_list(object, "annotations", check_annotation, error);

    return r != 0 ? r : check_unique(object, "annotations", "duplicate annotations of name", error);
}

static int check_set(const json_t *value, struct error *error)
{
    if (json_array_size(json_object_get(value, "set")) == 0)
        return error_set(error, FAILED, "set must be non-empty");
    return 0;
}

static int check_score(const json_t *value, struct error *error)
{
    json_int_t score = json_integer_value(value);

    if (!json_is_integer(value))
        return refuse_type("isolators", error);
    if (score < -1000 || score > 1000)
        return error_set(error, FAILED,
                         "os/linux/oom-score-adj must be between -1000 and 1000, got %lld",
                         (long long)score);
    return 0;
}

static int check_bool(const json_t *value, struct error *error)
{
    return json_is_boolean(value) ? 0 : refuse_type("isolators", error);
}

static int check_isolator(const json_t *isolator, struct error *error)
{
    static const char linux_prefix[] = "os/linux/";
    static const struct {
        const char *name;
        check_fn *check;
    } known[] = {
        {"capabilities-retain-set", check_set},
        {"capabilities-remove-set", check_set},
        {"seccomp-retain-set", check_set},
        {"seccomp-remove-set", check_set},
        {"no-new-privileges", check_bool},
        {"oom-score-adj", check_score},
        {"selinux-context", NULL},
        {"cpu-shares", NULL},
    };
    const char *name = json_text(isolator, "name");

    if (strncmp(name, linux_prefix, strlen(linux_prefix)) != 0)
        return 0;
    for (size_t i = 0; i < N_ELEMENTS(known); i++) {
        if (strcmp(known[i].name, name + strlen(linux_prefix)) == 0)
            return known[i].check ? known[i].check(json_object_get(isolator, "value"), error) : 0;
    }
    return error_set(error, FAILED, "invalid isolator");
}

static int check_app(const json_t *app, struct error *error)
{
    const char *directory = json_text(app, "workingDirectory");

    if (json_text(app, "user")[0] == '\0')
        return error_set(error, FAILED, "user is required");
    if (json_text(app, "group")[0] == '\0')
        return error_set(error, FAILED, "group is required");
    if (directory[0] != '\0' && directory[0] != '/')
        return error_set(error, FAILED, "workingDirectory must be an absolute path");
    int r = check_list(app, "exec", NULL, error);
    if (r == 0)
        r = check_list(app, "mountPoints", check_name, error);
    if (r == 0)
        r = check_list(app, "isolators", check_isolator, error);
    if (r == 0)
        r = check_list(app, "environment", NULL, error);
    if (r == 0)
        r = check_unique(app, "environment", "duplicate environment variable of name", error);
    return r;
}

static int check_image(const json_t *app, struct error *error)
{
    const char *id = json_text(json_object_get(app, "image"), "id");
    const char *dash = strchr(id, '-');

    if (id[0] == '\0')
        return error_set(error, FAILED, "no image ID for app \"%s\"", json_text(app, "name"));
    if (!dash || strchr(dash + 1, '-'))
        return error_set(error, FAILED, "badly formatted hash string");
    if (strncmp(id, "sha512-", strlen("sha512-")) != 0)
        return error_set(error, FAILED, "unrecognized hash type: %.*s", (int)(dash - id), id);
    return 0;
}

static int check_runtime_app(const json_t *app, struct error *error)
{
    int r = check_name(app, error);

    if (r == 0 && json_object_get(app, "app"))
        r = check_app(json_object_get(app, "app"), error);
    if (r == 0)
        r = check_annotations(app, error);
    return r != 0 ? r : check_image(app, error);
}

static int check_host_volume(const json_t *volume, struct error *error)
{
    static const char *const of_empty[] = {"mode", "uid", "gid"};
    const char *source = json_text(volume, "source");

    if (source[0] == '\0')
        return error_set(error, FAILED, "source for host volume cannot be empty");
    if (source[0] != '/')
        return error_set(error, FAILED, "source for host volume must be absolute path");
    for (size_t i = 0; i < N_ELEMENTS(of_empty); i++) {
        const json_t *value = json_object_get(volume, of_empty[i]);
        if (value && !json_is_null(value))
            return error_set(error, FAILED, "%s for host volume cannot be set", of_empty[i]);
    }
    return 0;
}

static int check_volume(const json_t *volume, struct error *error)
{
    const char *kind = json_text(volume, "kind");

    int r = check_name(volume, error);
    if (r != 0)
        return r;
    if (strcmp(kind, "host") == 0)
        return check_host_volume(volume, error);
    if (strcmp(kind, "empty") != 0)
        return error_set(error, FAILED,
                         "unrecognized volume kind: should be one of \"empty\", \"host\"");
    if (json_text(volume, "source")[0] != '\0')
        return error_set(error, FAILED, "source for empty volume must be empty");
    return 0;
}

static int check_head(const json_t *manifest, struct error *error)
{
    const char *kind = json_text(manifest, "acKind"), *version = json_text(manifest, "acVersion");
    unsigned part;

    if (!json_is_object(manifest))
        return refuse_type("the manifest", error);
    if (kind[0] == '\0')
        return error_set(error, FAILED, "missing or bad ACKind (must be \"PodManifest\")");
    if (strcmp(kind, "PodManifest") != 0)
        return error_set(error, FAILED, "bad ACKind: %s", kind);
    if (version[0] && sscanf(version, "%u.%u.%u", &part, &part, &part) != 3)
        return error_set(error, FAILED, "SemVer is bad");
    return 0;
}

int manifest_check(const json_t *manifest, struct error *error)
{
    int r = check_head(manifest, error);

    if (r == 0)
        r = check_list(manifest, "apps", check_runtime_app, error);
    if (r == 0)
        r = check_list(manifest, "volumes", check_volume, error);
    if (r == 0)
        r = check_unique(manifest, "apps", "duplicate apps of name", error);
    if (r == 0)
        r = check_unique(manifest, "volumes", "duplicate volume name", error);
    return r != 0 ? r : check_annotations(manifest, error);
}

static unsigned count_ports(const json_t *manifest, const char *name)
{
    const json_t *app, *port;
    unsigned n = 0;
    size_t i, j;

    json_array_foreach(json_object_get(manifest, "apps"), i, app)
    {
        json_array_foreach(json_object_get(json_object_get(app, "app"), "ports"), j, port)
        {
            n += strcmp(json_text(port, "name"), name) == 0;
        }
    }
    return n;
}

int manifest_check_ports(const json_t *manifest, struct error *error)
{
    const json_t *port;
    size_t i;

    json_array_foreach(json_object_get(manifest, "ports"), i, port)
    {
        const char *name = json_text(port, "name");
        unsigned n = json_object_get(port, "podPort") ? 1 : count_ports(manifest, name);
        if (n != 1)
            return error_set(error, FAILED,
                             n == 0 ? "port name \"%s\" could not be found in any apps"
                                    : "port name \"%s\" defined multiple apps",
                             name);
    }
    return 0;
}
