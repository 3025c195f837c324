/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each case runs in a child whose standard output is a terminal of its own, or a pipe.
 */

#include <errno.h>
#include <pty.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "client/terminal.h"
#include "lib/def.h"
#include "tests/unit/unit.h"

struct screen {
    char text[1024];
    int status;
};

static void read_screen(struct screen *screen, int fd, pid_t pid)
{
    size_t length = 0;

    for (ssize_t n; (n = read(fd, screen->text + length, sizeof(screen->text) - 1 - length)) > 0;)
        length += (size_t)n;
    screen->text[length] = '\0';
    close(fd);
    assert_int_equal(waitpid(pid, &screen->status, 0), pid);
}

/* Runs `show` where standard output is a terminal with 50 columns. */
static struct screen on_terminal(void (*show)(void))
{
    struct winsize size = {.ws_row = 24, .ws_col = 50};
    struct screen screen;
    int fd;

    pid_t pid = forkpty(&fd, NULL, NULL, &size);
    assert_true(pid >= 0);
    if (pid == 0) {
        show();
        terminal_close();
        _exit(0);
    }
    read_screen(&screen, fd, pid);
    return screen;
}

static struct screen on_pipe(void (*show)(void))
{
    struct screen screen;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        show();
        terminal_close();
        _exit(0);
    }
    close(fds[1]);
    read_screen(&screen, fds[0], pid);
    return screen;
}

static void show_colour(void)
{
    printf("%sred%s", terminal_colour(COLOUR_BAD), terminal_colour(COLOUR_NONE));
}

static void show_columns(void)
{
    printf("%u", terminal_columns());
}

static void show_paged(void)
{
    terminal_page();
    show_colour();
    printf(" %u", terminal_columns());
}

static int set_environment(void **state)
{
    (void)state;
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    unsetenv("COLUMNS");
    unsetenv("PAGER");
    unsetenv("GANTRY_PAGER");
    return 0;
}

static void a_terminal_has_colours(void **state)
{
    (void)state;
    assert_string_equal(on_terminal(show_colour).text, "\033[31mred\033[0m");
    assert_string_equal(on_pipe(show_colour).text, "red");
}

static void no_color_is_respected(void **state)
{
    (void)state;
    setenv("NO_COLOR", "1", 1);
    assert_string_equal(on_terminal(show_colour).text, "red");
    /* Empty is as good as not there. */
    setenv("NO_COLOR", "", 1);
    assert_string_equal(on_terminal(show_colour).text, "\033[31mred\033[0m");
    setenv("TERM", "dumb", 1);
    assert_string_equal(on_terminal(show_colour).text, "red");
}

static void columns_are_the_terminals_or_the_operators(void **state)
{
    (void)state;
    assert_string_equal(on_terminal(show_columns).text, "50");
    assert_string_equal(on_pipe(show_columns).text, "80");
    setenv("COLUMNS", "120", 1);
    assert_string_equal(on_terminal(show_columns).text, "120");
    setenv("COLUMNS", "many", 1);
    assert_string_equal(on_terminal(show_columns).text, "50");
}

static void the_pager_gets_what_the_terminal_would(void **state)
{
    (void)state;
    setenv("GANTRY_PAGER", "tr e E", 1);
    setenv("PAGER", "tr e 3", 1);
    assert_string_equal(on_terminal(show_paged).text, "\033[31mrEd\033[0m 50");
    unsetenv("GANTRY_PAGER");
    assert_string_equal(on_terminal(show_paged).text, "\033[31mr3d\033[0m 50");
    assert_string_equal(on_pipe(show_paged).text, "red 80");
}

static void no_pager_is_had_by_an_empty_one(void **state)
{
    (void)state;
    setenv("PAGER", "tr e 3", 1);
    setenv("GANTRY_PAGER", "", 1);
    assert_string_equal(on_terminal(show_paged).text, "\033[31mred\033[0m 50");
    setenv("GANTRY_PAGER", "cat", 1);
    assert_string_equal(on_terminal(show_paged).text, "\033[31mred\033[0m 50");
}

static void show_end(void)
{
    int status;

    terminal_page();
    printf("words");
    status = terminal_close();
    fprintf(stderr, "%d", status);
    _exit(0);
}

static void what_could_not_be_shown_is_told(void **state)
{
    (void)state;
    setenv("GANTRY_PAGER", "true", 1);
    assert_string_equal(on_terminal(show_end).text, "0");
    setenv("GANTRY_PAGER", "exit 127", 1);
    assert_string_equal(on_terminal(show_end).text, "1");
    unsetenv("GANTRY_PAGER");
    char *path = strdup(getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    assert_string_equal(on_terminal(show_end).text, "1");
    setenv("PATH", path, 1);
    free(path);
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/full", "w", stdout))
            _exit(1);
        printf("words");
        _exit(terminal_close() == -ENOSPC ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void the_pager_starts_no_programs(void **state)
{
    (void)state;
    setenv("LESSSECURE", "0", 1);
    setenv("GANTRY_PAGER", "cat >/dev/null; printf %s $LESSSECURE", 1);
    assert_string_equal(on_terminal(show_paged).text, "1");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, set_environment)
    static const struct CMUnitTest tests[] = {
        TEST(a_terminal_has_colours),
        TEST(no_color_is_respected),
        TEST(columns_are_the_terminals_or_the_operators),
        TEST(the_pager_gets_what_the_terminal_would),
        TEST(no_pager_is_had_by_an_empty_one),
        TEST(the_pager_starts_no_programs),
        TEST(what_could_not_be_shown_is_told),
    };

    return cmocka_run_group_tests_name("terminal", tests, NULL, NULL);
}
