/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "lib/varlink.h"

static void free_buffer(struct varlink_buffer *buffer)
{
    varlink_buffer_deinit(buffer);
}

static int take(struct varlink_buffer *buffer, const char *expected_method)
{
    CLEANUP(json_decrefp) json_t *message = NULL;
    struct varlink_call call;

    int r = varlink_buffer_take(buffer, &message, NULL);
    if (r != 0)
        return r;
    assert_int_equal(varlink_call_read(&call, message, NULL), 0);
    assert_string_equal(call.method, expected_method);
    return 0;
}

static void messages_come_in_any_pieces(void **state)
{
    static const char stream[] = "{\"method\":\"a.A\"}\0{\"method\":\"b.B\"}\0{\"method\":\"c.C\"}";

    (void)state;
    for (size_t piece = 1; piece <= sizeof(stream); piece++) {
        CLEANUP(free_buffer) struct varlink_buffer buffer = {0};
        static const char *const methods[] = {"a.A", "b.B", "c.C"};
        size_t n_taken = 0;

        for (size_t at = 0; at < sizeof(stream); at += piece) {
            size_t n = sizeof(stream) - at < piece ? sizeof(stream) - at : piece;
            assert_int_equal(varlink_buffer_add(&buffer, stream + at, n), 0);
            while (n_taken < 3 && take(&buffer, methods[n_taken]) == 0)
                n_taken++;
        }
        assert_int_equal(n_taken, 3);
        assert_int_equal(take(&buffer, ""), VARLINK_E_INCOMPLETE);
        assert_null(buffer.bytes);
    }
}

static void what_is_no_message_is_told(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "byte 0: '[' or '{' expected near end of file"},
        {"GET / HTTP/1.1\r\n", "byte 3: '[' or '{' expected near 'GET'"},
        {"[1]", "not a JSON object"},
        {"{\"method\":\"\xc3\x28\"}", "byte 11: unable to decode byte 0xc3 near '\"'"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(free_buffer) struct varlink_buffer buffer = {0};
        CLEANUP(error_deinit) struct error error = ERROR_NULL;
        json_t *message = NULL;
        assert_int_equal(varlink_buffer_add(&buffer, cases[i].text, strlen(cases[i].text) + 1), 0);
        assert_int_equal(varlink_buffer_take(&buffer, &message, &error), VARLINK_E_INVALID);
        assert_string_equal(error_message(&error), cases[i].message);
    }
}

/* What a message is does not hang on how it is read. */
static void a_string_at_the_end_is_read_as_any_other(void **state)
{
    static const char *const texts[] = {
        /* as varlink_encode_with() writes it */
        "{\"parameters\":{\"m\":\"\"}}",
        "{\"parameters\":{\"m\":\"{\\\"a\\\":\\\"b\\\\\\\\c\\\\n\\\"}\"}}",
        "{\"parameters\":{\"argv\":[\"\\\"m\\\":\\\"\"],\"m\":\"\\\\\"}}",
        "{\"parameters\":{\"m\":\"\xc3\xa4\"}}",
        /* other strings */
        "{\"parameters\":{\"m\":\"a\\n\\u0000\\u00e4\"}}",
        "{\"parameters\":{\"m\":\"a\\\"}}",
        "{\"parameters\":{\"m\":\"\\\"}}",
        "{\"parameters\":{\"m\":\"a\\\\\"b\"}}",
        "{\"parameters\":{\"m\":\"a\nb\"}}",
        "{\"parameters\":{\"m\":\"\xc3\x28\"}}",
        /* other names */
        "{\"parameters\":{\"\\u006d\":\"x\"}}",
        "{\"parameters\":{\"\\\\u006d\":\"\",\"\\u006d\":\"x\"}}",
        "{\"parameters\":{\"a\\\"m\":\"x\"}}",
        "{\"parameters\":{\"m\":\"\",\"a\\\"m\":\"x\"}}",
        "{\"parameters\":{\"\":\"x\"}}",
        "{\"parameters\":{\"a-name-that-is-longer-than-any-that-a-parameter-of-ours-has-got\":\"x\"}}",
        "{\"parameters\":{\"m\":\"1\",\"n\":\"2\",\"m\":\"3\"}}",
        /* other places */
        "{\"parameters\":{\"m\":\"\"},\"other\":{\"m\":\"x\"}}",
        "{\"parameters\":{\"m\":\"\"},\"parameters\":{\"m\":\"x\"}}",
        "{\"parameters\":{\"m\":{\"m\":\"x\"}}",
        "{\"parameters\":{\"m\":[\"x\"}}",
        "{\"parameters\":{,\"m\":\"x\"}}",
        "{\"parameters\":{\"m\" : \"x\"}}",
        "{\"parameters\":{\"m\"\"x\"}}",
        ":\"x\"}}",
        "\":\"x\"}}",
        "\"}}",
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
        CLEANUP(json_decrefp) json_t *expected = json_loads(texts[i], JSON_ALLOW_NUL, NULL);
        CLEANUP(free_buffer) struct varlink_buffer buffer = {0};
        CLEANUP(json_decrefp) json_t *message = NULL;
        assert_int_equal(varlink_buffer_add(&buffer, texts[i], strlen(texts[i]) + 1), 0);
        assert_int_equal(varlink_buffer_take(&buffer, &message, NULL),
                         expected ? 0 : VARLINK_E_INVALID);
        assert_int_equal(json_equal(message, expected), expected ? 1 : 0);
    }
}

