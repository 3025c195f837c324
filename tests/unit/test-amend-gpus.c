/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "daemon/amend/rooms.h"
#include "daemon/gpus.h"
#include "tests/unit/launches.h"
#include "tests/unit/scratch.h"

/* A node with GPUs 0 and 1, and what else the driver makes. */
struct fixture {
    struct scratch *scratch;
    struct config *config;
    struct gpus *gpus;
};

static void make_device(const struct fixture *fixture, const char *name)
{
    CLEANUP(freep) char *path = scratch_path(fixture->scratch, "%s", name);

    assert_int_equal(mknod(path, S_IFCHR | 0600, 0x103), 0);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    CLEANUP(freep) char *text = NULL;

    scratch_setup((void **)&fixture->scratch);
    const char *path = fixture->scratch->path;
    assert_true(asprintf(&text,
                         "[GPU]\nDeviceDirectory=%s\nDriverPath=%s\n[Rkt]\nDataDirectory=%s\n",
                         path, path, path) > 0);
    fixture->config = make_config(text);
    fixture->gpus = gpus_new(path);
    make_device(fixture, "nvidia0");
    make_device(fixture, "nvidia1");
    make_device(fixture, "nvidiactl");
    make_device(fixture, "nvidia-modeset");
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    gpus_free(fixture->gpus);
    config_unref(fixture->config);
    int r = scratch_teardown((void **)&fixture->scratch);
    free(fixture);
    return r;
}

static json_t *app_of(const char *name, const char *variable)
{
    json_t *environment = json_array();

    if (variable)
        json_array_append_new(environment, json_pack("{s:s, s:s}", "name", "NVIDIA_VISIBLE_DEVICES",
                                                     "value", variable));
    return json_pack("{s:s, s:{s:o}}", "name", name, "app", "environment", environment);
}

static json_t *container_of_spec(const char *name, const char *variable)
{
    json_t *environment = json_array();

    if (variable)
        json_array_append_new(environment, json_pack("{s:s}", "name", "NVIDIA_VISIBLE_DEVICES"));
    return json_pack("{s:s, s:o}", "name", name, "env", environment);
}

/* Has the kubelet tell that the variables are the pod's own. */
static void set_spec(struct launch *launch, const char *a, const char *b)
{
    CLEANUP(json_decrefp)
    json_t *list =
        json_pack("{s:[{s:{s:s}, s:{s:[o, o]}}]}", "items", "metadata", "uid", "1234", "spec",
                  "containers", container_of_spec("a", a), container_of_spec("b", b));

    assert_int_equal(podspec_find(&launch->spec, list, "1234", NULL), 0);
}

/* A prepare of a pod with containers "a" and "b", whose variables are these (NULL: none). Its
 * process is the test's own. */
static struct launch *make_gpu_launch(const struct fixture *fixture, const char *a, const char *b)
{
    struct launch *launch = make_launch(fixture->config, "1", NULL);
    CLEANUP(freep) char *text = manifest_to_text(launch->manifest);
    json_t *root = json_loads(text, 0, NULL);

    json_object_set_new(root, "apps", json_pack("[o, o]", app_of("a", a), app_of("b", b)));
    manifest_free(launch->manifest);
    assert_int_equal(manifest_from_json(&launch->manifest, root, NULL), 0);
    assert_true(manifest_identity(launch->manifest, &launch->identity));
    set_spec(launch, a, b);
    launch->gpus = fixture->gpus;
    launch->pid = getpid();
    launch->pidfd = (int)syscall(SYS_pidfd_open, launch->pid, 0);
    return launch;
}

static void set_annotation(struct launch *launch, const char *name, const char *value)
{
    CLEANUP(json_decrefp)
    json_t *list =
        json_pack("{s:[{s:{s:s, s:{s:s}}, s:{s:[{s:s}]}}]}", "items", "metadata", "uid", "1234",
                  "annotations", name, value, "spec", "initContainers", "name", "init");

    podspec_unref(launch->spec);
    assert_int_equal(podspec_find(&launch->spec, list, "1234", NULL), 0);
}

