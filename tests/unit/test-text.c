/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <jansson.h>
#include <stdio.h>

#include "lib/text.h"

static void is_bound(const char *text, size_t max, const char *expected)
{
    CLEANUP(freep) char *copy = strdup(text);

    text_bound(copy, max);
    assert_string_equal(copy, expected);
}

static void what_is_short_and_utf8_stays(void **state)
{
    (void)state;
    is_bound("", 16, "");
    is_bound("sixteen letters!", 16, "sixteen letters!");
    is_bound("a\n\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 16,
             "a\n\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
}

static void what_is_long_loses_its_middle(void **state)
{
    (void)state;
    is_bound("seventeen letters", 16, "seven ... etters");
    is_bound("pod default/web: volume \"v\": no directory", 20, "pod def ... irectory");
    /* between characters only */
    is_bound("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 16,
             "\xe2\x82\xac ... \xe2\x82\xac\xe2\x82\xac");
}

static void what_is_not_utf8_is_made_so(void **state)
{
    (void)state;
    is_bound("a\xff\xc3\xa4", 16, "a???");
    is_bound("\xc3", 16, "?");
}

static void any_length_ends_within_the_bound(void **state)
{
    char text[256];

    (void)state;
    for (size_t length = 0; length < sizeof(text); length++) {
        for (size_t max = 16; max < 64; max++) {
            for (size_t i = 0; i < length; i++)
                text[i] = "a\xc3\xa4\xe2\x82\xac"[i % 6];
            text[length] = '\0';
            text_bound(text, max);
            assert_true(strlen(text) <= max);
            assert_true(strlen(text) == length || length > max);
            json_t *string = json_string(text);
            assert_non_null(string);
            json_decref(string);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_short_and_utf8_stays),
        cmocka_unit_test(what_is_long_loses_its_middle),
        cmocka_unit_test(what_is_not_utf8_is_made_so),
        cmocka_unit_test(any_length_ends_within_the_bound),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
