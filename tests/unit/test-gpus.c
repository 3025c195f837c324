/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "daemon/amend/rooms.h"
#include "tests/unit/launches.h"

static void to_be_written(void **state)
{
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(to_be_written)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
