/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ask.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "client/connection.h"

/* Before gantryd is asked again: it is just being started. */
#define ASK_AGAIN_USEC (10 * USEC_MSEC)

/* What of our environment gantryd gets to see: what it may have to change for rkt and its stage1s,
 * and how systemd names this run of the unit. */
static const char *const variables[] = {
    "INVOCATION_ID",
    "RKT_EXPERIMENT_APP",
    "RKT_EXPERIMENT_ATTACH",
    "SYSTEMD_NSPAWN_SHARE_NS_IPC",
    "SYSTEMD_NSPAWN_SHARE_SYSTEM",
};

static json_t *environment_to_json(void)
{
    json_t *environment = json_object();

    for (size_t i = 0; i < N_ELEMENTS(variables); i++) {
        const char *value = getenv(variables[i]);
        if (value)
            json_object_set_new(environment, variables[i], json_string(value));
    }
    return environment;
}

/* A name for this question, so that it can be asked twice. */
static void make_id(char id[static 33])
{
    unsigned char bytes[16];

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        memset(bytes, 0, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

/* Return: the list, NULL if an argument is not UTF-8, which JSON cannot hold. */
static json_t *argv_to_json(const struct question *question)
{
    json_t *list = json_array();

    for (int i = 0; i < question->argc; i++) {
        if (json_array_append_new(list, json_string(question->argv[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* The call without the manifest. Return: a new reference, NULL if it cannot be put. */
static json_t *question_to_json(const struct question *question)
{
    char id[33], directory[PATH_MAX];
    json_t *argv = argv_to_json(question);

    if (!argv)
        return NULL;
    make_id(id);
    if (!getcwd(directory, sizeof(directory)) || directory[0] != '/')
        strcpy(directory, "/");
    return json_pack("{s:s, s:{s:s, s:o, s:s, s:o}}", "method", "io.gantry.Node.Launch",
                     "parameters", "id", id, "argv", argv, "directory", directory, "environment",
                     environment_to_json());
}

static int too_long(const struct question *question, size_t length, struct error *error)
{
    return error_set(error, ASK_E_TOO_LONG,
                     "a launch may have %zu bytes, and this one has %zu: %zu of its pod manifest, "
                     "the rest of its command line",
                     VARLINK_CALL_MAX, length, question->manifest_length);
}

/* Writes the whole message. The manifest's bytes are put in as they are, as the last of the
 * parameters: it is JSON itself, and so it is neither read nor quoted here. If it is not JSON after
 * all, neither is the message, and gantryd says so. Return: 0 and a message to free(),
 * ASK_E_UNREACHABLE, ASK_E_TOO_LONG. */
static int compose(const struct question *question, char **messagep, size_t *lengthp,
                   struct error *error)
{
    static const char name[] = ",\"manifest\":", end[] = "}}";
    json_t *json = question_to_json(question);
    CLEANUP(freep) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    bool has_manifest = question->manifest || question->manifest_length > 0;

    json_decref(json);
    if (!text)
        return error_set(error, ASK_E_UNREACHABLE, "the command line is not UTF-8");
    size_t length = strlen(text);
    size_t size = length + 1 + (has_manifest ? strlen(name) + question->manifest_length : 0);
    if (size > VARLINK_CALL_MAX)
        return too_long(question, size, error);
    char *message = malloc(size);
    if (!message)
        return error_set(error, ASK_E_UNREACHABLE, "%s", strerror(ENOMEM));
    *messagep = message;
    *lengthp = size;
    if (!question->manifest) {
        memcpy(message, text, size);
        return 0;
    }
    char *p = mempcpy(message, text, length - strlen(end));
    p = mempcpy(p, name, strlen(name));
    p = mempcpy(p, question->manifest, question->manifest_length);
    memcpy(p, end, sizeof(end));
    return 0;
}

void answer_deinit(struct answer *answer)
{
    json_decref(answer->json);
    *answer = (struct answer){0};
}

static bool is_list_of_strings(const json_t *list)
{
    if (!json_is_array(list))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!json_is_string(json_array_get(list, i)))
            return false;
    }
    return true;
}

static bool is_object_of_strings(json_t *object)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return false;
    json_object_foreach(object, key, value)
    {
        if (!json_is_string(value) || key[0] == '\0' || strchr(key, '='))
            return false;
    }
    return true;
}

/* An optional member; null is as good as absent. */
static json_t *member(const json_t *parameters, const char *name)
{
    json_t *value = json_object_get(parameters, name);

    return json_is_null(value) ? NULL : value;
}

static int nonsense(struct error *error, const char *what)
{
    return error_set(error, ASK_E_UNREACHABLE, "gantryd answered nonsense: %s", what);
}

static int read_refusal(struct answer *answer, const json_t *parameters, struct error *error)
{
    const json_t *status = json_object_get(parameters, "exitStatus");

    answer->message = json_string_value(json_object_get(parameters, "message"));
    answer->status = (int)json_integer_value(status);
    /* 0 would tell the kubelet that there is a pod now. */
    if (!answer->message || !json_is_integer(status) || answer->status < 1 || answer->status > 255)
        return nonsense(error, "a refusal without message or exit status");
    return ASK_E_REFUSED;
}

static int read_answer(struct answer *answer, const struct varlink_reply *reply,
                       struct error *error)
{
    const json_t *parameters = reply->parameters;

    if (reply->error && strcmp(reply->error, "io.gantry.Node.Refused") == 0)
        return read_refusal(answer, parameters, error);
    if (reply->error) {
        const char *reason = json_string_value(json_object_get(parameters, "reason"));
        return error_set(error, ASK_E_UNREACHABLE, "gantryd answered %s%s%s", reply->error,
                         reason ? ": " : "", reason ? reason : "");
    }
    if (reply->continues)
        return nonsense(error, "more than one reply");

    answer->argv = member(parameters, "argv");
    answer->set_environment = member(parameters, "setEnvironment");
    answer->unset_environment = member(parameters, "unsetEnvironment");
    answer->manifest = member(parameters, "manifest");
    if (answer->argv && (!is_list_of_strings(answer->argv) || json_array_size(answer->argv) == 0))
        return nonsense(error, "\"argv\" is no command line");
    if (answer->set_environment && !is_object_of_strings(answer->set_environment))
        return nonsense(error, "\"setEnvironment\" is no environment");
    if (answer->unset_environment && !is_list_of_strings(answer->unset_environment))
        return nonsense(error, "\"unsetEnvironment\" is no list of names");
    if (answer->manifest && !json_is_string(answer->manifest))
        return nonsense(error, "\"manifest\" is no string");
    return 0;
}

/* Why a connection could not be used, in words. */
static int unreachable(struct error *error, const struct config *config, size_t length, int r)
{
    char timeout[USEC_GO_MAX];

    usec_format_go(timeout, config->launch.request_timeout);
    /* It had to wait for its turn, for it is long. */
    if (r == -ETIMEDOUT && length > VARLINK_LONG)
        return error_set(error, ASK_E_LATE,
                         "gantryd did not answer within %s, and a launch of %zu bytes is not let "
                         "through without",
                         timeout, length);
    if (r == -ETIMEDOUT)
        return error_set(error, ASK_E_UNREACHABLE, "gantryd did not answer within %s", timeout);
    return error_set(error, ASK_E_UNREACHABLE, "%s: %s", config->daemon.socket, strerror(-r));
}

/* Asks once. Return: as ask(), or ASK_AGAIN. */
#define ASK_AGAIN (ASK_E_UNREACHABLE + 1)

static int ask_once(const struct config *config, const char *message, size_t length,
                    usec_t deadline, struct answer *answer, struct error *error)
{
    CLEANUP(connection_close) struct connection connection = CONNECTION_NULL;
    struct varlink_reply reply;

    int r = connection_open(&connection, config->daemon.socket, deadline);
    if (r == 0)
        r = connection_send(&connection, message, length, deadline);
    /* One that does not take us in may have sent why before it closed. */
    if (r == 0 || r == CONNECTION_E_CLOSED)
        r = connection_receive(&connection, &answer->json, &reply, deadline, error);
    if (r == CONNECTION_E_CLOSED)
        return ASK_AGAIN;
    if (r == CONNECTION_E_INVALID)
        return error_wrap(error, ASK_E_UNREACHABLE, "gantryd answered nonsense");
    return r < 0 ? unreachable(error, config, length, r) : read_answer(answer, &reply, error);
}

int ask(const struct config *config, const struct question *question, struct answer *answer,
        struct error *error)
{
    usec_t deadline = usec_add(usec_now(), config->launch.request_timeout);
    struct timespec pause = {.tv_nsec = ASK_AGAIN_USEC * 1000};
    CLEANUP(freep) char *message = NULL;
    size_t length = 0;

    int r = compose(question, &message, &length, error);
    if (r != 0)
        return r;
    r = ask_once(config, message, length, deadline, answer, error);
    while (r == ASK_AGAIN && usec_now() < deadline) {
        nanosleep(&pause, NULL);
        r = ask_once(config, message, length, deadline, answer, error);
    }
    return r == ASK_AGAIN ? unreachable(error, config, length, -ETIMEDOUT) : r;
}
