/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "daemon/amend/rooms.h"
#include "lib/varlink.h"
#include "tests/unit/launches.h"

static void only_what_was_edited_is_written(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = make_launch(config, "1", NULL);

    (void)state;
    assert_int_equal(amend_forward(launch), 0);
    assert_null(launch->amended);
    assert_int_equal(manifest_set_annotation(launch->manifest, "x", "y"), 0);
    assert_int_equal(amend_forward(launch), 0);
    assert_non_null(strstr(launch->amended, "{\"name\":\"x\",\"value\":\"y\"}"));
}

static void what_is_too_long_goes_nowhere(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = make_launch(config, "1", NULL);
    CLEANUP(freep) char *value = malloc(VARLINK_MANIFEST_MAX + 1);
    char message[128];

    (void)state;
    assert_int_equal(manifest_set_annotation(launch->manifest, "x", ""), 0);
    assert_int_equal(amend_forward(launch), 0);
    size_t rest = strlen(launch->amended);
    memset(value, 'y', VARLINK_MANIFEST_MAX);

    value[VARLINK_MANIFEST_MAX - rest] = '\0';
    assert_int_equal(manifest_set_annotation(launch->manifest, "x", value), 0);
    free(launch->amended);
    assert_int_equal(amend_forward(launch), 0);

    value[VARLINK_MANIFEST_MAX - rest] = 'y';
    value[VARLINK_MANIFEST_MAX - rest + 1] = '\0';
    assert_int_equal(manifest_set_annotation(launch->manifest, "x", value), 0);
    free(launch->amended);
    assert_int_equal(amend_forward(launch), LAUNCH_E_REFUSED);
    snprintf(message, sizeof(message),
             "its manifest would have %zu bytes with what is amended, and may have %zu",
             VARLINK_MANIFEST_MAX + 1, VARLINK_MANIFEST_MAX);
    assert_string_equal(error_message(&launch->error), message);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_edited_is_written),
        cmocka_unit_test(what_is_too_long_goes_nowhere),
    };

    return cmocka_run_group_tests_name("amend-forward", tests, NULL, NULL);
}
