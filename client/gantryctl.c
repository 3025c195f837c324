/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl.h"
#include "lib/config.h"

static const char usage[] =
    "gantryctl [OPTIONS] VERB\n"
    "\n"
    "  list          pods, their state, and what is left of their back-off\n"
    "  explain POD   what each room did to its launches, and why one was refused\n"
    "  reset POD     end its back-off: the next restart goes at once\n"
    "  gpus          the node's GPUs, and who has them\n"
    "  monitor       events as they come\n"
    "\n"
    "A POD is NAME, NAMESPACE/NAME, a UID or the beginning of one, or the beginning\n"
    "of the UUID of one of its rkt pods.\n"
    "\n"
    "  --json        print what gantryd answers; monitor: one object a line\n"
    "  --version\n"
    "  --help\n";

static const struct verb {
    const char *name;
    bool takes_pod;
    int (*run)(const struct ctl *ctl);
} verbs[] = {
    {"list", false, ctl_list}, {"explain", true, ctl_explain},  {"reset", true, ctl_reset},
    {"gpus", false, ctl_gpus}, {"monitor", false, ctl_monitor},
};

static int bad_usage(const char *why, const char *what)
{
    fprintf(stderr, "gantryctl: %s%s\n\n%s", why, what, usage);
    return EXIT_USAGE;
}

/* What is not cannot be put into JSON. */
static bool is_utf8(const char *text)
{
    CLEANUP(json_decrefp) json_t *string = json_string(text);

    return string;
}

static int run_verb(struct ctl *ctl, int argc, char **argv)
{
    if (argc == 0)
        return bad_usage("a verb is missing", "");
    for (size_t i = 0; i < N_ELEMENTS(verbs); i++) {
        if (strcmp(verbs[i].name, argv[0]) != 0)
            continue;
        if (argc != (verbs[i].takes_pod ? 2 : 1))
            return bad_usage(
                verbs[i].takes_pod ? "one POD is needed by " : "no argument is taken by ", argv[0]);
        ctl->pod = argv[1];
        if (ctl->pod && !is_utf8(ctl->pod))
            return bad_usage("the argument is not UTF-8", "");
        return verbs[i].run(ctl);
    }
    return bad_usage("no such verb: ", argv[0]);
}

int main(int argc, char **argv)
{
    enum { JSON = 1, VERSION, HELP };
    static const struct option long_options[] = {
        {"json", no_argument, NULL, JSON},
        {"version", no_argument, NULL, VERSION},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    CLEANUP(config_unrefp) struct config *config = NULL;
    struct ctl ctl = {0};

    setlocale(LC_ALL, "");
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (option) {
        case JSON:
            ctl.json = true;
            break;
        case VERSION:
            puts(PACKAGE_STRING);
            return 0;
        case HELP:
            fputs(usage, stdout);
            return 0;
        default:
            return bad_usage("no such option", "");
        }
    }
    /* What is wrong with it is gantryd's to tell. */
    if (config_load(&config, config_path(), CONFIG_CLIENT, NULL, NULL) < 0)
        return EXIT_FAILED;
    ctl.socket = config->daemon.socket;
    return run_verb(&ctl, argc - optind, argv + optind);
}
