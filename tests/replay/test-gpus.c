/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/harness/kubelet.h"
#include "tests/harness/rkt.h"

static void to_be_written(void **state)
{
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(to_be_written, rkt_setup, rkt_teardown)};

    node_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
