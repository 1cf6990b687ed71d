#include "proto/date.h"

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

typedef struct civil_s {
    int64_t year;
    unsigned month; /* 1..12 */
    unsigned day;   /* 1..31 */
    unsigned hour, min, sec;
} civil_t;


/* Days since 1970-01-01 of a proleptic Gregorian date, eras of 400 years
 * beginning in March. */
static int64_t
days_from_civil(int64_t y, unsigned m, unsigned d)
{
    y -= m <= 2;

    int64_t era = (y >= 0 ? y : y - 399) / 400;
    unsigned yoe = (unsigned) (y - era * 400);
    unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * 146097 + (int64_t) doe - 719468;
}


static void
civil_from_time(int64_t t, civil_t *ret)
{
    int64_t z = (t >= 0 ? t : t - 86399) / 86400;
    unsigned sod = (unsigned) (t - z * 86400);

    z += 719468;

    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned) (z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;

    ret->day = doy - (153 * mp + 2) / 5 + 1;
    ret->month = mp < 10 ? mp + 3 : mp - 9;
    ret->year = (int64_t) yoe + era * 400 + (ret->month <= 2);
    ret->hour = sod / 3600;
    ret->min = sod / 60 % 60;
    ret->sec = sod % 60;
}


static bool
civil_to_time(const civil_t *c, int64_t *ret)
{
    static const uint8_t len[] = { 31, 28, 31, 30, 31, 30,
                                   31, 31, 30, 31, 30, 31 };

    if (c->month < 1 || c->month > 12 || c->hour > 23 || c->min > 59
        || c->sec > 60)
    {
        return false;
    }

    bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);
    unsigned last = len[c->month - 1] + (c->month == 2 && leap);

    if (c->day < 1 || c->day > last) {
        return false;
    }

    *ret = days_from_civil(c->year, c->month, c->day) * 86400
         + (int64_t) c->hour * 3600 + (int64_t) c->min * 60 + (int64_t) c->sec;
    return true;
}


static void
put_digits(writer_t *w, uint64_t n, unsigned width)
{
    uint8_t buf[8];

    for (unsigned i = width; i > 0; i--) {
        buf[i - 1] = (uint8_t) ('0' + n % 10);
        n /= 10;
    }

    writer_put(w, view_of(buf, width));
}


void
proto_date_rfc1123(writer_t *w, int64_t t_s)
{
    civil_t c;
    int64_t day = (t_s >= 0 ? t_s : t_s - 86399) / 86400;
    unsigned wday = (unsigned) (((day + 4) % 7 + 7) % 7);

    civil_from_time(t_s, &c);
    writer_put(w, view_of(days + wday * 3, 3));
    writer_puts(w, ", ");
    put_digits(w, c.day, 2);
    writer_putc(w, ' ');
    writer_put(w, view_of(months + (c.month - 1) * 3, 3));
    writer_putc(w, ' ');
    put_digits(w, (uint64_t) c.year, 4);
    writer_putc(w, ' ');
    put_digits(w, c.hour, 2);
    writer_putc(w, ':');
    put_digits(w, c.min, 2);
    writer_putc(w, ':');
    put_digits(w, c.sec, 2);
    writer_puts(w, " GMT");
}


static void
put_iso8601(writer_t *w, int64_t t_s, unsigned fraction)
{
    civil_t c;

    civil_from_time(t_s, &c);
    put_digits(w, (uint64_t) c.year, 4);
    writer_putc(w, '-');
    put_digits(w, c.month, 2);
    writer_putc(w, '-');
    put_digits(w, c.day, 2);
    writer_putc(w, 'T');
    put_digits(w, c.hour, 2);
    writer_putc(w, ':');
    put_digits(w, c.min, 2);
    writer_putc(w, ':');
    put_digits(w, c.sec, 2);
    writer_putc(w, '.');
    put_digits(w, fraction, 7);
    writer_putc(w, 'Z');
}


void
proto_date_iso8601(writer_t *w, int64_t t_s)
{
    put_iso8601(w, t_s, 0);
}


#define TICKS_A_SECOND 10000000
#define YEAR_1_S       62135596800 /* seconds from the year 1 to 1970 */


void
proto_date_ticks(writer_t *w, uint64_t ticks)
{
    put_iso8601(w, (int64_t) (ticks / TICKS_A_SECOND) - YEAR_1_S,
                (unsigned) (ticks % TICKS_A_SECOND));
}


/* A cursor over text whose failures stick. */
typedef struct scan_s {
    view_t v;
    size_t pos;
    bool bad;
} scan_t;


static unsigned
scan_digits(scan_t *s, unsigned width)
{
    unsigned n = 0;

    for (unsigned i = 0; i < width; i++) {
        uint8_t c = s->pos < s->v.len ? s->v.ptr[s->pos] : 0;

        if (c < '0' || c > '9') {
            s->bad = true;
            return 0;
        }

        n = n * 10 + (unsigned) (c - '0');
        s->pos++;
    }

    return n;
}


static void
scan_char(scan_t *s, uint8_t c)
{
    if (s->pos < s->v.len && s->v.ptr[s->pos] == c) {
        s->pos++;
        return;
    }

    s->bad = true;
}


static unsigned
scan_month(scan_t *s)
{
    view_t name = view_sub(s->v, s->pos, 3);

    for (unsigned i = 0; i < 12; i++) {
        if (view_eq_ci(name, view_of(months + i * 3, 3))) {
            s->pos += 3;
            return i + 1;
        }
    }

    s->bad = true;
    return 0;
}


