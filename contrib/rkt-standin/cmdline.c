/* SPDX-License-Identifier: Apache-2.0 */
#include "contrib/rkt-standin/cmdline.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define V(verb) (1U << VERB_##verb)
#define ALL (~0U)

enum flag_kind {
    FLAG_VALUE = 1, /* --flag value, --flag=value */
    FLAG_SWITCH,    /* --flag, --flag=true */
    FLAG_NET,       /* --net, --net=value */
};

static const struct flag {
    const char *name;
    enum flag_kind kind;
    unsigned verbs;
} known_flags[] = {
    {"help", FLAG_SWITCH, ALL},
    {"debug", FLAG_SWITCH, ALL},
    {"dir", FLAG_VALUE, ALL},
    {"system-config", FLAG_VALUE, ALL},
    {"local-config", FLAG_VALUE, ALL},
    {"user-config", FLAG_VALUE, ALL},
    {"insecure-options", FLAG_VALUE, ALL},
    {"trust-keys-from-https", FLAG_SWITCH, ALL},
    {"pod-manifest", FLAG_VALUE, V(PREPARE)},
    {"quiet", FLAG_SWITCH, V(PREPARE)},
    {"no-overlay", FLAG_SWITCH, V(PREPARE)},
    {"private-users", FLAG_SWITCH, V(PREPARE)},
    {"stage1-name", FLAG_VALUE, V(PREPARE)},
    {"volume", FLAG_VALUE, V(PREPARE)},
    {"port", FLAG_VALUE, V(PREPARE)},
    {"inherit-env", FLAG_SWITCH, V(PREPARE)},
    {"set-env", FLAG_VALUE, V(PREPARE)},
    {"set-env-file", FLAG_VALUE, V(PREPARE)},
    {"pull-policy", FLAG_VALUE, V(PREPARE) | V(FETCH)},
    {"net", FLAG_NET, V(RUN_PREPARED)},
    {"dns", FLAG_VALUE, V(RUN_PREPARED)},
    {"dns-search", FLAG_VALUE, V(RUN_PREPARED)},
    {"dns-opt", FLAG_VALUE, V(RUN_PREPARED)},
    {"dns-domain", FLAG_VALUE, V(RUN_PREPARED)},
    {"hosts-entry", FLAG_VALUE, V(RUN_PREPARED)},
    {"hostname", FLAG_VALUE, V(RUN_PREPARED)},
    {"interactive", FLAG_SWITCH, V(RUN_PREPARED)},
    {"mds-register", FLAG_SWITCH, V(RUN_PREPARED)},
    {"ipc", FLAG_VALUE, V(RUN_PREPARED)},
    {"app", FLAG_VALUE, V(ENTER)},
    {"force", FLAG_SWITCH, V(STOP)},
    {"mark-only", FLAG_SWITCH, V(GC)},
    {"grace-period", FLAG_VALUE, V(GC)},
    {"expire-prepared", FLAG_VALUE, V(GC)},
    {"format", FLAG_VALUE, V(STATUS) | V(LIST) | V(IMAGE_LIST)},
    {"full", FLAG_SWITCH, V(LIST) | V(IMAGE_LIST) | V(FETCH)},
    {"no-legend", FLAG_SWITCH, V(LIST) | V(IMAGE_LIST)},
    {"pretty-print", FLAG_SWITCH, V(CAT_MANIFEST)},
};

struct cmdline_flag {
    const char *name;
    const char *value;
};

/* All of rkt's words, for a word may be cut short as long as it is clear. Those that the stand-in
 * has not are VERB_NONE. */
static const struct word {
    const char *name;
    enum verb verb;
} words[] = {
    {"api-service", VERB_NONE}, {"cat-manifest", VERB_CAT_MANIFEST},
    {"completion", VERB_NONE},  {"config", VERB_NONE},
    {"enter", VERB_ENTER},      {"export", VERB_NONE},
    {"fetch", VERB_FETCH},      {"gc", VERB_GC},
    {"help", VERB_HELP},        {"image", VERB_IMAGE},
    {"list", VERB_LIST},        {"metadata-service", VERB_NONE},
    {"prepare", VERB_PREPARE},  {"rm", VERB_RM},
    {"run", VERB_NONE},         {"run-prepared", VERB_RUN_PREPARED},
    {"status", VERB_STATUS},    {"stop", VERB_STOP},
    {"trust", VERB_NONE},       {"version", VERB_VERSION},
};
static const struct word image_words[] = {
    {"cat-manifest", VERB_IMAGE_CAT_MANIFEST},
    {"export", VERB_NONE},
    {"extract", VERB_NONE},
    {"gc", VERB_NONE},
    {"list", VERB_IMAGE_LIST},
    {"render", VERB_NONE},
    {"rm", VERB_IMAGE_RM},
    {"verify", VERB_NONE},
};

