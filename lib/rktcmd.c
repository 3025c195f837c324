/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/rktcmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/def.h"

enum flag_kind {
    FLAG_VALUE = 1, /* --flag value, --flag=value */
    FLAG_SWITCH,    /* --flag, --flag=true */
    FLAG_OPTIONAL,  /* --net, --net=value */
};

enum verb_set {
    G = 1 << RKTCMD_OTHER, /* of rkt itself */
    P = 1 << RKTCMD_PREPARE,
    Q = 1 << RKTCMD_RUN_PREPARED,
    R = 1 << RKTCMD_RUN,
};

/* The flags that lead to a member of struct rktcmd; the rest is only known by its kind. */
enum flag_use {
    USE_NONE,
    USE_HELP,
    USE_DATA_DIR,
    USE_POD_MANIFEST,
    USE_STAGE1_NAME,
    USE_STAGE1_OTHER,
    USE_VOLUME,
};

/* rkt 1.30.0: rkt/rkt.go, prepare.go, run.go, run_prepared.go, cli_apps.go, stage1hash.go. The
 * three stream flags exist with RKT_EXPERIMENT_ATTACH=true; known here always, for rkt refuses them
 * otherwise. */
static const struct flag {
    const char *name;
    enum flag_kind kind;
    unsigned verbs;
    enum flag_use use;
} flags[] = {
    {"help", FLAG_SWITCH, G, USE_HELP},
    {"debug", FLAG_SWITCH, G, USE_NONE},
    {"dir", FLAG_VALUE, G, USE_DATA_DIR},
    {"system-config", FLAG_VALUE, G, USE_NONE},
    {"local-config", FLAG_VALUE, G, USE_NONE},
    {"user-config", FLAG_VALUE, G, USE_NONE},
    {"insecure-options", FLAG_VALUE, G, USE_NONE},
    {"trust-keys-from-https", FLAG_SWITCH, G, USE_NONE},
    {"cpuprofile", FLAG_VALUE, G, USE_NONE},
    {"memprofile", FLAG_VALUE, G, USE_NONE},

    {"pod-manifest", FLAG_VALUE, P | R, USE_POD_MANIFEST},
    {"stage1-name", FLAG_VALUE, P | R, USE_STAGE1_NAME},
    {"volume", FLAG_VALUE, P | R, USE_VOLUME},
    {"stage1-url", FLAG_VALUE, P | R, USE_STAGE1_OTHER},
    {"stage1-path", FLAG_VALUE, P | R, USE_STAGE1_OTHER},
    {"stage1-hash", FLAG_VALUE, P | R, USE_STAGE1_OTHER},
    {"stage1-from-dir", FLAG_VALUE, P | R, USE_STAGE1_OTHER},
    {"port", FLAG_VALUE, P | R, USE_NONE},
    {"quiet", FLAG_SWITCH, P, USE_NONE},
    {"inherit-env", FLAG_SWITCH, P | R, USE_NONE},
    {"no-overlay", FLAG_SWITCH, P | R, USE_NONE},
    {"private-users", FLAG_SWITCH, P | R, USE_NONE},
    {"set-env", FLAG_VALUE, P | R, USE_NONE},
    {"set-env-file", FLAG_VALUE, P | R, USE_NONE},
    {"store-only", FLAG_SWITCH, P | R, USE_NONE},
    {"no-store", FLAG_SWITCH, P | R, USE_NONE},
    {"pull-policy", FLAG_VALUE, P | R, USE_NONE},

    /* of the image before them */
    {"signature", FLAG_VALUE, P | R, USE_NONE},
    {"exec", FLAG_VALUE, P | R, USE_NONE},
    {"working-dir", FLAG_VALUE, P | R, USE_NONE},
    {"readonly-rootfs", FLAG_VALUE, P | R, USE_NONE},
    {"mount", FLAG_VALUE, P | R, USE_NONE},
    {"user", FLAG_VALUE, P | R, USE_NONE},
    {"group", FLAG_VALUE, P | R, USE_NONE},
    {"supplementary-gids", FLAG_VALUE, P | R, USE_NONE},
    {"name", FLAG_VALUE, P | R, USE_NONE},
    {"annotation", FLAG_VALUE, P | R, USE_NONE},
    {"user-annotation", FLAG_VALUE, P | R, USE_NONE},
    {"user-label", FLAG_VALUE, P | R, USE_NONE},
    {"environment", FLAG_VALUE, P | R, USE_NONE},
    {"stdin", FLAG_VALUE, P | R, USE_NONE},
    {"stdout", FLAG_VALUE, P | R, USE_NONE},
    {"stderr", FLAG_VALUE, P | R, USE_NONE},
    {"memory", FLAG_VALUE, P | R, USE_NONE},
    {"cpu", FLAG_VALUE, P | R, USE_NONE},
    {"cpu-shares", FLAG_VALUE, P | R, USE_NONE},
    {"caps-retain", FLAG_VALUE, P | R, USE_NONE},
    {"caps-remove", FLAG_VALUE, P | R, USE_NONE},
    {"cap-retain", FLAG_VALUE, P | R, USE_NONE},
    {"cap-remove", FLAG_VALUE, P | R, USE_NONE},
    {"seccomp", FLAG_VALUE, P | R, USE_NONE},
    {"oom-score-adj", FLAG_VALUE, P | R, USE_NONE},

    {"net", FLAG_OPTIONAL, Q | R, USE_NONE},
    {"dns", FLAG_VALUE, Q | R, USE_NONE},
    {"dns-search", FLAG_VALUE, Q | R, USE_NONE},
    {"dns-opt", FLAG_VALUE, Q | R, USE_NONE},
    {"dns-domain", FLAG_VALUE, Q | R, USE_NONE},
    {"hosts-entry", FLAG_VALUE, Q | R, USE_NONE},
    {"interactive", FLAG_SWITCH, Q | R, USE_NONE},
    {"mds-register", FLAG_SWITCH, Q | R, USE_NONE},
    {"hostname", FLAG_VALUE, Q | R, USE_NONE},
    {"ipc", FLAG_VALUE, Q | R, USE_NONE},
    {"uuid-file-save", FLAG_VALUE, R, USE_NONE},
};

