/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The journal's queue while nobody reads: standard error, where it writes its lines here, is a
 * pipe.
 */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/journal.h"
#include "lib/usec.h"

/* What came, by its lines. */
struct reader {
    FILE *f;
    atomic_size_t n_entries, n_lost;
};

static void *read_lines(void *data)
{
    struct reader *reader = data;
    char *line = NULL;
    size_t size = 0, n;

    while (getline(&line, &size, reader->f) > 0) {
        if (sscanf(line, "%zu entries were lost", &n) == 1)
            reader->n_lost += n;
        else
            reader->n_entries++;
    }
    free(line);
    return NULL;
}

/* Writes entries of that length while nobody reads, then one more when somebody does. */
static void write_unread(struct reader *reader, size_t n, size_t length)
{
    CLEANUP(freep) char *text = malloc(length + 1);
    char *const fields[] = {text}, *const last[] = {"MESSAGE=last"};
    struct journal *journal;
    pthread_t thread;
    int fds[2], saved = dup(STDERR_FILENO);

    memset(text, 'x', length);
    memcpy(text, "MESSAGE=", 8);
    text[length] = '\0';
    unsetenv("JOURNAL_STREAM");
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
    close(fds[1]);
    assert_int_equal(journal_new(&journal), 0);
    for (size_t i = 0; i < n; i++)
        journal_write(journal, fields, 1);
    reader->f = fdopen(fds[0], "r");
    assert_int_equal(pthread_create(&thread, NULL, read_lines, reader), 0);
    while (reader->n_entries < 4)
        sched_yield();
    journal_write(journal, last, 1);
    /* journal_free() waits for a second, and no longer */
    usec_t give_up = usec_now() + 30 * USEC_SEC;
    while (reader->n_entries + reader->n_lost < n + 1 && usec_now() < give_up)
        sched_yield();
    journal_free(journal);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    pthread_join(thread, NULL);
    fclose(reader->f);
}

static void a_burst_is_kept(void **state)
{
    struct reader reader = {0};

    (void)state;
    write_unread(&reader, 3000, 100);
    assert_int_equal(reader.n_entries, 3001);
    assert_int_equal(reader.n_lost, 0);
}

static void many_are_lost_and_counted(void **state)
{
    struct reader reader = {0};

    (void)state;
    write_unread(&reader, 10000, 100);
    assert_in_range(reader.n_entries, 4096, 6000);
    assert_int_equal(reader.n_entries + reader.n_lost, 10001);
}

/* A pod's author decides how long they are. */
static void long_ones_are_lost_sooner(void **state)
{
    struct reader reader = {0};

    (void)state;
    write_unread(&reader, 64, 1 << 20);
    assert_in_range(reader.n_entries, 8, 20);
    assert_int_equal(reader.n_entries + reader.n_lost, 65);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_kept),
        cmocka_unit_test(many_are_lost_and_counted),
        cmocka_unit_test(long_ones_are_lost_sooner),
    };

    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
