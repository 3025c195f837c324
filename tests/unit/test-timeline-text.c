/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "client/timeline/text.h"
#include "lib/usec.h"

#define BEGIN (UINT64_C(1500000000) * USEC_SEC)

static char uid[] = "u-1", name[] = "web", namespace[] = "default", uuid[] = "aaaaaaaabbbb",
            front[] = "front";

/* What is drawn of a run of 64 s that fails, and of its back-off. Return: a string to free(). */
static char *draw(unsigned columns, bool is_unicode)
{
    struct timeline_event list[] = {
        {.message = MESSAGE_LAUNCH, .at = BEGIN, .status = STATUS_NONE, .n_times = 1},
        {.message = MESSAGE_START, .at = BEGIN + 8 * USEC_SEC, .uuid = uuid, .n_times = 1},
        {.message = MESSAGE_EXIT,
         .at = BEGIN + 40 * USEC_SEC,
         .uuid = uuid,
         .container = front,
         .status = 1,
         .backoff_usec = 60 * USEC_SEC,
         .n_times = 1},
        {.message = TIMELINE_NOW, .at = BEGIN + 64 * USEC_SEC, .n_times = 1},
    };
    struct timeline_events events = {list, N_ELEMENTS(list)};
    struct timeline_pod pod = {uid, name, namespace};
    struct timeline timeline = TIMELINE_NULL;
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    assert_int_equal(timeline_make(&timeline, &events), 0);
    timeline_text(f, &pod, &timeline, columns, is_unicode);
    fclose(f);
    timeline_deinit(&timeline);
    return text;
}

static void blocks(void **state)
{
    CLEANUP(freep) char *text = draw(80, true);

    (void)state;
    assert_string_equal(
        text, "pod default/web\n"
              "UID u-1\n"
              "from 2017-07-14 02:40:00 to 2017-07-14 02:41:04\n"
              "\n"
              "                  02:40\n"
              "                  ┬───────────────────────────────\n"
              "run 1  aaaaaaaa   ░░░░████████████████×             ran 32s, exit 1 (front)\n"
              "back-off                              ▒▒▒▒▒▒▒▒▒▒▒▒  held back for 24s\n"
              "\n"
              "░ starting   █ running   ▒ held back   ┄ not known\n"
              "× exit   ! refused   ■ stopped   ↺ reset   ? not reached   ~ clock set\n");
}

static void ascii(void **state)
{
    CLEANUP(freep) char *text = draw(80, false);

    (void)state;
    assert_string_equal(
        text, "pod default/web\n"
              "UID u-1\n"
              "from 2017-07-14 02:40:00 to 2017-07-14 02:41:04\n"
              "\n"
              "                  02:40\n"
              "                  +-------------------------------\n"
              "run 1  aaaaaaaa   ----================x             ran 32s, exit 1 (front)\n"
              "back-off                              %%%%%%%%%%%%  held back for 24s\n"
              "\n"
              "- starting   = running   % held back   . not known\n"
              "x exit   ! refused   s stopped   r reset   ? not reached   ~ clock set\n");
}

static void a_narrow_one_has_bars(void **state)
{
    CLEANUP(freep) char *text = draw(1, false), *narrowest = draw(60, false);

    (void)state;
    assert_string_equal(text, narrowest);
    assert_non_null(strstr(text, "  -======x"));
}

static int set_environment(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    return setenv("NO_COLOR", "1", 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks),
        cmocka_unit_test(ascii),
        cmocka_unit_test(a_narrow_one_has_bars),
    };

    return cmocka_run_group_tests_name("timeline-text", tests, set_environment, NULL);
}