static const char *const verb_names[] = {
    [RKTCMD_OTHER] = "",
    [RKTCMD_PREPARE] = "prepare",
    [RKTCMD_RUN_PREPARED] = "run-prepared",
    [RKTCMD_RUN] = "run",
};

const char *rktcmd_verb_name(enum rktcmd_verb verb)
{
    return verb_names[verb];
}

static bool is_prefix(const char *text, const char *of)
{
    return strncmp(text, of, strlen(text)) == 0;
}

/* cobra takes a subcommand that is cut short if one only begins so: no other than prepare begins
 * with p; run is a name of its own, so run-prepared needs more. */
static enum rktcmd_verb verb_from_word(const char *word)
{
    if (strcmp(word, "run") == 0)
        return RKTCMD_RUN;
    if (word[0] == 'p' && is_prefix(word, "prepare"))
        return RKTCMD_PREPARE;
    if (strlen(word) > strlen("run") && is_prefix(word, "run-prepared"))
        return RKTCMD_RUN_PREPARED;
    return RKTCMD_OTHER;
}

static const struct flag *find_flag(const char *name, size_t length, unsigned verbs)
{
    for (size_t i = 0; i < N_ELEMENTS(flags); i++) {
        if ((flags[i].verbs & verbs) && strlen(flags[i].name) == length &&
            memcmp(flags[i].name, name, length) == 0)
            return &flags[i];
    }
    return NULL;
}

/* Whether cobra, in search of the subcommand, takes the argument after `--name` for its value. It
 * knows rkt's own flags at that point, and not even --help. */
static bool swallows_next(const char *name)
{
    const struct flag *flag = find_flag(name, strlen(name), G);

    return !flag || flag->kind != FLAG_SWITCH || flag->use == USE_HELP;
}

static bool ends_quote(const char *arg)
{
    size_t length = strlen(arg);

    return length > 0 && arg[length - 1] == '"' && (length == 1 || arg[length - 2] != '\\');
}

/* The first word that is neither a flag nor a flag's value, by cobra's reckoning (stripFlags),
 * which passes over what stands in quotation marks. Return: where it stands, 0 if there is none. */
static int find_word(int argc, char **argv)
{
    bool in_quote = false, in_flag = false;

    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        bool has_value = strchr(arg, '=');
        if (in_quote)
            ;
        else if (arg[0] == '"' || strstr(arg, "=\""))
            in_quote = true;
        else if (is_prefix("--", arg) && !has_value)
            in_flag = swallows_next(arg + 2);
        else if (arg[0] == '-' && strlen(arg) == 2 && !has_value)
            in_flag = true;
        else if (in_flag)
            in_flag = false;
        else if (arg[0] != '-' && arg[0] != '\0')
            return i;
        if (ends_quote(arg))
            in_quote = false;
    }
    return 0;
}

