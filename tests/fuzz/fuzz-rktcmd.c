/* SPDX-License-Identifier: Apache-2.0 */

/* rkt's command line: arguments are ended by NULs. What is found lies within them, and a line with
 * another manifest is read as the same line. */

#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/def.h"
#include "lib/rktcmd.h"

#define ARGS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(freep) char *text = malloc(size + 1);
    CLEANUP(rktcmd_deinit) struct rktcmd cmd = RKTCMD_NULL;
    CLEANUP(rktcmd_deinit) struct rktcmd again = RKTCMD_NULL;
    CLEANUP(freep) char **amended = NULL;
    CLEANUP(freep) char *argument = NULL;
    char *argv[ARGS_MAX + 1] = {"rkt"};
    int argc = 1;

    memcpy(text, data, size);
    text[size] = '\0';
    for (size_t at = 0; at <= size && argc < ARGS_MAX; at += strlen(text + at) + 1)
        argv[argc++] = text + at;

    int r = rktcmd_parse(&cmd, argc, argv);
    assert(r == 0 || r == RKTCMD_E_USAGE);
    for (size_t i = 0; i < cmd.n_volumes; i++)
        assert(cmd.volumes[i].name);
    if (r != 0 || cmd.verb == RKTCMD_OTHER || !cmd.pod_manifest)
        return 0;
    assert(cmd.manifest_at > 0 && cmd.manifest_at < argc);
    assert(rktcmd_with_manifest(&cmd, "/proc/self/fd/3", &amended, &argument) == 0);
    assert(rktcmd_parse(&again, argc, amended) == 0);
    assert(again.verb == cmd.verb && again.n_volumes == cmd.n_volumes);
    assert(strcmp(again.pod_manifest, "/proc/self/fd/3") == 0);
    return 0;
}
