/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>

#include "lib/config.h"
#include "tests/unit/scratch.h"

/* What config_load() reported, one line each; the scratch folder's name is left out of it. */
struct reports {
    char text[4096];
    const char *folder;
};

static void collect(void *userdata, bool is_warning, const char *message)
{
    struct reports *reports = userdata;
    size_t folder = strlen(reports->folder), used = strlen(reports->text);

    if (strncmp(message, reports->folder, folder) == 0)
        message += folder + 1;
    snprintf(reports->text + used, sizeof(reports->text) - used, "%s%s\n",
             is_warning ? "warning: " : "", message);
}

/* Loads gantry.conf of the scratch folder and holds the reports against `expected`. */
static struct config *load(struct scratch *scratch, enum config_scope scope, int result,
                           const char *expected)
{
    CLEANUP(freep) char *path = scratch_path(scratch, "gantry.conf");
    struct reports reports = {.folder = scratch->path};
    struct config *config = NULL;

    assert_int_equal(config_load(&config, path, scope, collect, &reports), result);
    assert_string_equal(reports.text, expected);
    assert_non_null(config);
    return config;
}

static void has_defaults(void **state)
{
    CLEANUP(config_unrefp) struct config *config = load(*state, CONFIG_ALL, 0, "");

    assert_string_equal(config->daemon.socket, RUNSTATEDIR "/gantry/io.gantry.Node");
    assert_int_equal(config->daemon.n_users, 0);
    assert_int_equal(config->daemon.n_connections_max, 512);
    assert_string_equal(config->rkt.path, RKT_PATH);
    assert_string_equal(config->rkt.data_dir, "/var/lib/rkt");
    assert_int_equal(config->launch.request_timeout, 5 * USEC_SEC);
    assert_int_equal(config->launch.on_unreachable, ON_UNREACHABLE_FORWARD);
    assert_true(config->hostpath.create);
    assert_int_equal(config->hostpath.mode, 0755);
    assert_int_equal(config->hostpath.uid, 0);
    assert_int_equal(config->hostpath.gid, 0);
    assert_int_equal(config->hostpath.n_deny, 6);
    assert_string_equal(config->hostpath.deny[0], "/proc");
    assert_null(config->hostpath.deny[6]);
    assert_int_equal(config->backoff.initial, 10 * USEC_SEC);
    assert_int_equal(config->backoff.max, 5 * USEC_MINUTE);
    assert_string_equal(config->kubelet.root_dir, "/var/lib/kubelet");
    assert_string_equal(config->kubelet.url, "http://127.0.0.1:10255");
    assert_string_equal(config->kubelet.ca, "");
    assert_string_equal(config->kubelet.certificate, "");
    assert_string_equal(config->kubelet.key, "");
    assert_string_equal(config->kubelet.token_file, "");
    assert_int_equal(config->kubelet.timeout, USEC_SEC);
    assert_false(config->kubelet.required);
}

static void reads_every_setting(void **state)
{
    struct scratch *scratch = *state;

    scratch_write(
        scratch, "gantry.conf",
        "# a comment\n; another\n\n"
        "[Daemon]\nSocket=/tmp/s\nAllowUsers=root 1000\nAllowUsers=1001\nConnectionsMax=7\n"
        "[Rkt]\nPath=/opt/rkt\nDataDirectory=/data/rkt\n"
        "[Launch]\nRequestTimeout=1500ms\nOnUnreachable=refuse\n"
        "[HostPath]\nCreate=no\nMode=02775\nOwner=root:12\nDeny=/a /b\nDeny=/c\n"
        "[BackOff]\nInitial=1s ; shortened\n  Max=1min 30s\n"
        "[Kubelet]\nRootDirectory=/k\nURL=https://node:10250\nCA=/ca\nCertificate=/c\nKey=/key\n"
        "TokenFile=/t\nTimeout=250ms\nRequired=yes\n");
    CLEANUP(config_unrefp) struct config *config = load(scratch, CONFIG_ALL, 0, "");

    assert_string_equal(config->daemon.socket, "/tmp/s");
    assert_int_equal(config->daemon.n_users, 3);
    assert_int_equal(config->daemon.users[2], 1001);
    assert_int_equal(config->daemon.n_connections_max, 7);
    assert_string_equal(config->rkt.path, "/opt/rkt");
    assert_string_equal(config->rkt.data_dir, "/data/rkt");
    assert_int_equal(config->launch.request_timeout, 1500 * USEC_MSEC);
    assert_int_equal(config->launch.on_unreachable, ON_UNREACHABLE_REFUSE);
    assert_false(config->hostpath.create);
    assert_int_equal(config->hostpath.mode, 02775);
    assert_int_equal(config->hostpath.uid, 0);
    assert_int_equal(config->hostpath.gid, 12);
    assert_int_equal(config->hostpath.n_deny, 9);
    assert_string_equal(config->hostpath.deny[8], "/c");
    assert_int_equal(config->backoff.initial, USEC_SEC);
    assert_int_equal(config->backoff.max, 90 * USEC_SEC);
    assert_string_equal(config->kubelet.root_dir, "/k");
    assert_string_equal(config->kubelet.url, "https://node:10250");
    assert_string_equal(config->kubelet.ca, "/ca");
    assert_string_equal(config->kubelet.certificate, "/c");
    assert_string_equal(config->kubelet.key, "/key");
    assert_string_equal(config->kubelet.token_file, "/t");
    assert_int_equal(config->kubelet.timeout, 250 * USEC_MSEC);
    assert_true(config->kubelet.required);
}

