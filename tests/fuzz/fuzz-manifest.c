/* SPDX-License-Identifier: Apache-2.0 */

/* The pod manifest: whatever the bytes are, reading them ends, and what is read can be looked at.
 */

#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "lib/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    CLEANUP(error_deinit) struct error error = ERROR_NULL;
    CLEANUP(freep) char *hashes = NULL;
    struct pod_identity identity;
    size_t length = 0;

    int r = manifest_parse(&manifest, (const char *)data, size, &error);
    if (r != 0) {
        assert(r == MANIFEST_E_INVALID && error.message);
        return 0;
    }
    if (manifest_identity(manifest, &identity))
        assert(pod_uid_is_valid(identity.uid) && !strchr(identity.uid, '/'));
    for (size_t i = 0; i < manifest_n_apps(manifest); i++) {
        struct manifest_app app = manifest_app(manifest, i);
        if (app.name)
            assert(manifest_container_of(manifest, app.name));
    }
    for (size_t i = 0; i < manifest_n_volumes(manifest); i++) {
        struct manifest_volume volume = manifest_volume(manifest, i);
        length += volume.source ? strlen(volume.source) : 0;
    }
    assert(length <= size);
    assert(manifest_hashes(manifest, &hashes) == 0 && hashes);
    return 0;
}
