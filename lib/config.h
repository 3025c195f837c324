/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The configuration: gantry.conf and gantry.conf.d/NAME.conf beside it, in the order of their
 * names, INI as systemd's own files are. gantry.conf(5) describes every key; lib/config.c has them
 * as one table.
 *
 * A later assignment replaces an earlier one; those that take a list add to it, and an empty one
 * clears it.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "lib/backoff.h"
#include "lib/error.h"
#include "lib/usec.h"

enum on_unreachable {
    ON_UNREACHABLE_FORWARD,
    ON_UNREACHABLE_REFUSE,
};

struct config {
    struct {
        char *socket; /* Socket=: the API socket, if it is not handed over by systemd */
        uid_t *users; /* AllowUsers=: who may ask besides root, but change nothing */
        size_t n_users;
        unsigned n_connections_max; /* ConnectionsMax= */
    } daemon;
    struct {
        char *path;     /* Path=: the real rkt */
        char *data_dir; /* DataDirectory=: where rkt keeps its pods when no --dir is given */
    } rkt;
    struct {
        usec_t request_timeout; /* RequestTimeout= */
        enum on_unreachable on_unreachable;
    } launch;
    struct {
        bool create; /* Create= */
        mode_t mode; /* Mode= */
        uid_t uid;   /* Owner= */
        gid_t gid;
        char *owner; /* the same in words, "root:root" */
        char **deny; /* the built-in prefixes and Deny=, ended by NULL */
        size_t n_deny;
    } hostpath;
    struct backoff_limits backoff; /* Initial=, Max= */
    struct {
        char *root_dir;    /* RootDirectory=: the kubelet's --root-dir */
        char *url;         /* URL=: where it answers /pods; "": it is not asked */
        char *ca;          /* CA=: whom an https URL's certificate has to be signed by; or "" */
        char *certificate; /* Certificate=: ours, with Key=; or "" */
        char *key;
        char *token_file; /* TokenFile=: what we prove ourselves with; or "" */
        usec_t timeout;   /* Timeout=, at most half of request_timeout */
        bool required;    /* Required= */
    } kubelet;
    struct {
        bool read_only_secrets; /* ReadOnlySecrets= */
    } volumes;
    struct {
        char *stage1_fly;           /* Stage1Fly=: the image's name */
        bool host_pid_unprivileged; /* HostPIDUnprivileged= */
        bool refuse_unsupported;    /* Unsupported=refuse */
    } namespaces;
    struct {
        char *device_dir;  /* DeviceDirectory=: where the device nodes are */
        char *driver_path; /* DriverPath=: the driver's files for the apps */
    } gpu;

    unsigned n_refs;
};

/* Which keys are read. The drop-in needs few, and must not ask for users' names on the way to rkt.
 */
enum config_scope {
    CONFIG_ALL,
    CONFIG_CLIENT, /* [Daemon] Socket=, [Rkt], [Launch] */
};

enum {
    /* A value, a line or a file was bad; each was reported. */
    CONFIG_E_INVALID = 1,
};

/* Told once for each fault, with file and line in the words. A warning spoils nothing. */
typedef void config_report_fn(void *userdata, bool is_warning, const char *message);

/* Reads `path` and `path`.d/NAME.conf; that they are missing is no fault. What was bad keeps its
 * default, so that who must go on can. `report` may be NULL. Return: 0 or CONFIG_E_INVALID, and in
 * both cases a configuration to config_unref(); -ENOMEM. */
int config_load(struct config **configp, const char *path, enum config_scope scope,
                config_report_fn *report, void *userdata);

/* References are counted without a lock: they are taken and dropped in one thread; reading is free.
 */
struct config *config_ref(struct config *config);

/* Return: NULL. */
struct config *config_unref(struct config *config);

static inline void config_unrefp(struct config **configp)
{
    config_unref(*configp);
}

/* The keys there are, by number; so the tests hold the manual against them. Return: false if there
 * are not so many. */
bool config_key(size_t index, const char **sectionp, const char **namep);

/* Where the configuration is: $GANTRY_CONFIG, else SYSCONFDIR/gantry/gantry.conf. */
const char *config_path(void);
