/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "lib/message.h"
#include "tests/unit/source.h"

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
    CLEANUP(freep) char *catalog = source_read("systemd/gantry.catalog");

    (void)state;
    for (unsigned i = 0; i < N_MESSAGES; i++) {
        char head[64];
        snprintf(head, sizeof(head), "\n-- %s\nSubject: ", message_info((enum message)i)->id);
        assert_int_equal(source_count(catalog, head), 1);
    }
    assert_int_equal(source_count(catalog, "\n-- "), N_MESSAGES);
}

static void each_is_listed_in_the_manual(void **state)
{
    CLEANUP(freep) char *manual = source_read("man/gantryd.8.scd");

    (void)state;
    for (unsigned i = 0; i < N_MESSAGES; i++) {
        const struct message_info *info = message_info((enum message)i);
        char row[64];
        snprintf(row, sizeof(row), "\n%s  %s  ", info->id, info->name);
        assert_int_equal(source_count(manual, row), 1);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_another_one),
        cmocka_unit_test(each_is_explained_in_the_catalog),
        cmocka_unit_test(each_is_listed_in_the_manual),
    };

    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
