/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/journal.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "lib/def.h"

/* Enough for a burst, and a bound on memory when nobody reads. */
#define QUEUE_MAX 4096
#define QUEUE_MAX_BYTES ((size_t)16 << 20)
#define DRAIN_SECONDS 1

struct entry {
    struct entry *next;
    size_t size;
    size_t n_fields;
    struct iovec fields[]; /* their bytes stand behind the array */
};

/* The writer may outlive journal_free(), blocked; it shares this and the last one frees it. */
struct journal {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct entry *first, **endp;
    size_t n_entries;
    size_t n_bytes; /* of these */
    size_t n_lost;
    bool stopping, stopped, abandoned;
    bool to_journald;
};

static bool stderr_is_journald(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static struct entry *entry_new(char *const *fields, size_t n_fields)
{
    size_t size = sizeof(struct entry) + n_fields * sizeof(struct iovec), at = size;

    for (size_t i = 0; i < n_fields; i++)
        size += strlen(fields[i]);
    struct entry *entry = malloc(size);
    if (!entry)
        return NULL;
    entry->next = NULL;
    entry->size = size;
    entry->n_fields = n_fields;
    for (size_t i = 0; i < n_fields; i++) {
        size_t length = strlen(fields[i]);
        entry->fields[i] = (struct iovec){.iov_base = (char *)entry + at, .iov_len = length};
        memcpy((char *)entry + at, fields[i], length);
        at += length;
    }
    return entry;
}

static void write_line(const struct entry *entry)
{
    static const char prefix[] = "MESSAGE=";
    const struct iovec *field = &entry->fields[0];
    struct iovec line[] = {
        {.iov_base = (char *)field->iov_base + strlen(prefix),
         .iov_len = field->iov_len - strlen(prefix)},
        {.iov_base = "\n", .iov_len = 1},
    };

    /* Nobody is left to be told if this fails. */
    ssize_t n = writev(STDERR_FILENO, line, 2);
    (void)n;
}

static void write_entry(const struct journal *journal, const struct entry *entry)
{
    if (!journal->to_journald || sd_journal_sendv(entry->fields, (int)entry->n_fields) < 0)
        write_line(entry);
}

/* Not by way of the queue, which may be full again. */
static void write_lost(const struct journal *journal, size_t n_lost)
{
    char text[128];
    char *fields[] = {text, "PRIORITY=4"};

    snprintf(text, sizeof(text), "MESSAGE=%zu entries were lost: the journal did not take them",
             n_lost);
    struct entry *entry = entry_new(fields, N_ELEMENTS(fields));
    if (entry)
        write_entry(journal, entry);
    free(entry);
}

static void destroy(struct journal *journal)
{
    for (struct entry *entry; (entry = journal->first);) {
        journal->first = entry->next;
        free(entry);
    }
    pthread_cond_destroy(&journal->changed);
    pthread_mutex_destroy(&journal->mutex);
    free(journal);
}

/* Return: the next entry, owned; NULL when the journal is stopping and all is written. */
static struct entry *next_entry(struct journal *journal)
{
    while (!journal->first && !journal->stopping)
        pthread_cond_wait(&journal->changed, &journal->mutex);
    struct entry *entry = journal->first;
    if (entry) {
        journal->first = entry->next;
        if (!journal->first)
            journal->endp = &journal->first;
        journal->n_entries--;
        journal->n_bytes -= entry->size;
    }
    return entry;
}

static void *writer(void *data)
{
    struct journal *journal = data;

    pthread_mutex_lock(&journal->mutex);
    for (struct entry *entry; !journal->abandoned && (entry = next_entry(journal));) {
        size_t n_lost = journal->n_lost;
        journal->n_lost = 0;
        pthread_mutex_unlock(&journal->mutex);
        write_entry(journal, entry);
        free(entry);
        if (n_lost > 0)
            write_lost(journal, n_lost);
        pthread_mutex_lock(&journal->mutex);
    }
    journal->stopped = true;
    bool abandoned = journal->abandoned;
    pthread_cond_signal(&journal->changed);
    pthread_mutex_unlock(&journal->mutex);

    if (abandoned)
        destroy(journal);
    return NULL;
}

int journal_new(struct journal **journalp)
{
    struct journal *journal = calloc(1, sizeof(*journal));
    pthread_condattr_t attr;

    if (!journal)
        return -ENOMEM;
    journal->endp = &journal->first;
    journal->to_journald = stderr_is_journald();
    pthread_mutex_init(&journal->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&journal->changed, &attr);
    pthread_condattr_destroy(&attr);

    int r = pthread_create(&journal->thread, NULL, writer, journal);
    if (r != 0) {
        destroy(journal);
        return -r;
    }
    *journalp = journal;
    return 0;
}

struct journal *journal_free(struct journal *journal)
{
    struct timespec until;

    if (!journal)
        return NULL;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += DRAIN_SECONDS;

    pthread_mutex_lock(&journal->mutex);
    journal->stopping = true;
    pthread_cond_signal(&journal->changed);
    int r = 0;
    while (!journal->stopped && r == 0)
        r = pthread_cond_timedwait(&journal->changed, &journal->mutex, &until);
    pthread_t thread = journal->thread;
    bool stopped = journal->stopped;
    journal->abandoned = !stopped;
    pthread_mutex_unlock(&journal->mutex);

    if (!stopped) {
        pthread_detach(thread);
        return NULL;
    }
    pthread_join(thread, NULL);
    destroy(journal);
    return NULL;
}

void journal_write(struct journal *journal, char *const *fields, size_t n_fields)
{
    struct entry *entry = entry_new(fields, n_fields);

    pthread_mutex_lock(&journal->mutex);
    if (entry && journal->n_entries < QUEUE_MAX &&
        journal->n_bytes + entry->size <= QUEUE_MAX_BYTES) {
        *journal->endp = entry;
        journal->endp = &entry->next;
        journal->n_entries++;
        journal->n_bytes += entry->size;
        entry = NULL;
        pthread_cond_signal(&journal->changed);
    } else {
        journal->n_lost++;
    }
    pthread_mutex_unlock(&journal->mutex);
    free(entry);
}
