/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/harness/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "client/connection.h"
#include "daemon/podjson.h"
#include "tests/unit/mountns.h"

#define RUN_TIMEOUT_MSEC 30000

/* A test program that hangs ends after that. */
#define HANG_SECONDS 300

static struct {
    int listen_fd;
    int journal_fd;
    json_t *entries;
    pid_t gantryd;
} node = {.listen_fd = -1, .journal_fd = -1};

static void die(const char *what)
{
    printf("Bail out! %s: %s\n", what, strerror(errno));
    exit(99);
}

/* Files. */

char *read_text(const char *path)
{
    FILE *f = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;

    if (!f)
        return NULL;
    ssize_t n = getdelim(&text, &size, EOF, f);
    fclose(f);
    if (n < 0) {
        free(text);
        return strdup("");
    }
    return text;
}

void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

json_t *read_json(const char *path)
{
    json_error_t at;
    json_t *json = json_load_file(path, 0, &at);

    if (!json)
        fail_msg("%s: line %d: %s", path, at.line, at.text);
    return json;
}

bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

void make_folders(const char *path)
{
    char copy[4096];

    snprintf(copy, sizeof(copy), "%s/", path);
    for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            die(copy);
        *p = '/';
    }
}

static const char *below(const char *variable, const char *name)
{
    static char paths[4][4096];
    static unsigned turn;
    const char *top = getenv(variable);
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", top ? top : ".", name);
    return path;
}

const char *node_built(const char *name)
{
    return below("abs_top_builddir", name);
}

const char *node_source(const char *name)
{
    return below("abs_top_srcdir", name);
}

/* The node. */

static void mount_empty(const char *path)
{
    make_folders(path);
    if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
        die(path);
}

/* The machine's /dev, but what is made and mounted there is this node's alone: under stage1-fly an
 * app has the node's. */
static void mount_devices(void)
{
    make_folders("/run/dev");
    if (mount("tmpfs", "/run/dev", "tmpfs", MS_NOSUID, NULL) < 0)
        die("/run/dev");
    make_folders("/run/dev/upper");
    make_folders("/run/dev/work");
    make_folders("/run/dev/pts");
    if (mount("/dev/pts", "/run/dev/pts", NULL, MS_BIND, NULL) < 0 ||
        mount("overlay", "/dev", "overlay", MS_NOSUID,
              "lowerdir=/dev,upperdir=/run/dev/upper,workdir=/run/dev/work") < 0 ||
        mount("/run/dev/pts", "/dev/pts", NULL, MS_BIND, NULL) < 0 ||
        mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0)
        die("/dev");
}

const char *node_real_rkt(void)
{
    const char *path = getenv("RKT");

    return path && path[0] ? path : NULL;
}

/* rkt finds out from systemd which unit it is in. Return: a descriptor of what leads there; -1: the
 * stand-in has no need of it. */
static int open_dbus(void)
{
    if (!node_real_rkt())
        return -1;
    int fd = open("/run/dbus", O_PATH | O_CLOEXEC);
    if (fd < 0)
        die("/run/dbus, for $RKT");
    return fd;
}

static void keep_dbus(int fd)
{
    char path[64];

    if (fd < 0)
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    make_folders("/run/systemd/system");
    make_folders("/run/dbus");
    if (mount(path, "/run/dbus", NULL, MS_BIND, NULL) < 0)
        die("/run/dbus");
    close(fd);
}

