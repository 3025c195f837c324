/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Gap 10 of the rktnetes notes: hostPID and hostIPC of a pod spec never reach rkt.
 *
 * rkt's --ipc=parent does nothing (contract section 2). What shares the host's IPC namespace is a
 * variable that systemd-nspawn reads. For the same reason a pod that does not ask for it must not
 * inherit that variable from the kubelet.
 *
 * There is nothing of the kind for the pid namespace: only the fly stage1 leaves an app in the
 * host's. fly is a chroot and no isolation at all, so it is taken for pods that give up isolation
 * anyway: all of whose containers are privileged. It runs one app, and its mounts are the host's
 * (fly.h). It has no network of its own, but runs in the network namespace that it is started in:
 * the host's, or with a network plugin the one that the kubelet has made for the pod by then. Of
 * that the manifest tells: the kubelet makes a file /etc/hosts for a pod if it knows the pod's
 * address, and it knows it at that time only of the plugin (contract section 1).
 *
 * Which stage1 a pod runs in is decided by prepare, which namespaces nspawn makes by run-prepared:
 * an annotation of the manifest, which rkt keeps, tells the one from the other.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/amend/rooms.h"
#include "daemon/fly.h"
#include "daemon/launch.h"
#include "daemon/stage1.h"
#include "lib/path.h"

#define SHARE_IPC "SYSTEMD_NSPAWN_SHARE_NS_IPC"
/* An older one, which shares IPC and pid and uts namespaces. */
#define SHARE_ALL "SYSTEMD_NSPAWN_SHARE_SYSTEM"

/* "host" if the pod shares the host's IPC namespace. */
#define IPC_ANNOTATION "gantry.io/ipc"

/* What the kubelet lets a privileged container retain: up to CAP_AUDIT_READ. */
#define N_CAPABILITIES_PRIVILEGED 38

static bool is_kvm(const char *stage1_name)
{
    return stage1_name && strstr(stage1_name, "stage1-kvm");
}

/* The spec says so, and the manifest, which comes from the kubelet for sure. */
static bool are_privileged(const struct launch *launch)
{
    const struct podspec *spec = launch->spec;

    for (size_t i = 0; i < spec->n_containers; i++) {
        if (!spec->containers[i].privileged)
            return false;
    }
    return manifest_n_capabilities(launch->manifest, 0, MANIFEST_RETAIN_SET) >=
           N_CAPABILITIES_PRIVILEGED;
}

/* Whether the kubelet starts rkt in a network namespace of the pod's. It tells so with its own file
 * at /etc/hosts, pods/UID/etc-hosts; of hostNetwork it is another one. */
static bool has_kubelets_network(const struct launch *launch)
{
    const struct manifest *manifest = launch->manifest;

    for (size_t i = 0; i < manifest_n_mounts(manifest, 0); i++) {
        struct manifest_mount mount = manifest_mount(manifest, 0, i);
        size_t volume = mount.volume ? manifest_find_volume(manifest, mount.volume) : MANIFEST_NONE;
        const char *source =
            volume != MANIFEST_NONE ? manifest_volume(manifest, volume).source : NULL;
        if (!source || !mount.path || strcmp(mount.path, "/etc/hosts") != 0)
            continue;
        const char *rest = path_below(source, launch->config->kubelet.root_dir);
        rest = rest ? path_below(rest, "pods") : NULL;
        rest = rest ? path_below(rest, launch->identity.uid) : NULL;
        if (rest && path_equals(rest, "etc-hosts"))
            return true;
    }
    return false;
}

/* Return: why the pod cannot run under fly; NULL if it can. */
static const char *why_not_fly(const struct launch *launch)
{
    const struct podspec *spec = launch->spec;

    if (launch->cmd.stage1_name || launch->cmd.has_other_stage1)
        return "another stage1 is asked for";
    if (!launch->manifest || manifest_n_apps(launch->manifest) != 1)
        return "stage1-fly runs pods of one container only";
    if (!spec->host_network && !has_kubelets_network(launch))
        return "stage1-fly has no network of its own: hostNetwork is not set, and no /etc/hosts of "
               "the kubelet's tells that it made one (--network-plugin=)";
    if (!launch->config->namespaces.host_pid_unprivileged && !are_privileged(launch))
        return "stage1-fly is no isolation, and the container is not privileged "
               "(HostPIDUnprivileged=no)";
    return NULL;
}

