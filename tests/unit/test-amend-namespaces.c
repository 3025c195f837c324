/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "daemon/amend/rooms.h"
#include "tests/unit/launches.h"

#define FLY "coreos.com/rkt/stage1-fly:1.30.0"

/* A case: the pod, how it is launched, and what becomes of it. */
struct row {
    const char *spec;  /* its "spec" in /pods */
    const char *mount; /* volume that the app mounts at /v: "host", "empty"; or NULL */
    const char *below; /* where it mounts another one, a host volume; or NULL */
    const char *hosts; /* the source of its /etc/hosts */
    const char *flag;  /* of prepare */
    unsigned n_apps;   /* 0: one */
    const char *rkt;   /* what says whether the image is there; NULL: yes */
    bool is_plain;     /* the manifest does not let the app retain all capabilities */
    bool is_own;       /* the pod is one of gantry's own */
    const char *config;
    /* expected */
    bool runs_under_fly;
    bool waits;
    const char *words; /* of the note or, if it is refused, of the error; NULL: neither */
    bool is_refused;
};

#define PRIVILEGED "\"containers\":[{\"name\":\"c\",\"securityContext\":{\"privileged\":true}}]"
#define PLAIN "\"containers\":[{\"name\":\"c\"}]"
#define HOST_PID "{\"hostPID\":true,\"hostNetwork\":true,"
#define WITHOUT_PID "warning: hostPID cannot be had, the pod runs without it: "
#define WITHOUT_NETWORK                                                                       \
    "stage1-fly has no network of its own: hostNetwork is not set, and no /etc/hosts of the " \
    "kubelet's tells that it made one (--network-plugin=)"

static void set_spec(struct launch *launch, const char *text)
{
    CLEANUP(json_decrefp) json_t *spec = json_loads(text, 0, NULL);
    CLEANUP(json_decrefp)
    json_t *list =
        json_pack("{s:[{s:{s:s}, s:O}]}", "items", "metadata", "uid", "1234", "spec", spec);

    assert_non_null(spec);
    assert_int_equal(podspec_find(&launch->spec, list, "1234", NULL), 0);
    assert_non_null(launch->spec);
}

static void add_mount(struct launch *launch, const char *source, const char *path)
{
    manifest_add_host_volume(launch->manifest, path + 1, source, false);
    manifest_add_mount(launch->manifest, 0, path + 1, path, false);
}

static void set_mount(struct launch *launch, const char *kind)
{
    json_t *root =
        json_pack("{s:[{s:s, s:{s:[{s:s, s:s}]}}], s:[{s:s, s:s}]}", "apps", "name", "c", "app",
                  "mountPoints", "name", "v", "path", "/v", "volumes", "name", "v", "kind", kind);

    manifest_free(launch->manifest);
    assert_int_equal(manifest_from_json(&launch->manifest, root, NULL), 0);
}

static void set_apps(struct launch *launch, unsigned n)
{
    json_t *apps = json_array();

    for (unsigned i = 0; i < n; i++)
        json_array_append_new(apps, json_pack("{s:s, s:{}}", "name", "c", "app"));
    manifest_free(launch->manifest);
    assert_int_equal(manifest_from_json(&launch->manifest, json_pack("{s:o}", "apps", apps), NULL),
                     0);
}

static void set_flag(struct launch *launch, const char *flag)
{
    launch->argv = reallocarray(launch->argv, 4, sizeof(*launch->argv));
    launch->argv[launch->argc++] = strdup(flag);
    launch->argv[launch->argc] = NULL;
    rktcmd_deinit(&launch->cmd);
    assert_int_equal(rktcmd_parse(&launch->cmd, launch->argc, launch->argv), 0);
}

/* What the kubelet lets a privileged container retain. */
static void set_capabilities(struct launch *launch)
{
    static const char *const all[38] = {[0 ... 37] = "CAP_X"};

    manifest_set_capabilities(launch->manifest, 0, MANIFEST_RETAIN_SET, all, N_ELEMENTS(all));
}