static void fragments_come_after_in_order(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP(freep) char *dir = scratch_path(scratch, "gantry.conf.d");

    assert_int_equal(mkdir(dir, 0755), 0);
    scratch_write(scratch, "gantry.conf", "[BackOff]\nInitial=1s\nMax=60s\n[HostPath]\nDeny=/a\n");
    scratch_write(scratch, "gantry.conf.d/20-b.conf", "[BackOff]\nInitial=3s\n");
    scratch_write(scratch, "gantry.conf.d/10-a.conf",
                  "[BackOff]\nInitial=2s\nMax=61s\n[HostPath]\nDeny=\nDeny=/b\n");
    scratch_write(scratch, "gantry.conf.d/30-c.conf.bak", "[BackOff]\nInitial=9s\n");
    scratch_write(scratch, "gantry.conf.d/.hidden.conf", "[BackOff]\nInitial=9s\n");
    CLEANUP(config_unrefp) struct config *config = load(scratch, CONFIG_ALL, 0, "");

    assert_int_equal(config->backoff.initial, 3 * USEC_SEC);
    assert_int_equal(config->backoff.max, 61 * USEC_SEC);
    /* an empty assignment clears what was configured, not what is built in */
    assert_int_equal(config->hostpath.n_deny, 7);
    assert_string_equal(config->hostpath.deny[6], "/b");
}

static void a_bad_value_is_named_and_mended(void **state)
{
    struct scratch *scratch = *state;

    scratch_write(scratch, "gantry.conf",
                  "[Daemon]\nSocket=here\nAllowUsers=root nobody-of-that-name\nConnectionsMax=0\n"
                  "ConnectionsMax=12x\n"
                  "[Rkt]\nPath=rkt\n"
                  "[Launch]\nRequestTimeout=0\nRequestTimeout=soon\nOnUnreachable=Forward\n"
                  "[HostPath]\nCreate=maybe\nMode=0999\nMode=17777\nOwner=root\nOwner=root:\n"
                  "Deny=relative\n[BackOff]\nInitial=-1s\n");
    CLEANUP(config_unrefp)
    struct config *config = load(
        scratch, CONFIG_ALL, CONFIG_E_INVALID,
        "gantry.conf:2: [Daemon] Socket=here: expected an absolute path\n"
        "gantry.conf:3: [Daemon] AllowUsers=root nobody-of-that-name: expected names or numbers of "
        "users that exist\n"
        "gantry.conf:4: [Daemon] ConnectionsMax=0: expected a number from 1 to 65536\n"
        "gantry.conf:5: [Daemon] ConnectionsMax=12x: expected a number from 1 to 65536\n"
        "gantry.conf:7: [Rkt] Path=rkt: expected an absolute path\n"
        "gantry.conf:9: [Launch] RequestTimeout=0: expected a time above zero, such as 5s\n"
        "gantry.conf:10: [Launch] RequestTimeout=soon: expected a time above zero, such as 5s\n"
        "gantry.conf:11: [Launch] OnUnreachable=Forward: expected forward or refuse\n"
        "gantry.conf:13: [HostPath] Create=maybe: expected yes or no\n"
        "gantry.conf:14: [HostPath] Mode=0999: expected an octal mode, such as 0755\n"
        "gantry.conf:15: [HostPath] Mode=17777: expected an octal mode, such as 0755\n"
        "gantry.conf:16: [HostPath] Owner=root: expected USER:GROUP, both existing\n"
        "gantry.conf:17: [HostPath] Owner=root:: expected USER:GROUP, both existing\n"
        "gantry.conf:18: [HostPath] Deny=relative: expected absolute paths\n"
        "gantry.conf:20: [BackOff] Initial=-1s: expected a time, such as 10s\n");

    assert_int_equal(config->launch.request_timeout, 5 * USEC_SEC);
    assert_int_equal(config->hostpath.mode, 0755);
}

