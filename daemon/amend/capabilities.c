/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kubelet writes a container's added capabilities as rkt's retain-set and its dropped ones as
 * rkt's remove-set, with Kubernetes' names (contract section 2). To rkt that is something else, or
 * nothing at all:
 *
 *   added       the retain-set is all that the app gets: the default set is lost
 *   dropped     names without CAP_ are no capabilities, so that they are kept, without a word
 *   both        the pod does not start
 *
 * What is meant is what the docker runtime of the same kubelets does: the default set, which is the
 * same in rkt, or all for an added ALL; less what is dropped, which for a dropped ALL is
 * everything; plus what is added by name. Names are of either case there. A container of the
 * kubelet's has no sets but these: its image is Docker's, and brings none.
 *
 * That is written as one retain-set. rkt takes no empty one, so an app without any capability has
 * the default set removed instead, which leaves none. An app that is understood by rkt as it is
 * meant stays as it is, and so do pods that are not Kubernetes': theirs mean what rkt reads.
 */

#include <cap-ng.h>
#include <ctype.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/amend/rooms.h"
#include "daemon/launch.h"
#include "lib/text.h"

#define BIT(number) (UINT64_C(1) << (number))

/* Of appc, rkt and Docker alike. */
#define DEFAULT_SET                                                                     \
    (BIT(CAP_AUDIT_WRITE) | BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FSETID) |  \
     BIT(CAP_FOWNER) | BIT(CAP_KILL) | BIT(CAP_MKNOD) | BIT(CAP_NET_RAW) |              \
     BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_SETPCAP) | \
     BIT(CAP_SETFCAP) | BIT(CAP_SYS_CHROOT))

/* ALL is what the kubelet gives a privileged container: what there was in rkt's days. The nspawn of
 * rkt's own stage1s knows no later ones, and does not start for them. */
#define ALL_SET (BIT(CAP_AUDIT_READ + 1) - 1)

#define N_BITS 64
#define NAME_SIZE 64

/* More names than that are in no set that somebody means: there are 41 capabilities. */
#define NAMES_MAX 256

/* So many names that are none are told. */
#define UNKNOWN_TOLD 8

/* A retain-set or remove-set of an app. */
struct set {
    bool is_there;
    bool has_all;
    bool is_rkts; /* every name is one to rkt */
    uint64_t mask;
};

/* The names that are no capability's. */
struct unknown {
    char *words; /* the first of them; NULL: there is none */
    size_t n;
};

static void unknown_deinit(struct unknown *unknown)
{
    free(unknown->words);
}

