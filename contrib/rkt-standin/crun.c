/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI configuration of an app. It has a mount namespace of its own; pid, ipc and uts namespaces
 * are those of the pod's init, and the network is the caller's.
 */
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "contrib/rkt-standin/run.h"

/* By number, capability.h; without CAP_. */
static const char *const capability_names[] = {
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
};

/* What rkt leaves an app that says nothing; a mask by number. */
#define DEFAULT_CAPABILITIES UINT64_C(0xa80425fb)

/* Return: the capability's number, -1. */
static int find_capability(const char *name)
{
    if (!name || strncmp(name, "CAP_", 4) != 0)
        return -1;
    for (size_t i = 0; i < N_ELEMENTS(capability_names); i++) {
        if (strcmp(capability_names[i], name + 4) == 0)
            return (int)i;
    }
    return -1;
}

/* Whether one of --insecure-options is given, by itself or within another. */
static bool is_insecure(const struct run *run, const char *option)
{
    const char *list = cmdline_value(run->cmd, "insecure-options");
    CLEANUP(freep) char *copy = strdup(list ? list : "");
    char *rest = copy;

    for (const char *word; (word = strsep(&rest, ","));) {
        if (strcmp(word, option) == 0 || strcmp(word, "all-run") == 0 || strcmp(word, "all") == 0)
            return true;
    }
    return false;
}

/* Return: the capabilities that this process has, and could pass on. */
static uint64_t own_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

    syscall(SYS_capget, &header, data);
    return (uint64_t)data[1].permitted << 32 | data[0].permitted;
}

int capabilities_resolve(const struct run *run, const struct app *app, json_t **listp,
                         struct error *error)
{
    const json_t *retain = app_isolator(app, "os/linux/capabilities-retain-set");
    const json_t *remove = app_isolator(app, "os/linux/capabilities-remove-set");
    uint64_t set = retain ? 0 : DEFAULT_CAPABILITIES;
    const json_t *entry;
    size_t i;

    if (retain && remove)
        return error_set(error, FAILED,
                         "stage1: cannot initialize immutable environment: cannot have both "
                         "os/linux/capabilities-retain-set and os/linux/capabilities-remove-set");
    json_array_foreach(json_object_get(retain, "set"), i, entry)
    {
        int number = find_capability(json_string_value(entry));
        if (number < 0)
            return error_set(error, 1, "Failed to parse capability %s.", json_string_value(entry));
        set |= UINT64_C(1) << number;
    }
    json_array_foreach(json_object_get(remove, "set"), i, entry)
    {
        int number = find_capability(json_string_value(entry));
        if (number >= 0)
            set &= ~(UINT64_C(1) << number);
    }
    if (is_insecure(run, "capabilities"))
        set = UINT64_MAX;
    set &= own_capabilities();

    *listp = json_array();
    for (i = 0; i < N_ELEMENTS(capability_names); i++) {
        if (set & UINT64_C(1) << i)
            json_array_append_new(*listp, json_sprintf("CAP_%s", capability_names[i]));
    }
    return 0;
}

static json_t *make_process(const struct app *app, json_t *capabilities)
{
    json_t *args = json_copy(json_object_get(app->spec, "exec"));
    json_t *more = json_object_get(app->spec, "supplementaryGIDs");

    json_array_set_new(args, 0, json_string(app->program));
    return json_pack("{s:b, s:o, s:O, s:s, s:{s:i, s:i, s:o}, s:b, s:{s:O, s:O, s:O}}", "terminal",
                     0, "args", args, "env", app->environment, "cwd", app_directory(app), "user",
                     "uid", (int)app->uid, "gid", (int)app->gid, "additionalGids",
                     json_is_array(more) ? json_incref(more) : json_array(), "noNewPrivileges",
                     json_is_true(app_isolator(app, "os/linux/no-new-privileges")), "capabilities",
                     "bounding", capabilities, "effective", capabilities, "permitted",
                     capabilities);
}