/* Go's strconv.ParseBool. */
static bool parse_bool(const char *text, bool *valuep)
{
    static const char *const words[][6] = {
        {"0", "f", "F", "false", "FALSE", "False"},
        {"1", "t", "T", "true", "TRUE", "True"},
    };

    for (size_t value = 0; value < 2; value++) {
        for (size_t i = 0; i < 6; i++) {
            if (strcmp(words[value][i], text) == 0) {
                *valuep = value;
                return true;
            }
        }
    }
    return false;
}

/* NAME,key=value,...: split at commas, then at the first '='; nothing can be quoted. */
static int add_volume(struct rktcmd *cmd, const char *value)
{
    struct rktcmd_volume *volumes =
        reallocarray(cmd->volumes, cmd->n_volumes + 1, sizeof(*volumes));
    if (!volumes)
        return -ENOMEM;
    cmd->volumes = volumes;

    struct rktcmd_volume *volume = &volumes[cmd->n_volumes];
    *volume = (struct rktcmd_volume){.text = strdup(value)};
    if (!volume->text)
        return -ENOMEM;
    cmd->n_volumes++;

    char *rest = volume->text;
    volume->name = strsep(&rest, ",");
    for (char *part; (part = strsep(&rest, ","));) {
        const char *key = strsep(&part, "=");
        if (strcmp(key, "kind") == 0)
            volume->kind = part;
        else if (strcmp(key, "source") == 0)
            volume->source = part;
    }
    return 0;
}

/* Where a reading of the arguments stands. The subcommand's word is stepped over. */
struct cursor {
    struct rktcmd *cmd;
    int at;
    int word_at;
    bool wants_help;
};

/* Return: the argument at the cursor, NULL at the end. */
static const char *peek(struct cursor *cursor)
{
    if (cursor->at == cursor->word_at)
        cursor->at++;
    return cursor->at < cursor->cmd->argc ? cursor->cmd->argv[cursor->at] : NULL;
}

static int use_flag(struct cursor *cursor, const struct flag *flag, const char *value)
{
    struct rktcmd *cmd = cursor->cmd;
    bool on = true;

    if (flag->kind == FLAG_SWITCH && value && !parse_bool(value, &on))
        return RKTCMD_E_USAGE;

    switch (flag->use) {
    case USE_HELP:
        cursor->wants_help = on;
        break;
    case USE_DATA_DIR:
        cmd->data_dir = value;
        break;
    case USE_POD_MANIFEST:
        cmd->pod_manifest = value;
        cmd->manifest_at = cursor->at;
        break;
    case USE_STAGE1_NAME:
        cmd->stage1_name = value;
        break;
    case USE_STAGE1_OTHER:
        cmd->has_other_stage1 = true;
        break;
    case USE_VOLUME:
        return add_volume(cmd, value);
    case USE_NONE:
        break;
    }
    return 0;
}

/* Reads the flag at the cursor and its value, and moves behind them. */
static int read_flag(struct cursor *cursor)
{
    const char *arg = peek(cursor);

    if (strcmp(arg, "-h") == 0) {
        cursor->wants_help = true;
        cursor->at++;
        return 0;
    }
    if (arg[1] != '-')
        return RKTCMD_E_USAGE;

    const char *name = arg + 2;
    size_t length = strcspn(name, "=");
    const struct flag *flag = find_flag(name, length, G | 1U << cursor->cmd->verb);
    if (!flag)
        return RKTCMD_E_USAGE;

    const char *value = NULL;
    if (name[length] == '=') {
        value = name + length + 1;
    } else if (flag->kind == FLAG_VALUE) {
        cursor->at++;
        value = peek(cursor);
        if (!value)
            return RKTCMD_E_USAGE;
    }

    int r = use_flag(cursor, flag, value);
    cursor->at++;
    return r;
}

static bool is_flag(const char *arg)
{
    return arg[0] == '-' && arg[1] != '\0';
}

/* run-prepared: flags and the UUID in any order; `--` ends the flags. */
static int read_interspersed(struct cursor *cursor)
{
    bool flags_ended = false;

    for (const char *arg; (arg = peek(cursor));) {
        if (!flags_ended && strcmp(arg, "--") == 0) {
            flags_ended = true;
            cursor->at++;
        } else if (!flags_ended && is_flag(arg)) {
            int r = read_flag(cursor);
            if (r != 0)
                return r;
        } else {
            if (!cursor->cmd->uuid)
                cursor->cmd->uuid = arg;
            cursor->at++;
        }
    }
    return 0;
}

