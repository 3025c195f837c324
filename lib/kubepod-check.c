/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What of a Kubernetes Pod rkt can honour: a list of members for each kind of object, and what has
 * to hold between them. A null is a member that is not there, as Go writes it.
 */

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/bounds.h"
#include "lib/expansion.h"
#include "lib/kubepod.h"
#include "lib/path.h"
#include "lib/podspec.h"

/* Faults are told up to here; a pod with more is no pod. */
#define FAULTS_MAX 64

enum type {
    STRING = 1,
    BOOLEAN,
    INTEGER,
    OBJECT,       /* of `members` */
    OBJECTS,      /* a list of those */
    STRINGS,      /* a list of strings */
    STRING_TABLE, /* an object of strings */
};

struct member {
    const char *name;
    enum type type;
    const struct member *members;
};

static const struct member amounts[] = {{"cpu", STRING, NULL}, {"memory", STRING, NULL}, {0}};

static const struct member resources[] = {
    {"limits", OBJECT, amounts}, {"requests", OBJECT, amounts}, {0}};

static const struct member capabilities[] = {{"add", STRINGS, NULL}, {"drop", STRINGS, NULL}, {0}};

static const struct member security[] = {
    {"privileged", BOOLEAN, NULL},
    {"runAsUser", INTEGER, NULL},
    {"capabilities", OBJECT, capabilities},
    {"readOnlyRootFilesystem", BOOLEAN, NULL},
    {0},
};

static const struct member variable[] = {{"name", STRING, NULL}, {"value", STRING, NULL}, {0}};

static const struct member mount[] = {
    {"name", STRING, NULL},
    {"mountPath", STRING, NULL},
    {"readOnly", BOOLEAN, NULL},
    {"subPath", STRING, NULL},
    {0},
};

static const struct member port[] = {
    {"name", STRING, NULL},
    {"containerPort", INTEGER, NULL},
    {"hostPort", INTEGER, NULL},
    {"protocol", STRING, NULL},
    {0},
};

static const struct member container[] = {
    {"name", STRING, NULL},
    {"image", STRING, NULL},
    {"imagePullPolicy", STRING, NULL},
    {"command", STRINGS, NULL},
    {"args", STRINGS, NULL},
    {"env", OBJECTS, variable},
    {"workingDir", STRING, NULL},
    {"resources", OBJECT, resources},
    {"securityContext", OBJECT, security},
    {"volumeMounts", OBJECTS, mount},
    {"ports", OBJECTS, port},
    {0},
};

static const struct member nothing[] = {{0}};

static const struct member host_path[] = {{"path", STRING, NULL}, {"type", STRING, NULL}, {0}};

static const struct member volume[] = {
    {"name", STRING, NULL}, {"hostPath", OBJECT, host_path}, {"emptyDir", OBJECT, nothing}, {0}};

static const struct member spec[] = {
    {"containers", OBJECTS, container},
    {"volumes", OBJECTS, volume},
    {"hostNetwork", BOOLEAN, NULL},
    {"hostPID", BOOLEAN, NULL},
    {"hostIPC", BOOLEAN, NULL},
    {"hostname", STRING, NULL},
    {"restartPolicy", STRING, NULL},
    {"terminationGracePeriodSeconds", INTEGER, NULL},
    {0},
};

static const struct member metadata[] = {
    {"name", STRING, NULL},
    {"namespace", STRING, NULL},
    {"labels", STRING_TABLE, NULL},
    {"annotations", STRING_TABLE, NULL},
    {0},
};

static const struct member top[] = {
    {"apiVersion", STRING, NULL},
    {"kind", STRING, NULL},
    {"metadata", OBJECT, metadata},
    {"spec", OBJECT, spec},
    {0},
};

/* Where we are in the pod: a chain of places, outermost last. */
struct place {
    const struct place *in;
    const char *name; /* NULL: an entry of a list */
    size_t index;
};

static void print_place(FILE *f, const struct place *place)
{
    if (place->in)
        print_place(f, place->in);
    if (!place->name)
        fprintf(f, "[%zu]", place->index);
    else
        fprintf(f, "%s%s", place->in ? "." : "", place->name);
}

static void PRINTF(3, 4) fault(json_t *faults, const struct place *place, const char *format, ...)
{
    CLEANUP(freep) char *text = NULL;
    size_t size;
    va_list args;

    FILE *f = json_array_size(faults) < FAULTS_MAX ? open_memstream(&text, &size) : NULL;
    if (!f)
        return;
    print_place(f, place);
    fputs(": ", f);
    va_start(args, format);
    vfprintf(f, format, args);
    va_end(args);
    fclose(f);
    /* A name may hold a NUL: what is behind it is not shown. */
    json_array_append_new(faults, json_string(text));
}

