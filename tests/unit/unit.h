/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What every unit test begins with. Assertions stay on in every build.
 */

#undef NDEBUG

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/def.h"