/* Unsupported= decides what becomes of a pod that cannot have what it asks for. gantryctl run
 * promises that a pod is what it says, and somebody waits who can be told. */
static int not_to_be_had(struct launch *launch, const char *what, const char *reason)
{
    if (launch->is_own)
        return error_set(&launch->error, LAUNCH_E_REFUSED, "%s cannot be had: %s", what, reason);
    if (launch->config->namespaces.refuse_unsupported)
        return error_set(&launch->error, LAUNCH_E_REFUSED,
                         "%s cannot be had: %s (Unsupported=refuse)", what, reason);
    return launch_note(launch, "warning: %s cannot be had, the pod runs without it: %s", what,
                       reason);
}

/* Asked last, for it takes a program's run. Return: 0; FLY_E_CANNOT, and the error says why. */
static int find_fly(const struct launch *launch, struct error *error)
{
    const char *name = launch->config->namespaces.stage1_fly;

    int r = stage1_find(launch->config->rkt.path, launch->data_dir, name);
    if (r == STAGE1_E_NOT_FOUND)
        return error_set(error, FLY_E_CANNOT, "rkt has no image %s; see: rkt fetch", name);
    return r < 0 ? error_set(error, FLY_E_CANNOT, "rkt cannot be asked for its images: %s",
                             strerror(-r))
                 : 0;
}

static int choose_fly(struct launch *launch)
{
    launch->stage1_name = strdup(launch->config->namespaces.stage1_fly);
    if (!launch->stage1_name)
        return -ENOMEM;
    int r =
        launch_note(launch, "hostPID: runs under %s, which is no isolation", launch->stage1_name);
    return r == 0 ? fly_drop_message(launch) : r;
}

static int share_pid(struct launch *launch)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;

    if (fly_is_chosen(launch))
        return 0;
    const char *reason = why_not_fly(launch);
    if (reason)
        return not_to_be_had(launch, "hostPID", reason);
    if (!launch->may_wait)
        return LAUNCH_E_WAIT;
    int r = fly_check_mounts(launch, &error);
    if (r == 0)
        r = find_fly(launch, &error);
    if (r == FLY_E_CANNOT)
        return not_to_be_had(launch, "hostPID", error_message(&error));
    return r < 0 ? r : choose_fly(launch);
}

/* At prepare it is only told what run-prepared will do. fly has the host's IPC namespace anyway. */
static int promise_ipc(struct launch *launch)
{
    if (fly_is_chosen(launch))
        return 0;
    if (is_kvm(launch->cmd.stage1_name))
        return not_to_be_had(launch, "hostIPC", "stage1-kvm is a machine of its own");
    int r = manifest_set_annotation(launch->manifest, IPC_ANNOTATION, "host");
    return r < 0 ? r : launch_note(launch, "hostIPC: shares the host's IPC namespace");
}

static int choose_stage1(struct launch *launch)
{
    int r = launch->spec->host_pid ? share_pid(launch) : 0;

    return r == 0 && launch->spec->host_ipc ? promise_ipc(launch) : r;
}

static int set_environment(struct launch *launch)
{
    static const char *const variables[] = {SHARE_IPC, SHARE_ALL};
    const char *shares = manifest_annotation(launch->manifest, IPC_ANNOTATION);

    if (shares && strcmp(shares, "host") == 0)
        return launch_set_environment(launch, SHARE_IPC, "1");
    for (size_t i = 0; i < N_ELEMENTS(variables); i++) {
        if (!launch_get_environment(launch, variables[i]))
            continue;
        launch_unset_environment(launch, variables[i]);
        int r = launch_note(launch, "%s is kept from rkt: the pod has not asked for hostIPC",
                            variables[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

int amend_namespaces(struct launch *launch)
{
    int r = 0;

    if (!launch->is_kubernetes)
        return 0;
    if (launch->spec && (LAUNCH_PREPARES & 1U << launch->cmd.verb))
        r = choose_stage1(launch);
    if (r == 0 && (LAUNCH_RUNS & 1U << launch->cmd.verb))
        r = set_environment(launch);
    return r;
}
