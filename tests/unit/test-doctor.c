/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each check of gantryctl doctor, on a node that is a folder: first as it should be, then with one
 * thing broken.
 */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/timex.h>

#include "client/doctor/doctor.h"
#include "lib/message.h"
#include "tests/unit/scratch.h"

#define MACHINE "0123456789abcdef0123456789abcdef"

struct node {
    struct scratch *scratch;
    struct config *config;
    struct doctor doctor;
    char *paths[16]; /* that the doctor has been told of */
    size_t n_paths;
    const char *rkts[3];
};

static int pidfd_result, clock_result, clock_status;
static unsigned catalog_lacks;

static int fake_pidfd(void)
{
    return pidfd_result;
}

static int fake_clock(int *statusp)
{
    *statusp = clock_status;
    return clock_result;
}

static int fake_catalog(sd_id128_t id, char **textp)
{
    char text[SD_ID128_STRING_MAX];

    for (enum message message = 0; message < N_MESSAGES; message++) {
        if (strcmp(message_info(message)->id, sd_id128_to_string(id, text)) != 0)
            continue;
        if (message < catalog_lacks)
            return -ENOENT;
        *textp = strdup("Subject: ...");
        return 0;
    }
    return -ENOENT;
}

static void make_folder(const struct node *node, const char *name)
{
    CLEANUP(freep) char *path = scratch_path(node->scratch, "%s", name);

    for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    mkdir(path, 0755);
}

static void write_bytes(const struct node *node, const char *name, const char *bytes, size_t length)
{
    CLEANUP(freep) char *path = scratch_path(node->scratch, "%s", name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, length, f), length);
    assert_int_equal(fclose(f), 0);
}

static void make_program(const struct node *node, const char *name, const char *script)
{
    CLEANUP(freep) char *path = scratch_path(node->scratch, "%s", name), *text = NULL;

    assert_true(asprintf(&text, "#!/bin/sh\n%s\n", script) > 0);
    write_bytes(node, name, text, strlen(text));
    assert_int_equal(chmod(path, 0755), 0);
}

static void remove_file(const struct node *node, const char *name)
{
    CLEANUP(freep) char *path = scratch_path(node->scratch, "%s", name);

    assert_int_equal(remove(path), 0);
}

/* A path that lives as long as the node. */
static char *path_of(struct node *node, const char *name)
{
    assert_true(node->n_paths < N_ELEMENTS(node->paths));
    return node->paths[node->n_paths++] = scratch_path(node->scratch, "%s", name);
}

static void replace(char **slot, const char *value)
{
    free(*slot);
    *slot = strdup(value);
}

#define WELL_SYSTEMCTL                                    \
    "case $1 in --version) echo 'systemd 252 (252.1)';; " \
    "is-enabled) echo enabled;; is-active) echo active;; esac"
#define FLY "coreos.com/rkt/stage1-fly:1.30.0"
#define WELL_RKT                                            \
    "case \"$*\" in version) echo 'rkt Version: 1.30.0';; " \
    "*cat-manifest*) ;; *list*) echo 'sha512-1 " FLY        \
    " 1'; echo 'sha512-2 example.com/rkt/stage1-x:1 1';; esac"

static int node_setup(void **state)
{
    struct node *node = calloc(1, sizeof(*node));
    void *scratch = NULL;

    assert_int_equal(scratch_setup(&scratch), 0);
    node->scratch = scratch;
    make_folder(node, "proc/self");
    make_folder(node, "proc/77");
    make_folder(node, "run/systemd/system");
    make_folder(node, "log/" MACHINE);
    scratch_write(scratch, "proc/self/mountinfo", "1 2 0:3 / /sys/fs/cgroup rw - cgroup2 x rw\n");
    scratch_write(scratch, "proc/filesystems", "nodev\tproc\nnodev\toverlay\n\text4\n");
    scratch_write(scratch, "dropin", "");
    scratch_write(scratch, "example", "");
    make_program(node, "systemctl", WELL_SYSTEMCTL);
    make_program(node, "rkt", WELL_RKT);
    assert_int_equal(config_load(&node->config, "/nonexistent", CONFIG_ALL, NULL, NULL), 0);
    replace(&node->config->rkt.path, path_of(node, "rkt"));
    replace(&node->config->daemon.socket, path_of(node, "socket"));
    node->doctor = (struct doctor){
        .config = node->config,
        .config_path = path_of(node, "gantry.conf"),
        .proc = path_of(node, "proc"),
        .usr = path_of(node, "usr"),
        .run = path_of(node, "run"),
        .journals = path_of(node, "log"),
        .machine_id = MACHINE,
        .dropin = path_of(node, "dropin"),
        .example = path_of(node, "example"),
        .override = path_of(node, "override"),
        .manual = "/usr/share/operating.md",
        .systemctl = path_of(node, "systemctl"),
        .modprobe = path_of(node, "modprobe"),
        .rkts = node->rkts,
        .pidfd_open = fake_pidfd,
        .clock_status = fake_clock,
        .get_catalog = fake_catalog,
    };
    node->rkts[0] = node->doctor.dropin;
    node->rkts[1] = path_of(node, "elsewhere");
    pidfd_result = clock_result = clock_status = 0;
    catalog_lacks = 0;
    *state = node;
    return 0;
}