static const struct word *find_word(const struct word *list, size_t n, const char *text)
{
    const struct word *found = NULL;

    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i].name, text) == 0)
            return &list[i];
        if (strncmp(list[i].name, text, strlen(text)) != 0)
            continue;
        if (found)
            return NULL;
        found = &list[i];
    }
    return found;
}

static const struct flag *find_flag(const char *name, size_t length, enum verb verb)
{
    for (size_t i = 0; i < N_ELEMENTS(known_flags); i++) {
        const struct flag *flag = &known_flags[i];
        if ((flag->verbs & 1U << verb) && strlen(flag->name) == length &&
            memcmp(flag->name, name, length) == 0)
            return flag;
    }
    return NULL;
}

/* The first word that is neither a flag nor a flag's value. rkt looks for it before it knows more
 * flags than its own, so an unknown `--flag`, and even `--help`, takes the next word with it. */
static int index_of_word(int argc, char **argv)
{
    bool in_flag = false;

    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        if (arg[0] == '-' && arg[1] == '-') {
            const struct flag *flag = find_flag(arg + 2, strcspn(arg + 2, "="), VERB_NONE);
            in_flag = !strchr(arg, '=') &&
                      (!flag || flag->kind != FLAG_SWITCH || strcmp(flag->name, "help") == 0);
        } else if (arg[0] == '-' && strlen(arg) == 2) {
            in_flag = true;
        } else if (in_flag) {
            in_flag = false;
        } else if (arg[0] != '-' && arg[0] != '\0') {
            return i;
        }
    }
    return -1;
}

/* Takes the subcommand's word out of the arguments: the first one that equals it, be it a flag's
 * value, for that is what rkt does. Return: the word, NULL. */
static const char *take_word(int *argcp, char **argv)
{
    int at = index_of_word(*argcp, argv);
    if (at < 0)
        return NULL;

    const char *word = argv[at];
    for (at = 0; strcmp(argv[at], word) != 0; at++)
        ;
    memmove(&argv[at], &argv[at + 1], (size_t)(*argcp - at) * sizeof(*argv));
    --*argcp;
    return word;
}

static int find_verb(struct cmdline *cmd, int *argcp, char **argv, struct error *error)
{
    const char *text = take_word(argcp, argv);
    if (!text)
        return 0;

    const struct word *word = find_word(words, N_ELEMENTS(words), text);
    if (word && word->verb == VERB_IMAGE) {
        cmd->verb = VERB_IMAGE;
        text = take_word(argcp, argv);
        word = text ? find_word(image_words, N_ELEMENTS(image_words), text) : NULL;
        if (!word)
            return 0;
    }
    if (!word)
        return error_set(error, CMDLINE_E_UNKNOWN_COMMAND, "unknown command \"%s\" for \"rkt\"",
                         text);
    if (word->verb == VERB_NONE)
        return error_set(error, CMDLINE_E_UNKNOWN_COMMAND, "\"%s\" is not in rkt-standin",
                         word->name);
    cmd->verb = word->verb;
    return 0;
}

/* Go's strconv.ParseBool. Return: "true", "false", NULL. */
static const char *parse_bool(const char *text)
{
    static const char *const words_of[2][6] = {{"0", "f", "F", "false", "FALSE", "False"},
                                               {"1", "t", "T", "true", "TRUE", "True"}};

    for (size_t i = 0; i < 12; i++) {
        if (strcmp(words_of[i / 6][i % 6], text) == 0)
            return i / 6 ? "true" : "false";
    }
    return NULL;
}

static int add_flag(struct cmdline *cmd, const struct flag *flag, const char *arg,
                    const char *value, struct error *error)
{
    const char *given = value;

    if (flag->kind == FLAG_SWITCH && given && !(value = parse_bool(given)))
        return error_set(error, CMDLINE_E_FLAG,
                         "invalid argument \"%s\" for %s: strconv.ParseBool: parsing \"%s\": "
                         "invalid syntax",
                         given, arg, given);

    struct cmdline_flag *flags = reallocarray(cmd->flags, cmd->n_flags + 1, sizeof(*flags));
    if (!flags)
        return -ENOMEM;
    cmd->flags = flags;
    if (!value)
        value = flag->kind == FLAG_NET ? "default" : "true";
    flags[cmd->n_flags++] = (struct cmdline_flag){flag->name, value};
    return 0;
}

