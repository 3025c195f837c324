/* SPDX-License-Identifier: Apache-2.0 */

/*
 * kubelet-pods: asks the kubelet for its pods, once, and ends. The only file that knows HTTP.
 *
 *   kubelet-pods URL CA CERTIFICATE KEY TOKENFILE      ("" for what there is not)
 *
 * Standard input has the UIDs of the pods that are asked for, a line each; they are read when the
 * kubelet has answered, so that more may come until then. Standard output gets a line of JSON for
 * each of them that the kubelet knows, a v1.PodList of this one pod, and at the end {"done": true},
 * or instead {"error": "why it could not be asked"}.
 *
 * It is a program of its own, run by gantryd for each fetch (daemon/kubelet.c), because libcurl
 * with the thirty libraries below it would cost gantryd 5 MiB for good, more than all the rest of
 * it; and because what comes from the network, and megabytes of JSON, are better read where nothing
 * is kept. How long it may take is the caller's business: it is killed.
 */

#include <cap-ng.h>
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "lib/def.h"
#include "lib/podspec.h"

#define BODY_MAX ((size_t)64 << 20)
#define TOKEN_MAX 65536

struct source {
    const char *url, *ca, *certificate, *key, *token_file;
};

struct body {
    char *bytes;
    size_t length, size;
    bool is_too_long;
};

static void print_line(json_t *json)
{
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(json);
}

static void print_error(const char *reason)
{
    print_line(json_pack("{s:s}", "error", reason));
}

/* For libcurl: takes a piece of the body. Return: its size, or less to give up. */
static size_t take_piece(char *piece, size_t one, size_t length, void *userdata)
{
    struct body *body = userdata;

    (void)one;
    if (length > BODY_MAX - body->length) {
        body->is_too_long = true;
        return 0;
    }
    if (body->length + length > body->size) {
        size_t size = 2 * (body->length + length);
        char *bytes = realloc(body->bytes, size);
        if (!bytes)
            return 0;
        body->bytes = bytes;
        body->size = size;
    }
    memcpy(body->bytes + body->length, piece, length);
    body->length += length;
    return length;
}

/* The header that proves who we are. It is read for each fetch, because tokens are changed.
 * Return: 0 and a string to free(), or -errno; -EINVAL if it is no token. */
static int read_token(char **headerp, const char *path)
{
    static char token[TOKEN_MAX];
    FILE *f = fopen(path, "re");

    if (!f)
        return -errno;
    size_t length = fread(token, 1, sizeof(token) - 1, f);
    int r = ferror(f) ? -EIO : 0;
    fclose(f);
    while (length > 0 && strchr(" \t\r\n", token[length - 1]))
        length--;
    token[length] = '\0';
    /* What is not printable would end the header, and begin another one. */
    for (size_t i = 0; i < length; i++)
        r = token[i] <= ' ' || token[i] > '~' ? -EINVAL : r;
    if (r == 0 && length == 0)
        r = -EINVAL;
    if (r == 0 && asprintf(headerp, "Authorization: Bearer %s", token) < 0)
        r = -ENOMEM;
    return r;
}

/* Why libcurl failed, in words that are the same each time: its own have times in them, but where a
 * certificate is the matter they say most. */
static const char *reason_of(CURL *curl, CURLcode code, const struct body *body,
                             const char *own_words)
{
    long os_errno = 0;

    if (body->is_too_long)
        return "the answer is longer than 64 MiB";
    curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_errno);
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        return os_errno ? strerror((int)os_errno) : curl_easy_strerror(code);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return own_words[0] ? own_words : curl_easy_strerror(code);
    default:
        return curl_easy_strerror(code);
    }
}

static void set_options(CURL *curl, const struct source *source, struct body *body, char *own_words)
{
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, own_words);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_piece);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
    if (source->ca[0]) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, source->ca);
        /* and nobody else */
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
    if (source->certificate[0])
        curl_easy_setopt(curl, CURLOPT_SSLCERT, source->certificate);
    if (source->key[0])
        curl_easy_setopt(curl, CURLOPT_SSLKEY, source->key);
}

/* Return: false, with the error printed, if there is no answer. */
static bool perform(CURL *curl, const struct source *source, struct body *body)
{
    char own_words[CURL_ERROR_SIZE] = "", status_words[64];
    long status = 0;

    set_options(curl, source, body, own_words);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        print_error(reason_of(curl, code, body, own_words));
        return false;
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200)
        return true;
    snprintf(status_words, sizeof(status_words), "it answers with HTTP status %ld", status);
    print_error(status_words);
    return false;
}

