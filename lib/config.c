/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/config.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/users.h"

#define CONNECTIONS_MAX_DEFAULT 512

/* More than there are. */
#define KEYS_MAX 64

/* What a file's reading carries along. */
struct reading {
    struct config *config;
    enum config_scope scope;
    config_report_fn *report;
    void *userdata;
    bool invalid;
    bool out_of_memory;

    const char *file;
    FILE *stream;
    unsigned line;
    char *places[KEYS_MAX]; /* "file:line" of each key's last assignment; NULL: there is none */
};

static void report(struct reading *reading, bool is_warning, const char *format, ...) PRINTF(3, 4);

static void report(struct reading *reading, bool is_warning, const char *format, ...)
{
    char *message = NULL;
    va_list args;

    if (!is_warning)
        reading->invalid = true;
    if (!reading->report)
        return;
    va_start(args, format);
    int n = vasprintf(&message, format, args);
    va_end(args);
    if (n >= 0)
        reading->report(reading->userdata, is_warning, message);
    free(message);
}

/*
 * The kinds of values. Each parser gets the member that the table names, and returns 0, -EINVAL
 * (the value is not what the table says it must be) or -ENOMEM.
 */

static int replace_string(char **slot, const char *value)
{
    char *copy = strdup(value);

    if (!copy)
        return -ENOMEM;
    free(*slot);
    *slot = copy;
    return 0;
}

static int parse_path(void *member, const char *value)
{
    return value[0] == '/' ? replace_string(member, value) : -EINVAL;
}

/* "" is none. */
static int parse_optional_path(void *member, const char *value)
{
    return value[0] == '/' || value[0] == '\0' ? replace_string(member, value) : -EINVAL;
}

static int parse_url(void *member, const char *value)
{
    bool is_valid = value[0] == '\0' || (strncmp(value, "http://", 7) == 0 && value[7]) ||
                    (strncmp(value, "https://", 8) == 0 && value[8]);

    return is_valid ? replace_string(member, value) : -EINVAL;
}

static int parse_name(void *member, const char *value)
{
    return value[0] != '\0' ? replace_string(member, value) : -EINVAL;
}

static int parse_time(void *member, const char *value)
{
    return usec_parse(value, member) < 0 ? -EINVAL : 0;
}

static int parse_positive_time(void *member, const char *value)
{
    usec_t usec;

    if (usec_parse(value, &usec) < 0 || usec == 0)
        return -EINVAL;
    *(usec_t *)member = usec;
    return 0;
}

static int parse_bool(void *member, const char *value)
{
    static const char *const words[2][5] = {
        {"no", "false", "off", "0", "n"},
        {"yes", "true", "on", "1", "y"},
    };

    for (size_t truth = 0; truth < 2; truth++) {
        for (size_t i = 0; i < N_ELEMENTS(words[truth]); i++) {
            if (strcasecmp(value, words[truth][i]) == 0) {
                *(bool *)member = truth;
                return 0;
            }
        }
    }
    return -EINVAL;
}

static int parse_number(const char *value, int base, unsigned long max, unsigned long *numberp)
{
    char *end;

    errno = 0;
    unsigned long number = strtoul(value, &end, base);
    if (value[0] < '0' || value[0] > '9' || *end || errno || number > max)
        return -EINVAL;
    *numberp = number;
    return 0;
}

static int parse_count(void *member, const char *value)
{
    unsigned long number;

    if (parse_number(value, 10, 65536, &number) < 0 || number == 0)
        return -EINVAL;
    *(unsigned *)member = (unsigned)number;
    return 0;
}

static int parse_mode(void *member, const char *value)
{
    unsigned long number;

    if (parse_number(value, 8, 07777, &number) < 0)
        return -EINVAL;
    *(mode_t *)member = (mode_t)number;
    return 0;
}

static int parse_unsupported(void *member, const char *value)
{
    bool *refuse = member;

    *refuse = strcmp(value, "refuse") == 0;
    return *refuse || strcmp(value, "warn") == 0 ? 0 : -EINVAL;
}

static int parse_on_unreachable(void *member, const char *value)
{
    enum on_unreachable *slot = member;

    if (strcmp(value, "forward") == 0)
        *slot = ON_UNREACHABLE_FORWARD;
    else if (strcmp(value, "refuse") == 0)
        *slot = ON_UNREACHABLE_REFUSE;
    else
        return -EINVAL;
    return 0;
}

