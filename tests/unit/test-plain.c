/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "client/plain.h"

static void control_characters_are_not_kept(void **state)
{
    static const struct {
        const char *text, *plain;
        bool keeps_lines;
    } rows[] = {
        {"web", "web", false},
        {"a\x1b[2Jb", "a?[2Jb", false},
        {"a\nb\tc\x7f", "a?b?c?", false},
        {"a\nb\tc\x7f", "a\nb?c?", true},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", false},
        {"\xc2\x9b"
         "2J",
         "??2J", false},
        {"\xff\xfe", "??", false},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CLEANUP(freep) char *text = strdup(rows[i].text);
        plain_text(text, rows[i].keeps_lines);
        assert_string_equal(text, rows[i].plain);
    }
}

static void so_it_is_all_through_a_value(void **state)
{
    json_t *value = json_pack("{s:s, s:[s, i, {s:s}]}", "a", "x\ny", "b", "\x1bz", 1, "c", "\x07");
    json_t *plain = json_pack("{s:s, s:[s, i, {s:s}]}", "a", "x?y", "b", "?z", 1, "c", "?");

    (void)state;
    plain_json(value, false);
    assert_true(json_equal(value, plain));
    plain_json(NULL, false);
    json_decref(value);
    json_decref(plain);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_are_not_kept),
        cmocka_unit_test(so_it_is_all_through_a_value),
    };

    return cmocka_run_group_tests_name("plain", tests, NULL, NULL);
}
