/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "daemon/pod.h"

static void add(struct notes *notes, const char *room, size_t n)
{
    char text[32];

    for (size_t i = 0; i < n; i++) {
        snprintf(text, sizeof(text), "%s %zu", room, i);
        assert_int_equal(notes_add(notes, room, text), 0);
    }
}

static void a_room_that_changes_much_says_how_much(void **state)
{
    struct notes notes = {0};

    (void)state;
    add(&notes, "volumes", NOTES_OF_ROOM);
    assert_int_equal(notes.n, NOTES_OF_ROOM);
    assert_string_equal(notes.list[NOTES_OF_ROOM - 1].text, "volumes 15");
    add(&notes, "volumes", 1);
    assert_int_equal(notes.n, NOTES_OF_ROOM + 1);
    assert_string_equal(notes.list[NOTES_OF_ROOM].text, "and 1 more");
    add(&notes, "volumes", 499);
    assert_int_equal(notes.n, NOTES_OF_ROOM + 1);
    assert_string_equal(notes.list[NOTES_OF_ROOM].text, "and 500 more");
    assert_string_equal(notes.list[NOTES_OF_ROOM].room, "volumes");

    /* the next one has as many of its own */
    add(&notes, "subpath", NOTES_OF_ROOM + 2);
    assert_int_equal(notes.n, 2 * (NOTES_OF_ROOM + 1));
    assert_string_equal(notes.list[NOTES_OF_ROOM + 1].text, "subpath 0");
    assert_string_equal(notes.list[notes.n - 1].text, "and 2 more");
    notes_deinit(&notes);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_room_that_changes_much_says_how_much),
    };

    return cmocka_run_group_tests_name("pod", tests, NULL, NULL);
}
