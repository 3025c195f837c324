/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether rkt runs a pod: not only that rkt's process is there, for that may still fail, but that
 * it has come to the apps. rkt and its stage1s leave these signs (contract section 3):
 *
 *   nspawn     writes the file ppid before systemd-nspawn is executed, which makes a pid namespace
 *              when it has found all that it needs
 *   fly, kvm   write pid, then execute the app, or the machine; before, the process has the pod's
 *              UUID as an argument
 *
 * Both wait for the file system; neither is for the loop.
 */

#include <stdbool.h>

/* Whether it runs now. */
bool sight_runs(const char *data_dir, const char *uuid);

/* Whether it has run, once its process, which ended with that status, is gone: an app has left its
 * exit status, or the process was an app and ended otherwise than rkt does. */
bool sight_has_run(const char *data_dir, const char *uuid, int status);