static const char *format_name(char name[static NAME_SIZE], unsigned number)
{
    snprintf(name, NAME_SIZE, "CAP_%s", capng_capability_to_name(number));
    for (char *p = name; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return name;
}

/* Return: the capability's number, -1 if nobody knows it. */
static int find(const char *name)
{
    return capng_name_to_capability(strncasecmp(name, "CAP_", 4) == 0 ? name + 4 : name);
}

/* Puts a word behind the others. Return: 0 or -ENOMEM. */
static int append(char **wordsp, const char *word)
{
    char *words = NULL;

    if (asprintf(&words, "%s%s%s", *wordsp ? *wordsp : "", *wordsp ? ", " : "", word) < 0)
        return -ENOMEM;
    free(*wordsp);
    *wordsp = words;
    return 0;
}

static int add_unknown(struct unknown *unknown, const char *name)
{
    if (unknown->n++ >= UNKNOWN_TOLD)
        return 0;
    CLEANUP(freep) char *word = strdup(name);
    if (!word)
        return -ENOMEM;
    text_bound(word, NAME_SIZE);
    return append(&unknown->words, word);
}

static int read_set(const struct manifest *manifest, size_t app, const char *isolator,
                    struct set *set, struct unknown *unknown)
{
    size_t n = manifest_n_capabilities(manifest, app, isolator);
    int r = 0;

    *set =
        (struct set){.is_there = manifest_has_isolator(manifest, app, isolator), .is_rkts = true};
    for (size_t i = 0; r == 0 && i < n; i++) {
        const char *name = manifest_capability(manifest, app, isolator, i);
        char rkts_name[NAME_SIZE];
        int number = name ? find(name) : -1;
        if (name && strcasecmp(name, "ALL") == 0) {
            set->has_all = true;
            set->is_rkts = false;
        } else if (number < 0) {
            r = add_unknown(unknown, name ? name : "(no name)");
        } else {
            set->mask |= BIT(number);
            set->is_rkts =
                set->is_rkts && strcmp(name, format_name(rkts_name, (unsigned)number)) == 0;
        }
    }
    return r;
}

static uint64_t meant(const struct set *added, const struct set *dropped)
{
    uint64_t mask = added->has_all ? ALL_SET : DEFAULT_SET;

    mask = dropped->has_all ? 0 : mask & ~dropped->mask;
    return mask | added->mask;
}

/* Whether rkt gives the app just these by what stands there now. */
static bool is_understood(const struct set *added, const struct set *dropped, uint64_t mask)
{
    if (!added->is_rkts || !dropped->is_rkts || (added->is_there && dropped->is_there))
        return false;
    return mask == (added->is_there ? added->mask : DEFAULT_SET & ~dropped->mask);
}

static int write_set(struct manifest *manifest, size_t app, const char *isolator, uint64_t mask)
{
    char texts[N_BITS][NAME_SIZE];
    const char *names[N_BITS];
    size_t n = 0;

    for (unsigned i = 0; i < N_BITS; i++) {
        if (mask & BIT(i)) {
            names[n] = format_name(texts[n], i);
            n++;
        }
    }
    return manifest_set_capabilities(manifest, app, isolator, names, n);
}

static int write_meant(struct manifest *manifest, size_t app, uint64_t mask)
{
    int r =
        manifest_remove_isolator(manifest, app, mask ? MANIFEST_REMOVE_SET : MANIFEST_RETAIN_SET);

    if (r == 0 && mask == 0)
        return write_set(manifest, app, MANIFEST_REMOVE_SET, DEFAULT_SET);
    return r == 0 ? write_set(manifest, app, MANIFEST_RETAIN_SET, mask) : r;
}

/* The names of a mask, "CAP_CHOWN, CAP_KILL". Return: to free(), NULL without memory. */
static char *in_words(uint64_t mask)
{
    char *words = NULL, name[NAME_SIZE];

    for (unsigned i = 0; i < N_BITS; i++) {
        if (mask & BIT(i) && append(&words, format_name(name, i)) < 0) {
            free(words);
            return NULL;
        }
    }
    return words ? words : strdup("none");
}

static int note(struct launch *launch, const char *container, uint64_t mask)
{
    CLEANUP(freep) char *more = in_words(mask & ~DEFAULT_SET);
    CLEANUP(freep) char *less = in_words(DEFAULT_SET & ~mask);
    CLEANUP(freep) char *only = in_words(mask);
    bool has_more = mask & ~DEFAULT_SET, has_less = DEFAULT_SET & ~mask;

    if (!more || !less || !only)
        return -ENOMEM;
    if (mask == ALL_SET)
        return launch_note(launch, "container \"%s\" gets all capabilities", container);
    /* Of two ways to say it, the shorter one. */
    if (__builtin_popcountll(mask) < __builtin_popcountll(mask ^ DEFAULT_SET))
        return launch_note(launch, "container \"%s\" gets of all capabilities: %s", container,
                           only);
    return launch_note(launch, "container \"%s\" gets the default capabilities%s%s%s%s", container,
                       has_more ? ", and " : "", has_more ? more : "", has_less ? ", but not " : "",
                       has_less ? less : "");
}

/* Return: 0 or LAUNCH_E_REFUSED. */
static int check_length(struct launch *launch, size_t app, const char *isolator)
{
    const char *container = manifest_app(launch->manifest, app).container;
    size_t n = manifest_n_capabilities(launch->manifest, app, isolator);

    if (n <= NAMES_MAX)
        return 0;
    return error_set(&launch->error, LAUNCH_E_REFUSED,
                     "container \"%s\": a list of %zu capabilities, of %d at most",
                     container ? container : "", n, NAMES_MAX);
}

static int refuse_unknown(struct launch *launch, const char *container,
                          const struct unknown *unknown)
{
    char more[64] = "";

    if (unknown->n > UNKNOWN_TOLD)
        snprintf(more, sizeof(more), ", and %zu more", unknown->n - UNKNOWN_TOLD);
    return error_set(&launch->error, LAUNCH_E_REFUSED,
                     "container \"%s\": there is no such capability: %s%s",
                     container ? container : "", unknown->words, more);
}

static int amend(struct launch *launch, size_t app)
{
    struct manifest *manifest = launch->manifest;
    const char *container = manifest_app(manifest, app).container;
    CLEANUP(unknown_deinit) struct unknown unknown = {0};
    struct set added, dropped;

    int r = check_length(launch, app, MANIFEST_RETAIN_SET);
    if (r == 0)
        r = check_length(launch, app, MANIFEST_REMOVE_SET);
    if (r != 0)
        return r;
    r = read_set(manifest, app, MANIFEST_RETAIN_SET, &added, &unknown);
    if (r == 0)
        r = read_set(manifest, app, MANIFEST_REMOVE_SET, &dropped, &unknown);
    if (r < 0 || (!added.is_there && !dropped.is_there))
        return r;
    if (unknown.n > 0)
        return refuse_unknown(launch, container, &unknown);
    uint64_t mask = meant(&added, &dropped);
    if (is_understood(&added, &dropped, mask))
        return 0;
    r = write_meant(manifest, app, mask);
    return r == 0 ? note(launch, container ? container : "", mask) : r;
}

int amend_capabilities(struct launch *launch)
{
    int r = 0;

    if (!launch_means_kubernetes(launch))
        return 0;
    for (size_t i = 0; r == 0 && i < manifest_n_apps(launch->manifest); i++)
        r = amend(launch, i);
    return r;
}
