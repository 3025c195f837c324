/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rkt-standin: a stand-in for rkt 1.30, for the demo and the tests on machines that have no rkt. It
 * is NOT rkt, and never to be used in production; README.md says what it leaves out.
 *
 * It has rkt's command line, messages, exit statuses and data directory, and it runs apps for real:
 * for the nspawn stage1s by crun, for the fly one by becoming the app. All of it is written afresh
 * from what rkt was seen to do.
 *
 *   cmdline            the command line
 *   image              fetch and the image store
 *   pod                a pod's folder, its stage and its lock
 *   check, prepare     a manifest becomes a prepared pod
 *   run, rootfs, mounts, then nspawn and crun, or fly      a prepared pod becomes a running one
 *   enter, show, remove                                    what is done with pods after that
 */
#include <stdio.h>
#include <string.h>

#include "contrib/rkt-standin/commands.h"
#include "contrib/rkt-standin/util.h"

static const char notice[] = "This is rkt-standin, a stand-in for rkt for demonstrations and tests "
                             "alone. It is not rkt.\n";

static int print_version(const struct cmdline *cmd, struct error *error)
{
    (void)cmd;
    (void)error;
    puts("rkt Version: 1.30.0-standin\nappc Version: 0.8.11\nFeatures: STANDIN");
    return 0;
}

static const struct command {
    const char *name;
    const char *usage;
    int (*run)(const struct cmdline *cmd, struct error *error);
    int n_args_min;
    int n_args_max; /* 0: no limit */
    bool for_all;   /* needs no root */
} commands[N_VERBS] = {
    [VERB_NONE] = {.name = "rkt", .usage = "[command]"},
    [VERB_HELP] = {.name = "help", .usage = "help"},
    [VERB_IMAGE] = {.name = "image", .usage = "image cat-manifest|list|rm"},
    [VERB_CAT_MANIFEST] = {"cat-manifest", "cat-manifest [--pretty-print=false] UUID",
                           command_cat_manifest, 1, 1, false},
    [VERB_ENTER] = {"enter", "enter [--app=APP] UUID [CMD [ARGS ...]]", command_enter, 1, 0, false},
    [VERB_FETCH] = {"fetch", "fetch [--full] FILE.aci ...", command_fetch, 0, 0, false},
    [VERB_GC] = {"gc", "gc [--mark-only] [--grace-period=duration] [--expire-prepared=duration]",
                 command_gc, 0, 0, false},
    [VERB_IMAGE_CAT_MANIFEST] = {"cat-manifest", "image cat-manifest IMAGE",
                                 command_image_cat_manifest, 1, 1, false},
    [VERB_IMAGE_LIST] = {"image list", "image list [--full] [--no-legend] [--format=json]",
                         command_image_list, 0, 0, false},
    [VERB_IMAGE_RM] = {"rm", "image rm ID|NAME ...", command_image_rm, 0, 0, false},
    [VERB_LIST] = {"list", "list [--full] [--no-legend] [--format=json]", command_list, 0, 0,
                   false},
    [VERB_PREPARE] = {"prepare",
                      "prepare --pod-manifest FILE [--quiet] [--no-overlay] [--stage1-name=NAME]",
                      command_prepare, 0, 0, false},
    [VERB_RM] = {"rm", "rm UUID ...", command_rm, 1, 0, false},
    [VERB_RUN_PREPARED] = {"run-prepared",
                           "run-prepared [--net=host] [--hostname=NAME] [--dns=..] UUID",
                           command_run_prepared, 1, 1, false},
    [VERB_STATUS] = {"status", "status [--format=json] UUID", command_status, 1, 1, false},
    [VERB_STOP] = {"stop", "stop [--force] UUID ...", command_stop, 1, 0, false},
    [VERB_VERSION] = {"version", "version", print_version, 0, 0, true},
};

/* rkt's usage goes to stdout, whatever the reason. */
static void print_usage(enum verb verb)
{
    printf("%s\nUSAGE:\n", notice);
    for (enum verb other = VERB_NONE; other < N_VERBS; other++) {
        if (other == verb || (!commands[verb].run && commands[other].run))
            printf("\trkt %s\n", commands[other].usage);
    }
}

static int run_command(const struct cmdline *cmd, struct error *error)
{
    const struct command *command = &commands[cmd->verb];

    if (cmdline_is_on(cmd, "help") || cmd->verb == VERB_HELP || cmd->verb == VERB_IMAGE) {
        print_usage(cmd->verb);
        return 0;
    }
    if (cmd->verb == VERB_NONE) {
        fprintf(stderr, "rkt: missing command\n");
        print_usage(cmd->verb);
        return 2;
    }
    if (cmd->n_args < command->n_args_min ||
        (command->n_args_max && cmd->n_args > command->n_args_max)) {
        print_usage(cmd->verb);
        return FAILED;
    }
    if (geteuid() != 0 && !command->for_all)
        return error_set(error, FAILED, "cannot run as unprivileged user");
    return command->run(cmd, error);
}

int main(int argc, char **argv)
{
    CLEANUP(cmdline_deinit) struct cmdline cmd = {.verb = VERB_NONE};
    CLEANUP(error_deinit) struct error error = ERROR_NULL;

    switch (cmdline_parse(&cmd, argc, argv, &error)) {
    case 0:
        break;
    case CMDLINE_E_UNKNOWN_COMMAND:
        fprintf(stderr, "Error: %s\nRun 'rkt --help' for usage.\n", error_message(&error));
        return FAILED;
    case CMDLINE_E_FLAG:
        fprintf(stderr, "Error: %s\n\n", error_message(&error));
        print_usage(cmd.verb);
        return FAILED;
    default:
        fprintf(stderr, "rkt: out of memory\n");
        return FAILED;
    }

    int r = run_command(&cmd, &error);
    if (r < 0 && !error.message)
        error_set(&error, r, "%s", strerror(-r));
    if (error.message)
        fprintf(stderr, "%s: %s\n", commands[cmd.verb].name, error.message);
    return r < 0 ? FAILED : r;
}