static bool is_text(const json_t *value)
{
    return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
}

static void check_members(json_t *faults, const struct place *in, json_t *object,
                          const struct member *members);

static void check_list(json_t *faults, const struct place *place, const json_t *list,
                       const struct member *members)
{
    const json_t *value;
    size_t i;

    json_array_foreach(list, i, value)
    {
        struct place entry = {place, NULL, i};
        if (members && json_is_object(value))
            check_members(faults, &entry, (json_t *)value, members);
        else if (members)
            fault(faults, &entry, "not an object");
        else if (!is_text(value))
            fault(faults, &entry, "not a string");
    }
}

static void check_table(json_t *faults, const struct place *place, json_t *object)
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        struct place entry = {place, name, 0};
        if (!is_text(value))
            fault(faults, &entry, "not a string");
    }
}

static void check_type(json_t *faults, const struct place *place, json_t *value,
                       const struct member *member)
{
    static const char *const words[] = {
        [STRING] = "not a string",        [BOOLEAN] = "neither true nor false",
        [INTEGER] = "not a number",       [OBJECT] = "not an object",
        [OBJECTS] = "not a list",         [STRINGS] = "not a list",
        [STRING_TABLE] = "not an object",
    };
    const bool is_right[] = {
        [STRING] = is_text(value),
        [BOOLEAN] = json_is_boolean(value),
        [INTEGER] = json_is_integer(value),
        [OBJECT] = json_is_object(value),
        [OBJECTS] = json_is_array(value),
        [STRINGS] = json_is_array(value),
        [STRING_TABLE] = json_is_object(value),
    };

    if (!is_right[member->type])
        fault(faults, place, "%s", words[member->type]);
    else if (member->type == OBJECT)
        check_members(faults, place, value, member->members);
    else if (member->type == OBJECTS || member->type == STRINGS)
        check_list(faults, place, value, member->members);
    else if (member->type == STRING_TABLE)
        check_table(faults, place, value);
}

static void check_members(json_t *faults, const struct place *in, json_t *object,
                          const struct member *members)
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        struct place place = {in, name, 0};
        const struct member *member = members;
        while (member->name && strcmp(member->name, name) != 0)
            member++;
        if (json_is_null(value))
            continue;
        if (!member->name)
            fault(faults, &place, "rkt cannot honour it");
        else
            check_type(faults, &place, value, member);
    }
}

/* Kubernetes takes a quantity as a number, too, and writes it as a string from there on. */

static const char *const resource_names[] = {"cpu", "memory"};
static const char *const resource_kinds[] = {"requests", "limits"};

static void tidy_amounts(json_t *object)
{
    for (size_t i = 0; i < N_ELEMENTS(resource_names); i++) {
        const json_t *value = json_object_get(object, resource_names[i]);
        CLEANUP(freep)
        char *number = json_is_number(value)
                           ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))
                           : NULL;
        if (number)
            json_object_set_new(object, resource_names[i], json_string(number));
    }
}

static void tidy_quantities(const json_t *pod)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(json_object_get(pod, "spec"), "containers"), i, entry)
    {
        for (size_t k = 0; k < N_ELEMENTS(resource_kinds); k++)
            tidy_amounts(json_object_get(json_object_get(entry, "resources"), resource_kinds[k]));
    }
}

/* The values: only looked at when all of them are of their types. */

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value ? value : "";
}

bool kubepod_is_label(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return length > 0 && length <= 63 && name[length] == '\0' && name[0] != '-' &&
           name[length - 1] != '-';
}

static void check_label(json_t *faults, const struct place *in, const json_t *object,
                        const char *name, bool is_needed)
{
    struct place place = {in, name, 0};
    const char *value = text(object, name);

    if (value[0] == '\0' && is_needed)
        fault(faults, &place, "is missing");
    else if (value[0] != '\0' && !kubepod_is_label(value))
        fault(faults, &place, "\"%s\" is not a DNS label", value);
}

static void check_word(json_t *faults, const struct place *in, const json_t *object,
                       const char *name, const char *const *words)
{
    struct place place = {in, name, 0};
    const char *value = text(object, name);

    while (*words && strcmp(*words, value) != 0)
        words++;
    if (value[0] != '\0' && !*words)
        fault(faults, &place, "there is no \"%s\"", value);
}

static void check_number(json_t *faults, const struct place *in, const json_t *object,
                         const char *name, json_int_t max)
{
    struct place place = {in, name, 0};
    json_int_t value = json_integer_value(json_object_get(object, name));

    if (value < 0 || value > max)
        fault(faults, &place, "out of range");
}

