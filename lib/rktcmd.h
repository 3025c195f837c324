/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rkt's command line, read as rkt 1.30.0 reads it. The only file that knows rkt's flags.
 *
 * rkt is a cobra program, so: a flag may stand before or after the subcommand; `--flag value` and
 * `--flag=value` are the same, except for switches and --net, which take a value only after '=';
 * the subcommand may be cut short as long as it is unambiguous. prepare and run stop at their first
 * image: what stands between `--` and `---` belongs to that image's app, what follows may be flags
 * again.
 *
 * Only what gantry has to know is taken out. A line that rkt itself would refuse is not judged here
 * any further: it goes to rkt, which says it better.
 */

#include <stdbool.h>
#include <stddef.h>

enum rktcmd_verb {
    RKTCMD_OTHER, /* every other subcommand, none at all, or a question for help */
    RKTCMD_PREPARE,
    RKTCMD_RUN_PREPARED,
    RKTCMD_RUN,
};

enum {
    /* A launch, but with a flag that rkt 1.30.0 does not know, or without a value for one that
     * needs it, or in which cobra would find another subcommand if the manifest were another. What
     * else the line holds is unknown; only the verb is set. */
    RKTCMD_E_USAGE = 1,
};

/* A --volume NAME,kind=KIND,source=SOURCE,... of prepare or run. */
struct rktcmd_volume {
    char *text; /* what the others point into */
    const char *name;
    const char *kind;   /* NULL if missing */
    const char *source; /* NULL if missing */
};

/* All strings but the volumes' are borrowed from argv; NULL if not given. */
struct rktcmd {
    enum rktcmd_verb verb;
    const char *data_dir;     /* --dir, as written: it may be relative */
    const char *pod_manifest; /* --pod-manifest, as written */
    const char *stage1_name;  /* --stage1-name */
    bool has_other_stage1;    /* --stage1-url, -path, -hash or -from-dir */
    const char *uuid;         /* run-prepared: the rkt pod, perhaps cut short */
    struct rktcmd_volume *volumes;
    size_t n_volumes;

    int argc;
    char **argv;
    int word_at;     /* the argument that is the subcommand */
    int manifest_at; /* the argument that bears --pod-manifest's value */
};

#define RKTCMD_NULL ((struct rktcmd){.verb = RKTCMD_OTHER})

/* Reads rkt's arguments, argv[0] left out of sight. `argv` must outlive `cmd`.
 * Return: 0, RKTCMD_E_USAGE, -ENOMEM. In each case rktcmd_deinit() is due. */
int rktcmd_parse(struct rktcmd *cmd, int argc, char **argv);

void rktcmd_deinit(struct rktcmd *cmd);

/* Return: the subcommand's name as the journal shows it, "prepare"; "" for RKTCMD_OTHER. */
const char *rktcmd_verb_name(enum rktcmd_verb verb);

/* The same command line with another --pod-manifest; cmd->pod_manifest must be set. Only the array
 * and the one changed argument are new. Return: 0, -ENOMEM. free() the array and *argumentp. */
int rktcmd_with_manifest(const struct rktcmd *cmd, const char *path, char ***argvp,
                         char **argumentp);

/* The same command line with --stage1-name=NAME behind the subcommand; cmd->stage1_name must not be
 * set. Return: as above. */
int rktcmd_with_stage1(const struct rktcmd *cmd, const char *name, char ***argvp, char **argumentp);
