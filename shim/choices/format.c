/* The file: a first line, one line per choice (key, tab, value), and an end mark with the count and a hash of all before it. */
#include <stdlib.h>
#include <string.h>

#include "shim/choices/choices.h"
#include "shim/core/hash.h"
#include "shim/core/sort.h"
#include "shim/core/text.h"

#define FIRST_LINE "detshim choices 1\n"
#define END_MARK   "end "

struct det_choices_item {
    UT_hash_handle hh;
    char *value;
    char key[];
};

static bool plain(char c)
{
    return (unsigned char)c >= 32 && c != 127;
}

/* Copy with control characters replaced: a text may hold neither tab nor newline. False when it does not fit. */
static bool clean(const char *from, char *to, size_t cap_bytes)
{
    size_t n = 0;
    for (; from[n]; n++) {
        if (n + 1 >= cap_bytes)
            return false;
        to[n] = (char)(plain(from[n]) ? from[n] : '_');
    }
    to[n] = 0;
    return n > 0;
}

static struct det_choices_item *find(const struct det_choices *choices, const char *key)
{
    struct det_choices_item *item;
    const size_t n = strlen(key);
    HASH_FIND(hh, choices->items, key, n, item);
    return item;
}

const char *det_choices_get(const struct det_choices *choices, const char *key)
{
    char text[DET_CHOICES_KEY];
    const struct det_choices_item *item =
        clean(key, text, sizeof text) ? find(choices, text) : NULL;
    return item ? item->value : NULL;
}

int det_choices_put(struct det_choices *choices, const char *key, const char *value)
{
    char name[DET_CHOICES_KEY], text[DET_CHOICES_VALUE];
    if (!clean(key, name, sizeof name) || !clean(value, text, sizeof text))
        return DET_CHOICES_TOO_LONG;
    struct det_choices_item *item = find(choices, name);
    if (item && strcmp(item->value, text) == 0)
        return DET_CHOICES_SAME;
    char *copy = strdup(text);
    if (!copy)
        return DET_CHOICES_TOO_LONG;
    if (item) {
        free(item->value);
        item->value = copy;
        return DET_CHOICES_CHANGED;
    }
    const size_t n = strlen(name);
    item = calloc(1, sizeof *item + n + 1);
    if (!item) {
        free(copy);
        return DET_CHOICES_TOO_LONG;
    }
    memcpy(item->key, name, n + 1);
    item->value = copy;
    HASH_ADD(hh, choices->items, key[0], n, item);
    choices->n++;
    return DET_CHOICES_CHANGED;
}

void det_choices_free(struct det_choices *choices)
{
    struct det_choices_item *item = choices->items;
    HASH_CLEAR(hh, choices->items); /* the table; the items stay linked */
    while (item) {
        struct det_choices_item *const next = item->hh.next;
        free(item->value);
        free(item);
        item = next;
    }
    choices->n = 0;
}

static int by_key(const void *a, const void *b)
{
    const struct det_choices_item *x = a, *y = b;
    return strcmp(x->key, y->key);
}

void det_choices_print(const struct det_choices *choices, struct det_bytes *out)
{
    const size_t start = out->n_bytes;
    void **all = calloc(choices->n + 1, sizeof *all);
    if (!all) {
        out->failed = true;
        return;
    }
    size_t n = 0;
    struct det_choices_item *item, *next;
    HASH_ITER(hh, choices->items, item, next) all[n++] = item;
    det_sort(all, n, by_key);
    det_bytes_text(out, FIRST_LINE);
    for (size_t i = 0; i < n; i++) {
        const struct det_choices_item *one = all[i];
        det_bytes_printf(out, "%s\t%s\n", one->key, one->value);
    }
    free(all);
    if (det_bytes_check(out) != DET_OK)
        return;
    const uint64_t hash = det_hash(out->data + start, out->n_bytes - start, 0);
    det_bytes_printf(out, END_MARK "%zu %llx\n", n, (unsigned long long)hash);
}

/* One line of the body into the table: exactly one tab, no control characters, no second value for a key. */
static bool take_line(struct det_choices *into, const char *line, size_t n)
{
    char text[DET_CHOICES_KEY + DET_CHOICES_VALUE];
    char *tab = NULL;
    if (n >= sizeof text)
        return false;
    memcpy(text, line, n);
    text[n] = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\t' && !tab)
            tab = text + i;
        else if (!plain(text[i]))
            return false;
    }
    if (!tab || tab == text || !tab[1])
        return false;
    *tab = 0;
    return !find(into, text) && det_choices_put(into, text, tab + 1) == DET_CHOICES_CHANGED;
}

/* Start of the end mark: the last line, complete. NULL when there is none. */
static const char *last_line(const char *data, size_t n_bytes)
{
    if (n_bytes < 2 || data[n_bytes - 1] != '\n')
        return NULL;
    size_t at = n_bytes - 1;
    while (at > 0 && data[at - 1] != '\n')
        at--;
    const size_t mark = sizeof END_MARK - 1;
    return n_bytes - at > mark && memcmp(data + at, END_MARK, mark) == 0 ? data + at : NULL;
}

static enum det_err refuse(struct det_choices *into, const char **why, const char *text)
{
    det_choices_free(into);
    *why = text;
    return DET_E_FORMAT;
}

enum det_err det_choices_parse(
    struct det_choices *into, const char *data, size_t n_bytes, const char **why)
{
    const size_t first = sizeof FIRST_LINE - 1;
    if (n_bytes < first || memcmp(data, FIRST_LINE, first) != 0)
        return refuse(into, why, "not a choices file of this version");
    const char *end = last_line(data + first, n_bytes - first);
    if (!end)
        return refuse(into, why, "no end mark: half-written");
    for (const char *at = data + first; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop || !take_line(into, at, (size_t)(stop - at)))
            return refuse(into, why, "a line is damaged");
        at = stop + 1;
    }
    DET_LINE(wanted, 64);
    det_line_printf(&wanted, END_MARK "%u %llx\n", into->n,
        (unsigned long long)det_hash(data, (size_t)(end - data), 0));
    const size_t rest = (size_t)(data + n_bytes - end);
    if (rest != wanted.n || memcmp(end, wanted.at, rest) != 0)
        return refuse(into, why, "the end mark does not match: damaged");
    return DET_OK;
}
