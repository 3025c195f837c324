/* SPDX-License-Identifier: Apache-2.0 */

/* The configuration: whatever the file holds, there is a configuration that makes sense, and what
 * is wrong was told if anything was. */

#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *userdata, bool is_warning, const char *message)
{
    size_t *n_errors = userdata;

    assert(strlen(message) > 0);
    *n_errors += is_warning ? 0 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum config_scope scopes[] = {CONFIG_ALL, CONFIG_CLIENT};
    char path[64];
    int fd = memfd_create("gantry.conf", MFD_CLOEXEC);

    assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    /* One that can be opened again, and has no folder of fragments beside it. */
    snprintf(path, sizeof(path), "/dev/fd/%d", fd);
    for (size_t i = 0; i < N_ELEMENTS(scopes); i++) {
        struct config *config = NULL;
        size_t n_errors = 0;
        int r = config_load(&config, path, scopes[i], count, &n_errors);
        assert(r == 0 || r == CONFIG_E_INVALID);
        assert((r == CONFIG_E_INVALID) == (n_errors > 0));
        assert(config->daemon.socket[0] == '/' && config->rkt.path[0] == '/');
        assert(config->launch.request_timeout > 0 && config->daemon.n_connections_max > 0);
        assert(config->hostpath.mode <= 07777 && config->hostpath.n_deny >= 6);
        assert(!config->hostpath.deny[config->hostpath.n_deny]);
        config_unref(config);
    }
    close(fd);
    return 0;
}