void node_enter(void)
{
    static const char *const folders[] = {"/run", "/srv", "/var/lib/kubelet", "/var/lib/rkt"};
    int dbus_fd;

    if (geteuid() != 0) {
        errno = EPERM;
        die("these tests need root");
    }
    /* A network of its own, too: what a recorded pod serves, it serves nobody. */
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        die("a mount namespace");
    dbus_fd = open_dbus();
    for (size_t i = 0; i < N_ELEMENTS(folders); i++)
        mount_empty(folders[i]);
    keep_dbus(dbus_fd);
    mount_devices();
    /* Shared within, as the mounts of a node are. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
        die("shared mounts");
    make_folders("/run/node");
    make_folders("/run/gantry");
    make_folders("/run/recorder");
    make_folders("/run/systemd/journal");
    if (chdir("/") < 0)
        die("/");
    setenv("GANTRY_CONFIG", NODE_CONFIG, 1);
    setenv("GANTRY_KUBELET_PODS", node_built("kubelet-pods"), 1);
    signal(SIGPIPE, SIG_IGN);
    alarm(HANG_SECONDS);
}

static int bind_socket(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, path);
    unlink(path);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        die(path);
    return fd;
}

void node_configure(const char *text)
{
    char whole[4096];

    snprintf(whole, sizeof(whole), "[Rkt]\nPath=%s\n[Daemon]\nSocket=" NODE_SOCKET "\n%s",
             node_built("tests/harness/rkt-recorder"), text);
    write_text(NODE_CONFIG, whole);
}

int node_setup(void **state)
{
    int size = 4 << 20;

    (void)state;
    node.listen_fd = bind_socket(NODE_SOCKET, SOCK_STREAM);
    if (chmod(NODE_SOCKET, 0600) < 0 || listen(node.listen_fd, 4096) < 0)
        die(NODE_SOCKET);
    node.journal_fd = bind_socket("/run/systemd/journal/socket", SOCK_DGRAM);
    setsockopt(node.journal_fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    node.entries = json_array();
    node_configure("");
    recorder_becomes(NULL);
    recorder_forget();
    gantryd_start();
    return 0;
}

static void empty_folder(const char *path)
{
    char command[256];

    snprintf(command, sizeof(command), "find %s -xdev -mindepth 1 -delete", path);
    if (system(command) != 0)
        die(path);
}

int node_teardown(void **state)
{
    (void)state;
    if (node.gantryd > 0)
        gantryd_end(SIGTERM);
    node.listen_fd = fd_close(node.listen_fd);
    node.journal_fd = fd_close(node.journal_fd);
    json_decref(node.entries);
    node.entries = NULL;
    /* Nothing may be emptied through what gantryd has mounted there. */
    mountns_unmount_below("/run/gantry");
    empty_folder("/run/gantry");
    empty_folder("/srv");
    empty_folder("/var/lib/kubelet");
    return 0;
}

/* gantryd, as systemd would start it: the socket is descriptor 3, and standard error is the
 * journal's. */
static void become_gantryd(int pipe_fd)
{
    struct stat st;
    char pid[32], stream[64];

    if (dup2(pipe_fd, STDERR_FILENO) < 0 || dup2(node.listen_fd, 3) < 0 ||
        fcntl(3, F_SETFD, 0) < 0 || fstat(STDERR_FILENO, &st) < 0)
        _exit(99);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("JOURNAL_STREAM", stream, 1);
    setenv("RUNTIME_DIRECTORY", NODE_STATE, 1);
    execl(node_built("gantryd"), "gantryd", NULL);
    _exit(99);
}