/* Names in a list are used once. */
static void check_names(json_t *faults, const struct place *in, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct place entry = {in, NULL, i};
        const json_t *object = json_array_get(list, i);
        check_label(faults, &entry, object, "name", true);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(text(object, "name"), text(json_array_get(list, k), "name")) == 0) {
                fault(faults, &(struct place){&entry, "name", 0}, "another one has it");
                break;
            }
        }
    }
}

static void check_path(json_t *faults, const struct place *in, const json_t *object,
                       const char *name)
{
    struct place place = {in, name, 0};

    if (text(object, name)[0] != '/')
        fault(faults, &place, "not an absolute path");
}

/* Return: false if there is none, or it is at fault. */
static bool check_quantity(json_t *faults, const struct place *in, const json_t *object,
                           const char *name, int64_t *quantityp)
{
    struct place place = {in, name, 0};
    const char *value = text(object, name);
    int64_t scale = strcmp(name, "cpu") == 0 ? 1000 : 1;

    if (!json_object_get(object, name))
        return false;
    if (!podspec_quantity(value, scale, quantityp))
        fault(faults, &place, "\"%s\" is not a quantity", value);
    else if (value[0] == '-')
        fault(faults, &place, "less than nothing");
    else
        return true;
    return false;
}

static void check_resources(json_t *faults, const struct place *in, const json_t *object)
{
    struct place place = {in, "resources", 0}, requests = {&place, "requests", 0},
                 limits = {&place, "limits", 0};

    for (size_t i = 0; i < N_ELEMENTS(resource_names); i++) {
        const char *name = resource_names[i];
        int64_t request, limit;
        bool has_request =
            check_quantity(faults, &requests, json_object_get(object, "requests"), name, &request);
        bool has_limit =
            check_quantity(faults, &limits, json_object_get(object, "limits"), name, &limit);
        if (has_request && has_limit && request > limit)
            fault(faults, &(struct place){&requests, name, 0}, "more than its limit");
    }
}

static bool has_volume(const json_t *volumes, const char *name)
{
    for (size_t i = 0; i < json_array_size(volumes); i++) {
        if (strcmp(text(json_array_get(volumes, i), "name"), name) == 0)
            return true;
    }
    return false;
}

/* Return: whether the path is among those that were taken before. It is now. */
static bool is_taken(json_t *paths, const char *path)
{
    CLEANUP(freep) char *normal = path_normal(path);

    if (!normal)
        return false;
    return json_object_get(paths, normal) || json_object_set_new(paths, normal, json_true()) < 0;
}

static void check_mounts(json_t *faults, const struct place *in, const json_t *list,
                         const json_t *volumes)
{
    CLEANUP(json_decrefp) json_t *paths = json_object();
    struct place place = {in, "volumeMounts", 0};

    for (size_t i = 0; i < json_array_size(list); i++) {
        struct place entry = {&place, NULL, i};
        const json_t *object = json_array_get(list, i);
        if (!has_volume(volumes, text(object, "name")))
            fault(faults, &(struct place){&entry, "name", 0}, "there is no volume \"%s\"",
                  text(object, "name"));
        check_path(faults, &entry, object, "mountPath");
        if (is_taken(paths, text(object, "mountPath")))
            fault(faults, &(struct place){&entry, "mountPath", 0}, "another one is there");
    }
}

static void check_ports(json_t *faults, const struct place *in, const json_t *list)
{
    static const char *const protocols[] = {"TCP", "UDP", NULL};
    struct place place = {in, "ports", 0};

    for (size_t i = 0; i < json_array_size(list); i++) {
        struct place entry = {&place, NULL, i};
        const json_t *object = json_array_get(list, i);
        check_label(faults, &entry, object, "name", false);
        check_word(faults, &entry, object, "protocol", protocols);
        check_number(faults, &entry, object, "containerPort", 65535);
        check_number(faults, &entry, object, "hostPort", 65535);
        if (json_integer_value(json_object_get(object, "containerPort")) == 0)
            fault(faults, &(struct place){&entry, "containerPort", 0}, "is missing");
    }
}

static void check_env(json_t *faults, const struct place *in, const json_t *list)
{
    struct place place = {in, "env", 0};

    for (size_t i = 0; i < json_array_size(list); i++) {
        struct place entry = {&place, NULL, i};
        const char *name = text(json_array_get(list, i), "name");
        if (name[0] == '\0' || strchr(name, '=') || isdigit((unsigned char)name[0]))
            fault(faults, &(struct place){&entry, "name", 0}, "not a variable's name");
    }
}