static void
scan_clock(scan_t *s, civil_t *c)
{
    c->hour = scan_digits(s, 2);
    scan_char(s, ':');
    c->min = scan_digits(s, 2);
    scan_char(s, ':');
    c->sec = scan_digits(s, 2);
}


/* Sun Nov  6 08:49:37 1994 */
static void
scan_asctime(scan_t *s, civil_t *c)
{
    s->pos = 4;
    c->month = scan_month(s);
    scan_char(s, ' ');

    if (s->pos < s->v.len && s->v.ptr[s->pos] == ' ') {
        s->pos++;
        c->day = scan_digits(s, 1);

    } else {
        c->day = scan_digits(s, 2);
    }

    scan_char(s, ' ');
    scan_clock(s, c);
    scan_char(s, ' ');
    c->year = scan_digits(s, 4);
}


bool
proto_date_parse_http(view_t v, int64_t *ret_s)
{
    civil_t c = { 0 };
    scan_t s = { view_trim(v), 0, false };
    size_t comma = view_find(s.v, ',', 0);

    if (comma == s.v.len) {
        if (s.v.len < 24) {
            return false;
        }

        scan_asctime(&s, &c);
        return !s.bad && s.pos == s.v.len && civil_to_time(&c, ret_s);
    }

    s.pos = comma + 1;
    scan_char(&s, ' ');
    c.day = scan_digits(&s, 2);

    if (comma == 3) { /* RFC 1123 */
        scan_char(&s, ' ');
        c.month = scan_month(&s);
        scan_char(&s, ' ');
        c.year = scan_digits(&s, 4);

    } else { /* RFC 850: a year of two digits, POSIX century */
        scan_char(&s, '-');
        c.month = scan_month(&s);
        scan_char(&s, '-');
        c.year = scan_digits(&s, 2);
        c.year += c.year < 70 ? 2000 : 1900;
    }

    scan_char(&s, ' ');
    scan_clock(&s, &c);

    return !s.bad && view_eq(view_sub(s.v, s.pos, 8), VIEW(" GMT"))
        && civil_to_time(&c, ret_s);
}


/* `Z`, nothing, or +HH:MM; seconds to subtract. */
static int64_t
scan_zone(scan_t *s)
{
    uint8_t c = s->pos < s->v.len ? s->v.ptr[s->pos] : 0;

    if (c == 0) {
        return 0;
    }

    s->pos++;

    if (c == 'Z' || c == 'z') {
        return 0;
    }

    if (c != '+' && c != '-') {
        s->bad = true;
        return 0;
    }

    int64_t offset = (int64_t) scan_digits(s, 2) * 3600;
    scan_char(s, ':');
    offset += (int64_t) scan_digits(s, 2) * 60;

    return c == '+' ? offset : -offset;
}


bool
proto_date_parse_iso8601(view_t v, int64_t *ret_s)
{
    civil_t c = { 0 };
    scan_t s = { v, 0, false };
    int64_t t, offset;

    c.year = scan_digits(&s, 4);
    scan_char(&s, '-');
    c.month = scan_digits(&s, 2);
    scan_char(&s, '-');
    c.day = scan_digits(&s, 2);

    if (!s.bad && s.pos == v.len) {
        return civil_to_time(&c, ret_s);
    }

    scan_char(&s, 'T');
    c.hour = scan_digits(&s, 2);
    scan_char(&s, ':');
    c.min = scan_digits(&s, 2);

    if (s.pos < v.len && v.ptr[s.pos] == ':') {
        s.pos++;
        c.sec = scan_digits(&s, 2);
    }

    if (s.pos < v.len && v.ptr[s.pos] == '.') {
        size_t from = ++s.pos;

        while (s.pos < v.len && v.ptr[s.pos] >= '0' && v.ptr[s.pos] <= '9') {
            s.pos++;
        }

        s.bad |= s.pos == from || s.pos - from > 9;
    }

    offset = scan_zone(&s);

    if (s.bad || s.pos != v.len || !civil_to_time(&c, &t)) {
        return false;
    }

    *ret_s = t - offset;
    return true;
}


bool
proto_date_parse_ticks(view_t v, uint64_t *ret)
{
    civil_t c = { 0 };
    scan_t s = { v, 0, false };
    unsigned fraction = 0, digits = 0;
    int64_t t;

    c.year = scan_digits(&s, 4);
    scan_char(&s, '-');
    c.month = scan_digits(&s, 2);
    scan_char(&s, '-');
    c.day = scan_digits(&s, 2);
    scan_char(&s, 'T');
    scan_clock(&s, &c);
    scan_char(&s, '.');

    while (!s.bad && s.pos < v.len && v.ptr[s.pos] != 'Z' && digits < 7) {
        fraction = fraction * 10 + scan_digits(&s, 1);
        digits++;
    }

    scan_char(&s, 'Z');

    if (s.bad || s.pos != v.len || digits == 0 || c.year == 0
        || !civil_to_time(&c, &t))
    {
        return false;
    }

    for (; digits < 7; digits++) {
        fraction *= 10;
    }

    *ret = (uint64_t) (t + YEAR_1_S) * TICKS_A_SECOND + fraction;
    return true;
}


uint32_t
proto_version_parse(view_t v)
{
    civil_t c = { 0 };
    scan_t s = { v, 0, false };
    int64_t t;

    c.year = scan_digits(&s, 4);
    scan_char(&s, '-');
    c.month = scan_digits(&s, 2);
    scan_char(&s, '-');
    c.day = scan_digits(&s, 2);

    if (s.bad || s.pos != v.len || !civil_to_time(&c, &t)) {
        return 0;
    }

    return (uint32_t) c.year * 10000 + c.month * 100 + c.day;
}
