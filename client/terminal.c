/* SPDX-License-Identifier: Apache-2.0 */
#include "client/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/def.h"

#define COLUMNS_DEFAULT 80

/* As a shell says that it has not found something; 126 is that it may not run it. */
#define EXIT_NOT_RUN 127

static bool is_paged;
static bool had_colours; /* before the pager took our place */
static pid_t pager;

bool terminal_has_colours(void)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    if (is_paged)
        return had_colours;
    return isatty(STDOUT_FILENO) && !(no_color && no_color[0]) && term && strcmp(term, "dumb") != 0;
}

const char *terminal_colour(enum colour colour)
{
    static const char *const sequences[] = {
        [COLOUR_NONE] = "\033[0m", [COLOUR_GOOD] = "\033[32m", [COLOUR_WAITS] = "\033[33m",
        [COLOUR_BAD] = "\033[31m", [COLOUR_FAINT] = "\033[2m", [COLOUR_TITLE] = "\033[1m",
    };

    return terminal_has_colours() ? sequences[colour] : "";
}

unsigned terminal_columns(void)
{
    const char *columns = getenv("COLUMNS");
    unsigned long n = columns ? strtoul(columns, NULL, 10) : 0;
    struct winsize size = {0};

    if (n > 0 && n <= USHRT_MAX)
        return (unsigned)n;
    /* A pager has the terminal on its own standard output; ours may still have it on its error. */
    if (ioctl(is_paged ? STDERR_FILENO : STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return COLUMNS_DEFAULT;
}

/* Return: a shell's command line, "" if the operator wants no pager, NULL if he left it to us. */
static const char *pager_wanted(void)
{
    const char *wanted = getenv("GANTRY_PAGER");

    return wanted ? wanted : getenv("PAGER");
}

/* In the child. */
static void become_pager(const char *command, int fd, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || dup2(fd, STDIN_FILENO) < 0)
        return;
    /* Leaves at once if all fits, shows colours, and takes no commands but those of reading. */
    setenv("LESS", "FRSXMK", 1);
    setenv("LESSSECURE", "1", 1);
    if (command)
        execl("/bin/sh", "sh", "-c", command, NULL);
    execlp("less", "less", NULL);
    execlp("more", "more", NULL);
    execlp("cat", "cat", NULL);
}

void terminal_page(void)
{
    const char *command = pager_wanted();
    pid_t parent = getpid();
    int fds[2];

    if (command && (command[0] == '\0' || strcmp(command, "cat") == 0))
        return;
    if (!isatty(STDOUT_FILENO) || pipe2(fds, O_CLOEXEC) < 0)
        return;
    had_colours = terminal_has_colours();
    fflush(stdout);
    pager = fork();
    if (pager == 0) {
        become_pager(command, fds[0], parent);
        _exit(EXIT_NOT_RUN);
    }
    if (pager > 0 && dup2(fds[1], STDOUT_FILENO) >= 0)
        is_paged = true;
    close(fds[0]);
    close(fds[1]);
    /* The pager ends on the one, and we see the other when it has gone. */
    if (is_paged) {
        signal(SIGINT, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
    }
}

int terminal_close(void)
{
    bool had_failed = ferror(stdout);
    int status = 0, r = fflush(stdout) != 0 ? -errno : had_failed ? -EIO : 0;

    if (!is_paged)
        return r;
    fclose(stdout);
    while (waitpid(pager, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && (WEXITSTATUS(status) == EXIT_NOT_RUN || WEXITSTATUS(status) == 126)
               ? TERMINAL_E_NO_PAGER
               : 0;
}