static void check_container(json_t *faults, const struct place *in, const json_t *object,
                            const json_t *volumes)
{
    static const char *const pull_policies[] = {"Always", "IfNotPresent", "Never", NULL};

    if (text(object, "image")[0] == '\0')
        fault(faults, &(struct place){in, "image", 0}, "is missing");
    /* rkt takes options of an image also behind "--". */
    if (text(object, "image")[0] == '-')
        fault(faults, &(struct place){in, "image", 0}, "begins with \"-\"");
    check_word(faults, in, object, "imagePullPolicy", pull_policies);
    check_env(faults, in, json_object_get(object, "env"));
    check_mounts(faults, in, json_object_get(object, "volumeMounts"), volumes);
    check_ports(faults, in, json_object_get(object, "ports"));
    check_resources(faults, in, json_object_get(object, "resources"));
    struct place place = {in, "securityContext", 0};
    check_number(faults, &place, json_object_get(object, "securityContext"), "runAsUser",
                 INT32_MAX);
}

/* As it will be made with the image, so that what is too long is refused before it is fetched.
 * Return: whether what follows is to be looked at, too. */
static bool check_text(json_t *faults, const struct place *in, const json_t *object, size_t *leftp)
{
    static const char *const lists[] = {"command", "args"};
    CLEANUP(json_decrefp) json_t *variables = json_object(), *made = json_array();
    const char *name = "env";
    size_t index = 0;

    int r = expansion_set(variables, json_object_get(object, name), leftp, &index);
    for (size_t i = 0; r == 0 && i < N_ELEMENTS(lists); i++) {
        name = lists[i];
        r = expansion_make_list(made, json_object_get(object, name), variables, leftp, &index);
    }
    struct place place = {in, name, 0}, entry = {&place, NULL, index};
    if (r > 0)
        fault(faults, &entry,
              "with it, and what its variables stand for, the pod's commands, args and variables "
              "have more than %zu bytes",
              BOUND_TEXT);
    else if (r < 0)
        fault(faults, &entry, "%s", strerror(-r));
    return r == 0;
}

static void check_volume(json_t *faults, const struct place *in, const json_t *object)
{
    struct place place = {in, "hostPath", 0};
    const json_t *host = json_object_get(object, "hostPath");

    if (json_is_object(host) == json_is_object(json_object_get(object, "emptyDir")))
        fault(faults, in, "neither hostPath nor emptyDir, or both");
    else if (json_is_object(host))
        check_path(faults, &place, host, "path");
}

static void check_values(json_t *faults, const json_t *pod)
{
    static const char *const versions[] = {"v1", NULL};
    static const char *const policies[] = {"Always", "OnFailure", "Never", NULL};
    static const struct place metadata_place = {NULL, "metadata", 0},
                              spec_place = {NULL, "spec", 0};
    static const struct place volumes_place = {&spec_place, "volumes", 0},
                              containers_place = {&spec_place, "containers", 0};
    const json_t *meta = json_object_get(pod, "metadata"), *body = json_object_get(pod, "spec");
    const json_t *volumes = json_object_get(body, "volumes");
    const json_t *containers = json_object_get(body, "containers");
    CLEANUP(error_deinit) struct error error = ERROR_NULL;

    if (podspec_check_size(pod, &error) != 0) {
        fault(faults, &spec_place, "%s", error_message(&error));
        return;
    }
    check_word(faults, NULL, pod, "apiVersion", versions);
    check_label(faults, &metadata_place, meta, "name", true);
    check_label(faults, &metadata_place, meta, "namespace", false);
    check_label(faults, &spec_place, body, "hostname", false);
    check_word(faults, &spec_place, body, "restartPolicy", policies);
    check_number(faults, &spec_place, body, "terminationGracePeriodSeconds", INT32_MAX);
    check_names(faults, &volumes_place, volumes);
    check_names(faults, &containers_place, containers);
    if (json_array_size(containers) == 0)
        fault(faults, &containers_place, "there is none");
    for (size_t i = 0; i < json_array_size(containers); i++)
        check_container(faults, &(struct place){&containers_place, NULL, i},
                        json_array_get(containers, i), volumes);
    size_t n_left = BOUND_TEXT;
    for (size_t i = 0; i < json_array_size(containers); i++) {
        if (!check_text(faults, &(struct place){&containers_place, NULL, i},
                        json_array_get(containers, i), &n_left))
            break;
    }
    for (size_t i = 0; i < json_array_size(volumes); i++)
        check_volume(faults, &(struct place){&volumes_place, NULL, i}, json_array_get(volumes, i));
}

bool kubepod_is_pod(const json_t *json)
{
    return strcmp(text(json, "kind"), "Pod") == 0;
}

int kubepod_check(json_t *pod, json_t **faultsp)
{
    json_t *faults = json_array();

    if (!faults)
        return -ENOMEM;
    tidy_quantities(pod);
    check_members(faults, NULL, pod, top);
    if (json_array_size(faults) == 0)
        check_values(faults, pod);
    if (json_array_size(faults) > 0) {
        *faultsp = faults;
        return KUBEPOD_E_FAULTS;
    }
    json_decref(faults);
    return 0;
}