/* URL is that of the kubelet, with or without a slash at its end. */
static bool set_url(CURL *curl, const char *url)
{
    CLEANUP(freep) char *pods = NULL;
    size_t length = strlen(url);

    while (length > 0 && url[length - 1] == '/')
        length--;
    return asprintf(&pods, "%.*s/pods", (int)length, url) > 0 &&
           curl_easy_setopt(curl, CURLOPT_URL, pods) == CURLE_OK;
}

static bool get_with(CURL *curl, const struct source *source, struct body *body)
{
    CLEANUP(freep) char *header = NULL;
    struct curl_slist *headers = NULL;

    int r = source->token_file[0] ? read_token(&header, source->token_file) : 0;
    if (r < 0) {
        CLEANUP(freep) char *reason = NULL;
        if (asprintf(&reason, "%s: %s", source->token_file,
                     r == -EINVAL ? "not a token" : strerror(-r)) > 0)
            print_error(reason);
        return false;
    }
    if (header && !(headers = curl_slist_append(NULL, header))) {
        print_error(strerror(ENOMEM));
        return false;
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    bool has_answer = set_url(curl, source->url) && perform(curl, source, body);
    curl_slist_free_all(headers);
    return has_answer;
}

static bool get(const struct source *source, struct body *body)
{
    CURL *curl = NULL;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(curl = curl_easy_init())) {
        print_error("libcurl does not start");
        return false;
    }
    bool has_answer = get_with(curl, source, body);
    curl_easy_cleanup(curl);
    return has_answer;
}

/* Prints the pod with that UID, if the kubelet has it. Return: 0 or what podspec_entry() returns.
 */
static int print_pod(json_t *list, const char *uid)
{
    json_t *pod = NULL;
    int r = podspec_entry(&pod, list, uid);

    if (r == 0 && pod)
        print_line(json_pack("{s:[O]}", "items", pod));
    return r;
}

/* What has been sent by now. Return: 0 and a string to free(), -ENOMEM. */
static int read_uids(char **uidsp)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    size_t length = 0;
    ssize_t n = 1;

    *uidsp = NULL;
    do {
        char *uids = realloc(*uidsp, length + PIPE_BUF + 1);
        if (!uids)
            return -ENOMEM;
        *uidsp = uids;
        n = poll(&input, 1, 0) > 0 ? read(STDIN_FILENO, uids + length, PIPE_BUF) : 0;
        length += n > 0 ? (size_t)n : 0;
        uids[length] = '\0';
    } while (n > 0);
    return 0;
}

static int print_pods(json_t *list)
{
    CLEANUP(freep) char *uids = NULL;
    int r = read_uids(&uids);

    char *rest = uids;
    for (char *uid; r == 0 && (uid = strsep(&rest, "\n"));)
        r = print_pod(list, uid);
    return r;
}

static void print_answer(const struct body *body)
{
    json_error_t at;
    /* A pod's annotation may well have a NUL in it. */
    json_t *list = json_loadb(body->bytes ? body->bytes : "", body->length, JSON_ALLOW_NUL, &at);
    int r = list ? print_pods(list) : -EINVAL;

    if (r == -EINVAL)
        print_error("the answer is not a list of pods");
    else if (r < 0)
        print_error(strerror(-r));
    else
        print_line(json_pack("{s:b}", "done", true));
}

int main(int argc, char **argv)
{
    struct body body = {0};

    if (argc != 6) {
        fprintf(stderr, "usage: kubelet-pods URL CA CERTIFICATE KEY TOKENFILE <UIDS\n");
        return EXIT_FAILURE;
    }
    capng_clear(CAPNG_SELECT_CAPS);
    if (capng_apply(CAPNG_SELECT_CAPS) != 0) {
        print_error("kubelet-pods cannot drop its capabilities");
        return EXIT_FAILURE;
    }
    /* Without gantryd nobody would end it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const struct source source = {argv[1], argv[2], argv[3], argv[4], argv[5]};
    if (get(&source, &body))
        print_answer(&body);
    /* At once: thirty libraries would tidy up, and a list of 5,000 pods be taken apart. */
    fflush(stdout);
    _exit(EXIT_SUCCESS);
}