static void what_the_kubelet_is_asked_with_can_be_nothing(void **state)
{
    struct scratch *scratch = *state;

    scratch_write(scratch, "gantry.conf",
                  "[Kubelet]\nURL=\nCA=/ca\nCA=\nURL=ftp://x\nURL=http://\nCertificate=cert.pem\n"
                  "Key=key.pem\nTokenFile=token\nTimeout=0\nRequired=perhaps\n");
    CLEANUP(config_unrefp)
    struct config *config = load(
        scratch, CONFIG_ALL, CONFIG_E_INVALID,
        "gantry.conf:5: [Kubelet] URL=ftp://x: expected http://HOST:PORT or https://HOST:PORT\n"
        "gantry.conf:6: [Kubelet] URL=http://: expected http://HOST:PORT or https://HOST:PORT\n"
        "gantry.conf:7: [Kubelet] Certificate=cert.pem: expected an absolute path\n"
        "gantry.conf:8: [Kubelet] Key=key.pem: expected an absolute path\n"
        "gantry.conf:9: [Kubelet] TokenFile=token: expected an absolute path\n"
        "gantry.conf:10: [Kubelet] Timeout=0: expected a time above zero, such as 1s\n"
        "gantry.conf:11: [Kubelet] Required=perhaps: expected yes or no\n");
    assert_string_equal(config->kubelet.url, "");
    assert_string_equal(config->kubelet.ca, "");
}

static void the_cap_is_not_below_the_start(void **state)
{
    struct scratch *scratch = *state;

    scratch_write(scratch, "gantry.conf", "[BackOff]\nInitial=1min\nMax=30s\n");
    config_unref(
        load(scratch, CONFIG_ALL, CONFIG_E_INVALID,
             "gantry.conf:3: [BackOff] Max=30s: expected a time not below Initial=1m0s\n"));
}

static void two_fetches_fit_into_a_launch(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP(freep) char *dir = scratch_path(scratch, "gantry.conf.d");

    scratch_write(scratch, "gantry.conf",
                  "[Kubelet]\nTimeout=2s\nRequired=yes\n[Launch]\nRequestTimeout=4s\n");
    config_unref(load(scratch, CONFIG_ALL, 0, ""));
    scratch_write(scratch, "gantry.conf", "[Kubelet]\nTimeout=2501ms\n");
    CLEANUP(config_unrefp)
    struct config *config =
        load(scratch, CONFIG_ALL, CONFIG_E_INVALID,
             "gantry.conf:2: [Kubelet] Timeout=2.501s: expected a time not above 2.5s, half of "
             "RequestTimeout=5s\n");
    assert_int_equal(config->kubelet.timeout, 2500 * USEC_MSEC);

    /* a later file makes it so */
    assert_int_equal(mkdir(dir, 0755), 0);
    scratch_write(scratch, "gantry.conf", "[Kubelet]\nTimeout=2s\n");
    scratch_write(scratch, "gantry.conf.d/10-a.conf", "[Launch]\nRequestTimeout=3s\n");
    config_unref(load(scratch, CONFIG_ALL, CONFIG_E_INVALID,
                      "gantry.conf:2: [Kubelet] Timeout=2s: expected a time not above 1.5s, half "
                      "of RequestTimeout=3s\n"));
    /* which is none of the drop-in's business */
    config_unref(load(scratch, CONFIG_CLIENT, 0, ""));
}

static void the_default_of_a_fetch_follows_that_of_a_launch(void **state)
{
    struct scratch *scratch = *state;

    scratch_write(scratch, "gantry.conf", "[Launch]\nRequestTimeout=500ms\n");
    CLEANUP(config_unrefp) struct config *config = load(scratch, CONFIG_ALL, 0, "");
    assert_int_equal(config->kubelet.timeout, 250 * USEC_MSEC);
}