static int node_teardown(void **state)
{
    struct node *node = *state;
    void *scratch = node->scratch;

    doctor_deinit(&node->doctor);
    config_unref(node->config);
    for (size_t i = 0; i < node->n_paths; i++)
        free(node->paths[i]);
    free(node);
    return scratch_teardown(&scratch);
}

/* A `remedy` that begins with # is advice, and its words stand in it; any other is a command. */
static void finds(struct node *node, doctor_check_fn *check, enum finding_status status,
                  const char *found, const char *remedy)
{
    CLEANUP(finding_deinit) struct finding finding = {0};

    check(&node->doctor, &finding);
    assert_non_null(finding.found);
    if (!strstr(finding.found, found) || finding.status != status)
        fail_msg("%s: %s", finding_status_name(finding.status), finding.found);
    if (!remedy) {
        assert_null(finding.remedy);
        return;
    }
    assert_non_null(finding.remedy);
    bool is_advice = remedy[0] == '#';
    if ((strncmp(finding.remedy, "# ", 2) == 0) != is_advice ||
        !strstr(finding.remedy, remedy + is_advice))
        fail_msg("remedy: %s", finding.remedy);
}

static void is_well(struct node *node, doctor_check_fn *check, const char *found)
{
    finds(node, check, FINDING_OK, found, NULL);
}

static void the_configuration(void **state)
{
    struct node *node = *state;

    is_well(node, doctor_configuration, "gantry.conf is not there: the defaults hold");
    scratch_write(node->scratch, "gantry.conf", "");
    is_well(node, doctor_configuration, "gantry.conf is valid");
    make_folder(node, "gantry.conf.d");
    is_well(node, doctor_configuration, "gantry.conf is valid");
    remove_file(node, "gantry.conf");
    scratch_write(node->scratch, "gantry.conf.d/x.conf", "");
    is_well(node, doctor_configuration, "gantry.conf.d are valid");
    node->doctor.config_fault = strdup("x.conf:1: bad");
    node->doctor.n_config_faults = 1;
    finds(node, doctor_configuration, FINDING_WARNING, "x.conf:1: bad", "#--check-config");
    node->doctor.n_config_faults = 3;
    node->doctor.config_is_bad = true;
    finds(node, doctor_configuration, FINDING_FAILED, "x.conf:1: bad (and 2 more)",
          "#--check-config");
}

static void the_socket(void **state)
{
    struct node *node = *state;

    finds(node, doctor_socket, FINDING_FAILED, "No such file",
          "systemctl restart gantryd.socket gantryd.service");
    assert_non_null(node->doctor.not_asked);
    assert_string_equal(node->doctor.to_ask, "systemctl restart gantryd.socket gantryd.service");
    make_program(node, "systemctl", "echo activating; exit 3");
    finds(node, doctor_socket, FINDING_FAILED, "No such file", "#journalctl -u gantryd.service");
    make_program(node, "systemctl", "echo failed; exit 3");
    finds(node, doctor_socket, FINDING_FAILED, "No such file", "#journalctl -u gantryd.service");
    make_program(node, "systemctl", "echo disabled; exit 1");
    finds(node, doctor_units, FINDING_FAILED, "disabled", "systemctl enable --now gantryd.socket");
    finds(node, doctor_socket, FINDING_FAILED, "No such file",
          "systemctl enable --now gantryd.socket");
}

