/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl.h"
#include "client/terminal.h"
#include "lib/config.h"

/* What takes which option is said by bits. */
enum {
    OPTION_JSON = 1 << 0,
    OPTION_NO_PAGER = 1 << 1,
    OPTION_FOLLOW = 1 << 2,
    OPTION_HTML = 1 << 3,
    OPTION_OUTPUT = 1 << 4,
    OPTION_RESTART = 1 << 5,
    OPTION_VERSION = 1 << 6,
    OPTION_HELP = 1 << 7,
};

static const struct verb {
    const char *name;
    const char *argument; /* NULL: it takes none; "[...]": it need not be given */
    unsigned options;
    bool is_paged; /* its output may be longer than a screen */
    const char *help;
    int (*run)(const struct ctl *ctl);
} verbs[] = {
    {"list", NULL, OPTION_JSON | OPTION_NO_PAGER, true,
     "pods, their state, what is left of their back-off", ctl_list},
    {"explain", "POD", OPTION_JSON | OPTION_NO_PAGER, true,
     "what was done to its launches, why one was refused", ctl_explain},
    {"reset", "POD", OPTION_JSON, false, "end its back-off: the next restart goes at once",
     ctl_reset},
    {"gpus", NULL, OPTION_JSON, false, "the node's GPUs, and who has them", ctl_gpus},
    {"metrics", NULL, OPTION_OUTPUT, false, "numbers for Prometheus", ctl_metrics},
    {"monitor", NULL, OPTION_JSON, false, "events as they come", ctl_monitor},
    {"doctor", NULL, OPTION_JSON, false, "is the node as gantry needs it, and what mends it",
     ctl_doctor},
    {"run", "MANIFEST", OPTION_JSON | OPTION_RESTART, false, "run a pod without a kubelet",
     ctl_run},
    {"stop", "NAME", OPTION_JSON, false, "stop a pod that run started", ctl_stop},
    {"rm", "NAME", OPTION_JSON, false, "stop it, and remove it", ctl_rm},
    {"logs", "NAME", OPTION_JSON | OPTION_NO_PAGER | OPTION_FOLLOW, false,
     "its unit's entries in the journal", ctl_logs},
    {"timeline", "POD", OPTION_JSON | OPTION_NO_PAGER | OPTION_HTML, true,
     "its runs, ends and back-offs along an axis of time", ctl_timeline},
};

static const struct choice {
    const char *name;
    char letter; /* or 0 */
    const char *value;
    unsigned bit;
    const char *help; /* NULL: no verb takes it yet */
} choices[] = {
    {"json", 0, NULL, OPTION_JSON, "print JSON"},
    {"no-pager", 0, NULL, OPTION_NO_PAGER, "do not show it in a pager"},
    {"output", 0, "FILE", OPTION_OUTPUT, "metrics: replace FILE by what would be printed"},
    {"follow", 'f', NULL, OPTION_FOLLOW, "logs: wait for more"},
    {"restart", 0, "Always|OnFailure|Never", OPTION_RESTART, "run: when it is run again"},
    {"html", 0, "FILE", OPTION_HTML, "timeline: write a page with the picture"},
    {"version", 0, NULL, OPTION_VERSION, NULL},
    {"help", 'h', NULL, OPTION_HELP, NULL},
};

static void print_verb(const struct verb *verb)
{
    printf("  %s %-*s  %s\n", verb->name, 17 - (int)strlen(verb->name),
           verb->argument ? verb->argument : "", verb->help);
}

static void print_choice(const struct choice *choice)
{
    char words[64];

    snprintf(words, sizeof(words), "--%s%s%s", choice->name, choice->value ? " " : "",
             choice->value ? choice->value : "");
    if (choice->letter)
        snprintf(words + strlen(words), sizeof(words) - strlen(words), ", -%c", choice->letter);
    if (choice->help)
        printf("  %-18s  %s\n", words, choice->help);
    else
        printf("  %s\n", words);
}

/* Of one verb and the options that it takes, or of all if it is NULL. The completions of shells are
 * made from what this prints. */
static void print_help(const struct verb *only)
{
    puts("gantryctl [OPTIONS] VERB");
    for (size_t i = 0; i < N_ELEMENTS(verbs); i++) {
        if (!only || only == &verbs[i])
            print_verb(&verbs[i]);
    }
    if (!only || (only->argument && strcmp(only->argument, "POD") == 0))
        puts("\nA POD is NAME, NAMESPACE/NAME, or the beginning of a UID or of a rkt UUID.");
    for (size_t i = 0; i < N_ELEMENTS(choices); i++) {
        if (!only || choices[i].bit & (only->options | OPTION_HELP))
            print_choice(&choices[i]);
    }
}

static int PRINTF(1, 2) bad_usage(const char *format, ...)
{
    va_list args;

    fputs("gantryctl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\nSee: gantryctl --help\n", stderr);
    return EXIT_USAGE;
}