/* prepare and run: IMAGE [-- app's arguments [---]] ..., flags before and between the images. */
static int read_apps(struct cursor *cursor)
{
    size_t n_images = 0, n_images_with_args = 0;
    bool before_images = true, in_app_args = false, after_flag = true;

    for (const char *arg; (arg = peek(cursor)); before_images = before_images && after_flag) {
        if (in_app_args) {
            in_app_args = strcmp(arg, "---") != 0;
            cursor->at++;
        } else if (strcmp(arg, "--") == 0) {
            cursor->at++;
            after_flag = false;
            if (before_images)
                continue;
            if (n_images_with_args == n_images)
                return RKTCMD_E_USAGE;
            n_images_with_args = n_images;
            in_app_args = true;
        } else if (strcmp(arg, "---") == 0 && !after_flag) {
            cursor->at++;
        } else if (is_flag(arg)) {
            int r = read_flag(cursor);
            if (r != 0)
                return r;
            after_flag = true;
        } else {
            if (arg[0] != '\0')
                n_images++;
            cursor->at++;
            after_flag = false;
        }
    }
    return 0;
}

/* cobra takes away the first argument that equals the subcommand's word, be it what it may. */
static int index_of(int argc, char **argv, const char *word)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], word) == 0)
            return i;
    }
    return 0;
}

/* Whether cobra finds the same word, and takes away the same, with another manifest in the line. */
static bool can_be_replaced(const struct cursor *cursor)
{
    const struct rktcmd *cmd = cursor->cmd;

    if (cursor->word_at != cmd->word_at)
        return false;
    return cmd->manifest_at > cmd->word_at ||
           (cmd->pod_manifest[0] != '-' && !strchr(cmd->pod_manifest, '"'));
}

int rktcmd_parse(struct rktcmd *cmd, int argc, char **argv)
{
    *cmd = (struct rktcmd){.argc = argc, .argv = argv};

    cmd->word_at = find_word(argc, argv);
    if (cmd->word_at > 0)
        cmd->verb = verb_from_word(argv[cmd->word_at]);
    if (cmd->verb == RKTCMD_OTHER)
        return 0;

    struct cursor cursor = {
        .cmd = cmd, .at = 1, .word_at = index_of(argc, argv, argv[cmd->word_at])};
    int r = cmd->verb == RKTCMD_RUN_PREPARED ? read_interspersed(&cursor) : read_apps(&cursor);
    if (r == 0 && cursor.wants_help)
        cmd->verb = RKTCMD_OTHER;
    if (cmd->pod_manifest && cmd->pod_manifest[0] == '\0')
        cmd->pod_manifest = NULL;
    if (cmd->verb != RKTCMD_OTHER && cmd->pod_manifest && !can_be_replaced(&cursor))
        return RKTCMD_E_USAGE;
    return r;
}

void rktcmd_deinit(struct rktcmd *cmd)
{
    for (size_t i = 0; i < cmd->n_volumes; i++)
        free(cmd->volumes[i].text);
    free(cmd->volumes);
    *cmd = RKTCMD_NULL;
}

int rktcmd_with_manifest(const struct rktcmd *cmd, const char *path, char ***argvp,
                         char **argumentp)
{
    const char *old = cmd->argv[cmd->manifest_at];
    /* "--pod-manifest=" stays before the path if it was written as one argument. */
    int prefix = (int)(cmd->pod_manifest - old);
    char *argument = NULL;

    char **argv = calloc((size_t)cmd->argc + 1, sizeof(*argv));
    if (!argv || asprintf(&argument, "%.*s%s", prefix, old, path) < 0) {
        free(argv);
        return -ENOMEM;
    }
    memcpy(argv, cmd->argv, (size_t)cmd->argc * sizeof(*argv));
    argv[cmd->manifest_at] = argument;

    *argvp = argv;
    *argumentp = argument;
    return 0;
}

/* Right behind the subcommand's word it is a flag, whatever follows. */
int rktcmd_with_stage1(const struct rktcmd *cmd, const char *name, char ***argvp, char **argumentp)
{
    size_t before = (size_t)cmd->word_at + 1;
    char *argument = NULL;

    char **argv = calloc((size_t)cmd->argc + 2, sizeof(*argv));
    if (!argv || asprintf(&argument, "--stage1-name=%s", name) < 0) {
        free(argv);
        return -ENOMEM;
    }
    memcpy(argv, cmd->argv, before * sizeof(*argv));
    argv[before] = argument;
    memcpy(argv + before + 1, cmd->argv + before, ((size_t)cmd->argc - before) * sizeof(*argv));

    *argvp = argv;
    *argumentp = argument;
    return 0;
}
