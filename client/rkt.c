/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The drop-in: a program with rkt's command line, for the kubelet's --rkt-path. A launch (prepare,
 * run-prepared, run) it asks gantryd about; then it becomes rkt, by execve, in the same process.
 * All else goes to rkt at once. If gantryd cannot be asked, a launch goes to rkt as it was called,
 * unless OnUnreachable=refuse; one that is too long to be asked about is refused in each case, for
 * its length is the pod's to choose, and would be a way round gantryd.
 *
 * It is on the way of every exec probe: it links nothing heavy, and does nothing twice.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "client/ask.h"
#include "client/realrkt.h"
#include "client/report.h"
#include "lib/config.h"
#include "lib/manifest.h"
#include "lib/rktcmd.h"
#include "lib/unreachable.h"
#include "lib/varlink.h"

/* What rkt's own failures exit with (contract section 3). */
#define EXIT_RKT_FAILED 254

/* So much of a manifest is read, though no more than VARLINK_CALL_MAX can be sent: one that is
 * refused for its length should be told with its pod's name. */
#define READ_MAX VARLINK_REPLY_MAX

/* The pod manifest, as it stands where the command line says. */
struct manifest_file {
    char *text; /* NULL: there is none, or it cannot be read, or is longer than READ_MAX */
    size_t length;
    bool consumed; /* it was a pipe or the like: rkt cannot read it again */
};

static void manifest_file_deinit(struct manifest_file *file)
{
    free(file->text);
}

static int die(const char *message)
{
    fprintf(stderr, "gantry: %s\n", message);
    return EXIT_RKT_FAILED;
}

static int become_rkt(const struct config *config, char **argv)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;

    realrkt_exec(config->rkt.path, argv, &error);
    report_send(&(struct report){.message = MESSAGE_FAULT, .reason = error_message(&error)}, "%s",
                error_message(&error));
    return die(error_message(&error));
}

static int read_all(int fd, size_t size, struct manifest_file *file)
{
    file->text = malloc(size);
    for (ssize_t n = 1; file->text && n != 0;) {
        n = read(fd, file->text + file->length, size - file->length);
        if (n < 0 && errno != EINTR)
            return -errno;
        file->length += n > 0 ? (size_t)n : 0;
        if (file->length > READ_MAX) {
            free(file->text);
            file->text = NULL;
            return 0;
        }
        if (file->length < size)
            continue;
        char *grown = realloc(file->text, size *= 2);
        if (!grown)
            return -ENOMEM;
        file->text = grown;
    }
    return file->text ? 0 : -ENOMEM;
}

/* Reads the manifest. Return: 0, also for one that is too long; -errno. */
static int read_manifest(struct manifest_file *file, const char *path)
{
    struct stat st;

    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    bool is_file = S_ISREG(st.st_mode);
    if (is_file && (size_t)st.st_size > READ_MAX) {
        file->length = (size_t)st.st_size;
        return 0;
    }
    int r = read_all(fd, is_file ? (size_t)st.st_size + 1 : 65536, file);
    file->consumed = !is_file && file->length > 0;
    return r;
}

/* Puts a manifest where rkt can read it and nobody has to clean up: in memory, open across execve.
 * Return: an fd or -errno. */
