/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/gpuholders.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/process.h"

void gpu_holder_deinit(struct gpu_holder *holder)
{
    free(holder->uid);
    free(holder->name);
    free(holder->namespace);
    free(holder->uuid);
    free(holder->launch);
    for (size_t i = 0; i < holder->n_shares; i++)
        free(holder->shares[i].container);
    free(holder->shares);
    fd_close(holder->pidfd);
    *holder = GPU_HOLDER_NULL;
}

void gpu_holders_deinit(struct gpu_holders *holders)
{
    for (size_t i = 0; i < holders->n; i++)
        gpu_holder_deinit(&holders->list[i]);
    free(holders->list);
    *holders = (struct gpu_holders){0};
}

void gpu_holders_remove(struct gpu_holders *holders, size_t index)
{
    gpu_holder_deinit(&holders->list[index]);
    holders->list[index] = holders->list[--holders->n];
}

int gpu_holders_append(struct gpu_holders *holders, struct gpu_holder *holder)
{
    struct gpu_holder *list = reallocarray(holders->list, holders->n + 1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    holders->list = list;
    list[holders->n++] = *holder;
    *holder = GPU_HOLDER_NULL;
    return 0;
}

int gpu_holder_init(struct gpu_holder *holder, const struct pod_identity *identity,
                    const char *uuid)
{
    *holder = (struct gpu_holder){
        .uid = strdup(identity->uid),
        .name = strdup(identity->name),
        .namespace = strdup(identity->namespace),
        .uuid = strdup(uuid),
        .pidfd = -1,
    };
    return holder->uid && holder->name && holder->namespace && holder->uuid ? 0 : -ENOMEM;
}

int gpu_holder_add_share(struct gpu_holder *holder, const char *container, gpuset_t set)
{
    struct gpu_share *shares = reallocarray(holder->shares, holder->n_shares + 1, sizeof(*shares));

    if (!shares)
        return -ENOMEM;
    holder->shares = shares;
    shares[holder->n_shares] = (struct gpu_share){.container = strdup(container), .set = set};
    return shares[holder->n_shares++].container ? 0 : -ENOMEM;
}

gpuset_t gpu_holder_set(const struct gpu_holder *holder)
{
    gpuset_t set = 0;

    for (size_t i = 0; i < holder->n_shares; i++)
        set |= holder->shares[i].set;
    return set;
}

bool gpu_holder_is_same_pod(const struct gpu_holder *a, const struct gpu_holder *b)
{
    return strcmp(a->uid, b->uid) == 0;
}

bool gpu_holder_is_same(const struct gpu_holder *a, const struct gpu_holder *b)
{
    return gpu_holder_is_same_pod(a, b) && a->since.usec == b->since.usec;
}

/* What a manifest says. */

char *gpu_holder_to_text(const struct gpu_holder *holder)
{
    char buffer[GPUSET_TEXT_MAX], *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        return NULL;
    fprintf(f, "%" PRIu64, holder->since.usec);
    for (size_t i = 0; i < holder->n_shares; i++)
        fprintf(f, " %s=%s", holder->shares[i].container,
                gpuset_format(buffer, holder->shares[i].set));
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}

/* What is not as we write it gives nothing. Return: 0 or -ENOMEM. */
static int shares_from_text(struct gpu_holder *holder, const char *text)
{
    CLEANUP(freep) char *copy = strdup(text);
    char *rest = copy;
    int r = 0;

    if (!copy)
        return -ENOMEM;
    holder->since.usec = strtoull(strsep(&rest, " "), NULL, 10);
    for (char *word; r == 0 && (word = strsep(&rest, " "));) {
        const char *container = strsep(&word, "=");
        gpuset_t set;
        if (word && gpuset_parse(&set, word) == 0)
            r = gpu_holder_add_share(holder, container, set);
    }
    return r;
}

int gpu_holder_from_manifest(struct gpu_holder *holder, const struct manifest *manifest,
                             const char *uuid)
{
    const char *given = manifest_annotation(manifest, GPU_ANNOTATION);
    struct pod_identity identity;

    *holder = GPU_HOLDER_NULL;
    if (!given || !manifest_identity(manifest, &identity))
        return 0;
    int r = gpu_holder_init(holder, &identity, uuid);
    return r == 0 ? shares_from_text(holder, given) : r;
}

/* What the file says. */

json_t *gpu_holder_to_json(const struct gpu_holder *holder)
{
    CLEANUP(freep) char *given = gpu_holder_to_text(holder);

    if (!given)
        return NULL;
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I}", "uid", holder->uid, "name",
                     holder->name, "namespace", holder->namespace, "uuid", holder->uuid, "given",
                     given, "launch", holder->launch, "pid", (int)holder->pid, "startTicks",
                     (json_int_t)holder->start_ticks);
}

int gpu_holder_from_json(struct gpu_holder *holder, json_t *json)
{
    const char *uuid, *given, *launch;
    struct pod_identity identity;
    json_int_t start_ticks;
    int pid;

    if (json_unpack(json, "{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I}", "uid", &identity.uid, "name",
                    &identity.name, "namespace", &identity.namespace, "uuid", &uuid, "given",
                    &given, "launch", &launch, "pid", &pid, "startTicks", &start_ticks) < 0)
        return -EINVAL;
    int r = gpu_holder_init(holder, &identity, uuid);
    if (r == 0)
        r = shares_from_text(holder, given);
    holder->launch = strdup(launch);
    holder->pid = pid;
    holder->start_ticks = (uint64_t)start_ticks;
    holder->pidfd = process_open(pid, (uint64_t)start_ticks);
    if (r < 0 || !holder->launch)
        return -ENOMEM;
    return holder->pidfd >= 0 ? 0 : -ENOENT;
}
