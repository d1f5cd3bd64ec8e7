/* Numbers, globs and likeness of names; plain bytes, no locale. */
#include "shim/core/text.h"

#include <string.h>

static int digit_of(char letter)
{
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    if (letter >= 'a' && letter <= 'f')
        return letter - 'a' + 10;
    return letter >= 'A' && letter <= 'F' ? letter - 'A' + 10 : 16;
}

bool det_text_u64(const char *text, uint64_t *value)
{
    unsigned base = 10;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
    }
    if (!*text)
        return false;
    uint64_t sum = 0;
    for (; *text; text++) {
        const unsigned digit = (unsigned)digit_of(*text);
        if (digit >= base || sum > (UINT64_MAX - digit) / base)
            return false;
        sum = sum * base + digit;
    }
    *value = sum;
    return true;
}

/* Backtracks to the last star only: a star that matched less never helps an earlier one. */
static bool glob(const char *pattern, const char *end, const char *text)
{
    const char *star = NULL, *resume = NULL;
    while (*text) {
        if (pattern < end && *pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (pattern < end && (*pattern == '?' || *pattern == *text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (pattern < end && *pattern == '*')
        pattern++;
    return pattern == end;
}

bool det_text_glob(const char *pattern, const char *text)
{
    return glob(pattern, pattern + strlen(pattern), text);
}

bool det_text_in_list(const char *list, const char *text)
{
    while (*list) {
        const size_t n = strcspn(list, ",: ");
        if (n && glob(list, list + n, text))
            return true;
        list += n + (list[n] != 0);
    }
    return false;
}

unsigned det_text_distance(const char *a, const char *b)
{
    const size_t n_a = strlen(a), n_b = strlen(b);
    unsigned row[256];
    if (n_a > 255 || n_b > 255)
        return 255;
    for (size_t j = 0; j <= n_b; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= n_a; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= n_b; j++) {
            const unsigned swap = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            const unsigned drop = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = swap < drop ? swap : drop;
        }
    }
    return row[n_b];
}
