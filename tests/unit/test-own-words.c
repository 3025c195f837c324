/* SPDX-License-Identifier: Apache-2.0 */

/* What journald itself does with a unit's output is looked at in tests/node; here
 * systemd-journal-remote writes the journal. */

#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>

#include "daemon/own/words.h"
#include "daemon/pod.h"
#include "tests/unit/scratch.h"

#define WRITER "/lib/systemd/systemd-journal-remote"

/* In the journal's export format, at that second. */
static void write_entry(FILE *f, unsigned second, const char *unit, const char *transport,
                        const char *message)
{
    fprintf(f,
            "__REALTIME_TIMESTAMP=%u000000\n__MONOTONIC_TIMESTAMP=%u000000\n"
            "_BOOT_ID=11111111111111111111111111111111\n_SYSTEMD_UNIT=%s\n_TRANSPORT=%s\n"
            "MESSAGE=%s\n\n",
            second, second, unit, transport, message);
}

static FILE *begin_journal(const struct scratch *scratch)
{
    CLEANUP(freep) char *path = scratch_path(scratch, "journal");
    char command[256];

    assert_int_equal(mkdir(path, 0755), 0);
    setenv("GANTRY_JOURNAL", path, 1);
    snprintf(command, sizeof(command), WRITER " -o %s/x.journal - 2>%s.log >&2", path, path);
    FILE *f = popen(command, "we");
    assert_non_null(f);
    return f;
}

static void end_journal(FILE *f)
{
    if (pclose(f) != 0)
        fail_msg(WRITER " (of Debian's package systemd-journal-remote) has failed");
}

static void expect(const char *unit, unsigned since, const char *words)
{
    CLEANUP(freep) char *found = words_of_unit(unit, (wall_t){since * USEC_SEC});

    if (words)
        assert_string_equal(found ? found : "(none)", words);
    else
        assert_null(found);
}

/* With the status first: its last words may be ones that it always says. */
static void an_end_is_told_with_its_status(void **state)
{
    static const struct {
        int status;
        const char *words, *told;
    } cases[] = {
        {254, "Warning: -hostname not supported; ignoring",
         "rkt has ended with status 254: Warning: -hostname not supported; ignoring"},
        {1, NULL, "rkt has ended with status 1"},
        {STATUS_UNKNOWN, "a\nb", "a\nb"},
        {STATUS_UNKNOWN, NULL, "rkt has ended before it ran the pod"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(freep) char *told = words_of_end(cases[i].status, cases[i].words);
        assert_string_equal(told, cases[i].told);
    }
}

static void the_last_lines_are_told_in_order(void **state)
{
    FILE *f = begin_journal(*state);
    char line[16];

    write_entry(f, 100, "gantry-web.service", "stdout", "of the run before");
    write_entry(f, 200, "gantry-web.service", "stdout", "stage1: no");
    write_entry(f, 201, "gantry-other.service", "stdout", "of another unit");
    write_entry(f, 202, "gantry-web.service", "journal", "of another kind");
    write_entry(f, 203, "gantry-web.service", "stdout", "stage1: really");
    for (unsigned i = 0; i < 20; i++) {
        snprintf(line, sizeof(line), "line %u", i);
        write_entry(f, 300 + i, "gantry-long.service", "stdout", line);
    }
    end_journal(f);
    expect("gantry-web.service", 150, "stage1: no\nstage1: really");
    expect("gantry-web.service", 203, "stage1: really");
    expect("gantry-long.service", 0,
           "line 12\nline 13\nline 14\nline 15\nline 16\nline 17\nline 18\nline 19");
    expect("gantry-web.service", 204, NULL);
    expect("gantry-none.service", 0, NULL);
}

static void a_long_line_is_cut_off(void **state)
{
    FILE *f = begin_journal(*state);
    char line[2048];

    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    write_entry(f, 100, "gantry-web.service", "stdout", line);
    end_journal(f);
    line[512] = '\0';
    expect("gantry-web.service", 0, line);
}

static void without_a_journal_there_are_no_words(void **state)
{
    (void)state;
    setenv("GANTRY_JOURNAL", "/nonexistent", 1);
    expect("gantry-web.service", 0, NULL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_is_told_with_its_status),
        TEST(the_last_lines_are_told_in_order),
        TEST(a_long_line_is_cut_off),
        TEST(without_a_journal_there_are_no_words),
    };

    return cmocka_run_group_tests_name("own-words", tests, NULL, NULL);
}