/* Fills a buffer with `length` bytes that hold no NUL, then `end`. */
static int fill(struct varlink_buffer *buffer, size_t length, const char *end, size_t end_length)
{
    char chunk[65536];

    memset(chunk, ' ', sizeof(chunk));
    while (length > 0) {
        size_t n = length < sizeof(chunk) ? length : sizeof(chunk);
        int r = varlink_buffer_add(buffer, chunk, n);
        if (r != 0)
            return r;
        length -= n;
    }
    return varlink_buffer_add(buffer, end, end_length);
}

static void is_bounded(bool has_replies, size_t max)
{
    static const char call[] = "{\"method\":\"a.A\"}";
    CLEANUP(free_buffer) struct varlink_buffer fits = {.has_replies = has_replies};
    CLEANUP(free_buffer) struct varlink_buffer over = {.has_replies = has_replies};
    CLEANUP(free_buffer) struct varlink_buffer endless = {.has_replies = has_replies};

    assert_int_equal(fill(&fits, max - sizeof(call), call, sizeof(call)), 0);
    assert_int_equal(take(&fits, "a.A"), 0);
    /* and so is the next one */
    assert_int_equal(fill(&fits, max - sizeof(call) + 1, call, sizeof(call)), 0);
    assert_int_equal(take(&fits, "a.A"), VARLINK_E_TOO_LONG);
    assert_int_equal(fill(&over, max - sizeof(call) + 1, call, sizeof(call)), 0);
    assert_int_equal(take(&over, "a.A"), VARLINK_E_TOO_LONG);
    assert_int_equal(fill(&endless, max, "", 0), 0);
    assert_int_equal(take(&endless, "a.A"), VARLINK_E_TOO_LONG);
    assert_int_equal(fill(&endless, 2 * max, "", 0), VARLINK_E_TOO_LONG);
}

static void a_message_is_bounded(void **state)
{
    (void)state;
    is_bounded(false, VARLINK_CALL_MAX);
    is_bounded(true, VARLINK_REPLY_MAX);
}

/* The longest manifest that goes back: of nothing but what is quoted. */
static void an_answer_holds_the_longest_manifest(void **state)
{
    CLEANUP(json_decrefp) json_t *message = json_pack("{s:{}}", "parameters");
    CLEANUP(freep) char *text = malloc(VARLINK_MANIFEST_MAX + 1);
    size_t length = 0;

    (void)state;
    memset(text, '"', VARLINK_MANIFEST_MAX);
    text[VARLINK_MANIFEST_MAX] = '\0';
    CLEANUP(freep) char *bytes = varlink_encode_with(message, "manifest", text, &length);
    assert_true(length > VARLINK_REPLY_MAX - VARLINK_CALL_MAX);
    assert_true(length < VARLINK_REPLY_MAX - VARLINK_CALL_MAX + 1024);
}