/* Reads the flag at *argvp, which moves on to its last word. */
static int read_flag(struct cmdline *cmd, char ***argvp, struct error *error)
{
    const char *arg = **argvp, *name = arg + 2, *value = NULL;
    size_t length = strcspn(name, "=");

    if (strcmp(arg, "-h") == 0)
        return add_flag(cmd, &known_flags[0], arg, NULL, error);
    if (arg[1] != '-')
        return error_set(error, CMDLINE_E_FLAG, "unknown shorthand flag: '%c' in %s", arg[1], arg);
    if (length == 0 || name[0] == '-')
        return error_set(error, CMDLINE_E_FLAG, "bad flag syntax: %s", arg);
    const struct flag *flag = find_flag(name, length, cmd->verb);
    if (!flag)
        return error_set(error, CMDLINE_E_FLAG, "unknown flag: --%.*s", (int)length, name);

    if (name[length] == '=') {
        value = name + length + 1;
    } else if (flag->kind != FLAG_SWITCH && flag->kind != FLAG_NET) {
        if (!(*argvp)[1])
            return error_set(error, CMDLINE_E_FLAG, "flag needs an argument: %s", arg);
        value = *++*argvp;
    }
    return add_flag(cmd, flag, arg, value, error);
}

/* What is no flag moves to the front of argv. Some commands know no flags after it. */
static int read_arguments(struct cmdline *cmd, char **argv, struct error *error)
{
    bool interspersed = !(1U << cmd->verb & (V(PREPARE) | V(ENTER) | V(FETCH)));
    bool flags_end = false;

    cmd->args = argv;
    for (; *argv; argv++) {
        if (!flags_end && strcmp(*argv, "--") == 0) {
            flags_end = true;
        } else if (!flags_end && (*argv)[0] == '-' && (*argv)[1] != '\0') {
            int r = read_flag(cmd, &argv, error);
            if (r != 0)
                return r;
        } else {
            cmd->args[cmd->n_args++] = *argv;
            flags_end = flags_end || !interspersed;
        }
    }
    cmd->args[cmd->n_args] = NULL;
    return 0;
}

static int make_absolute(struct cmdline *cmd, const char *dir)
{
    char here[PATH_MAX];

    if (dir[0] == '/') {
        cmd->data_dir = dir;
        return 0;
    }
    if (!getcwd(here, sizeof(here)))
        return -errno;
    if (asprintf(&cmd->data_dir_made, "%s/%s", here, dir) < 0)
        return -ENOMEM;
    cmd->data_dir = cmd->data_dir_made;
    return 0;
}

int cmdline_parse(struct cmdline *cmd, int argc, char **argv, struct error *error)
{
    *cmd = (struct cmdline){.verb = VERB_NONE};
    if (argc > 0) {
        argc--;
        argv++;
    }

    int r = find_verb(cmd, &argc, argv, error);
    if (r == 0)
        r = read_arguments(cmd, argv, error);
    if (r != 0)
        return r;
    const char *dir = cmdline_value(cmd, "dir");
    return make_absolute(cmd, dir ? dir : "/var/lib/rkt");
}

void cmdline_deinit(struct cmdline *cmd)
{
    free(cmd->flags);
    free(cmd->data_dir_made);
    *cmd = (struct cmdline){.verb = VERB_NONE};
}

const char *cmdline_next(const struct cmdline *cmd, const char *flag, size_t *atp)
{
    while (*atp < cmd->n_flags) {
        const struct cmdline_flag *given = &cmd->flags[(*atp)++];
        if (strcmp(given->name, flag) == 0)
            return given->value;
    }
    return NULL;
}

const char *cmdline_value(const struct cmdline *cmd, const char *flag)
{
    const char *last = NULL;
    size_t at = 0;

    for (const char *value; (value = cmdline_next(cmd, flag, &at));)
        last = value;
    return last;
}

bool cmdline_is_on(const struct cmdline *cmd, const char *flag)
{
    const char *value = cmdline_value(cmd, flag);

    return value && strcmp(value, "true") == 0;
}
