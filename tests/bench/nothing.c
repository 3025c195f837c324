/* SPDX-License-Identifier: Apache-2.0 */

/* The rkt of the benchmark: it does nothing. */

int main(void)
{
    return 0;
}