static void a_token_is_only_for_https(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP(freep) char *dir = scratch_path(scratch, "gantry.conf.d");

    /* the default is a port that anybody may hold */
    scratch_write(scratch, "gantry.conf", "[Kubelet]\nTokenFile=/t\n");
    CLEANUP(config_unrefp)
    struct config *config =
        load(scratch, CONFIG_ALL, CONFIG_E_INVALID,
             "gantry.conf:2: [Kubelet] TokenFile=/t: expected none, or URL=https://HOST:PORT: over "
             "http://127.0.0.1:10255 it would be sent in the clear\n");
    assert_string_equal(config->kubelet.token_file, "");

    /* a later file makes it good, or bad again */
    assert_int_equal(mkdir(dir, 0755), 0);
    scratch_write(scratch, "gantry.conf.d/10-a.conf", "[Kubelet]\nURL=https://127.0.0.1:10250\n");
    config_unref(load(scratch, CONFIG_ALL, 0, ""));
    scratch_write(scratch, "gantry.conf.d/20-b.conf", "[Kubelet]\nURL=http://node:1\n");
    config_unref(
        load(scratch, CONFIG_ALL, CONFIG_E_INVALID,
             "gantry.conf:2: [Kubelet] TokenFile=/t: expected none, or URL=https://HOST:PORT: over "
             "http://node:1 it would be sent in the clear\n"));
    /* where nobody is asked, nobody gets it */
    scratch_write(scratch, "gantry.conf.d/20-b.conf", "[Kubelet]\nURL=\n");
    config_unref(load(scratch, CONFIG_ALL, 0, ""));
    scratch_write(scratch, "gantry.conf.d/20-b.conf", "[Kubelet]\nURL=http://node:1\nTokenFile=\n");
    config_unref(load(scratch, CONFIG_ALL, 0, ""));
}

static void who_is_required_has_to_be_asked(void **state)
{
    struct scratch *scratch = *state;

    scratch_write(scratch, "gantry.conf", "[Kubelet]\nURL=\nRequired=yes\n");
    CLEANUP(config_unrefp)
    struct config *config =
        load(scratch, CONFIG_ALL, CONFIG_E_INVALID,
             "gantry.conf:3: [Kubelet] Required=yes: expected no, or URL=http://HOST:PORT or "
             "https://HOST:PORT: without one nobody is asked\n");
    assert_false(config->kubelet.required);
    scratch_write(scratch, "gantry.conf", "[Kubelet]\nURL=\nRequired=yes\nRequired=no\n");
    config_unref(load(scratch, CONFIG_ALL, 0, ""));
    /* which is none of the drop-in's business */
    config_unref(load(scratch, CONFIG_CLIENT, 0, ""));
}

/* Return: whether gantry.conf(5) describes the key below the heading of its section. Such a line
 * has one key or more: "*Certificate=*, *Key=*". */
static bool is_in_manual(FILE *manual, const char *section, const char *name)
{
    char line[1024], heading[64], key[64];
    bool is_below = false;

    rewind(manual);
    snprintf(heading, sizeof(heading), "## [%s]\n", section);
    snprintf(key, sizeof(key), "*%s=*", name);
    while (fgets(line, sizeof(line), manual)) {
        if (line[0] == '#')
            is_below = strcmp(line, heading) == 0;
        else if (is_below && line[0] == '*' && strstr(line, key))
            return true;
    }
    return false;
}

static void the_manual_has_each_key_in_its_section(void **state)
{
    CLEANUP(freep) char *path = NULL;
    const char *section, *name;
    size_t n = 0;

    (void)state;
    assert_true(asprintf(&path, "%s/man/gantry.conf.5.scd", getenv("abs_top_srcdir")) > 0);
    FILE *manual = fopen(path, "re");
    assert_non_null(manual);
    for (; config_key(n, &section, &name); n++) {
        if (!is_in_manual(manual, section, name))
            fail_msg("[%s] %s=", section, name);
    }
    fclose(manual);
    assert_true(n > 20);
}

