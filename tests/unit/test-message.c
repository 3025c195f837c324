/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "daemon/launch.h"
#include "lib/message.h"

/* Reads a file of the source folder. */
static char *read_source(const char *name)
{
    const char *top = getenv("abs_top_srcdir");
    char path[4096], *text = NULL;
    size_t size = 0;

    snprintf(path, sizeof(path), "%s/%s", top ? top : ".", name);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_true(getdelim(&text, &size, EOF, f) > 0);
    fclose(f);
    return text;
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;

    for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}

static void each_is_another_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N_MESSAGES; i++) {
        const struct message_info *info = message_info((enum message)i);
        assert_int_equal(strspn(info->id, "0123456789abcdef"), 32);
        assert_int_equal(strlen(info->id), 32);
        assert_in_range(info->priority, 3, 7);
        for (unsigned j = 0; j < i; j++) {
            assert_string_not_equal(info->id, message_info((enum message)j)->id);
            assert_string_not_equal(info->name, message_info((enum message)j)->name);
        }
    }
}

static void each_is_explained_in_the_catalog(void **state)
{
    CLEANUP(freep) char *catalog = read_source("systemd/gantry.catalog");

    (void)state;
    for (unsigned i = 0; i < N_MESSAGES; i++) {
        char head[64];
        snprintf(head, sizeof(head), "\n-- %s\nSubject: ", message_info((enum message)i)->id);
        assert_int_equal(count(catalog, head), 1);
    }
    assert_int_equal(count(catalog, "\n-- "), N_MESSAGES);
}

static void each_is_listed_in_the_manual(void **state)
{
    CLEANUP(freep) char *manual = read_source("man/gantryd.8.scd");

    (void)state;
    for (unsigned i = 0; i < N_MESSAGES; i++) {
        const struct message_info *info = message_info((enum message)i);
        char row[64];
        snprintf(row, sizeof(row), "\n%s  %s  ", info->id, info->name);
        assert_int_equal(count(manual, row), 1);
    }
}

static void each_is_on_the_operators_page(void **state)
{
    CLEANUP(freep) char *page = read_source("docs/operating.md");

    (void)state;
    for (unsigned i = 0; i < N_MESSAGES; i++) {
        const struct message_info *info = message_info((enum message)i);
        char row[64];
        snprintf(row, sizeof(row), "\n| %s | %s | ", info->name, info->id);
        assert_int_equal(count(page, row), 1);
    }
}

static void so_are_the_refusals_of_each_room(void **state)
{
    CLEANUP(freep) char *page = read_source("docs/operating.md");

    (void)state;
    for (const struct room *room = rooms; room->name; room++) {
        char heading[64];
        snprintf(heading, sizeof(heading), "\n### %s\n", room->name);
        assert_int_equal(count(page, heading), 1);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_another_one),
        cmocka_unit_test(each_is_explained_in_the_catalog),
        cmocka_unit_test(each_is_listed_in_the_manual),
        cmocka_unit_test(each_is_on_the_operators_page),
        cmocka_unit_test(so_are_the_refusals_of_each_room),
    };

    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