static void enter(const struct row *row)
{
    CLEANUP(config_unrefp) struct config *config = make_config(row->config ? row->config : "");
    CLEANUP(launch_freep) struct launch *launch = make_launch(config, "1", NULL);

    if (row->mount)
        set_mount(launch, row->mount);
    if (row->n_apps > 0)
        set_apps(launch, row->n_apps);
    if (row->below)
        add_mount(launch, "/srv/below", row->below);
    if (row->hosts)
        add_mount(launch, row->hosts, "/etc/hosts");
    if (row->flag)
        set_flag(launch, row->flag);
    if (row->spec)
        set_spec(launch, row->spec);
    if (!row->is_plain)
        set_capabilities(launch);
    launch->is_own = row->is_own;
    free(config->rkt.path);
    config->rkt.path = strdup(row->rkt ? row->rkt : "/bin/true");
    if (row->runs_under_fly || row->waits)
        assert_int_equal(amend_namespaces(launch), LAUNCH_E_WAIT);
    launch->may_wait = true;
    assert_int_equal(amend_namespaces(launch), row->is_refused ? LAUNCH_E_REFUSED : 0);
    if (row->runs_under_fly)
        assert_string_equal(launch->stage1_name, FLY);
    else
        assert_null(launch->stage1_name);
    assert_int_equal(launch->notes.n, row->words && !row->is_refused ? 1 : 0);
    if (row->is_refused)
        assert_string_equal(error_message(&launch->error), row->words);
    else if (row->words)
        assert_string_equal(launch->notes.list[0].text, row->words);
    assert_int_equal(launch->n_environment, 0);
}