/* What is not cannot be put into JSON. */
static bool is_utf8(const char *text)
{
    CLEANUP(json_decrefp) json_t *string = json_string(text);

    return string;
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(verbs); i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

/* The name of an option that was given and that the verb does not take. Return: NULL if there is
 * none. */
static const char *not_taken(const struct verb *verb, unsigned given)
{
    for (size_t i = 0; i < N_ELEMENTS(choices); i++) {
        if (choices[i].bit & given & ~verb->options)
            return choices[i].name;
    }
    return NULL;
}

/* Return: the status, unless it tells of a success that nobody has seen. */
static int close_output(int status)
{
    int r = terminal_close();

    if (r == TERMINAL_E_NO_PAGER)
        fputs("gantryctl: the pager cannot be run\nSee: GANTRY_PAGER in gantryctl(1), --no-pager\n",
              stderr);
    else if (r < 0)
        fprintf(stderr, "gantryctl: not all could be printed: %s\n", strerror(-r));
    return r != 0 && status == 0 ? EXIT_FAILED : status;
}

static int run_verb(struct ctl *ctl, unsigned given, int argc, char **argv)
{
    if (argc == 0)
        return bad_usage("a verb is missing");
    const struct verb *verb = find_verb(argv[0]);
    if (!verb)
        return bad_usage("no such verb: %s", argv[0]);
    int n_max = verb->argument ? 2 : 1, n_min = n_max == 2 && verb->argument[0] != '[' ? 2 : 1;
    if (argc < n_min)
        return bad_usage("one %s is needed by %s", verb->argument, verb->name);
    if (argc > n_max)
        return bad_usage("%s is taken by %s", n_max == 1 ? "no argument" : "one argument only",
                         verb->name);
    const char *option = not_taken(verb, given);
    if (option)
        return bad_usage("--%s is not taken by %s", option, verb->name);
    ctl->argument = argv[1];
    if (ctl->argument && !is_utf8(ctl->argument))
        return bad_usage("the argument is not UTF-8");

    if (verb->is_paged && !ctl->no_pager && !ctl->html)
        terminal_page();
    return close_output(verb->run(ctl));
}

/* Return: true if it was one that has no verb. */
static bool take_option(struct ctl *ctl, unsigned bit, const char *value)
{
    switch (bit) {
    case OPTION_JSON:
        ctl->json = true;
        break;
    case OPTION_NO_PAGER:
        ctl->no_pager = true;
        break;
    case OPTION_FOLLOW:
        ctl->follow = true;
        break;
    case OPTION_HTML:
        ctl->html = value;
        break;
    case OPTION_OUTPUT:
        ctl->output = value;
        break;
    case OPTION_RESTART:
        ctl->restart = value;
        break;
    case OPTION_VERSION:
        puts(PACKAGE_STRING);
        return true;
    }
    return false;
}

/* getopt_long()'s tables, from ours: it returns the option's bit, or its letter. */
static void make_tables(struct option *options, char *letters)
{
    for (size_t i = 0; i < N_ELEMENTS(choices); i++) {
        const struct choice *choice = &choices[i];
        *options++ = (struct option){choice->name, choice->value ? required_argument : no_argument,
                                     NULL, (int)choice->bit << 8};
        if (choice->letter)
            *letters++ = choice->letter;
        if (choice->letter && choice->value)
            *letters++ = ':';
    }
    *options = (struct option){0};
    *letters = '\0';
}

static unsigned bit_of(int option)
{
    for (size_t i = 0; i < N_ELEMENTS(choices); i++) {
        if (option == choices[i].letter || (unsigned)option == choices[i].bit << 8)
            return choices[i].bit;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct option options[N_ELEMENTS(choices) + 1];
    char letters[2 * N_ELEMENTS(choices) + 1];
    CLEANUP(config_unrefp) struct config *config = NULL;
    struct ctl ctl = {0};
    unsigned given = 0;

    setlocale(LC_ALL, "");
    make_tables(options, letters);
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, letters, options, NULL)) != -1;) {
        unsigned bit = bit_of(option);
        if (bit == 0)
            return bad_usage("no such option, or its value is missing: %s", argv[optind - 1]);
        if (take_option(&ctl, bit, optarg))
            return close_output(0);
        given |= bit;
    }
    if (given & OPTION_HELP) {
        const struct verb *verb = argv[optind] ? find_verb(argv[optind]) : NULL;
        if (argv[optind] && !verb)
            return bad_usage("no such verb: %s", argv[optind]);
        print_help(verb);
        return close_output(0);
    }
    /* What is wrong with it is gantryd's to tell. */
    if (config_load(&config, config_path(), CONFIG_CLIENT, NULL, NULL) < 0)
        return EXIT_FAILED;
    ctl.config = config;
    ctl.socket = config->daemon.socket;
    return run_verb(&ctl, given, argc - optind, argv + optind);
}
