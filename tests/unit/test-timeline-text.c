/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "client/timeline/text.h"
#include "lib/usec.h"

#define BEGIN (UINT64_C(1500000000) * USEC_SEC)

static char uid[] = "u-1", name[] = "web", namespace[] = "default", uuid[] = "aaaaaaaabbbb",
            front[] = "front",
            longest[] = "a234567890123456789012345678901234567890123456789012345678901z3";

/* What is drawn of these events, at these seconds. Return: a string to free(). */
static char *draw_events(struct timeline_event *list, size_t n, unsigned columns, bool is_unicode)
{
    struct timeline_events events = {list, n};
    struct timeline_pod pod = {.uid = uid, .name = name, .namespace = namespace};
    struct timeline timeline = TIMELINE_NULL;
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    assert_int_equal(timeline_make(&timeline, &events), 0);
    timeline_text(f, &pod, &timeline, columns, is_unicode);
    fclose(f);
    timeline_deinit(&timeline);
    return text;
}

/* A run of 64 parts of a length that fails, and its back-off. */
static char *draw(uint64_t length, char *container, unsigned columns, bool is_unicode)
{
    uint64_t part = length / 64;
    struct timeline_event list[] = {
        {.message = MESSAGE_LAUNCH, .at = BEGIN, .status = STATUS_NONE, .n_times = 1},
        {.message = MESSAGE_START, .at = BEGIN + 8 * part, .uuid = uuid, .n_times = 1},
        {.message = MESSAGE_EXIT,
         .at = BEGIN + 40 * part,
         .uuid = uuid,
         .container = container,
         .status = 1,
         .backoff_usec = length,
         .n_times = 1},
        {.message = TIMELINE_NOW, .at = BEGIN + length, .n_times = 1},
    };

    return draw_events(list, N_ELEMENTS(list), columns, is_unicode);
}

/* `n` runs of a second, one each minute, of which the last 20 are shown. */
static char *draw_loop(unsigned n, unsigned columns)
{
    struct timeline_event *list = calloc(3 * n, sizeof(*list));
    static char uuids[1000][9];

    for (unsigned i = 0; i < n; i++) {
        snprintf(uuids[i], sizeof(uuids[i]), "%08x", i + 1);
        uint64_t at = BEGIN + i * USEC_MINUTE;
        list[3 * i] = (struct timeline_event){.message = MESSAGE_LAUNCH, .at = at, .n_times = 1};
        list[3 * i + 1] = (struct timeline_event){
            .message = MESSAGE_START, .at = at + USEC_SEC, .uuid = uuids[i], .n_times = 1};
        list[3 * i + 2] = (struct timeline_event){.message = MESSAGE_EXIT,
                                                  .at = at + 2 * USEC_SEC,
                                                  .uuid = uuids[i],
                                                  .status = 1,
                                                  .n_times = 1};
    }
    char *text = draw_events(list, 3 * n, columns, true);
    free(list);
    return text;
}

static void blocks(void **state)
{
    CLEANUP(freep) char *text = draw(64 * USEC_SEC, front, 80, true);

    (void)state;
    assert_string_equal(
        text, "pod default/web\n"
              "UID u-1\n"
              "from 2017-07-14 02:40:00 to 2017-07-14 02:41:04\n"
              "\n"
              "                  02:40:00        02:40:30     02:41:00\n"
              "                  ┬───────────────┬────────────────┬───\n"
              "run 1  aaaaaaaa   ░░░░██████████████████▌×               ran 32s, exit 1 (front)\n"
              "back-off                                ▒▒▒▒▒▒▒▒▒▒▒▒▒▒   held back for 24s\n"
              "\n"
              "░ starting   █ running   ▒ held back   ┄ not known\n"
              "× exit   ! refused   ■ stopped   ↺ reset   ? not reached   ~ clock set\n");
}

static void ascii(void **state)
{
    CLEANUP(freep) char *text = draw(64 * USEC_SEC, front, 80, false);

    (void)state;
    assert_string_equal(
        text, "pod default/web\n"
              "UID u-1\n"
              "from 2017-07-14 02:40:00 to 2017-07-14 02:41:04\n"
              "\n"
              "                  02:40:00        02:40:30     02:41:00\n"
              "                  +---------------+----------------+---\n"
              "run 1  aaaaaaaa   ----===================x               ran 32s, exit 1 (front)\n"
              "back-off                                %%%%%%%%%%%%%%   held back for 24s\n"
              "\n"
              "- starting   = running   % held back   . not known\n"
              "x exit   ! refused   s stopped   r reset   ? not reached   ~ clock set\n");
}