void gantryd_start(void)
{
    int fd = open("/run/node/gantryd.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    node.gantryd = fork();
    assert_true(node.gantryd >= 0);
    if (node.gantryd == 0)
        become_gantryd(fd);
    close(fd);
    json_decref(api_call("org.varlink.service.GetInfo", NULL));
}

int gantryd_end(int signum)
{
    int status = 0;

    assert_true(node.gantryd > 0);
    /* A test that failed may have left it stopped. Not after the signal: that could undo the stop
     * of a sanitizer, which looks for leaks at the end. */
    kill(node.gantryd, SIGCONT);
    assert_int_equal(kill(node.gantryd, signum), 0);
    assert_int_equal(waitpid(node.gantryd, &status, 0), node.gantryd);
    node.gantryd = 0;
    return status;
}

static void add_run(struct pod *pod, unsigned n_pod, unsigned n_run)
{
    char uuid[37], path[128];

    snprintf(uuid, sizeof(uuid), "%08x-0000-4000-8000-%012x", n_pod, n_run);
    snprintf(path, sizeof(path), "/var/lib/rkt/pods/exited-garbage/%s", uuid);
    make_folders(path);
    struct rktpod *rktpod = pod_add_rktpod(pod, uuid, "/var/lib/rkt");
    rktpod->pid = 1000000;
    rktpod->started_at = rktpod->finished_at = usec_now();
    rktpod->ended = true;
    rktpod->status = 1;
    rktpod_add_exit(rktpod, "front", 1);
    rktpod_add_exit(rktpod, "side", 0);
}

void node_crowd(unsigned n_pods)
{
    CLEANUP(freep) char *boot_id = read_text("/proc/sys/kernel/random/boot_id");

    boot_id[strcspn(boot_id, "\n")] = '\0';
    make_folders(NODE_STATE "/pods");
    for (unsigned i = 0; i < n_pods; i++) {
        char name[64], path[128];
        snprintf(name, sizeof(name), "crowd-%u", i);
        struct pod *pod = pod_new(name, name, "default");
        for (unsigned n = 0; n <= RKTPODS_ENDED_MAX; n++)
            add_run(pod, i, n);
        pod->life.state = LIFE_ENDED;
        pod->life.has_finished = true;
        pod->life.finished_at = pod->life.touched_at = usec_now();
        pod->life.hashes = strdup("front=3032725915,side=4134629666");
        CLEANUP(freep) char *text = podjson_write(pod, boot_id);
        snprintf(path, sizeof(path), NODE_STATE "/pods/%s.json", name);
        write_text(path, text);
        pod_unref(pod);
    }
}

pid_t gantryd_pid(void)
{
    return node.gantryd;
}

/* Programs. */

void result_deinit(struct result *result)
{
    free(result->out);
    free(result->err);
    *result = (struct result){0};
}

static int status_of(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Reads both pipes to their ends. Return: false if that took too long. */
static bool drain(int fds[2], char *texts[2])
{
    struct pollfd polls[2] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};
    size_t lengths[2] = {0, 0};

    texts[0] = calloc(1, 1);
    texts[1] = calloc(1, 1);
    while (polls[0].fd >= 0 || polls[1].fd >= 0) {
        if (poll(polls, 2, RUN_TIMEOUT_MSEC) <= 0)
            return false;
        for (size_t i = 0; i < 2; i++) {
            char bytes[65536];
            if (polls[i].fd < 0 || !polls[i].revents)
                continue;
            ssize_t n = read(polls[i].fd, bytes, sizeof(bytes));
            if (n <= 0) {
                polls[i].fd = -1;
                continue;
            }
            texts[i] = realloc(texts[i], lengths[i] + (size_t)n + 1);
            memcpy(texts[i] + lengths[i], bytes, (size_t)n);
            lengths[i] += (size_t)n;
            texts[i][lengths[i]] = '\0';
        }
    }
    return true;
}

struct result run_argv(const char *program, char *const *argv)
{
    struct result result = {0};
    int out[2], err[2], status;
    usec_t began = usec_now();

    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDONLY);
        if (null < 0 || dup2(null, 0) < 0 || dup2(out[1], 1) < 0 || dup2(err[1], 2) < 0)
            _exit(99);
        if (null > 2)
            close(null);
        execv(program, argv);
        _exit(99);
    }
    close(out[1]);
    close(err[1]);
    char *texts[2];
    if (!drain((int[]){out[0], err[0]}, texts))
        kill(pid, SIGKILL);
    close(out[0]);
    close(err[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    result.out = texts[0];
    result.err = texts[1];
    result.status = status_of(status);
    result.took = usec_now() - began;
    return result;
}

struct result run(const char *program, ...)
{
    char *argv[64];
    size_t n = 0;
    va_list args;

    argv[n++] = (char *)program;
    va_start(args, program);
    do {
        assert_true(n < N_ELEMENTS(argv));
        argv[n++] = va_arg(args, char *);
    } while (argv[n - 1]);
    va_end(args);
    return run_argv(program, argv);
}

pid_t start_argv(const char *program, char *const *argv)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    /* A group of its own, so that what it leaves behind can be ended with it, as systemd would. And
     * nothing outlives the test: it would hold the pipe that the test's result goes to. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(99);
    if (null > 2)
        close(null);
    execv(program, argv);
    _exit(99);
}

int finish(pid_t pid)
{
    usec_t give_up = usec_now() + RUN_TIMEOUT_MSEC * USEC_MSEC;
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (usec_now() > give_up)
            kill(-pid, SIGKILL);
        usleep(500);
    }
    kill(-pid, SIGKILL);
    return status_of(status);
}

/* The recorder. */

json_t *recorded_calls(void)
{
    json_t *calls = json_array();
    FILE *f = fopen("/run/recorder/calls", "re");
    char *line = NULL;
    size_t size = 0;

    while (f && getline(&line, &size, f) > 0) {
        json_t *call = json_loads(line, JSON_ALLOW_NUL, NULL);
        assert_non_null(call);
        json_array_append_new(calls, call);
    }
    free(line);
    if (f)
        fclose(f);
    return calls;
}

void recorder_forget(void)
{
    unlink("/run/recorder/calls");
}

void recorder_becomes(const char *program)
{
    unlink("/run/recorder/next");
    if (program)
        assert_int_equal(symlink(program, "/run/recorder/next"), 0);
}

/* The journal. */

static void add_field(json_t *entry, const char *name, size_t name_length, const char *value,
                      size_t length)
{
    char key[128];

    snprintf(key, sizeof(key), "%.*s", (int)name_length, name);
    json_t *before = json_object_get(entry, key), *text = json_stringn_nocheck(value, length);
    if (json_is_array(before))
        json_array_append_new(before, text);
    else if (before)
        json_object_set_new(entry, key, json_pack("[O, o]", before, text));
    else
        json_object_set_new(entry, key, text);
}

/* systemd.io/JOURNAL_NATIVE_PROTOCOL. */
static json_t *parse_entry(const char *p, size_t n)
{
    const char *end = p + n;
    json_t *entry = json_object();

    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        assert_non_null(newline);
        const char *equals = memchr(p, '=', (size_t)(newline - p));
        if (equals) {
            add_field(entry, p, (size_t)(equals - p), equals + 1, (size_t)(newline - equals - 1));
            p = newline + 1;
        } else {
            uint64_t length;
            memcpy(&length, newline + 1, sizeof(length));
            add_field(entry, p, (size_t)(newline - p), newline + 9, length);
            p = newline + 9 + length + 1;
        }
    }
    return entry;
}

