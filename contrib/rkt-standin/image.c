/* SPDX-License-Identifier: Apache-2.0 */
#include "contrib/rkt-standin/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "contrib/rkt-standin/commands.h"
#include "contrib/rkt-standin/pod.h"

#define PREFIX "deps-"

const char *image_path(char *buffer, const char *data_dir, const char *id, const char *file)
{
    snprintf(buffer, PATH_MAX, "%s/cas/tree/" PREFIX "%s/%s", data_dir, id, file);
    return buffer;
}

char *image_name(const char *data_dir, const char *id)
{
    char path[PATH_MAX], *text = NULL;
    json_auto_t *manifest = json_load_file(image_path(path, data_dir, id, "manifest"), 0, NULL);
    const char *version = "";
    const json_t *label;
    size_t i;

    json_array_foreach(json_object_get(manifest, "labels"), i, label)
    {
        if (strcmp(json_text(label, "name"), "version") == 0)
            version = json_text(label, "value");
    }
    if (asprintf(&text, "%s%s%s", json_text(manifest, "name"), version[0] ? ":" : "", version) < 0)
        return NULL;
    return text;
}

static int is_image(const struct dirent *entry)
{
    return strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
           strlen(entry->d_name) == strlen(PREFIX) + IMAGE_ID_SIZE - 1;
}

/* Calls `each` for the images, by id, until it returns true. Return: true if it did. */
static bool for_images(const char *data_dir,
                       bool (*each)(const char *data_dir, const char *id, void *data), void *data)
{
    struct dirent **entries = NULL;
    char path[PATH_MAX];
    bool is_found = false;

    snprintf(path, sizeof(path), "%s/cas/tree", data_dir);
    int n = scandir(path, &entries, is_image, alphasort);
    for (int i = 0; i < n; i++) {
        is_found = is_found || each(data_dir, entries[i]->d_name + strlen(PREFIX), data);
        free(entries[i]);
    }
    free(entries);
    return is_found;
}

struct search {
    const char *text;
    char *id;
};

static bool image_matches(const char *data_dir, const char *id, void *data)
{
    struct search *search = data;
    size_t length = strlen(search->text);
    bool matches = strncmp(id, search->text, length) == 0;

    if (strncmp(search->text, "sha512-", 7) != 0) {
        CLEANUP(freep) char *name = image_name(data_dir, id);
        matches = name && strncmp(name, search->text, length) == 0 &&
                  (name[length] == '\0' || name[length] == ':');
    }
    if (matches)
        snprintf(search->id, IMAGE_ID_SIZE, "%s", id);
    return matches;
}

int image_find(const char *data_dir, const char *text, char id[static IMAGE_ID_SIZE])
{
    return for_images(data_dir, image_matches, &(struct search){text, id}) ? 0 : -ENOENT;
}

char *image_missing(const char *text)
{
    char *words = NULL;

    if (strncmp(text, "sha512-", 7) == 0)
        return strdup("no image IDs found");
    if (asprintf(&words,
                 "cannot find aci satisfying name: \"%s\" and labels: [] in the local store",
                 text) < 0)
        return NULL;
    return words;
}

/* An image's id is the beginning of the checksum of its uncompressed tar. */
static int compute_id(const char *file, char id[static IMAGE_ID_SIZE])
{
    static const char script[] = "zcat -f -- \"$1\" | sha512sum";
    CLEANUP(freep) char *sum = NULL;

    int r = program_run((const char *const[]){"sh", "-c", script, "sh", file, NULL}, &sum);
    if (r != 0 || !sum || strspn(sum, "0123456789abcdef") != 128)
        return -EIO;
    snprintf(id, IMAGE_ID_SIZE, "sha512-%.64s", sum);
    return 0;
}

/* Unpacks beside the images, then renames: two fetches at once do not meet. */
static int unpack(const char *data_dir, const char *file, const char *id)
{
    char folder[PATH_MAX], target[PATH_MAX];
    struct stat st = {0};

    snprintf(folder, sizeof(folder), "%s/cas/tree/new-XXXXXX", data_dir);
    if (!mkdtemp(folder))
        return -errno;
    int r = program_run(
        (const char *const[]){"tar", "--numeric-owner", "-xpf", file, "-C", folder, NULL}, NULL);
    CLEANUP(fd_closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r != 0 || faccessat(fd, "rootfs", F_OK, 0) < 0 || faccessat(fd, "manifest", F_OK, 0) < 0)
        r = -EINVAL;
    if (r == 0 && stat(file, &st) == 0)
        r = file_print(fd, "size", 0644, "%lld\n", (long long)st.st_size);
    image_path(target, data_dir, id, "");
    if (r == 0 && rename(folder, target) == 0)
        return 0;
    program_run((const char *const[]){"rm", "-rf", "--", folder, NULL}, NULL);
    return r == 0 && access(target, F_OK) < 0 ? -EIO : r;
}

