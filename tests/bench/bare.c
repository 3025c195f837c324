/* SPDX-License-Identifier: Apache-2.0 */

/* One bare exec: becomes its first argument, with the others. */

#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc > 1)
        execv(argv[1], argv + 1);
    return 99;
}