static void prepare_chooses_the_stage1(void **state)
{
    static const char fly_note[] = "hostPID: runs under " FLY ", which is no isolation";
    static const struct row rows[] = {
        {.spec = NULL},
        {.spec = "{" PLAIN "}"},
        {.spec = HOST_PID PRIVILEGED "}", .runs_under_fly = true, .words = fly_note},
        {.spec = HOST_PID PRIVILEGED "}",
         .mount = "host",
         .runs_under_fly = true,
         .words = fly_note},
        {.spec = HOST_PID "\"hostIPC\":true," PRIVILEGED "}",
         .runs_under_fly = true,
         .words = fly_note},
        {.spec = HOST_PID PRIVILEGED "}",
         .rkt = "/bin/false",
         .waits = true,
         .words = WITHOUT_PID "rkt has no image " FLY "; see: rkt fetch"},
        {.spec = HOST_PID PRIVILEGED "}",
         .rkt = "/nonexistent/rkt",
         .config = "[Namespaces]\nUnsupported=refuse\n",
         .waits = true,
         .words = "hostPID cannot be had: rkt cannot be asked for its images: No such file or "
                  "directory (Unsupported=refuse)",
         .is_refused = true},
        {.spec = HOST_PID PRIVILEGED "}", .flag = "--stage1-name=" FLY},
        {.spec = HOST_PID PRIVILEGED "}",
         .flag = "--stage1-name=coreos.com/rkt/stage1-kvm:1.30.0",
         .words = WITHOUT_PID "another stage1 is asked for"},
        {.spec = HOST_PID PRIVILEGED "}",
         .flag = "--stage1-path=/stage1.aci",
         .words = WITHOUT_PID "another stage1 is asked for"},
        {.spec = HOST_PID PRIVILEGED "}",
         .n_apps = 2,
         .words = WITHOUT_PID "stage1-fly runs pods of one container only"},
        {.spec = "{\"hostPID\":true," PRIVILEGED "}", .words = WITHOUT_PID WITHOUT_NETWORK},
        {.spec = "{\"hostPID\":true," PRIVILEGED "}",
         .hosts = "/var/lib/kubelet/pods/1234/etc-hosts",
         .runs_under_fly = true,
         .words = fly_note},
        {.spec = "{\"hostPID\":true," PRIVILEGED "}",
         .hosts = "/var/lib/kubelet/pods/1234/containers/c/etc-hosts",
         .words = WITHOUT_PID WITHOUT_NETWORK},
        {.spec = "{\"hostPID\":true," PRIVILEGED "}",
         .hosts = "/var/lib/kubelet/pods/4321/etc-hosts",
         .words = WITHOUT_PID WITHOUT_NETWORK},
        {.spec = HOST_PID PRIVILEGED "}",
         .is_plain = true,
         .words = WITHOUT_PID "stage1-fly is no isolation, and the container is not privileged "
                              "(HostPIDUnprivileged=no)"},
        {.spec = HOST_PID PLAIN "}",
         .words = WITHOUT_PID "stage1-fly is no isolation, and the container is not privileged "
                              "(HostPIDUnprivileged=no)"},
        {.spec = HOST_PID PLAIN "}",
         .config = "[Namespaces]\nHostPIDUnprivileged=yes\n",
         .runs_under_fly = true,
         .words = fly_note},
        {.spec = HOST_PID PRIVILEGED "}",
         .mount = "empty",
         .waits = true,
         .words = WITHOUT_PID "stage1-fly mounts host volumes only, and each once"},
        {.spec = HOST_PID PRIVILEGED "}",
         .mount = "host",
         .below = "/v/below",
         .waits = true,
         .words = WITHOUT_PID "under stage1-fly no mount can lie below another, or below /dev, "
                              "/proc or /sys: /v and /v/below"},
        {.spec = HOST_PID PRIVILEGED "}",
         .below = "/dev/below",
         .config = "[Namespaces]\nUnsupported=refuse\n",
         .waits = true,
         .words = "hostPID cannot be had: under stage1-fly no mount can lie below another, or "
                  "below /dev, /proc or /sys: /dev and /dev/below (Unsupported=refuse)",
         .is_refused = true},
        /* the kubelet's own choice stays */
        {.spec = HOST_PID PRIVILEGED "}", .flag = "--stage1-name=" FLY, .below = "/dev/below"},
        {.spec = HOST_PID PLAIN "}",
         .config = "[Namespaces]\nUnsupported=refuse\n",
         .words = "hostPID cannot be had: stage1-fly is no isolation, and the container is not "
                  "privileged (HostPIDUnprivileged=no) (Unsupported=refuse)",
         .is_refused = true},
        {.spec = HOST_PID PRIVILEGED "}",
         .is_own = true,
         .runs_under_fly = true,
         .words = fly_note},
        {.spec = "{\"hostPID\":true," PRIVILEGED "}",
         .is_own = true,
         .words = "hostPID cannot be had: " WITHOUT_NETWORK,
         .is_refused = true},
        {.spec = "{\"hostIPC\":true," PLAIN "}",
         .words = "hostIPC: shares the host's IPC namespace"},
        {.spec = "{\"hostIPC\":true," PLAIN "}", .flag = "--stage1-name=" FLY},
        {.spec = "{\"hostIPC\":true," PLAIN "}",
         .flag = "--stage1-name=coreos.com/rkt/stage1-kvm:1.30.0",
         .config = "[Namespaces]\nUnsupported=refuse\n",
         .words = "hostIPC cannot be had: stage1-kvm is a machine of its own (Unsupported=refuse)",
         .is_refused = true},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        enter(&rows[i]);
}

/* A run-prepared of a pod whose prepare left that word, or NULL, and whose caller has these
 * variables. */
static struct launch *make_run(struct config *config, const char *ipc, const char *caller)
{
    struct launch *launch = make_launch(config, "1", NULL);

    launch->cmd.verb = RKTCMD_RUN_PREPARED;
    launch->caller = json_loads(caller, 0, NULL);
    if (ipc)
        manifest_set_annotation(launch->manifest, "gantry.io/ipc", ipc);
    assert_int_equal(amend_namespaces(launch), 0);
    assert_null(launch->stage1_name);
    return launch;
}

static void run_prepared_sets_nspawns_variable(void **state)
{
    static const char shared[] =
        "{\"SYSTEMD_NSPAWN_SHARE_NS_IPC\":\"1\",\"SYSTEMD_NSPAWN_SHARE_SYSTEM\":\"1\"}";
    CLEANUP(config_unrefp) struct config *config = make_config("");

    (void)state;
    CLEANUP(launch_freep) struct launch *host = make_run(config, "host", "{}");
    assert_int_equal(host->n_environment, 1);
    assert_string_equal(host->environment[0], "SYSTEMD_NSPAWN_SHARE_NS_IPC=1");
    assert_null(host->unset[0]);

    CLEANUP(launch_freep) struct launch *own = make_run(config, NULL, "{}");
    assert_int_equal(own->n_environment, 0);
    assert_null(own->unset[0]);

    /* what the kubelet has, a pod that does not ask for it has not */
    CLEANUP(launch_freep) struct launch *kept = make_run(config, NULL, shared);
    assert_int_equal(kept->n_environment, 0);
    assert_string_equal(kept->unset[0], "SYSTEMD_NSPAWN_SHARE_NS_IPC");
    assert_string_equal(kept->unset[1], "SYSTEMD_NSPAWN_SHARE_SYSTEM");
    assert_null(kept->unset[2]);
    assert_int_equal(kept->notes.n, 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepare_chooses_the_stage1),
        cmocka_unit_test(run_prepared_sets_nspawns_variable),
    };

    return cmocka_run_group_tests_name("amend-namespaces", tests, NULL, NULL);
}
