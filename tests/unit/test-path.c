/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "lib/path.h"

static void the_same_components_are_the_same_path(void **state)
{
    static const struct {
        const char *a, *b;
        bool equals;
    } rows[] = {
        {"/a/b", "/a/b", true},   {"/a/b/", "//a///b", true}, {"a/b", "/a/./b/.", true},
        {"/", "", true},          {".", "/", true},           {"/a/b", "/a", false},
        {"/a", "/a/b", false},    {"/a/b", "/a/c", false},    {"/a/bc", "/a/b", false},
        {"/a/../b", "/b", false}, {"/..", "/.", false},       {"/a/.b", "/a/b", false},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        assert_int_equal(path_equals(rows[i].a, rows[i].b), rows[i].equals);
        assert_int_equal(path_equals(rows[i].b, rows[i].a), rows[i].equals);
    }
}

static void what_lies_below(void **state)
{
    (void)state;
    assert_string_equal(path_below("/a/b/c", "/a//"), "/b/c");
    assert_string_equal(path_below("/a/b", "/"), "/a/b");
    assert_string_equal(path_below("/a/b", "/a/b"), "");
    assert_null(path_below("/ab/c", "/a"));
    assert_null(path_below("/a", "/a/b"));
}

static void the_same_paths_have_one_form(void **state)
{
    static const struct {
        const char *path, *normal;
    } rows[] = {
        {"", ""},
        {"/", ""},
        {"./.", ""},
        {"a", "/a"},
        {"//a///b/", "/a/b"},
        {"/a/./b/.", "/a/b"},
        {"a/../b", "/a/../b"},
        {"/..", "/.."},
        {"/a/..b/...", "/a/..b/..."},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CLEANUP(freep) char *normal = path_normal(rows[i].path);
        assert_string_equal(normal, rows[i].normal);
        assert_true(path_equals(normal, rows[i].path));
    }
}

static void folders_are_counted(void **state)
{
    (void)state;
    assert_int_equal(path_depth(""), 0);
    assert_int_equal(path_depth("//./"), 0);
    assert_int_equal(path_depth("/a/../b/"), 3);
}

static void dots_are_seen(void **state)
{
    (void)state;
    assert_true(path_has_dot_dot(".."));
    assert_true(path_has_dot_dot("/a/../b"));
    assert_true(path_has_dot_dot("a/.."));
    assert_false(path_has_dot_dot("/a/..b/.../b.."));
    assert_false(path_has_dot_dot("/a/./b"));
    assert_false(path_has_dot_dot(""));
}

static void a_path_is_cleaned(void **state)
{
    static const struct {
        const char *path, *clean;
    } rows[] = {
        {"", ""},
        {"/", ""},
        {"a", "/a"},
        {"a//b/../c/", "/a/c"},
        {"../..", ""},
        {"/../a", "/a"},
        {"/a/../..", ""},
        {"./a/./b", "/a/b"},
        {"/a/..b/...", "/a/..b/..."},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CLEANUP(freep) char *clean = path_clean(rows[i].path);
        assert_string_equal(clean, rows[i].clean);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_components_are_the_same_path),
        cmocka_unit_test(what_lies_below),
        cmocka_unit_test(the_same_paths_have_one_form),
        cmocka_unit_test(folders_are_counted),
        cmocka_unit_test(dots_are_seen),
        cmocka_unit_test(a_path_is_cleaned),
    };

    return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