static int store_manifest(const char *text, size_t length)
{
    CLEANUP(fd_closep) int fd = memfd_create("pod-manifest", MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    for (size_t at = 0; at < length;) {
        ssize_t n = write(fd, text + at, length - at);
        if (n < 0)
            return -errno;
        at += (size_t)n;
    }
    if (lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return -errno;
    int stored = fd;
    fd = -1;
    return stored;
}

/* Becomes rkt with another manifest than the command line's. */
static int become_rkt_with(const struct config *config, int argc, char **argv, const char *text,
                           size_t length)
{
    CLEANUP(rktcmd_deinit) struct rktcmd cmd = RKTCMD_NULL;
    CLEANUP(freep) char **amended = NULL;
    CLEANUP(freep) char *argument = NULL;
    char path[64];

    int fd = store_manifest(text, length);
    if (fd < 0)
        return die(strerror(-fd));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (rktcmd_parse(&cmd, argc, argv) != 0 || !cmd.pod_manifest ||
        rktcmd_with_manifest(&cmd, path, &amended, &argument) < 0)
        return die("the amended command line has no --pod-manifest");
    return become_rkt(config, amended);
}

/* Becomes rkt as it was called. */
static int forward(const struct config *config, int argc, char **argv,
                   const struct manifest_file *file)
{
    if (file->consumed && file->text)
        return become_rkt_with(config, argc, argv, file->text, file->length);
    return become_rkt(config, argv);
}

static void apply_environment(const struct answer *answer)
{
    const char *name;
    json_t *value;

    json_object_foreach(answer->set_environment, name, value)
        setenv(name, json_string_value(value), 1);
    for (size_t i = 0; i < json_array_size(answer->unset_environment); i++)
        unsetenv(json_string_value(json_array_get(answer->unset_environment, i)));
}

/* Becomes rkt as gantryd says. */
static int obey(const struct config *config, int argc, char **argv,
                const struct manifest_file *file, const struct answer *answer)
{
    CLEANUP(freep) char **amended = NULL;

    apply_environment(answer);
    if (answer->argv) {
        argc = (int)json_array_size(answer->argv);
        amended = calloc((size_t)argc + 1, sizeof(*amended));
        if (!amended)
            return die(strerror(ENOMEM));
        for (int i = 0; i < argc; i++)
            amended[i] = (char *)json_string_value(json_array_get(answer->argv, (size_t)i));
        argv = amended;
    }
    if (answer->manifest)
        return become_rkt_with(config, argc, argv, json_string_value(answer->manifest),
                               json_string_length(answer->manifest));
    return forward(config, argc, argv, file);
}

/* Leaves an entry that names the pod, if the manifest does. */
static void report_unasked(enum message message, const char *command, const char *reason,
                           const char *consequence, const struct manifest_file *file)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    struct pod_identity identity;
    bool known = file->text && manifest_parse(&manifest, file->text, file->length, NULL) == 0 &&
                 manifest_identity(manifest, &identity);

    report_send(&(struct report){.message = message,
                                 .command = command,
                                 .reason = reason,
                                 .pod = known ? &identity : NULL},
                "%s%s%s%s%s: %s; %s", command, known ? " of pod " : "",
                known ? identity.namespace : "", known ? "/" : "", known ? identity.name : "",
                reason, consequence);
}

/* It is nothing that gantryd can be asked about. */
static int refuse(const char *command, const struct manifest_file *file, const char *reason)
{
    report_unasked(MESSAGE_REFUSAL, command, reason, "refused", file);
    return die(reason);
}

/* gantryd did not answer, and for what is so long that is no reason to go on. */
static int refuse_late(const struct config *config, const char *command,
                       const struct manifest_file *file, const char *reason)
{
    unreachable_add(config->daemon.socket);
    report_unasked(MESSAGE_UNREACHABLE, command, reason, "refused", file);
    return die(reason);
}

/* gantryd cannot be asked. */
static int go_unasked(const struct config *config, int argc, char **argv, const char *command,
                      const struct manifest_file *file, const char *reason)
{
    unreachable_add(config->daemon.socket);
    if (config->launch.on_unreachable == ON_UNREACHABLE_REFUSE) {
        report_unasked(MESSAGE_UNREACHABLE, command, reason, "refused (OnUnreachable=refuse)",
                       file);
        return die(reason);
    }
    report_unasked(MESSAGE_UNREACHABLE, command, reason, "it goes to rkt as it was called", file);
    return forward(config, argc, argv, file);
}

static int launch(const struct config *config, int argc, char **argv, const struct rktcmd *cmd)
{
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    CLEANUP(answer_deinit) struct answer answer = {0};
    CLEANUP(manifest_file_deinit) struct manifest_file file = {0};

    int r = cmd->pod_manifest ? read_manifest(&file, cmd->pod_manifest) : 0;
    /* What cannot be read is rkt's to complain of. */
    if (r < 0 && !file.consumed)
        return become_rkt(config, argv);
    struct question question = {
        .argc = argc, .argv = argv, .manifest = file.text, .manifest_length = file.length};

    switch (ask(config, &question, &answer, &error)) {
    case 0:
        return obey(config, argc, argv, &file, &answer);
    case ASK_E_REFUSED:
        fprintf(stderr, "%s\n", answer.message);
        return answer.status;
    case ASK_E_TOO_LONG:
        return refuse(rktcmd_verb_name(cmd->verb), &file, error_message(&error));
    case ASK_E_LATE:
        return refuse_late(config, rktcmd_verb_name(cmd->verb), &file, error_message(&error));
    default:
        return go_unasked(config, argc, argv, rktcmd_verb_name(cmd->verb), &file,
                          error_message(&error));
    }
}

int main(int argc, char **argv)
{
    CLEANUP(config_unrefp) struct config *config = NULL;
    CLEANUP(rktcmd_deinit) struct rktcmd cmd = RKTCMD_NULL;

    if (realrkt_is_circle())
        return die("cannot become rkt: it leads back here; see [Rkt] Path=");
    /* What is wrong with it is gantryd's to tell. */
    if (config_load(&config, config_path(), CONFIG_CLIENT, NULL, NULL) < 0)
        return die(strerror(ENOMEM));

    int r = rktcmd_parse(&cmd, argc, argv);
    /* Without root rkt refuses to launch anything, and says so. */
    if (cmd.verb == RKTCMD_OTHER || geteuid() != 0)
        return become_rkt(config, argv);
    if (r == RKTCMD_E_USAGE) {
        report_unasked(MESSAGE_UNCLEAR, rktcmd_verb_name(cmd.verb),
                       "its command line is not one of rkt 1.30's",
                       "it goes to rkt as it was called", &(struct manifest_file){0});
        return become_rkt(config, argv);
    }
    return launch(config, argc, argv, &cmd);
}
