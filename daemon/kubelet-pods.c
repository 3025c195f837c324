/* SPDX-License-Identifier: Apache-2.0 */

/*
 * kubelet-pods: asks the kubelet for its pods, once, and ends. The only file that knows HTTP.
 *
 *   kubelet-pods URL CA CERTIFICATE KEY TOKENFILE      ("" for what there is not)
 *
 * Standard input has the UIDs of the pods that are asked for, a line each; more may be sent as long
 * as the answer comes in. Standard output gets a line of JSON for each of them that the kubelet
 * knows: a v1.PodList of this one pod with what gantryd reads of it, or {"tooLarge": UID, "reason":
 * "why"}, or {"unreadable": UID, "reason": "why"}; and at the end {"done": true}, or instead
 * {"error": "why the kubelet could not be asked"}.
 *
 * It is a program of its own, run by gantryd for each fetch (daemon/kubelet.c), because libcurl
 * with the thirty libraries below it would cost gantryd 5 MiB for good, more than all the rest of
 * it; and because what comes from the network, and megabytes of JSON, are better read where nothing
 * is kept. How long it may take is the caller's business: it is killed. How much may come needs no
 * bound: one pod of it is held at a time, and that has one (lib/podlist.h).
 */

#include <cap-ng.h>
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "daemon/kubelet-asked.h"
#include "lib/def.h"

#define TOKEN_MAX 65536

struct source {
    const char *url, *ca, *certificate, *key, *token_file;
};

struct answer {
    CURL *curl;
    struct podlist list;
    int result; /* of reading it, as podlist_add() has it */
    struct asked asked;
};

/* For libcurl: takes a piece of the body. Return: its size, or less to give up. */
static size_t take_piece(char *piece, size_t one, size_t length, void *userdata)
{
    struct answer *answer = userdata;
    long status = 0;

    (void)one;
    curl_easy_getinfo(answer->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200)
        answer->result = podlist_add(&answer->list, piece, length, asked_take, &answer->asked);
    return answer->result == 0 ? length : 0;
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
static const char *reason_of(CURL *curl, CURLcode code, const char *own_words)
{
    long os_errno = 0;

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

static void set_options(struct answer *answer, const struct source *source, char *own_words)
{
    CURL *curl = answer->curl;

    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, own_words);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_piece);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
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

/* Return: why there is no answer; NULL if it is there and whole. */
static const char *fault_of(const struct answer *answer, CURLcode code, const char *own_words)
{
    static char status_words[64];
    long status = 0;
    int r = answer->result;

    curl_easy_getinfo(answer->curl, CURLINFO_RESPONSE_CODE, &status);
    if (r == 0 && code != CURLE_OK)
        return reason_of(answer->curl, code, own_words);
    if (r == 0 && status != 200) {
        snprintf(status_words, sizeof(status_words), "it answers with HTTP status %ld", status);
        return status_words;
    }
    if (r == 0)
        r = podlist_end(&answer->list);
    if (r < 0)
        return strerror(-r);
    return r > 0 ? "the answer is not a list of pods" : NULL;
}

static void perform(struct answer *answer, const struct source *source)
{
    char own_words[CURL_ERROR_SIZE] = "";

    set_options(answer, source, own_words);
    CURLcode code = curl_easy_perform(answer->curl);
    const char *fault = fault_of(answer, code, own_words);
    if (fault)
        asked_print_error(fault);
    else
        asked_print_rest(&answer->asked);
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

/* Return: 0, with the header to free() if there is a token; or -errno. */
static int show_token(CURL *curl, const char *path, struct curl_slist **headersp)
{
    CLEANUP(freep) char *header = NULL;

    int r = path[0] ? read_token(&header, path) : 0;
    if (r < 0 || !header)
        return r;
    *headersp = curl_slist_append(NULL, header);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *headersp);
    return *headersp ? 0 : -ENOMEM;
}

static void get(struct answer *answer, const struct source *source)
{
    struct curl_slist *headers = NULL;
    CLEANUP(freep) char *reason = NULL;

    int r = show_token(answer->curl, source->token_file, &headers);
    if (r == 0 && set_url(answer->curl, source->url))
        perform(answer, source);
    else if (r == 0 || r == -ENOMEM)
        asked_print_error(strerror(ENOMEM));
    else if (asprintf(&reason, "%s: %s", source->token_file,
                      r == -EINVAL ? "not a token" : strerror(-r)) > 0)
        asked_print_error(reason);
    curl_slist_free_all(headers);
}

int main(int argc, char **argv)
{
    struct answer answer = {0};

    if (argc != 6) {
        fprintf(stderr, "usage: kubelet-pods URL CA CERTIFICATE KEY TOKENFILE <UIDS\n");
        return EXIT_FAILURE;
    }
    capng_clear(CAPNG_SELECT_CAPS);
    if (capng_apply(CAPNG_SELECT_CAPS) != 0) {
        asked_print_error("kubelet-pods cannot drop its capabilities");
        return EXIT_FAILURE;
    }
    /* Without gantryd nobody would end it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const struct source source = {argv[1], argv[2], argv[3], argv[4], argv[5]};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && (answer.curl = curl_easy_init()))
        get(&answer, &source);
    else
        asked_print_error("libcurl does not start");
    /* At once: thirty libraries would tidy up. */
    _exit(EXIT_SUCCESS);
}
