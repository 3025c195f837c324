/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/daemon.h"

/* EX_CONFIG of sysexits.h: the unit does not start again on this one. */
#define EXIT_CONFIG 78

static const char usage[] =
    "gantryd [OPTIONS]\n"
    "\n"
    "Stands between the kubelet and rkt: makes each pod ready for launch, and holds\n"
    "back those that keep failing. See gantryd(8).\n"
    "\n"
    "  --config=FILE          instead of the file that gantry.conf(5) names\n"
    "  --check-config         tell what is wrong with the configuration, and exit\n"
    "  --state-directory=DIR  where the state of pods is kept\n"
    "  --version\n"
    "  --help\n";

static void report(void *userdata, bool is_warning, const char *message)
{
    (void)userdata;
    fprintf(stderr, "%s%s\n", is_warning ? "warning: " : "", message);
}

/* RuntimeDirectory= of the unit, systemd.exec(5). */
static const char *default_state_dir(void)
{
    const char *dir = getenv("RUNTIME_DIRECTORY");

    return dir ? dir : RUNSTATEDIR "/gantry";
}

static int run(const struct daemon_options *options, bool only_check)
{
    CLEANUP(config_unrefp) struct config *config = NULL;

    int r = config_load(&config, options->config_path, CONFIG_ALL, report, NULL);
    if (r < 0) {
        fprintf(stderr, "gantryd: %s: %s\n", options->config_path, strerror(-r));
        return EXIT_FAILURE;
    }
    if (r > 0)
        return EXIT_CONFIG;
    return only_check ? EXIT_SUCCESS : daemon_run(options, config);
}

int main(int argc, char **argv)
{
    enum { CONFIG = 1, CHECK_CONFIG, STATE_DIRECTORY, VERSION, HELP };
    static const struct option long_options[] = {
        {"config", required_argument, NULL, CONFIG},
        {"check-config", no_argument, NULL, CHECK_CONFIG},
        {"state-directory", required_argument, NULL, STATE_DIRECTORY},
        {"version", no_argument, NULL, VERSION},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    struct daemon_options options = {.config_path = config_path(),
                                     .state_dir = default_state_dir()};
    bool only_check = false;

    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (option) {
        case CONFIG:
            options.config_path = optarg;
            break;
        case CHECK_CONFIG:
            only_check = true;
            break;
        case STATE_DIRECTORY:
            options.state_dir = optarg;
            break;
        case VERSION:
            puts(PACKAGE_STRING);
            return EXIT_SUCCESS;
        case HELP:
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            fputs(usage, stderr);
            return EXIT_FAILURE;
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        return EXIT_FAILURE;
    }
    return run(&options, only_check);
}