/* As the walk does it: on the loop first, then where it may wait. */
static int enter(struct launch *launch)
{
    int r = amend_gpus(launch);

    if (r != LAUNCH_E_WAIT)
        return r;
    assert_false(manifest_is_edited(launch->manifest));
    launch->may_wait = true;
    return amend_gpus(launch);
}

static const char *variable_of(const struct launch *launch, size_t app)
{
    return manifest_environment(launch->manifest, app, "NVIDIA_VISIBLE_DEVICES");
}

static void who_does_not_ask_does_not_wait(void **state)
{
    static const char *const values[] = {NULL, "", "none", "void"};

    for (size_t i = 0; i < N_ELEMENTS(values); i++) {
        CLEANUP(launch_freep) struct launch *launch = make_gpu_launch(*state, values[i], NULL);
        assert_int_equal(amend_gpus(launch), 0);
        assert_false(manifest_is_edited(launch->manifest));
        assert_int_equal(launch->notes.n, 0);
    }
}

static void a_pod_of_others_is_left_alone(void **state)
{
    CLEANUP(launch_freep) struct launch *launch = make_gpu_launch(*state, "all", NULL);

    launch->is_kubernetes = false;
    assert_int_equal(amend_gpus(launch), 0);
    assert_false(manifest_is_edited(launch->manifest));
}

static void an_images_variable_asks_for_nothing(void **state)
{
    CLEANUP(launch_freep) struct launch *launch = make_gpu_launch(*state, "all", NULL);

    podspec_unref(launch->spec);
    launch->spec = NULL;
    assert_int_equal(amend_gpus(launch), 0);
    set_spec(launch, NULL, NULL);
    assert_int_equal(amend_gpus(launch), 0);
    assert_false(manifest_is_edited(launch->manifest));
}

/* Has the kubelet tell that the variables of both containers come from elsewhere. */
static void set_env_from(struct launch *launch)
{
    static const char from[] = "{\"containers\":[{\"name\":\"a\",\"envFrom\":[{\"secretRef\":{}}]},"
                               "{\"name\":\"b\",\"envFrom\":[{\"configMapRef\":{}}]}]}";
    CLEANUP(json_decrefp)
    json_t *list =
        json_pack("{s:[{s:{s:s, s:{s:s}}, s:o}]}", "items", "metadata", "uid", "1234",
                  "annotations", "gpu.gantry.io/b", "1", "spec", json_loads(from, 0, NULL));

    podspec_unref(launch->spec);
    assert_int_equal(podspec_find(&launch->spec, list, "1234", NULL), 0);
}

/* Perhaps the pod has meant it; nobody can tell. */
static void what_comes_from_elsewhere_is_noted(void **state)
{
    CLEANUP(launch_freep) struct launch *launch = make_gpu_launch(*state, "1", "1");
    CLEANUP(launch_freep) struct launch *none = make_gpu_launch(*state, "none", "none");

    set_env_from(launch);
    assert_int_equal(enter(launch), 0);
    assert_int_equal(manifest_n_mounts(launch->manifest, 0), 0);
    assert_int_equal(manifest_n_mounts(launch->manifest, 1), 4);
    assert_int_equal(launch->notes.n, 2);
    assert_string_equal(launch->notes.list[0].text, "container b has GPU 0");
    assert_string_equal(launch->notes.list[1].text,
                        "container a gets no GPU: NVIDIA_VISIBLE_DEVICES of envFrom, or of the "
                        "image, asks for none; env of the container does, or the annotation "
                        "gpu.gantry.io/a");
    undo_gpus(launch);

    set_env_from(none);
    assert_int_equal(enter(none), 0);
    assert_int_equal(none->notes.n, 1);
}