static void the_units(void **state)
{
    struct node *node = *state;
    static const struct {
        const char *systemctl;
        enum finding_status status;
        const char *found, *remedy;
    } cases[] = {
        {"[ $1 = is-active ] && echo active || { echo disabled; exit 1; }", FINDING_WARNING,
         "disabled and active", "systemctl enable --now gantryd.socket"},
        {"[ $1 = is-enabled ] && echo enabled || { echo inactive; exit 3; }", FINDING_FAILED,
         "enabled and inactive", "systemctl enable --now gantryd.socket"},
        {"[ $1 = is-enabled ] && echo masked || echo inactive; exit 1", FINDING_FAILED,
         "gantryd.socket is masked", "systemctl unmask gantryd.socket && systemctl enable"},
        {"[ $1 = is-enabled ] && echo masked-runtime || echo inactive; exit 1", FINDING_FAILED,
         "masked-runtime", "systemctl unmask --runtime gantryd.socket && systemctl enable"},
        {"case $* in *service) echo masked; exit 1;; *enabled*) echo enabled;; *) echo active;; "
         "esac",
         FINDING_FAILED, "gantryd.service is masked",
         "systemctl unmask gantryd.service && systemctl enable --now gantryd.socket"},
        {"[ $1 = is-active ] && echo inactive; exit 1", FINDING_FAILED, "not known to systemd",
         "#install gantry again"},
        {"[ $1 = is-active ] && echo active || { echo not-found; exit 4; }", FINDING_WARNING,
         "not known to systemd and active", "#install gantry again"},
        {"exit 1", FINDING_UNKNOWN, "cannot be asked", "#systemctl status"},
    };

    is_well(node, doctor_units, "enabled and active");
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        make_program(node, "systemctl", cases[i].systemctl);
        finds(node, doctor_units, cases[i].status, cases[i].found, cases[i].remedy);
    }
    remove_file(node, "systemctl");
    finds(node, doctor_units, FINDING_UNKNOWN, "No such file", "#systemctl status");
}

static void a_kubelet_that_does_not_run(void **state)
{
    struct node *node = *state;
    static const struct {
        const char *unit, *remedy;
    } cases[] = {
        {"LoadState=loaded\\nActiveState=inactive", "systemctl start kubelet.service"},
        {"LoadState=loaded\\nActiveState=failed", "#see why it does not: systemctl status kubelet"},
        {"LoadState=loaded\\nActiveState=activating", "#see why it does not: "},
        {"LoadState=not-found\\nActiveState=inactive", "#if the node is to have one"},
        {"LoadState=masked\\nActiveState=inactive", "#if the node is to have one"},
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(freep) char *script = NULL;
        assert_true(asprintf(&script, "printf '%s\\n'", cases[i].unit) > 0);
        make_program(node, "systemctl", script);
        finds(node, doctor_kubelet, FINDING_WARNING, "no kubelet runs", cases[i].remedy);
    }
    remove_file(node, "systemctl");
    finds(node, doctor_kubelet, FINDING_WARNING, "no kubelet runs", "#if the node is to have one");
}

/* The drop-in unit file is for kubelet.service, and is no good where it has been tried. */
static void a_kubelet_without_the_dropin(void **state)
{
    struct node *node = *state;
    static const char line[] = "kubelet\0--container-runtime=rkt\0--rkt-paths=/x";

    write_bytes(node, "proc/77/cmdline", line, sizeof(line));
    finds(node, doctor_kubelet, FINDING_FAILED, "it has no --rkt-path", "#give the kubelet --rkt-");
    scratch_write(node->scratch, "proc/77/cgroup", "1:name=systemd:/system.slice/k.service\n");
    finds(node, doctor_kubelet, FINDING_FAILED, "it has no --rkt-path", "#give the kubelet --rkt-");
    scratch_write(node->scratch, "proc/77/cgroup",
                  "1:name=systemd:/system.slice/kubelet.service\n");
    finds(node, doctor_kubelet, FINDING_FAILED, "it has no --rkt-path", "install -D -m 644 /");
    scratch_write(node->scratch, "override", "");
    finds(node, doctor_kubelet, FINDING_FAILED, "it has no --rkt-path", "#into ExecStart= or ");
    remove_file(node, "override");
    remove_file(node, "example");
    finds(node, doctor_kubelet, FINDING_FAILED, "it has no --rkt-path", "#give the kubelet --rkt-");
}

