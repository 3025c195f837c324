/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/usec.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

usec_t usec_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (usec_t)ts.tv_sec * USEC_SEC + (usec_t)ts.tv_nsec / 1000;
}

wall_t wall_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return wall_from_timespec(&ts);
}

usec_t usec_from_wall(wall_t wall, usec_t now, wall_t wall_now)
{
    usec_t age = usec_sub(wall_now.usec, wall.usec);

    return usec_sub(now, age);
}

/* systemd.time(7), without the units longer than a week: no setting here wants them. */
static const struct {
    const char *name;
    usec_t usec;
} units[] = {
    {"usec", 1},
    {"us", 1},
    {"\u03bcs", 1},
    {"msec", USEC_MSEC},
    {"ms", USEC_MSEC},
    {"seconds", USEC_SEC},
    {"second", USEC_SEC},
    {"sec", USEC_SEC},
    {"s", USEC_SEC},
    {"minutes", USEC_MINUTE},
    {"minute", USEC_MINUTE},
    {"min", USEC_MINUTE},
    {"m", USEC_MINUTE},
    {"hours", USEC_HOUR},
    {"hour", USEC_HOUR},
    {"hr", USEC_HOUR},
    {"h", USEC_HOUR},
    {"days", USEC_DAY},
    {"day", USEC_DAY},
    {"d", USEC_DAY},
    {"weeks", USEC_WEEK},
    {"week", USEC_WEEK},
    {"w", USEC_WEEK},
};

/* Return: the unit's length, 0 if the `length` bytes at `name` are no unit. */
static usec_t unit_usec(const char *name, size_t length)
{
    if (length == 0)
        return USEC_SEC;
    for (size_t i = 0; i < N_ELEMENTS(units); i++) {
        if (strlen(units[i].name) == length && memcmp(units[i].name, name, length) == 0)
            return units[i].usec;
    }
    return 0;
}

/* Reads digits, at most to USEC_MAX. Return: what follows them, NULL if the number is too great. */
static const char *parse_digits(const char *p, uint64_t *valuep)
{
    uint64_t value = 0;

    for (; isdigit((unsigned char)*p); p++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return NULL;
    }
    *valuep = value;
    return p;
}

/* Reads one "NUMBER[.FRACTION][ ]UNIT". */
static int parse_term(const char **pp, usec_t *usecp)
{
    const char *p = *pp, *fraction = NULL;
    uint64_t whole;

    if (!isdigit((unsigned char)*p))
        return -EINVAL;
    p = parse_digits(p, &whole);
    if (!p)
        return -ERANGE;
    if (*p == '.') {
        fraction = ++p;
        if (!isdigit((unsigned char)*p))
            return -EINVAL;
        p += strspn(p, "0123456789");
    }
    p += strspn(p, " \t");

    size_t length = strcspn(p, " \t.0123456789");
    usec_t unit = unit_usec(p, length);
    if (unit == 0)
        return -EINVAL;

    usec_t usec;
    if (__builtin_mul_overflow(whole, unit, &usec))
        return -ERANGE;
    for (usec_t place = unit / 10; fraction && isdigit((unsigned char)*fraction); place /= 10) {
        if (__builtin_add_overflow(usec, place * (usec_t)(*fraction++ - '0'), &usec))
            return -ERANGE;
    }
    *usecp = usec;
    *pp = p + length;
    return 0;
}

int usec_parse(const char *text, usec_t *usecp)
{
    const char *p = text + strspn(text, " \t");
    usec_t sum = 0;

    do {
        usec_t term;
        int r = parse_term(&p, &term);
        if (r < 0)
            return r;
        if (__builtin_add_overflow(sum, term, &sum))
            return -ERANGE;
        p += strspn(p, " \t");
    } while (*p);

    *usecp = sum;
    return 0;
}

/* Writes value/scale with the fraction's trailing zeros dropped, as Go does. */
static int format_fraction(char *buffer, size_t size, uint64_t value, uint64_t scale)
{
    int n = snprintf(buffer, size, "%" PRIu64, value / scale);
    uint64_t rest = value % scale;

    if (rest == 0)
        return n;
    buffer[n++] = '.';
    for (scale /= 10; rest != 0; rest %= scale, scale /= 10) {
        buffer[n++] = (char)('0' + rest / scale);
        if (scale == 1)
            break;
    }
    buffer[n] = '\0';
    return n;
}

const char *usec_format_go(char buffer[static USEC_GO_MAX], usec_t usec)
{
    char *p = buffer, *end = buffer + USEC_GO_MAX;

    if (usec == 0)
        return strcpy(buffer, "0s");
    if (usec < USEC_MSEC) {
        snprintf(buffer, USEC_GO_MAX, "%" PRIu64 "\u00b5s", usec);
        return buffer;
    }
    if (usec < USEC_SEC) {
        p += format_fraction(p, (size_t)(end - p), usec, USEC_MSEC);
        strcpy(p, "ms");
        return buffer;
    }
    if (usec >= USEC_HOUR)
        p += snprintf(p, (size_t)(end - p), "%" PRIu64 "h", usec / USEC_HOUR);
    if (usec >= USEC_MINUTE)
        p += snprintf(p, (size_t)(end - p), "%" PRIu64 "m", usec % USEC_HOUR / USEC_MINUTE);
    p += format_fraction(p, (size_t)(end - p), usec % USEC_MINUTE, USEC_SEC);
    strcpy(p, "s");
    return buffer;
}
