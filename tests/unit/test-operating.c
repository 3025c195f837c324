/* SPDX-License-Identifier: Apache-2.0 */

/*
 * docs/operating.md knows each message and each refusal. The words of refusals are read from the
 * sources: what is between their conversions has to stand on the page.
 */

#include "tests/unit/unit.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>

#include "daemon/launch.h"
#include "lib/message.h"
#include "tests/unit/source.h"

/* Shorter pieces say nothing: ": ", "the pod". */
#define PIECE_MIN 12

static void each_message_is_on_the_page(void **state)
{
    CLEANUP(freep) char *page = source_read("docs/operating.md");

    (void)state;
    for (unsigned i = 0; i < N_MESSAGES; i++) {
        const struct message_info *info = message_info((enum message)i);
        char row[64];
        snprintf(row, sizeof(row), "\n| %s | %s | ", info->name, info->id);
        assert_int_equal(source_count(page, row), 1);
    }
}

static void each_room_has_its_section(void **state)
{
    CLEANUP(freep) char *page = source_read("docs/operating.md");

    (void)state;
    for (const struct room *room = rooms; room->name; room++) {
        char heading[64];
        snprintf(heading, sizeof(heading), "\n### %s\n", room->name);
        assert_int_equal(source_count(page, heading), 1);
    }
}

/* Reads literals that follow each other as one, without their escapes. Return: behind them; `words`
 * is "" if there are none. */
static const char *read_literal(const char *p, char *words, size_t size)
{
    size_t n = 0;

    while (*p == '"') {
        for (p++; *p && *p != '"'; p++) {
            p += *p == '\\';
            assert_true(n + 1 < size);
            words[n++] = *p;
        }
        p += strspn(p + 1, " \n") + 1;
    }
    words[n] = '\0';
    return p;
}

/* Whether the page has the words, but for what a conversion stands for. */
static bool knows(const char *page, char *words)
{
    for (char *p = words; *p;) {
        size_t length = strcspn(p, "%");
        char kept = p[length];
        p[length] = '\0';
        if (length >= PIECE_MIN && strchr(p, ' ') && !strstr(page, p))
            return false;
        p[length] = kept;
        p += length;
        if (*p)
            p += strcspn(p + 1, "sudx%") + 2;
    }
    return true;
}

/* Looks at one literal. Return: behind it. */
static const char *see_literal(const char *page, const char *file, const char *p)
{
    char words[1024];

    p = read_literal(p, words, sizeof(words));
    if (!knows(page, words))
        fail_msg("%s refuses with words that docs/operating.md has not: %s", file, words);
    return p;
}

/* Looks at the literals between the parentheses that begin at `p`. Return: how many there were. */
static unsigned see_call(const char *page, const char *file, const char *p)
{
    unsigned n = 0, depth = 0;

    do {
        depth += *p == '(';
        depth -= *p == ')';
        n += *p == '"';
        p = *p == '"' ? see_literal(page, file, p) : p + 1;
    } while (depth > 0);
    return n;
}

static unsigned see_calls(const char *page, const char *file, const char *call)
{
    CLEANUP(freep) char *text = source_read(file);
    unsigned n = 0;

    for (const char *p = text; (p = strstr(p, call)); p++) {
        if (!isalnum((unsigned char)p[-1]) && p[-1] != '_')
            n += see_call(page, file, strchr(p, '('));
    }
    return n;
}

/* A function that finds a reason returns it. */
static unsigned see_returns(const char *page, const char *file)
{
    CLEANUP(freep) char *text = source_read(file);
    unsigned n = 0;

    for (const char *p = text; (p = strstr(p, "return \"")); n++)
        p = see_literal(page, file, strchr(p, '"'));
    return n;
}

static unsigned see_file(const char *page, const char *file)
{
    static const char *const calls[] = {"error_set(", "error_wrap(", "refuse(", "not_to_be_had(",
                                        "say("};
    unsigned n = see_returns(page, file);

    for (size_t i = 0; i < N_ELEMENTS(calls); i++)
        n += see_calls(page, file, calls[i]);
    return n;
}

static void each_refusal_is_on_the_page(void **state)
{
    static const char *const files[] = {"daemon/gpus.c", "daemon/launch.c", "lib/beneath.c",
                                        "lib/pathwalk.c", "lib/podspec.c"};
    CLEANUP(freep) char *page = source_read("docs/operating.md");
    CLEANUP(freep) char *pattern = source_path("daemon/amend/*.c");
    unsigned n = 0;
    glob_t found;

    (void)state;
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        n += see_file(page, strstr(found.gl_pathv[i], "daemon/amend/"));
    for (size_t i = 0; i < N_ELEMENTS(files); i++)
        n += see_file(page, files[i]);
    globfree(&found);
    assert_true(n > 40);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_is_on_the_page),
        cmocka_unit_test(each_room_has_its_section),
        cmocka_unit_test(each_refusal_is_on_the_page),
    };

    return cmocka_run_group_tests_name("operating", tests, NULL, NULL);
}