static void the_kubelet(void **state)
{
    struct node *node = *state;
    const char *dropin = node->doctor.dropin;
    char line[512];
#define CMDLINE(...) \
    write_bytes(node, "proc/77/cmdline", line, (size_t)snprintf(line, sizeof(line), __VA_ARGS__))

    CMDLINE("/usr/bin/kubelets%c--container-runtime=docker%c", 0, 0);
    finds(node, doctor_kubelet, FINDING_WARNING, "no kubelet runs", "#");
    CMDLINE("/usr/bin/kubelet%c--container-runtime=rkt%c--rkt-path=%s%c", 0, 0, dropin, 0);
    is_well(node, doctor_kubelet, "the kubelet (pid 77) calls");
    CMDLINE("hyperkube%ckubelet%c--container-runtime%crkt%c--rkt-path%c%s%c", 0, 0, 0, 0, 0, dropin,
            0);
    is_well(node, doctor_kubelet, "the kubelet (pid 77) calls");
    /* what is last counts */
    CMDLINE("kubelet%c--container-runtime=rkt%c--rkt-path=%s%c--rkt-path=/usr/bin/rkt%c", 0, 0,
            dropin, 0, 0);
    finds(node, doctor_kubelet, FINDING_FAILED, "has --rkt-path=/usr/bin/rkt",
          "#give the kubelet --rkt-path=");
    CMDLINE("kubelet%c--rkt-path", 0);
    finds(node, doctor_kubelet, FINDING_FAILED, "with docker, not rkt", "#--container-runtime=rkt");
    CMDLINE("hyperkube%cproxy%c", 0, 0);
    finds(node, doctor_kubelet, FINDING_WARNING, "no kubelet runs", "#");
#undef CMDLINE
}

static void the_real_rkt(void **state)
{
    struct node *node = *state;
    static const struct {
        const char *script;
        enum finding_status status;
        const char *found;
    } cases[] = {
        {"echo 'rkt Version: 1.18.0+git'", FINDING_WARNING, "OOM scores are set on running apps"},
        {"echo 'rkt Version: 1.12.0'", FINDING_WARNING, "GPUs cannot be given"},
        {"echo 'rkt Version: 0.8.0'", FINDING_FAILED, "is no rkt 1.x"},
        {"echo hello", FINDING_FAILED, "is no rkt 1.x"},
        {"exit 3", FINDING_FAILED, "exit status 3"},
    };

    is_well(node, doctor_rkt, "rkt 1.30.0 at /");
    make_program(node, "rkt", "echo 'rkt Version: 1.19.0'");
    is_well(node, doctor_rkt, "rkt 1.19.0 at /");
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        make_program(node, "rkt", cases[i].script);
        finds(node, doctor_rkt, cases[i].status, cases[i].found, "#");
    }
    make_program(node, "rkt", "exec sleep 600 & sleep 600");
    finds(node, doctor_rkt, FINDING_FAILED, "/rkt version` does not end", "#rkt version");
    make_program(node, "rkt", "exit 127");
    finds(node, doctor_rkt, FINDING_FAILED, "/rkt version` cannot be run: No such file", "#");
    remove_file(node, "rkt");
    finds(node, doctor_rkt, FINDING_FAILED, "No such file", "#Path= of [Rkt]; or install it");
    make_program(node, "elsewhere", WELL_RKT);
    finds(node, doctor_rkt, FINDING_FAILED, "No such file", "/elsewhere\\n' >/");
    replace(&node->config->rkt.path, node->doctor.dropin);
    finds(node, doctor_rkt, FINDING_FAILED, "is the drop-in itself", "/elsewhere\\n' >/");
}

static void its_stage1s(void **state)
{
    struct node *node = *state;

    is_well(node, doctor_stage1, "rkt has stage1-fly:1.30.0, stage1-x:1");
    make_program(node, "rkt",
                 "case $3 in list) echo 'sha512-2 x.io/stage1-x:1 1';; *) exit 254;; esac");
    finds(node, doctor_stage1, FINDING_WARNING,
          "does not have " FLY ": hostPID of pods will not work; it has stage1-x:1",
          "#rkt --dir=/var/lib/rkt fetch " FLY);
    make_program(node, "rkt", "exit 254");
    finds(node, doctor_stage1, FINDING_UNKNOWN, "`image list` fails", "#rkt image list");
    remove_file(node, "rkt");
    finds(node, doctor_stage1, FINDING_UNKNOWN, "cannot be asked", "#");
}