static void requests_are_understood(void **state)
{
    static const struct {
        const char *variable, *annotation, *given;
    } rows[] = {
        {"0", NULL, "0"},   {"1", NULL, "1"},     {"1,0", NULL, "0,1"}, {"all", NULL, "0,1"},
        {NULL, "1", "0"},   {NULL, "all", "0,1"}, {NULL, "2", "0,1"},   {"1", "1", "0"},
        {"none", "1", "0"}, {"GPU-x", "1", "0"},
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CLEANUP(launch_freep)
        struct launch *launch = make_gpu_launch(*state, NULL, rows[i].variable);
        char note[64];
        if (rows[i].annotation)
            set_annotation(launch, "gpu.gantry.io/b", rows[i].annotation);
        assert_int_equal(enter(launch), 0);
        assert_string_equal(variable_of(launch, 1), rows[i].given);
        assert_null(variable_of(launch, 0));
        assert_int_equal(manifest_n_mounts(launch->manifest, 0), 0);
        snprintf(note, sizeof(note), "container b has GPU %s", rows[i].given);
        assert_int_equal(launch->notes.n, 1);
        assert_string_equal(launch->notes.list[0].text, note);
        gpus_take_back(launch->gpus, launch);
    }
}

static void what_is_not_understood_is_refused(void **state)
{
    static const struct {
        const char *variable, *name, *annotation, *words;
    } rows[] = {
        {"GPU-fef8089b", NULL, NULL,
         "container a: NVIDIA_VISIBLE_DEVICES=GPU-fef8089b: GPUs are given by number, not by UUID"},
        {"MIG-1", NULL, NULL,
         "container a: NVIDIA_VISIBLE_DEVICES=MIG-1: GPUs are given by number, not by UUID"},
        {"0,,1", NULL, NULL,
         "container a: NVIDIA_VISIBLE_DEVICES=0,,1: expected numbers below 64 with commas, \"all\", "
         "\"none\" or \"void\""},
        {NULL, "a", "0",
         "annotation gpu.gantry.io/a: \"0\" is neither a number from 1 to 64 nor \"all\""},
        {NULL, "a", "-1",
         "annotation gpu.gantry.io/a: \"-1\" is neither a number from 1 to 64 nor \"all\""},
        {NULL, "a", "65",
         "annotation gpu.gantry.io/a: \"65\" is neither a number from 1 to 64 nor \"all\""},
        {NULL, "a", "1 ",
         "annotation gpu.gantry.io/a: \"1 \" is neither a number from 1 to 64 nor \"all\""},
        {NULL, "a", "",
         "annotation gpu.gantry.io/a: \"\" is neither a number from 1 to 64 nor \"all\""},
        {"0", "c", "1", "annotation gpu.gantry.io/c: the pod has no container of that name"},
        {"0,1,2", NULL, NULL, "GPU 2 for container a: the node has none"},
        {NULL, "a", "3", "2/2 GPUs free for container a"},
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        CLEANUP(launch_freep)
        struct launch *launch = make_gpu_launch(*state, rows[i].variable, NULL);
        char name[64];
        snprintf(name, sizeof(name), "gpu.gantry.io/%s", rows[i].name ? rows[i].name : "");
        if (rows[i].name)
            set_annotation(launch, name, rows[i].annotation);
        assert_int_equal(enter(launch), LAUNCH_E_REFUSED);
        assert_string_equal(error_message(&launch->error), rows[i].words);
        assert_false(manifest_is_edited(launch->manifest));
    }
}

static void an_init_container_may_be_named(void **state)
{
    CLEANUP(launch_freep) struct launch *launch = make_gpu_launch(*state, NULL, NULL);

    set_annotation(launch, "gpu.gantry.io/init", "1");
    assert_int_equal(enter(launch), 0);
}