static void an_unknown_setting_is_a_warning(void **state)
{
    struct scratch *scratch = *state;

    scratch_write(scratch, "gantry.conf",
                  "Lost=1\n[BackOff]\nInital=1s\n[Nowhere]\nMax=1s\n[backoff]\nMax=1s\n");
    config_unref(load(scratch, CONFIG_ALL, 0,
                      "warning: gantry.conf:1: [] Lost=: no such setting, ignored\n"
                      "warning: gantry.conf:3: [BackOff] Inital=: no such setting, ignored\n"
                      "warning: gantry.conf:5: [Nowhere] Max=: no such setting, ignored\n"
                      "warning: gantry.conf:7: [backoff] Max=: no such setting, ignored\n"));
}

static void a_line_that_is_none_is_named(void **state)
{
    struct scratch *scratch = *state;

    scratch_write(scratch, "gantry.conf", "[BackOff]\nInitial=1s\nwhat is this\n[HostPath\n");
    CLEANUP(config_unrefp)
    struct config *config = load(scratch, CONFIG_ALL, CONFIG_E_INVALID,
                                 "gantry.conf:3: expected a [Section], Key=value or a comment\n");
    assert_int_equal(config->backoff.initial, USEC_SEC);
}

static void a_line_that_is_too_long_is_not_cut(void **state)
{
    struct scratch *scratch = *state;
    char text[600];

    /* 198 bytes fit; the next ones would begin a line of their own */
    int n = snprintf(text, sizeof(text), "[HostPath]\nDeny=/%0*d\n", 198 - 6, 0);
    n += snprintf(text + n, sizeof(text) - (size_t)n, "Deny=/%0*d\n", 199 - 6, 0);
    snprintf(text + n, sizeof(text) - (size_t)n, "Create=no\n");
    scratch_write(scratch, "gantry.conf", text);
    CLEANUP(config_unrefp)
    struct config *config =
        load(scratch, CONFIG_ALL, CONFIG_E_INVALID,
             "gantry.conf:3: a line may have 198 bytes at most; a list may be given in parts\n");
    assert_int_equal(config->hostpath.n_deny, 7);
    assert_false(config->hostpath.create);
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP(freep) char *path = scratch_path(scratch, "gantry.conf");

    assert_int_equal(mkdir(path, 0755), 0);
    config_unref(load(scratch, CONFIG_ALL, CONFIG_E_INVALID, "gantry.conf: cannot be read\n"));
}

static void the_drop_in_reads_only_its_own(void **state)
{
    struct scratch *scratch = *state;

    scratch_write(scratch, "gantry.conf",
                  "[Daemon]\nAllowUsers=nobody-of-that-name\nSocket=/s\n[Rkt]\nPath=/r\n"
                  "[HostPath]\nOwner=nobody-of-that-name:x\nUnknown=1\n"
                  "[Launch]\nOnUnreachable=refuse\nRequestTimeout=x\n");
    CLEANUP(config_unrefp)
    struct config *config =
        load(scratch, CONFIG_CLIENT, CONFIG_E_INVALID,
             "warning: gantry.conf:8: [HostPath] Unknown=: no such setting, ignored\n"
             "gantry.conf:11: [Launch] RequestTimeout=x: expected a time above zero, such as 5s\n");
    assert_string_equal(config->daemon.socket, "/s");
    assert_string_equal(config->rkt.path, "/r");
    assert_int_equal(config->launch.on_unreachable, ON_UNREACHABLE_REFUSE);
    assert_int_equal(config->launch.request_timeout, 5 * USEC_SEC);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    static const struct CMUnitTest tests[] = {
        TEST(has_defaults),
        TEST(reads_every_setting),
        TEST(fragments_come_after_in_order),
        TEST(a_bad_value_is_named_and_mended),
        TEST(what_the_kubelet_is_asked_with_can_be_nothing),
        TEST(the_cap_is_not_below_the_start),
        TEST(two_fetches_fit_into_a_launch),
        TEST(the_default_of_a_fetch_follows_that_of_a_launch),
        TEST(a_token_is_only_for_https),
        TEST(who_is_required_has_to_be_asked),
        TEST(the_manual_has_each_key_in_its_section),
        TEST(an_unknown_setting_is_a_warning),
        TEST(a_line_that_is_none_is_named),
        TEST(a_line_that_is_too_long_is_not_cut),
        TEST(a_file_that_cannot_be_read_is_told),
        TEST(the_drop_in_reads_only_its_own),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