/* The default stage1 is a file until a pod needs it. */
static void its_default_stage1(void **state)
{
    struct node *node = *state;

    make_program(node, "rkt", "[ $3 != list ] && exit 254; echo 'sha512-3 x.io/busybox 1'");
    finds(node, doctor_stage1, FINDING_WARNING, "rkt has no stage1, and none was found",
          "#fetch coreos.com/rkt/stage1-coreos");
    make_program(node, "rkt", "[ $3 != list ] || echo 'sha512-1 " FLY " 1'");
    finds(node, doctor_stage1, FINDING_WARNING, "rkt has stage1-fly:1.30.0, and none was found",
          "#rkt --dir=/var/lib/rkt fetch coreos.com/rkt/stage1-coreos");
    make_folder(node, "usr/lib/rkt/stage1-images");
    scratch_write(node->scratch, "usr/lib/rkt/stage1-images/stage1-fly.aci", "");
    finds(node, doctor_stage1, FINDING_WARNING, "rkt has stage1-fly:1.30.0, stage1-fly.aci, and",
          "#fetch coreos.com/rkt/stage1-coreos");
    scratch_write(node->scratch, "stage1-kvm.aci", "");
    is_well(node, doctor_stage1, "rkt has stage1-fly:1.30.0, stage1-fly.aci, stage1-kvm.aci");
    remove_file(node, "stage1-kvm.aci");
    scratch_write(node->scratch, "usr/lib/rkt/stage1-images/stage1-coreos.aci", "");
    is_well(node, doctor_stage1, "rkt has stage1-fly:1.30.0, stage1-coreos.aci");
}

static void systemd(void **state)
{
    struct node *node = *state;

    is_well(node, doctor_systemd, "systemd 252");
    make_program(node, "systemctl", "echo 'systemd 239'");
    finds(node, doctor_systemd, FINDING_FAILED, "systemd 239",
          "#upgrade the node's systemd to 240 or newer");
    make_program(node, "systemctl", "echo 'systemd 240'");
    is_well(node, doctor_systemd, "systemd 240");
    remove_file(node, "run/systemd/system");
    finds(node, doctor_systemd, FINDING_FAILED, "was not booted", "#init=");
    make_program(node, "systemctl", "echo no");
    finds(node, doctor_systemd, FINDING_UNKNOWN, "none",
          "#--version says: systemd 240 or newer is needed");
}

static void the_kernel(void **state)
{
    struct node *node = *state;
    const struct scratch *scratch = node->scratch;

    is_well(node, doctor_cgroup, "cgroup v2");
    scratch_write(scratch, "proc/self/mountinfo", "1 2 0:3 / /x rw - cgroup cgroup rw,cpu\n");
    is_well(node, doctor_cgroup, "cgroup v1");
    scratch_write(scratch, "proc/self/mountinfo",
                  "1 2 0:3 / /x rw - cgroup c rw\n1 2 0:3 / /x rw - cgroup2 c rw\n");
    is_well(node, doctor_cgroup, "hybrid");
    scratch_write(scratch, "proc/self/mountinfo", "1 2 0:3 / /cgroup2 rw - tmpfs cgroup2 rw\n");
    finds(node, doctor_cgroup, FINDING_FAILED, "no cgroup", "#took them away");
    remove_file(node, "proc/self/mountinfo");
    finds(node, doctor_cgroup, FINDING_UNKNOWN, "mountinfo: No such file", "#/proc");

    is_well(node, doctor_overlay, "has overlay");
    scratch_write(scratch, "proc/filesystems", "nodev\toverlayfs\n");
    finds(node, doctor_overlay, FINDING_WARNING, "no overlay", "#install kmod");
    make_program(node, "modprobe", "[ \"$*\" = '--dry-run --quiet overlay' ]");
    is_well(node, doctor_overlay, "a module that rkt loads");
    make_program(node, "modprobe", "exit 1");
    finds(node, doctor_overlay, FINDING_WARNING, "no overlay", "#install kmod");
    remove_file(node, "proc/filesystems");
    finds(node, doctor_overlay, FINDING_UNKNOWN, "filesystems: No such file", "#/proc");

    is_well(node, doctor_pidfd, "pidfd_open");
    pidfd_result = -ENOSYS;
    finds(node, doctor_pidfd, FINDING_FAILED, "nothing is held back",
          "#upgrade the node's kernel to Linux 5.3 or newer");
}