static void is_mount(const struct launch *launch, size_t app, size_t index, const char *volume,
                     const char *path, bool read_only)
{
    struct manifest_mount mount = manifest_mount(launch->manifest, app, index);

    assert_string_equal(mount.volume, volume);
    assert_string_equal(mount.path, path);
    assert_int_equal(mount.read_only, read_only);
}

static void is_volume(const struct fixture *fixture, const struct launch *launch, size_t index,
                      const char *name, const char *below, bool read_only)
{
    struct manifest_volume volume = manifest_volume(launch->manifest, index);
    CLEANUP(freep)
    char *source =
        below[0] ? scratch_path(fixture->scratch, "%s", below) : strdup(fixture->scratch->path);

    assert_string_equal(volume.name, name);
    assert_string_equal(volume.kind, "host");
    assert_string_equal(volume.source, source);
    assert_int_equal(volume.read_only, read_only);
}

static void containers_share_what_all_need(void **state)
{
    CLEANUP(launch_freep) struct launch *launch = make_gpu_launch(*state, "1", "0");

    assert_int_equal(enter(launch), 0);
    assert_int_equal(manifest_n_volumes(launch->manifest), 5);
    is_volume(*state, launch, 0, "gantry-gpu-nvidia1", "nvidia1", false);
    is_volume(*state, launch, 1, "gantry-gpu-nvidiactl", "nvidiactl", false);
    is_volume(*state, launch, 2, "gantry-gpu-nvidia-modeset", "nvidia-modeset", false);
    is_volume(*state, launch, 3, "gantry-gpu-driver", "", true);
    is_volume(*state, launch, 4, "gantry-gpu-nvidia0", "nvidia0", false);
    for (size_t app = 0; app < 2; app++) {
        assert_int_equal(manifest_n_mounts(launch->manifest, app), 4);
        is_mount(launch, app, 0, app == 0 ? "gantry-gpu-nvidia1" : "gantry-gpu-nvidia0",
                 app == 0 ? "/dev/nvidia1" : "/dev/nvidia0", false);
        is_mount(launch, app, 1, "gantry-gpu-nvidiactl", "/dev/nvidiactl", false);
        is_mount(launch, app, 2, "gantry-gpu-nvidia-modeset", "/dev/nvidia-modeset", false);
        is_mount(launch, app, 3, "gantry-gpu-driver", "/usr/local/nvidia", true);
    }
}

static void what_the_pod_mounts_itself_stays(void **state)
{
    CLEANUP(launch_freep) struct launch *launch = make_gpu_launch(*state, "0", NULL);

    assert_int_equal(manifest_add_mount(launch->manifest, 0, "own", "/usr//local/nvidia/", false),
                     0);
    launch->may_wait = true;
    assert_int_equal(amend_gpus(launch), 0);
    assert_int_equal(manifest_n_mounts(launch->manifest, 0), 4);
    is_mount(launch, 0, 0, "own", "/usr//local/nvidia/", false);
    assert_int_equal(launch->notes.n, 1);
}

static void under_fly_no_device_is_mounted(void **state)
{
    CLEANUP(launch_freep) struct launch *launch = make_gpu_launch(*state, "0", NULL);
    CLEANUP(launch_freep) struct launch *around = make_gpu_launch(*state, "1", NULL);

    launch->stage1_name = strdup(launch->config->namespaces.stage1_fly);
    assert_int_equal(enter(launch), 0);
    assert_int_equal(manifest_n_mounts(launch->manifest, 0), 1);
    is_mount(launch, 0, 0, "gantry-gpu-driver", "/usr/local/nvidia", true);
    assert_string_equal(variable_of(launch, 0), "0");
    assert_string_equal(launch->notes.list[0].text,
                        "container a has GPU 0; stage1-fly mounts none, it has the host's /dev");

    /* the kubelet's word is as good; and the driver lies in no other mount, nor another in it */
    around->cmd.stage1_name = around->config->namespaces.stage1_fly;
    free(around->id);
    around->id = strdup("2");
    assert_int_equal(manifest_add_mount(around->manifest, 0, "own", "/usr/local", false), 0);
    around->may_wait = true;
    assert_int_equal(amend_gpus(around), 0);
    assert_int_equal(manifest_n_mounts(around->manifest, 0), 1);
    assert_string_equal(around->notes.list[0].text,
                        "container a gets no driver: under stage1-fly no mount can lie below "
                        "another, and it has one at, above or below /usr/local/nvidia");
}