/* A file system, or a host path to bind. */
static json_t *make_mount(const char *type, const char *source, const char *target,
                          const char *option, const char *other_option)
{
    return json_pack("{s:s, s:s, s:s, s:[s, s]}", "type", type, "source", source, "destination",
                     target, "options", option, other_option);
}

/* What rkt mounts in each app. /dev stays the image's own folder, with devices bound into it. */
static json_t *make_system_mounts(const struct run *run)
{
    static const char *const devices[] = {"/dev/null",   "/dev/zero",    "/dev/full",
                                          "/dev/random", "/dev/urandom", "/dev/tty"};
    CLEANUP(freep) char *shm = NULL;
    json_t *list = json_array();

    json_array_append_new(list, make_mount("proc", "proc", "/proc", "nosuid", "nodev"));
    json_array_append_new(list, make_mount("sysfs", "sysfs", "/sys", "nosuid", "ro"));
    json_array_append_new(
        list, make_mount("devpts", "devpts", "/dev/pts", "newinstance", "ptmxmode=0666"));
    for (size_t i = 0; i < N_ELEMENTS(devices); i++)
        json_array_append_new(list, make_mount("bind", devices[i], devices[i], "bind", "rw"));
    if (asprintf(&shm, "%s/stage1/rootfs/dev/shm", run->folder) < 0)
        shm = NULL;
    json_array_append_new(list, make_mount("bind", shm, "/dev/shm", "bind", "rw"));
    return list;
}

static json_t *make_mounts(const struct run *run, const struct mounts *mounts)
{
    json_t *list = make_system_mounts(run);

    for (size_t i = 0; i < mounts->n; i++) {
        const struct mount *mount = &mounts->list[i];
        json_array_append_new(list, make_mount("bind", mount->source, mount->target,
                                               mount->is_recursive ? "rbind" : "bind",
                                               mount->is_read_only ? "ro" : "rw"));
    }
    return list;
}

static json_t *make_namespaces(pid_t init)
{
    static const char *const types[] = {"pid", "ipc", "uts"};
    json_t *list = json_pack("[{s:s}]", "type", "mount");

    for (size_t i = 0; i < N_ELEMENTS(types); i++)
        json_array_append_new(list, json_pack("{s:s, s:o}", "type", types[i], "path",
                                              json_sprintf("/proc/%d/ns/%s", (int)init, types[i])));
    return list;
}

static json_t *make_linux(const struct run *run, pid_t init)
{
    json_t *json =
        json_pack("{s:o, s:s}", "namespaces", make_namespaces(init), "rootfsPropagation", "rslave");

    if (!is_insecure(run, "paths")) {
        json_object_set_new(json, "maskedPaths",
                            json_pack("[s, s, s, s, s, s, s]", "/proc/kcore", "/proc/kallsyms",
                                      "/proc/sched_debug", "/sys/firmware", "/sys/fs",
                                      "/sys/module", "/sys/power"));
        json_object_set_new(json, "readonlyPaths",
                            json_pack("[s, s, s, s, s]", "/proc/bus", "/proc/fs", "/proc/irq",
                                      "/proc/sys", "/proc/sysrq-trigger"));
    }
    return json;
}

json_t *crun_config(const struct run *run, const struct app *app, pid_t init,
                    const struct mounts *mounts, json_t *capabilities)
{
    const char *hostname = cmdline_value(run->cmd, "hostname");

    return json_pack("{s:s, s:o, s:{s:o, s:b}, s:o, s:o, s:o}", "ociVersion", "1.0.0", "process",
                     make_process(app, capabilities), "root", "path",
                     json_sprintf("%s/%s", run->folder, app->rootfs), "readonly",
                     json_is_true(json_object_get(app->runtime, "readOnlyRootFS")), "hostname",
                     hostname ? json_string(hostname) : json_sprintf("rkt-%s", run->pod.uuid),
                     "mounts", make_mounts(run, mounts), "linux", make_linux(run, init));
}