static void the_clock(void **state)
{
    struct node *node = *state;

    is_well(node, doctor_clock, "is synchronized");
    clock_status = STA_UNSYNC;
    finds(node, doctor_clock, FINDING_WARNING, "is not synchronized", "#have an NTP client");
    clock_result = -EPERM;
    finds(node, doctor_clock, FINDING_UNKNOWN, "adjtimex", "#timedatectl");
}

static void set_time(const struct node *node, const char *name, time_t seconds)
{
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    CLEANUP(freep) char *path = scratch_path(node->scratch, "%s", name);

    scratch_write(node->scratch, name, "");
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void the_journal(void **state)
{
    struct node *node = *state;

    finds(node, doctor_journal, FINDING_WARNING, "journald does not write to",
          "Storage=persistent");
    set_time(node, "log/" MACHINE "/system.journal", 1000);
    is_well(node, doctor_journal, "/log");
    make_folder(node, "run/log/journal/" MACHINE);
    set_time(node, "run/log/journal/" MACHINE "/system.journal", 999);
    is_well(node, doctor_journal, "/log");
    set_time(node, "run/log/journal/" MACHINE "/system.journal", 1001);
    finds(node, doctor_journal, FINDING_WARNING, "journald does not write to",
          "Storage=persistent");
    remove_file(node, "log/" MACHINE "/system.journal");
    remove_file(node, "log/" MACHINE);
    remove_file(node, "log");
    finds(node, doctor_journal, FINDING_WARNING, "there is no", "mkdir -p /var/log/journal");
}

static void the_catalog(void **state)
{
    struct node *node = *state;

    is_well(node, doctor_catalog, "explains all");
    catalog_lacks = 1;
    finds(node, doctor_catalog, FINDING_WARNING, "does not explain 1 of",
          "# /usr/share/operating.md explains them");
    make_folder(node, "usr/local/lib/systemd/catalog");
    scratch_write(node->scratch, "usr/local/lib/systemd/catalog/gantry.catalog", "");
    finds(node, doctor_catalog, FINDING_WARNING, "does not explain 1 of",
          "journalctl --update-catalog");
    remove_file(node, "usr/local/lib/systemd/catalog/gantry.catalog");
    make_folder(node, "usr/lib/systemd/catalog");
    scratch_write(node->scratch, "usr/lib/systemd/catalog/gantry.catalog", "");
    finds(node, doctor_catalog, FINDING_WARNING, "does not explain 1 of",
          "journalctl --update-catalog");
}

/* What comes over the socket. */
static void findings_come_as_they_went(void **state)
{
    CLEANUP(finding_deinit) struct finding finding = {0}, advised = {0}, again = {0}, other = {0};
    CLEANUP(json_decrefp) json_t *list = json_array();

    (void)state;
    finding_set(&finding, FINDING_FAILED, "a\nb\tc");
    finding_mend(&finding, "do %d in \xff\xfe", 3);
    finding_advise(&advised, "think of %s", "it");
    assert_string_equal(advised.remedy, "# think of it");
    json_array_append_new(list, finding_to_json("x", &finding));
    finding_from_json(&again, list, "x");
    assert_int_equal(again.status, FINDING_FAILED);
    assert_string_equal(again.found, "a b c");
    assert_string_equal(again.remedy, "do 3 in ??");
    finding_from_json(&other, list, "y");
    assert_int_equal(other.status, FINDING_UNKNOWN);
    assert_null(other.remedy);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, node_setup, node_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(the_configuration),
        TEST(the_socket),
        TEST(the_units),
        TEST(the_kubelet),
        TEST(a_kubelet_that_does_not_run),
        TEST(a_kubelet_without_the_dropin),
        TEST(the_real_rkt),
        TEST(its_stage1s),
        TEST(its_default_stage1),
        TEST(systemd),
        TEST(the_kernel),
        TEST(the_clock),
        TEST(the_journal),
        TEST(the_catalog),
        cmocka_unit_test(findings_come_as_they_went),
    };

    return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
