/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "lib/rktcmd.h"

/* A line is written as in a shell without quotation: one space between arguments, "~" for an empty
 * one. */
#define ARGS_MAX 32

struct line {
    char text[512];
    char *argv[ARGS_MAX];
    int argc;
};

static void split(struct line *line, const char *text)
{
    char *rest = line->text;

    line->argc = 0;
    assert_true(strlen(text) < sizeof(line->text));
    strcpy(line->text, text);
    for (char *word; (word = strsep(&rest, " "));) {
        assert_true(line->argc < ARGS_MAX - 1);
        line->argv[line->argc++] = strcmp(word, "~") == 0 ? word + 1 : word;
    }
    line->argv[line->argc] = NULL;
}

static void the_verb_is_where_cobra_finds_it(void **state)
{
    static const struct {
        const char *text;
        enum rktcmd_verb verb;
    } cases[] = {
        {"rkt", RKTCMD_OTHER},
        {"rkt version", RKTCMD_OTHER},
        {"rkt prepare", RKTCMD_PREPARE},
        {"rkt --dir=/x prepare", RKTCMD_PREPARE},
        {"rkt --dir /x prepare", RKTCMD_PREPARE},
        {"rkt --debug prepare", RKTCMD_PREPARE},
        {"rkt --trust-keys-from-https run img", RKTCMD_RUN},
        {"rkt --insecure-options=image,ondisk,none --local-config=/etc/rkt run-prepared 1",
         RKTCMD_RUN_PREPARED},
        {"rkt --insecure-options image run img", RKTCMD_RUN},
        /* a value is no verb, and a switch has none after a space */
        {"rkt --dir prepare version", RKTCMD_OTHER},
        {"rkt --debug true prepare", RKTCMD_OTHER},
        {"rkt --debug=true prepare", RKTCMD_PREPARE},
        /* a flag that rkt itself does not have takes the next word, whatever it is */
        {"rkt --quiet prepare", RKTCMD_OTHER},
        {"rkt --quiet=true prepare", RKTCMD_PREPARE},
        {"rkt --pod-manifest /m prepare", RKTCMD_PREPARE},
        {"rkt -x prepare", RKTCMD_OTHER},
        {"rkt -x=1 prepare", RKTCMD_PREPARE},
        {"rkt -- prepare", RKTCMD_OTHER},
        {"rkt - prepare", RKTCMD_PREPARE},
        {"rkt ~ prepare", RKTCMD_PREPARE},
        {"rkt \"a prepare b\" run img", RKTCMD_RUN},
        /* cut short, as long as it is unambiguous */
        {"rkt p", RKTCMD_PREPARE},
        {"rkt prep", RKTCMD_PREPARE},
        {"rkt prepared", RKTCMD_OTHER},
        {"rkt r", RKTCMD_OTHER},
        {"rkt ru", RKTCMD_OTHER},
        {"rkt run-", RKTCMD_RUN_PREPARED},
        {"rkt run-prepared 1", RKTCMD_RUN_PREPARED},
        {"rkt Prepare", RKTCMD_OTHER},
        /* help is no launch */
        {"rkt help prepare", RKTCMD_OTHER},
        {"rkt --help prepare", RKTCMD_OTHER},
        {"rkt prepare --help", RKTCMD_OTHER},
        {"rkt run -h", RKTCMD_OTHER},
        {"rkt prepare --help=false", RKTCMD_PREPARE},
        /* other verbs may have words like these among their arguments */
        {"rkt enter 1 rkt prepare", RKTCMD_OTHER},
        {"rkt image list run", RKTCMD_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct line line;
        CLEANUP(rktcmd_deinit) struct rktcmd cmd = RKTCMD_NULL;
        split(&line, cases[i].text);
        /* that the rest of a line may be wrong is another test's matter */
        assert_true(rktcmd_parse(&cmd, line.argc, line.argv) >= 0);
        if (cmd.verb != cases[i].verb)
            fail_msg("%s: \"%s\"", cases[i].text, rktcmd_verb_name(cmd.verb));
    }
}

static void the_manifest_is_found_and_replaced(void **state)
{
    static const struct {
        const char *text;
        const char *manifest;
        const char *replaced;
    } cases[] = {
        {"rkt --dir=/d prepare --quiet --pod-manifest /m", "/m",
         "rkt --dir=/d prepare --quiet --pod-manifest /new"},
        {"rkt --dir=/d prepare --pod-manifest=/m --quiet", "/m",
         "rkt --dir=/d prepare --pod-manifest=/new --quiet"},
        {"rkt prepare --pod-manifest --quiet --quiet", "--quiet",
         "rkt prepare --pod-manifest /new --quiet"},
        {"rkt run --net=host --pod-manifest /a --pod-manifest /b", "/b",
         "rkt run --net=host --pod-manifest /a --pod-manifest /new"},
        {"rkt --pod-manifest /m prepare", "/m", "rkt --pod-manifest /new prepare"},
        {"rkt prepare --pod-manifest=", NULL, NULL},
        {"rkt prepare img -- --pod-manifest /m", NULL, NULL},
        {"rkt prepare img -- a --- --pod-manifest /m", "/m", NULL},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct line line, expected;
        CLEANUP(rktcmd_deinit) struct rktcmd cmd = RKTCMD_NULL;
        split(&line, cases[i].text);
        assert_int_equal(rktcmd_parse(&cmd, line.argc, line.argv), 0);
        if (!cases[i].manifest) {
            assert_null(cmd.pod_manifest);
            continue;
        }
        assert_string_equal(cmd.pod_manifest, cases[i].manifest);
        if (!cases[i].replaced)
            continue;

        CLEANUP(freep) char **argv = NULL;
        CLEANUP(freep) char *argument = NULL;
        assert_int_equal(rktcmd_with_manifest(&cmd, "/new", &argv, &argument), 0);
        split(&expected, cases[i].replaced);
        for (int j = 0; j <= expected.argc; j++) {
            if (j == expected.argc)
                assert_null(argv[j]);
            else
                assert_string_equal(argv[j], expected.argv[j]);
        }
    }
}

/* cobra takes the verb's word away where it first stands, and passes over what is in quotation
 * marks: a manifest cannot be replaced in such a line. */
static void a_line_that_cobra_misreads_is_not_understood(void **state)
{
    static const char *const texts[] = {
        "rkt --dir prepare prepare --pod-manifest /m",
        "rkt --pod-manifest prepare prepare",
        "rkt --pod-manifest x\" prepare",
        "rkt --pod-manifest -x y prepare",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
        struct line line;
        CLEANUP(rktcmd_deinit) struct rktcmd cmd = RKTCMD_NULL;
        split(&line, texts[i]);
        assert_int_equal(rktcmd_parse(&cmd, line.argc, line.argv), RKTCMD_E_USAGE);
        assert_int_equal(cmd.verb, RKTCMD_PREPARE);
    }
}

static void the_stage1_is_named_behind_the_verb(void **state)
{
    static const struct {
        const char *text;
        const char *amended;
    } cases[] = {
        {"rkt --dir=/d prepare --quiet --pod-manifest /m",
         "rkt --dir=/d prepare --stage1-name=fly --quiet --pod-manifest /m"},
        {"rkt prepare", "rkt prepare --stage1-name=fly"},
        /* where the verb's word stands, not one that looks like it */
        {"rkt --dir prepare prepare --quiet",
         "rkt --dir prepare prepare --stage1-name=fly --quiet"},
        {"rkt prep img -- a --- img", "rkt prep --stage1-name=fly img -- a --- img"},
        {"rkt run --net=host img", "rkt run --stage1-name=fly --net=host img"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct line line, expected;
        CLEANUP(rktcmd_deinit) struct rktcmd cmd = RKTCMD_NULL;
        CLEANUP(rktcmd_deinit) struct rktcmd again = RKTCMD_NULL;
        CLEANUP(freep) char **argv = NULL;
        CLEANUP(freep) char *argument = NULL;
        split(&line, cases[i].text);
        assert_int_equal(rktcmd_parse(&cmd, line.argc, line.argv), 0);
        assert_null(cmd.stage1_name);
        assert_int_equal(rktcmd_with_stage1(&cmd, "fly", &argv, &argument), 0);
        split(&expected, cases[i].amended);
        for (int j = 0; j < expected.argc; j++)
            assert_string_equal(argv[j], expected.argv[j]);
        assert_null(argv[expected.argc]);

        /* and rkt reads it as it is meant */
        assert_int_equal(rktcmd_parse(&again, expected.argc, argv), 0);
        assert_int_equal(again.verb, cmd.verb);
        assert_string_equal(again.stage1_name, "fly");
    }
}

static void the_data_directory_is_found(void **state)
{
    static const struct {
        const char *text;
        const char *dir;
    } cases[] = {
        {"rkt --dir=/d prepare", "/d"},
        {"rkt --dir /d prepare", "/d"},
        {"rkt prepare --dir=/d", "/d"},
        {"rkt prepare --dir relative", "relative"},
        {"rkt --dir prepare prepare /e", "prepare"},
        {"rkt run-prepared 1 --dir /d", "/d"},
        {"rkt prepare img --dir=/d", "/d"},
        {"rkt prepare img -- --dir=/d", NULL},
        {"rkt prepare", NULL},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct line line;
        CLEANUP(rktcmd_deinit) struct rktcmd cmd = RKTCMD_NULL;
        split(&line, cases[i].text);
        assert_int_equal(rktcmd_parse(&cmd, line.argc, line.argv), 0);
        if (cases[i].dir)
            assert_string_equal(cmd.data_dir, cases[i].dir);
        else
            assert_null(cmd.data_dir);
    }
}

static void a_stage1_is_noticed_however_it_is_named(void **state)
{
    static const struct {
        const char *text, *name;
        bool has_other;
    } cases[] = {
        {"rkt prepare img", NULL, false},
        {"rkt prepare --stage1-name=n img", "n", false},
        {"rkt prepare --stage1-url=u img", NULL, true},
        {"rkt prepare --stage1-path p img", NULL, true},
        {"rkt run --stage1-hash=h img", NULL, true},
        {"rkt prepare img --stage1-from-dir=d", NULL, true},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(rktcmd_deinit) struct rktcmd cmd = RKTCMD_NULL;
        struct line line;
        split(&line, cases[i].text);
        assert_int_equal(rktcmd_parse(&cmd, line.argc, line.argv), 0);
        assert_int_equal(cmd.has_other_stage1, cases[i].has_other);
        if (cases[i].name)
            assert_string_equal(cmd.stage1_name, cases[i].name);
        else
            assert_null(cmd.stage1_name);
    }
}

static void the_uuid_of_run_prepared_stands_anywhere(void **state)
{
    static const char *const cases[] = {
        "rkt run-prepared --net=host --hostname=vm abc",
        "rkt run-prepared --net=host --hostname vm abc",
        "rkt run-prepared abc --net --hostname=vm",
        "rkt run-prepared --net abc --interactive",
        "rkt run-prepared --interactive -- abc",
        "rkt --dir=/d run-p --dns 10.0.0.1 --dns-opt=ndots:5 abc",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct line line;
        CLEANUP(rktcmd_deinit) struct rktcmd cmd = RKTCMD_NULL;
        split(&line, cases[i]);
        assert_int_equal(rktcmd_parse(&cmd, line.argc, line.argv), 0);
        assert_string_equal(cmd.uuid, "abc");
    }
}

static void volumes_are_taken_apart(void **state)
{
    struct line line;
    CLEANUP(rktcmd_deinit) struct rktcmd cmd = RKTCMD_NULL;

    (void)state;
    split(&line, "rkt run --volume data,kind=host,source=/srv/a=b%2C,readOnly=true "
                 "--volume=tmp,kind=empty img -- --volume no,kind=host,source=/no --- "
                 "--volume late,source=/late,kind=host --volume junk two");
    assert_int_equal(rktcmd_parse(&cmd, line.argc, line.argv), 0);
    assert_int_equal(cmd.n_volumes, 4);
    assert_string_equal(cmd.volumes[0].name, "data");
    assert_string_equal(cmd.volumes[0].kind, "host");
    /* rkt 1.30 takes the bytes as they stand, nothing is decoded */
    assert_string_equal(cmd.volumes[0].source, "/srv/a=b%2C");
    assert_string_equal(cmd.volumes[1].kind, "empty");
    assert_null(cmd.volumes[1].source);
    assert_string_equal(cmd.volumes[2].name, "late");
    assert_string_equal(cmd.volumes[2].source, "/late");
    assert_string_equal(cmd.volumes[3].name, "junk");
    assert_null(cmd.volumes[3].kind);
}

static void what_rkt_would_refuse_is_left_to_it(void **state)
{
    static const char *const cases[] = {
        "rkt prepare --no-such-flag",
        "rkt prepare --pod-manifest",
        "rkt prepare --quiet=perhaps",
        "rkt prepare -q",
        "rkt prepare ---",
        "rkt prepare --=x",
        "rkt prepare --hostname=vm",
        "rkt run-prepared --pod-manifest /m 1",
        "rkt run-prepared --volume a 1",
        "rkt prepare -- --",
        "rkt prepare img -- a --- --",
        "rkt run img --quiet",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct line line;
        CLEANUP(rktcmd_deinit) struct rktcmd cmd = RKTCMD_NULL;
        split(&line, cases[i]);
        if (rktcmd_parse(&cmd, line.argc, line.argv) != RKTCMD_E_USAGE)
            fail_msg("%s: understood", cases[i]);
        assert_int_not_equal(cmd.verb, RKTCMD_OTHER);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_verb_is_where_cobra_finds_it),
        cmocka_unit_test(the_manifest_is_found_and_replaced),
        cmocka_unit_test(a_line_that_cobra_misreads_is_not_understood),
        cmocka_unit_test(the_stage1_is_named_behind_the_verb),
        cmocka_unit_test(the_data_directory_is_found),
        cmocka_unit_test(a_stage1_is_noticed_however_it_is_named),
        cmocka_unit_test(the_uuid_of_run_prepared_stands_anywhere),
        cmocka_unit_test(volumes_are_taken_apart),
        cmocka_unit_test(what_rkt_would_refuse_is_left_to_it),
    };

    return cmocka_run_group_tests_name("rktcmd", tests, NULL, NULL);
}