static int fetch_one(const struct cmdline *cmd, const char *text, struct error *error)
{
    char file[PATH_MAX], folder[PATH_MAX], id[IMAGE_ID_SIZE], known[IMAGE_ID_SIZE];
    const char *extension = strrchr(text, '.');

    if (!extension || strcmp(extension, ".aci") != 0)
        return error_set(error, FAILED, "discovery failed");
    if (!realpath(text, file))
        return error_set(error, FAILED, "open %s: no such file or directory", text);
    snprintf(folder, sizeof(folder), "%s/cas/tree", cmd->data_dir);
    int r = dir_make(AT_FDCWD, folder, 0755);
    if (r == 0)
        r = compute_id(file, id);
    if (r == 0 && image_find(cmd->data_dir, id, known) < 0)
        r = unpack(cmd->data_dir, file, id);
    if (r < 0)
        return error_set(error, FAILED, "%s: %s", file, strerror(-r));
    printf("%.*s\n", cmdline_is_on(cmd, "full") ? IMAGE_ID_SIZE : 7 + 32, id);
    return 0;
}

int command_fetch(const struct cmdline *cmd, struct error *error)
{
    int r = 0;

    if (cmd->n_args == 0)
        return error_set(error, FAILED, "must provide at least one image");
    for (int i = 0; r == 0 && i < cmd->n_args; i++)
        r = fetch_one(cmd, cmd->args[i], error);
    return r;
}

static bool add_image(const char *data_dir, const char *id, void *data)
{
    char path[PATH_MAX];
    CLEANUP(freep) char *name = image_name(data_dir, id);
    CLEANUP(freep)
    char *size = file_read(AT_FDCWD, image_path(path, data_dir, id, "size"), NULL);
    struct stat st = {0};

    stat(path, &st);
    json_array_append_new(data, json_pack("{s:s, s:s, s:I, s:I, s:I}", "id", id, "name", name,
                                          "import_time", time_nsec(st.st_mtim), "last_used_time",
                                          time_nsec(st.st_mtim), "size",
                                          (json_int_t)(size ? strtoll(size, NULL, 10) : 0)));
    return false;
}

/* The stage1s are in the store, too, as far as anybody can tell; but there is nothing to them. */
static const struct stage1 {
    const char *tree;
    const char *name;
} stage1s[] = {{STAGE1_FLY, STAGE1_FLY_NAME}, {STAGE1_HOST, STAGE1_HOST_NAME}};

static void add_stage1s(json_t *list)
{
    for (size_t i = 0; i < N_ELEMENTS(stage1s); i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:i, s:i, s:i}", "id",
                                        stage1s[i].tree + strlen(PREFIX), "name", stage1s[i].name,
                                        "import_time", 0, "last_used_time", 0, "size", 0));
}

int command_image_list(const struct cmdline *cmd, struct error *error)
{
    const char *format = cmdline_value(cmd, "format");
    json_auto_t *list = json_array();
    const json_t *image;
    char time[TIME_SIZE];
    size_t i;

    (void)error;
    for_images(cmd->data_dir, add_image, list);
    add_stage1s(list);
    if (format) {
        json_print(json_incref(list), strcmp(format, "json") != 0);
        return 0;
    }
    if (!cmdline_is_on(cmd, "no-legend"))
        printf("%-24s%-40s%-16s%s\n", "ID", "NAME", "SIZE", "IMPORT TIME");
    json_array_foreach(list, i, image)
    {
        json_int_t nsec = json_integer_value(json_object_get(image, "import_time"));
        printf("%-23.*s %-39s %-15lld %s\n", cmdline_is_on(cmd, "full") ? IMAGE_ID_SIZE : 19,
               json_text(image, "id"), json_text(image, "name"),
               (long long)json_integer_value(json_object_get(image, "size")),
               time_print(time, (struct timespec){.tv_sec = nsec / 1000000000}));
    }
    return 0;
}

int command_image_cat_manifest(const struct cmdline *cmd, struct error *error)
{
    const char *image = cmd->args[0];
    char path[PATH_MAX], id[IMAGE_ID_SIZE];

    for (size_t i = 0; i < N_ELEMENTS(stage1s); i++) {
        if (strcmp(image, stage1s[i].name) != 0)
            continue;
        printf("{\"acKind\": \"ImageManifest\", \"acVersion\": \"0.8.11\", \"name\": \"%.*s\"}\n",
               (int)strcspn(image, ":"), image);
        return 0;
    }
    if (image_find(cmd->data_dir, image, id) < 0) {
        CLEANUP(freep) char *words = image_missing(image);
        return error_set(error, FAILED, "%s", words ? words : strerror(ENOMEM));
    }
    CLEANUP(freep)
    char *manifest = file_read(AT_FDCWD, image_path(path, cmd->data_dir, id, "manifest"), NULL);
    puts(manifest ? manifest : "");
    return 0;
}

/* rkt tells what it did on stderr, and succeeds in any case. */
int command_image_rm(const struct cmdline *cmd, struct error *error)
{
    char path[PATH_MAX], id[IMAGE_ID_SIZE];
    int n_removed = 0;

    if (cmd->n_args == 0)
        return error_set(error, FAILED, "must provide at least one image ID");
    for (int i = 0; i < cmd->n_args; i++) {
        const char *text = cmd->args[i];
        if (image_find(cmd->data_dir, text, id) == 0) {
            image_path(path, cmd->data_dir, id, "");
            program_run((const char *const[]){"rm", "-rf", "--", path, NULL}, NULL);
            printf("successfully removed aci for image: \"%s\"\n", id);
            n_removed++;
        } else {
            CLEANUP(freep) char *words = image_missing(text);
            fprintf(stderr, "rm: %s\n", words ? words : strerror(ENOMEM));
        }
    }
    if (n_removed > 0)
        fprintf(stderr, "rm: %d image(s) successfully removed\n", n_removed);
    return 0;
}
