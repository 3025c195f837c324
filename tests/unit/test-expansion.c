/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "lib/expansion.h"

static void stands_for_what_kubernetes_says(void **state)
{
    static const struct {
        const char *text, *made;
    } cases[] = {
        {"", ""},
        {"a", "a"},
        {"$(A)", "1"},
        {"-$(A)-$(B)-", "-1-22-"},
        {"$(none)", "$(none)"},
        {"$()", "$()"},
        {"$", "$"},
        {"$A", "$A"},
        {"$$", "$"},
        {"$$(A)", "$(A)"},
        {"$$$(A)", "$1"},
        {"$(", "$("},
        {"$($(", "$($("},
        {"$(A)$(A", "1$(A"},
        {"$(A$(A)", "$(A$(A)"}, /* no variable is called A$(A */
        {"$($(A))", "$($(A))"},
        {"$($$)$$", "$($$)$"},
        {")$(A)(", ")1("},
    };
    json_auto_t *variables = json_pack("{s:s, s:s}", "A", "1", "B", "22");

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        json_auto_t *made = NULL;
        size_t left = 100;
        assert_int_equal(expansion_make(&made, cases[i].text, variables, &left), 0);
        assert_string_equal(json_string_value(made), cases[i].made);
        assert_int_equal(left, 100 - strlen(cases[i].made) - 1);
    }
}

/* As execve(2) counts them: each with its NUL. */
static void makes_no_more_than_is_left(void **state)
{
    json_auto_t *variables = json_pack("{s:s}", "A", "12345");

    (void)state;
    for (size_t left = 0; left < 20; left++) {
        json_auto_t *made = NULL;
        size_t after = left;
        bool fits = left >= 12;
        assert_int_equal(expansion_make(&made, "$(A)-$(A)", variables, &after),
                         fits ? 0 : EXPANSION_E_TOO_LONG);
        assert_int_equal(after, fits ? left - 12 : left);
        assert_int_equal(made != NULL, fits);
    }
}

static void a_value_uses_those_before_it(void **state)
{
    json_auto_t *variables = json_object(), *made = json_array();
    json_auto_t *env =
        json_pack("[{s:s, s:s}, {s:s, s:s}, {s:s}, {s:s, s:s}]", "name", "A", "value", "$(B)1",
                  "name", "B", "value", "$(A)2", "name", "C", "name", "A", "value", "$(A)3");
    json_auto_t *list = json_pack("[s, s]", "$(A)", "$(B)$(C)");
    size_t left = 100, index;

    (void)state;
    assert_int_equal(expansion_set(variables, env, &left, &index), 0);
    assert_int_equal(expansion_make_list(made, list, variables, &left, &index), 0);
    assert_string_equal(json_string_value(json_array_get(made, 0)), "$(B)13");
    assert_string_equal(json_string_value(json_array_get(made, 1)), "$(B)12");
    assert_int_equal(json_array_size(made), 2);
}

static void says_where_it_was_too_much(void **state)
{
    json_auto_t *variables = json_object(), *made = json_array();
    json_auto_t *env = json_pack("[{s:s, s:s}, {s:s, s:s}]", "name", "A", "value", "12345678",
                                 "name", "B", "value", "$(A)$(A)");
    json_auto_t *list = json_pack("[s, s, s]", "$(A)", "", "$(A)");
    size_t left = 20, index;

    (void)state;
    assert_int_equal(expansion_set(variables, env, &left, &index), EXPANSION_E_TOO_LONG);
    assert_int_equal(index, 1);
    left = 12;
    assert_int_equal(expansion_make_list(made, list, variables, &left, &index),
                     EXPANSION_E_TOO_LONG);
    assert_int_equal(index, 2);
    assert_int_equal(json_array_size(made), 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(stands_for_what_kubernetes_says),
        cmocka_unit_test(makes_no_more_than_is_left),
        cmocka_unit_test(a_value_uses_those_before_it),
        cmocka_unit_test(says_where_it_was_too_much),
    };

    return cmocka_run_group_tests_name("expansion", tests, NULL, NULL);
}