static int parse_user(const char *name, uid_t *uidp)
{
    unsigned long number;

    if (parse_number(name, 10, UINT32_MAX - 1, &number) == 0) {
        *uidp = (uid_t)number;
        return 0;
    }
    return user_find(name, uidp) < 0 ? -EINVAL : 0;
}

static int parse_group(const char *name, gid_t *gidp)
{
    unsigned long number;

    if (parse_number(name, 10, UINT32_MAX - 1, &number) == 0) {
        *gidp = (gid_t)number;
        return 0;
    }
    return group_find(name, gidp) < 0 ? -EINVAL : 0;
}

/* `member` is config.hostpath.uid; the group stands behind it. */
static int parse_owner(void *member, const char *value)
{
    struct config *config = container_of(member, struct config, hostpath.uid);
    CLEANUP(freep) char *copy = strdup(value);
    uid_t uid;
    gid_t gid;

    if (!copy)
        return -ENOMEM;
    char *group = copy, *user = strsep(&group, ":");
    if (!group || parse_user(user, &uid) < 0 || parse_group(group, &gid) < 0)
        return -EINVAL;
    config->hostpath.uid = uid;
    config->hostpath.gid = gid;
    return replace_string(&config->hostpath.owner, value);
}

/* Calls `add` for each word of a list. */
static int for_each_word(struct config *config, const char *value,
                         int (*add)(struct config *config, const char *word))
{
    CLEANUP(freep) char *copy = strdup(value);
    char *rest = copy;

    if (!copy)
        return -ENOMEM;
    for (char *word; (word = strsep(&rest, " \t"));) {
        int r = word[0] != '\0' ? add(config, word) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_user(struct config *config, const char *word)
{
    uid_t uid;

    if (parse_user(word, &uid) < 0)
        return -EINVAL;
    uid_t *users = reallocarray(config->daemon.users, config->daemon.n_users + 1, sizeof(*users));
    if (!users)
        return -ENOMEM;
    config->daemon.users = users;
    users[config->daemon.n_users++] = uid;
    return 0;
}

static int parse_users(void *member, const char *value)
{
    struct config *config = container_of(member, struct config, daemon.users);

    if (value[0] == '\0')
        config->daemon.n_users = 0;
    return for_each_word(config, value, add_user);
}

static int add_deny(struct config *config, const char *word)
{
    size_t n = config->hostpath.n_deny;

    if (word[0] != '/')
        return -EINVAL;
    char **deny = reallocarray(config->hostpath.deny, n + 2, sizeof(*deny));
    if (!deny)
        return -ENOMEM;
    config->hostpath.deny = deny;
    deny[n] = strdup(word);
    if (!deny[n])
        return -ENOMEM;
    config->hostpath.n_deny++;
    deny[n + 1] = NULL;
    return 0;
}

/* Where a volume's folder has no business, whatever the configuration says. */
static const char *const built_in_deny[] = {
    "/proc", "/sys", "/dev", RUNSTATEDIR "/gantry", SYSCONFDIR "/gantry", LIBEXECDIR "/gantry",
};

static int parse_deny(void *member, const char *value)
{
    struct config *config = container_of(member, struct config, hostpath.deny);

    while (value[0] == '\0' && config->hostpath.n_deny > N_ELEMENTS(built_in_deny)) {
        free(config->hostpath.deny[--config->hostpath.n_deny]);
        config->hostpath.deny[config->hostpath.n_deny] = NULL;
    }
    return for_each_word(config, value, add_deny);
}

/* Every key there is. */
static const struct key {
    const char *section;
    const char *name;
    int (*parse)(void *member, const char *value);
    size_t offset;
    const char *expected;
    bool for_client;
} keys[] = {
#define MEMBER(member) offsetof(struct config, member)
    {"Daemon", "Socket", parse_path, MEMBER(daemon.socket), "an absolute path", true},
    {"Daemon", "AllowUsers", parse_users, MEMBER(daemon.users),
     "names or numbers of users that exist", false},
    {"Daemon", "ConnectionsMax", parse_count, MEMBER(daemon.n_connections_max),
     "a number from 1 to 65536", false},
    {"Rkt", "Path", parse_path, MEMBER(rkt.path), "an absolute path", true},
    {"Rkt", "DataDirectory", parse_path, MEMBER(rkt.data_dir), "an absolute path", true},
    {"Launch", "RequestTimeout", parse_positive_time, MEMBER(launch.request_timeout),
     "a time above zero, such as 5s", true},
    {"Launch", "OnUnreachable", parse_on_unreachable, MEMBER(launch.on_unreachable),
     "forward or refuse", true},
    {"HostPath", "Create", parse_bool, MEMBER(hostpath.create), "yes or no", false},
    {"HostPath", "Mode", parse_mode, MEMBER(hostpath.mode), "an octal mode, such as 0755", false},
    {"HostPath", "Owner", parse_owner, MEMBER(hostpath.uid), "USER:GROUP, both existing", false},
    {"HostPath", "Deny", parse_deny, MEMBER(hostpath.deny), "absolute paths", false},
    {"BackOff", "Initial", parse_time, MEMBER(backoff.initial), "a time, such as 10s", false},
    {"BackOff", "Max", parse_time, MEMBER(backoff.max), "a time, such as 5min", false},
    {"Kubelet", "RootDirectory", parse_path, MEMBER(kubelet.root_dir), "an absolute path", false},
    {"Kubelet", "URL", parse_url, MEMBER(kubelet.url), "http://HOST:PORT or https://HOST:PORT",
     false},
    {"Kubelet", "CA", parse_optional_path, MEMBER(kubelet.ca), "an absolute path", false},
    {"Kubelet", "Certificate", parse_optional_path, MEMBER(kubelet.certificate), "an absolute path",
     false},
    {"Kubelet", "Key", parse_optional_path, MEMBER(kubelet.key), "an absolute path", false},
    {"Kubelet", "TokenFile", parse_optional_path, MEMBER(kubelet.token_file), "an absolute path",
     false},
    {"Kubelet", "Timeout", parse_positive_time, MEMBER(kubelet.timeout),
     "a time above zero, such as 1s", false},
    {"Kubelet", "Required", parse_bool, MEMBER(kubelet.required), "yes or no", false},
    {"Volumes", "ReadOnlySecrets", parse_bool, MEMBER(volumes.read_only_secrets), "yes or no",
     false},
    {"Namespaces", "Stage1Fly", parse_name, MEMBER(namespaces.stage1_fly),
     "the name of a stage1 image", false},
    {"Namespaces", "HostPIDUnprivileged", parse_bool, MEMBER(namespaces.host_pid_unprivileged),
     "yes or no", false},
    {"Namespaces", "Unsupported", parse_unsupported, MEMBER(namespaces.refuse_unsupported),
     "warn or refuse", false},
    {"GPU", "DeviceDirectory", parse_path, MEMBER(gpu.device_dir), "an absolute path", false},
    {"GPU", "DriverPath", parse_path, MEMBER(gpu.driver_path), "an absolute path", false},
#undef MEMBER
};

_Static_assert(N_ELEMENTS(keys) <= KEYS_MAX, "each key has a place");

static const struct key *find_key(const char *section, const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
        if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

bool config_key(size_t index, const char **sectionp, const char **namep)
{
    if (index >= N_ELEMENTS(keys))
        return false;
    *sectionp = keys[index].section;
    *namep = keys[index].name;
    return true;
}

static void note_place(struct reading *reading, const struct key *key)
{
    char **slot = &reading->places[key - keys];

    free(*slot);
    if (asprintf(slot, "%s:%u", reading->file, reading->line) < 0) {
        *slot = NULL;
        reading->out_of_memory = true;
    }
}

/* Where it was set: NULL if it was not, and has its default. */
static const char *place_of(const struct reading *reading, const char *section, const char *name)
{
    return reading->places[find_key(section, name) - keys];
}

/* inih calls this for each assignment. Return: 1, for faults are counted here, not there. */
static int assign(void *userdata, const char *section, const char *name, const char *value)
{
    struct reading *reading = userdata;
    const struct key *key = find_key(section, name);

    if (!key) {
        report(reading, true, "%s:%u: [%s] %s=: no such setting, ignored", reading->file,
               reading->line, section, name);
        return 1;
    }
    if (reading->scope == CONFIG_CLIENT && !key->for_client)
        return 1;

    int r = key->parse((char *)reading->config + key->offset, value);
    if (r == -ENOMEM)
        reading->out_of_memory = true;
    else if (r < 0)
        report(reading, false, "%s:%u: [%s] %s=%s: expected %s", reading->file, reading->line,
               section, name, value, key->expected);
    if (r == 0)
        note_place(reading, key);
    return 1;
}

/* fgets() for inih, which does not tell its handler where it is, and takes what does not fit into
 * its buffer for the next line. */
static char *read_line(char *buffer, int size, void *userdata)
{
    struct reading *reading = userdata;
    char *line = fgets(buffer, size, reading->stream);

    if (!line)
        return NULL;
    reading->line++;
    if (!strchr(line, '\n') && !feof(reading->stream)) {
        report(reading, false,
               "%s:%u: a line may have %d bytes at most; a list may be given in parts",
               reading->file, reading->line, size - 2);
        for (int c = 0; c != '\n' && c != EOF;)
            c = getc(reading->stream);
        /* Its beginning must not pass for the whole. */
        strcpy(line, "\n");
    }
    /* To inih an indented line belongs to the one before; to systemd it does not. */
    memmove(line, line + strspn(line, " \t"), strlen(line + strspn(line, " \t")) + 1);
    return line;
}

static void read_file(struct reading *reading, const char *path)
{
    reading->file = path;
    reading->line = 0;
    reading->stream = fopen(path, "re");
    if (!reading->stream) {
        if (errno != ENOENT)
            report(reading, false, "%s: %s", path, strerror(errno));
        return;
    }

    int bad_line = ini_parse_stream(read_line, reading, assign, reading);
    if (bad_line > 0)
        report(reading, false, "%s:%d: expected a [Section], Key=value or a comment", path,
               bad_line);
    else if (bad_line < 0)
        reading->out_of_memory = true;
    if (ferror(reading->stream))
        report(reading, false, "%s: cannot be read", path);
    fclose(reading->stream);
}

static int is_conf(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return entry->d_name[0] != '.' && length > 5 &&
           strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static void read_fragments(struct reading *reading, const char *path)
{
    struct dirent **entries = NULL;
    char dir[PATH_MAX];

    snprintf(dir, sizeof(dir), "%s.d", path);
    int n = scandir(dir, &entries, is_conf, alphasort);
    if (n < 0 && errno != ENOENT)
        report(reading, false, "%s: %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        char file[2 * PATH_MAX];
        snprintf(file, sizeof(file), "%s/%s", dir, entries[i]->d_name);
        read_file(reading, file);
        free(entries[i]);
    }
    free(entries);
}

static int set_defaults(struct config *config)
{
    const struct {
        char **slot;
        const char *value;
    } strings[] = {
        {&config->daemon.socket, RUNSTATEDIR "/gantry/io.gantry.Node"},
        {&config->rkt.path, RKT_PATH},
        {&config->rkt.data_dir, "/var/lib/rkt"},
        {&config->hostpath.owner, "root:root"},
        {&config->kubelet.root_dir, "/var/lib/kubelet"},
        {&config->kubelet.url, "http://127.0.0.1:10255"},
        {&config->kubelet.ca, ""},
        {&config->kubelet.certificate, ""},
        {&config->kubelet.key, ""},
        {&config->kubelet.token_file, ""},
        {&config->namespaces.stage1_fly, "coreos.com/rkt/stage1-fly:1.30.0"},
        {&config->gpu.device_dir, "/dev"},
        {&config->gpu.driver_path, "/usr/local/nvidia"},
    };
    int r = 0;

    config->daemon.n_connections_max = CONNECTIONS_MAX_DEFAULT;
    config->launch.request_timeout = 5 * USEC_SEC;
    config->hostpath.create = true;
    config->hostpath.mode = 0755;
    config->backoff = (struct backoff_limits){.initial = 10 * USEC_SEC, .max = 5 * USEC_MINUTE};
    config->kubelet.timeout = USEC_SEC;
    config->volumes.read_only_secrets = true;
    for (size_t i = 0; r == 0 && i < N_ELEMENTS(strings); i++)
        r = replace_string(strings[i].slot, strings[i].value);
    for (size_t i = 0; r == 0 && i < N_ELEMENTS(built_in_deny); i++)
        r = add_deny(config, built_in_deny[i]);
    return r;
}

/* What only together is no good. */

static void check_backoff(struct reading *reading)
{
    const struct backoff_limits *limits = &reading->config->backoff;
    const char *initial_at = place_of(reading, "BackOff", "Initial");
    const char *max_at = place_of(reading, "BackOff", "Max");
    char initial[USEC_GO_MAX], max[USEC_GO_MAX];

    if (limits->max < limits->initial)
        report(reading, false, "%s: [BackOff] Max=%s: expected a time not below Initial=%s",
               max_at ? max_at : initial_at, usec_format_go(max, limits->max),
               usec_format_go(initial, limits->initial));
}

/* A launch waits for at most two fetches, the one that is under way and one of its own, and must be
 * answered before the drop-in gives up and goes on to rkt. */
static void check_timeout(struct reading *reading)
{
    struct config *config = reading->config;
    const char *place = place_of(reading, "Kubelet", "Timeout");
    usec_t max = config->launch.request_timeout / 2;
    char timeout[USEC_GO_MAX], right[USEC_GO_MAX], whole[USEC_GO_MAX];

    if (config->kubelet.timeout <= max)
        return;
    if (place)
        report(reading, false,
               "%s: [Kubelet] Timeout=%s: expected a time not above %s, half of RequestTimeout=%s",
               place, usec_format_go(timeout, config->kubelet.timeout), usec_format_go(right, max),
               usec_format_go(whole, config->launch.request_timeout));
    config->kubelet.timeout = max;
}

/* A token is shown to whoever answers, and over http that may be anybody. */
static void check_token(struct reading *reading)
{
    struct config *config = reading->config;
    const char *url = config->kubelet.url, *place = place_of(reading, "Kubelet", "TokenFile");

    if (config->kubelet.token_file[0] == '\0' || strncmp(url, "http://", 7) != 0)
        return;
    report(reading, false,
           "%s: [Kubelet] TokenFile=%s: expected none, or URL=https://HOST:PORT: over %s it would "
           "be sent in the clear",
           place, config->kubelet.token_file, url);
    if (replace_string(&config->kubelet.token_file, "") < 0)
        reading->out_of_memory = true;
}

static void check_required(struct reading *reading)
{
    struct config *config = reading->config;

    if (!config->kubelet.required || config->kubelet.url[0] != '\0')
        return;
    report(reading, false,
           "%s: [Kubelet] Required=yes: expected no, or URL=http://HOST:PORT or https://HOST:PORT: "
           "without one nobody is asked",
           place_of(reading, "Kubelet", "Required"));
    config->kubelet.required = false;
}

static void check_together(struct reading *reading)
{
    check_backoff(reading);
    check_timeout(reading);
    check_token(reading);
    check_required(reading);
    for (size_t i = 0; i < KEYS_MAX; i++)
        free(reading->places[i]);
}

int config_load(struct config **configp, const char *path, enum config_scope scope,
                config_report_fn *fn, void *userdata)
{
    CLEANUP(config_unrefp) struct config *config = calloc(1, sizeof(*config));

    if (!config)
        return -ENOMEM;
    config->n_refs = 1;
    int r = set_defaults(config);
    if (r < 0)
        return r;

    struct reading reading = {.config = config, .scope = scope, .report = fn, .userdata = userdata};
    read_file(&reading, path);
    read_fragments(&reading, path);
    check_together(&reading);
    if (reading.out_of_memory)
        return -ENOMEM;

    *configp = config;
    config = NULL;
    return reading.invalid ? CONFIG_E_INVALID : 0;
}

struct config *config_ref(struct config *config)
{
    config->n_refs++;
    return config;
}

struct config *config_unref(struct config *config)
{
    if (!config || --config->n_refs > 0)
        return NULL;
    free(config->daemon.socket);
    free(config->daemon.users);
    free(config->rkt.path);
    free(config->rkt.data_dir);
    for (size_t i = 0; i < config->hostpath.n_deny; i++)
        free(config->hostpath.deny[i]);
    free(config->hostpath.deny);
    free(config->hostpath.owner);
    free(config->kubelet.root_dir);
    free(config->kubelet.url);
    free(config->kubelet.ca);
    free(config->kubelet.certificate);
    free(config->kubelet.key);
    free(config->kubelet.token_file);
    free(config->namespaces.stage1_fly);
    free(config->gpu.device_dir);
    free(config->gpu.driver_path);
    free(config);
    return NULL;
}

const char *config_path(void)
{
    const char *path = getenv("GANTRY_CONFIG");

    return path && path[0] != '\0' ? path : SYSCONFDIR "/gantry/gantry.conf";
}