static void a_call_is_read(void **state)
{
    CLEANUP(json_decrefp)
    json_t *message =
        json_loads("{\"method\":\"i.M\",\"parameters\":{\"a\":1},\"more\":true,\"oneway\":false,"
                   "\"extension\":[]}",
                   0, NULL);
    struct varlink_call call;

    (void)state;
    assert_int_equal(varlink_call_read(&call, message, NULL), 0);
    assert_string_equal(call.method, "i.M");
    assert_int_equal(json_integer_value(json_object_get(call.parameters, "a")), 1);
    assert_true(call.more);
    assert_false(call.oneway);
    assert_false(call.upgrade);
}

static void a_call_needs_a_method_and_an_object(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"{}", "no \"method\""},
        {"{\"method\":1}", "no \"method\""},
        {"{\"method\":\"i.M\",\"parameters\":[]}", "\"parameters\" is not an object"},
    };

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        CLEANUP(json_decrefp) json_t *message = json_loads(cases[i].text, 0, NULL);
        CLEANUP(error_deinit) struct error error = ERROR_NULL;
        struct varlink_call call;
        assert_int_equal(varlink_call_read(&call, message, &error), VARLINK_E_INVALID);
        assert_string_equal(error_message(&error), cases[i].message);
    }
}

static void a_reply_is_read(void **state)
{
    CLEANUP(json_decrefp)
    json_t *good = json_loads("{\"parameters\":null,\"continues\":true}", 0, NULL);
    CLEANUP(json_decrefp) json_t *bad = json_loads("{\"error\":{}}", 0, NULL);
    struct varlink_reply reply;

    (void)state;
    assert_int_equal(varlink_reply_read(&reply, good, NULL), 0);
    assert_null(reply.error);
    assert_null(reply.parameters);
    assert_true(reply.continues);
    assert_int_equal(varlink_reply_read(&reply, bad, NULL), VARLINK_E_INVALID);
}

static void a_message_is_written_with_its_end(void **state)
{
    CLEANUP(json_decrefp) json_t *message = json_pack("{s:s}", "method", "a.A");
    size_t length = 0;
    CLEANUP(freep) char *bytes = varlink_encode(message, &length);

    (void)state;
    assert_int_equal(length, sizeof("{\"method\":\"a.A\"}"));
    assert_memory_equal(bytes, "{\"method\":\"a.A\"}", length);
}

static void json_is_quoted_as_it_is(void **state)
{
    static const char *const texts[] = {"{}", "{\"a\":\"b\\\\\\\"\\n\\u0001\"}",
                                        "{\"\xc3\xa4\":[\"\\\\\",\"\"]}"};
    const char *parameters[] = {"{\"parameters\":{}}", "{\"parameters\":{\"x\":[1]}}"};

    (void)state;
    for (size_t i = 0; i < N_ELEMENTS(texts) * N_ELEMENTS(parameters); i++) {
        const char *text = texts[i / N_ELEMENTS(parameters)];
        CLEANUP(json_decrefp)
        json_t *message = json_loads(parameters[i % N_ELEMENTS(parameters)], 0, NULL);
        size_t length = 0;
        CLEANUP(freep) char *bytes = varlink_encode_with(message, "text", text, &length);
        assert_int_equal(length, strlen(bytes) + 1);
        CLEANUP(free_buffer) struct varlink_buffer buffer = {0};
        CLEANUP(json_decrefp) json_t *read = NULL;
        assert_int_equal(varlink_buffer_add(&buffer, bytes, length), 0);
        assert_int_equal(varlink_buffer_take(&buffer, &read, NULL), 0);
        /* What the slow way would have made of it. */
        json_object_set_new(json_object_get(message, "parameters"), "text", json_string(text));
        assert_true(json_equal(read, message));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_in_any_pieces),
        cmocka_unit_test(what_is_no_message_is_told),
        cmocka_unit_test(a_string_at_the_end_is_read_as_any_other),
        cmocka_unit_test(a_message_is_bounded),
        cmocka_unit_test(an_answer_holds_the_longest_manifest),
        cmocka_unit_test(a_call_is_read),
        cmocka_unit_test(a_call_needs_a_method_and_an_object),
        cmocka_unit_test(a_reply_is_read),
        cmocka_unit_test(a_message_is_written_with_its_end),
        cmocka_unit_test(json_is_quoted_as_it_is),
    };

    return cmocka_run_group_tests_name("varlink", tests, NULL, NULL);
}
