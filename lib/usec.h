/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Time. Two kinds that the compiler keeps apart:
 *
 *   usec_t   microseconds of CLOCK_BOOTTIME, or a length of time. It never jumps, it goes on while
 *            the machine sleeps, and it means the same to every process of one boot, so it may be
 *            kept in state that outlives the daemon. All arithmetic of back-off is done in it.
 *   wall_t   microseconds of CLOCK_REALTIME since 1970: what files and journals are stamped with.
 *
 * No function of lib/ reads a clock but the two below; the rest is given the time, so tests need no
 * sleep.
 */

#include <inttypes.h>
#include <stdint.h>
#include <time.h>

#include "lib/def.h"

typedef uint64_t usec_t;

typedef struct {
    uint64_t usec;
} wall_t;

#define USEC_MSEC UINT64_C(1000)
#define USEC_SEC UINT64_C(1000000)
#define USEC_MINUTE (60 * USEC_SEC)
#define USEC_HOUR (60 * USEC_MINUTE)
#define USEC_DAY (24 * USEC_HOUR)
#define USEC_WEEK (7 * USEC_DAY)
#define USEC_MAX UINT64_MAX

usec_t usec_now(void);
wall_t wall_now(void);

static inline wall_t wall_from_timespec(const struct timespec *ts)
{
    return (wall_t){(uint64_t)ts->tv_sec * USEC_SEC + (uint64_t)ts->tv_nsec / 1000};
}

/* a + b and a - b, ending at USEC_MAX and 0 instead of wrapping. */
static inline usec_t usec_add(usec_t a, usec_t b)
{
    return a > USEC_MAX - b ? USEC_MAX : a + b;
}

static inline usec_t usec_sub(usec_t a, usec_t b)
{
    return a > b ? a - b : 0;
}

/* When, on the clock of usec_t, it was `wall`. The two clocks are read at one moment as `now` and
 * `wall_now`; a time that lies in their future is taken as now (a file system's stamp is coarse,
 * and may be ahead by a tick), one from before the boot as 0. */
usec_t usec_from_wall(wall_t wall, usec_t now, wall_t wall_now);

/* Reads a length of time as systemd writes it, systemd.time(7): "10s", "5min", "1h 30m", "250ms",
 * "1.5s"; a number without a unit is seconds.
 * Return: 0, -EINVAL (not a length of time), -ERANGE (longer than usec_t holds). */
int usec_parse(const char *text, usec_t *usecp);

/* Big enough for every length: "5124095h34m33.709551615s" and its NUL. */
#define USEC_GO_MAX 32

/* Writes a length of time as Go's time.Duration does, which is how the kubelet's messages show it
 * (contract section 4): 10s, 2m40s, 5m0s, 1h0m0s, 500ms, 1.5s, 0s. Return: `buffer`. */
const char *usec_format_go(char buffer[static USEC_GO_MAX], usec_t usec);
