/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where a test tells tests/harness/manager.c what it is to do. */
#define MANAGER_FOLDER "/run/node/manager"