static void a_driver_that_is_not_there_is_noted(void **state)
{
    const struct fixture *fixture = *state;
    CLEANUP(launch_freep) struct launch *launch = make_gpu_launch(*state, "0", NULL);

    free(fixture->config->gpu.driver_path);
    fixture->config->gpu.driver_path = strdup("/nonexistent");
    assert_int_equal(enter(launch), 0);
    assert_int_equal(manifest_n_mounts(launch->manifest, 0), 3);
    assert_int_equal(launch->notes.n, 2);
    assert_string_equal(launch->notes.list[0].text,
                        "container a gets no driver: DriverPath=/nonexistent is no folder");
}

static void a_name_of_ours_is_not_to_be_had(void **state)
{
    CLEANUP(launch_freep) struct launch *launch = make_gpu_launch(*state, "0", NULL);
    CLEANUP(launch_freep) struct launch *other = make_gpu_launch(*state, "0", NULL);

    assert_int_equal(manifest_add_host_volume(launch->manifest, "gantry-gpu-nvidia0", "/", false),
                     0);
    launch->may_wait = true;
    assert_int_equal(amend_gpus(launch), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&launch->error),
                        "volume \"gantry-gpu-nvidia0\": that name is kept for GPUs");
    /* and the GPU is given back at once */
    free(other->id);
    other->id = strdup("2");
    assert_int_equal(enter(other), 0);
}

static void what_cannot_be_known_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    CLEANUP(launch_freep) struct launch *launch = make_gpu_launch(*state, "0", NULL);
    CLEANUP(launch_freep) struct launch *unwatched = make_gpu_launch(*state, "0", NULL);

    unwatched->pidfd = fd_close(unwatched->pidfd);
    assert_int_equal(enter(unwatched), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&unwatched->error),
                        "GPUs cannot be given to a process that cannot be watched");
    scratch_write(fixture->scratch, "pods", "not a folder");
    assert_int_equal(enter(launch), LAUNCH_E_REFUSED);
    assert_string_equal(error_message(&launch->error),
                        "it cannot be told which GPUs are free: Not a directory");
}

static void a_run_without_gpus_does_not_wait(void **state)
{
    CLEANUP(launch_freep) struct launch *launch = make_gpu_launch(*state, "0", NULL);

    launch->cmd.verb = RKTCMD_RUN_PREPARED;
    assert_int_equal(amend_gpus(launch), 0);
    launch->manifest = manifest_free(launch->manifest);
    launch->is_kubernetes = false;
    assert_int_equal(amend_gpus(launch), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(who_does_not_ask_does_not_wait),
        TEST(a_pod_of_others_is_left_alone),
        TEST(an_images_variable_asks_for_nothing),
        TEST(what_comes_from_elsewhere_is_noted),
        TEST(requests_are_understood),
        TEST(what_is_not_understood_is_refused),
        TEST(an_init_container_may_be_named),
        TEST(containers_share_what_all_need),
        TEST(what_the_pod_mounts_itself_stays),
        TEST(under_fly_no_device_is_mounted),
        TEST(a_driver_that_is_not_there_is_noted),
        TEST(a_name_of_ours_is_not_to_be_had),
        TEST(what_cannot_be_known_is_refused),
        TEST(a_run_without_gpus_does_not_wait),
    };

    return cmocka_run_group_tests_name("amend-gpus", tests, NULL, NULL);
}
