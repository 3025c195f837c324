/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "daemon/event.h"
#include "tests/unit/scratch.h"

/* What was told: standard error, where the journal writes its lines here, is a file. */
struct told {
    struct scratch *scratch;
    struct events events;
    int stderr_fd;
    unsigned n_watched;
};

static int setup(void **state)
{
    struct told *told = calloc(1, sizeof(*told));

    unsetenv("JOURNAL_STREAM");
    scratch_setup((void **)&told->scratch);
    assert_int_equal(journal_new(&told->events.journal), 0);
    CLEANUP(freep) char *path = scratch_path(told->scratch, "log");
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    told->stderr_fd = dup(STDERR_FILENO);
    assert_true(dup2(fd, STDERR_FILENO) >= 0);
    close(fd);
    *state = told;
    return 0;
}

/* Ends the journal and gives standard error back. Return: the lines, to free(). */
static char *read_log(struct told *told)
{
    CLEANUP(freep) char *path = scratch_path(told->scratch, "log");
    char *text = NULL;
    size_t size = 0;

    told->events.journal = journal_free(told->events.journal);
    if (told->stderr_fd >= 0)
        dup2(told->stderr_fd, STDERR_FILENO);
    told->stderr_fd = fd_close(told->stderr_fd);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    if (getdelim(&text, &size, EOF, f) < 0)
        text[0] = '\0';
    fclose(f);
    return text;
}

static int teardown(void **state)
{
    struct told *told = *state;

    free(read_log(told));
    scratch_teardown((void **)&told->scratch);
    free(told);
    return 0;
}

static void tell(struct told *told, enum message message, const char *text, struct repeat *repeat,
                 usec_t now)
{
    CLEANUP(event_deinit) struct event event;

    event_init(&event, message, "%s", text);
    events_emit(&told->events, &event, repeat, now);
}

static void bears_its_message_and_fields(void **state)
{
    CLEANUP(event_deinit) struct event event;

    (void)state;
    event_init(&event, MESSAGE_EXIT, "container \"%s\" ended", "bad");
    event_add(&event, "GANTRY_EXIT_STATUS", "%d", 7);
    assert_string_equal(event_text(&event), "container \"bad\" ended");
    assert_int_equal(event.n_fields, 4);
    assert_string_equal(event.fields[0], "MESSAGE=container \"bad\" ended");
    assert_string_equal(event.fields[1], "MESSAGE_ID=c9d2435f03e24b408b34f882a86a658d");
    assert_string_equal(event.fields[2], "PRIORITY=5");
    assert_string_equal(event.fields[3], "GANTRY_EXIT_STATUS=7");
}

static void a_repeat_is_told_at_powers_of_two(void **state)
{
    struct told *told = *state;
    struct repeat repeat = {0};

    for (usec_t i = 0; i < 9; i++)
        tell(told, MESSAGE_REFUSAL, "refused", &repeat, i * USEC_SEC);
    CLEANUP(freep) char *log = read_log(told);
    assert_string_equal(log, "refused\nrefused (2 times now)\nrefused (4 times now)\n"
                             "refused (8 times now)\n");
}

static void something_else_in_between_begins_anew(void **state)
{
    struct told *told = *state;
    struct repeat one = {0}, other = {0};

    tell(told, MESSAGE_REFUSAL, "a", &one, 1);
    tell(told, MESSAGE_REFUSAL, "a", &other, 1);
    tell(told, MESSAGE_REFUSAL, "a", &one, 2);
    tell(told, MESSAGE_REFUSAL, "a", &one, 3);
    tell(told, MESSAGE_REFUSAL, "b", &one, 4);
    tell(told, MESSAGE_REFUSAL, "a", &one, 5);
    tell(told, MESSAGE_LAUNCH, "a", &one, 6);
    /* and so do ten quiet minutes */
    tell(told, MESSAGE_LAUNCH, "a", &one, 6 + 10 * USEC_MINUTE);
    CLEANUP(freep) char *log = read_log(told);
    assert_string_equal(log, "a\na\na (2 times now)\nb\na\na\na\n");
}

static void without_a_subject_only_the_kind_counts(void **state)
{
    struct told *told = *state;

    tell(told, MESSAGE_CLIENT, "client 1", NULL, 1);
    tell(told, MESSAGE_CLIENT, "client 2", NULL, 2);
    tell(told, MESSAGE_CLIENT, "client 3", NULL, 3);
    tell(told, MESSAGE_BUS, "bus", NULL, 3);
    tell(told, MESSAGE_CLIENT, "client 4", NULL, 4);
    CLEANUP(freep) char *log = read_log(told);
    assert_string_equal(log, "client 1\nclient 2 (2 times now)\nbus\nclient 4 (4 times now)\n");
}

static void count_watched(void *userdata, const struct event *event)
{
    (void)event;
    ((struct told *)userdata)->n_watched++;
}

static void who_watches_is_told_of_each(void **state)
{
    struct told *told = *state;
    struct repeat repeat = {0};

    told->events.watch = count_watched;
    told->events.userdata = told;
    for (usec_t i = 0; i < 9; i++)
        tell(told, MESSAGE_REFUSAL, "refused", &repeat, i);
    assert_int_equal(told->n_watched, 9);
}

static void a_journal_that_nobody_reads_delays_nobody(void **state)
{
    struct told *told = *state;
    struct repeat repeat = {0};
    int fds[2];

    /* Standard error is a full pipe: the writer is stuck, the queue fills up, and we go on. */
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    while (write(fds[1], "x", 1) == 1)
        ;
    assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0);
    assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
    for (unsigned i = 0; i < 20000; i++) {
        char text[32];
        snprintf(text, sizeof(text), "%u", i);
        tell(told, MESSAGE_LAUNCH, text, &repeat, i);
    }
    /* It does not wait for the writer for ever either; that one is let go when the pipe is. */
    told->events.journal = journal_free(told->events.journal);
    dup2(told->stderr_fd, STDERR_FILENO);
    told->stderr_fd = fd_close(told->stderr_fd);
    close(fds[1]);
    close(fds[0]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(bears_its_message_and_fields),
        TEST(a_repeat_is_told_at_powers_of_two),
        TEST(something_else_in_between_begins_anew),
        TEST(without_a_subject_only_the_kind_counts),
        TEST(who_watches_is_told_of_each),
        TEST(a_journal_that_nobody_reads_delays_nobody),
    };

    /* The abandoned writer gets this when its pipe goes. */
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