static void a_narrow_one_has_bars_below_the_words(void **state)
{
    CLEANUP(freep) char *text = draw(64 * USEC_SEC, front, 32, false);

    (void)state;
    assert_string_equal(text, "pod default/web\n"
                              "UID u-1\n"
                              "from 2017-07-14 02:40:00\n"
                              "  to 2017-07-14 02:41:04\n"
                              "\n"
                              "02:40:00      02:40:30  02:41:00\n"
                              "+-------------+--------------+--\n"
                              "run 1  aaaaaaaa  ran 32s, exi...\n"
                              "---=================x\n"
                              "back-off  held back for 24s\n"
                              "                   %%%%%%%%%%%%\n"
                              "\n"
                              "- starting   = running\n"
                              "% held back   . not known\n"
                              "x exit   ! refused   s stopped\n"
                              "r reset   ? not reached\n"
                              "~ clock set\n");
}

/* Letters, of which each has a column. */
static size_t n_columns(const char *line, size_t length)
{
    size_t n = 0;

    for (size_t i = 0; i < length; i++)
        n += ((unsigned char)line[i] & 0xc0) != 0x80;
    return n;
}

static void fits(const char *text, size_t columns)
{
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        size_t n = n_columns(line, strcspn(line, "\n"));
        if (n > columns)
            fail_msg("%zu of %zu columns: %s", n, columns, text);
    }
}

static void no_line_is_wider_than_the_terminal(void **state)
{
    (void)state;
    for (unsigned columns = 30; columns < 220; columns++) {
        CLEANUP(freep) char *text = draw(64 * USEC_SEC, longest, columns, columns % 2);
        CLEANUP(freep) char *loop = draw_loop(20, columns);
        fits(text, columns);
        fits(loop, columns);
    }
}

static void a_name_that_does_not_fit_is_cut_and_nothing_else(void **state)
{
    CLEANUP(freep) char *cut = draw(64 * USEC_SEC, longest, 40, true);
    CLEANUP(freep) char *whole = draw(64 * USEC_SEC, longest, 200, true);

    (void)state;
    assert_non_null(strstr(cut, "\nrun 1  aaaaaaaa  ran 32s, exit 1 (a2345…\n"));
    assert_non_null(strstr(whole,
                           "ran 32s, exit 1 (a234567890123456789012345678901234567890123456789"
                           "012345678901z3)\n"));
}

static void there_is_a_time_on_the_axis(void **state)
{
    static const uint64_t lengths[] = {2 * USEC_SEC,  2 * USEC_MINUTE, 7 * USEC_MINUTE,
                                       2 * USEC_HOUR, 5 * USEC_DAY,    40 * USEC_DAY};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(lengths); i++) {
        for (unsigned columns = 30; columns <= 200; columns++) {
            CLEANUP(freep) char *text = draw(lengths[i], front, columns, false);
            const char *axis = strstr(text, "\n\n");
            assert_non_null(axis);
            size_t length = strcspn(axis + 2, "\n");
            if (strspn(axis + 2, " ") == length)
                fail_msg("%u columns: %s", columns, text);
        }
    }
}

static void a_run_has_a_bar_however_short_it_was(void **state)
{
    static const unsigned widths[] = {40, 60, 80, 200};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(widths); i++) {
        CLEANUP(freep) char *text = draw_loop(20, widths[i]);
        unsigned n = 0;
        for (const char *at = text; (at = strstr(at, "×")) && n < 20; at += strlen("×")) {
            assert_true(at[-1] != ' ' && at[-1] != '\n');
            n++;
        }
        assert_int_equal(n, 20);
    }
}

static void numbers_stand_below_each_other(void **state)
{
    CLEANUP(freep) char *text = draw_loop(1000, 80);

    (void)state;
    assert_non_null(strstr(text, "\n980 earlier runs are left out\n"));
    assert_non_null(strstr(text, "\nrun  999  000003e7   "));
    assert_non_null(strstr(text, "\nrun 1000  000003e8   "));
}

static int set_environment(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    return setenv("NO_COLOR", "1", 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks),
        cmocka_unit_test(ascii),
        cmocka_unit_test(a_narrow_one_has_bars_below_the_words),
        cmocka_unit_test(no_line_is_wider_than_the_terminal),
        cmocka_unit_test(a_name_that_does_not_fit_is_cut_and_nothing_else),
        cmocka_unit_test(there_is_a_time_on_the_axis),
        cmocka_unit_test(a_run_has_a_bar_however_short_it_was),
        cmocka_unit_test(numbers_stand_below_each_other),
    };

    return cmocka_run_group_tests_name("timeline-text", tests, set_environment, NULL);
}
