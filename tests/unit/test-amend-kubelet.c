/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "daemon/amend/rooms.h"
#include "tests/unit/launches.h"

static void nobody(struct launch *launch)
{
    (void)launch;
    fail();
}

/* A launch for which that came of asking; NULL: the spec. */
static struct launch *launch_after(struct config *config, const char *reason)
{
    struct launch *launch = make_launch(config, "1", NULL);

    launch->consult = nobody;
    assert_int_equal(amend_kubelet(launch), LAUNCH_E_CONSULT);
    launch->was_consulted = true;
    launch->unknown = reason ? strdup(reason) : NULL;
    return launch;
}

static void the_kubelet_is_asked_once(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("[Kubelet]\nRequired=yes\n");
    CLEANUP(launch_freep) struct launch *launch = launch_after(config, NULL);
    CLEANUP(launch_freep) struct launch *alone = make_launch(config, "1", NULL);

    (void)state;
    assert_int_equal(amend_kubelet(launch), 0);
    assert_int_equal(launch->notes.n, 0);
    /* if there is somebody to ask */
    assert_int_equal(amend_kubelet(alone), 0);
}

static void what_is_not_known_is_noted(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = launch_after(config, "it does not know the pod");

    (void)state;
    assert_int_equal(amend_kubelet(launch), 0);
    assert_int_equal(launch->notes.n, 1);
    assert_string_equal(launch->notes.list[0].text,
                        "warning: what needs the pod's spec is not done: it does not know the pod");
}

static void or_refused_if_it_is_required(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("[Kubelet]\nRequired=yes\n");
    CLEANUP(launch_freep) struct launch *launch = launch_after(config, "Connection refused");

    (void)state;
    assert_int_equal(amend_kubelet(launch), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&launch->error),
                        "the kubelet has to be asked (Required=yes): Connection refused");
    assert_int_equal(launch->notes.n, 0);
}

static void what_cannot_be_read_is_refused_in_any_case(void **state)
{
    CLEANUP(config_unrefp) struct config *config = make_config("");
    CLEANUP(launch_freep) struct launch *launch = launch_after(config, "it has too many bytes");

    (void)state;
    launch->is_unreadable = true;
    assert_int_equal(amend_kubelet(launch), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&launch->error),
                        "what the kubelet tells of the pod cannot be read: it has too many bytes");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kubelet_is_asked_once),
        cmocka_unit_test(what_is_not_known_is_noted),
        cmocka_unit_test(or_refused_if_it_is_required),
        cmocka_unit_test(what_cannot_be_read_is_refused_in_any_case),
    };

    return cmocka_run_group_tests_name("amend-kubelet", tests, NULL, NULL);
}