json_t *journal_entries(void)
{
    static char bytes[1 << 20];
    ssize_t n;

    while ((n = recv(node.journal_fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        json_array_append_new(node.entries, parse_entry(bytes, (size_t)n));
    return node.entries;
}

void journal_forget(void)
{
    json_array_clear(journal_entries());
}

const char *field(const json_t *entry, const char *name)
{
    const json_t *value = json_object_get(entry, name);
    const char *text = json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);

    return text ? text : "";
}

static bool has_fields(const json_t *entry, const char *name, const char *value, va_list args)
{
    for (; name;
         name = va_arg(args, const char *), value = name ? va_arg(args, const char *) : NULL) {
        if (strcmp(field(entry, name), value) != 0)
            return false;
    }
    return true;
}

json_t *journal_wait(const char *name, const char *value, ...)
{
    usec_t give_up = usec_now() + 10 * USEC_SEC;

    do {
        json_t *entries = journal_entries();
        for (size_t i = 0; i < json_array_size(entries); i++) {
            va_list args;
            va_start(args, value);
            bool found = has_fields(json_array_get(entries, i), name, value, args);
            va_end(args);
            if (found)
                return json_array_get(entries, i);
        }
        usleep(5000);
    } while (usec_now() < give_up);
    char *all = json_dumps(node.entries, JSON_INDENT(1));
    print_message("# no entry with %s=%s in\n# %s\n", name, value, all);
    free(all);
    fail();
    return NULL;
}

size_t journal_count(const char *name, const char *value)
{
    json_t *entries = journal_entries();
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(entries); i++)
        n += strcmp(field(json_array_get(entries, i), name), value) == 0;
    return n;
}

/* The API. */

json_t *api_call(const char *method, json_t *parameters)
{
    struct connection connection = CONNECTION_NULL;
    struct varlink_reply reply;
    usec_t deadline = usec_now() + 10 * USEC_SEC;
    json_t *message = NULL;
    size_t length;
    json_t *call = json_pack("{s:s, s:o}", "method", method, "parameters",
                             parameters ? parameters : json_object());
    char *bytes = varlink_encode(call, &length);

    assert_int_equal(connection_open(&connection, NODE_SOCKET, deadline), 0);
    assert_int_equal(connection_send(&connection, bytes, length, deadline), 0);
    assert_int_equal(connection_receive(&connection, &message, &reply, deadline, NULL), 0);
    connection_close(&connection);
    free(bytes);
    json_decref(call);
    return message;
}
