/* See ledger.h. Buckets are lists with an atomic head; memory comes from mapped chunks, bumped atomically. */
#include "shim/log/ledger.h"

#include <string.h>
#include <sys/mman.h>

#include "shim/core/hash.h"
#include "shim/core/sort.h"
#include "shim/core/start.h"

enum { CHUNK = 256 * 1024, BUCKETS = 4096 };

struct chunk {
    atomic_size_t used;
    char data[];
};

static _Atomic(struct chunk *) current;
static _Atomic(struct det_ledger_row *) buckets[BUCKETS];
DET_START_DATA static _Atomic(struct det_ledger_row *) newest;
static struct det_ledger_row overflow[DET_N_WHAT][DET_N_CLASSES];

static void *map(size_t n_bytes)
{
    void *at = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void *allot(size_t n_bytes)
{
    n_bytes = (n_bytes + 15) & ~(size_t)15;
    if (n_bytes > CHUNK / 2)
        return map(n_bytes);
    for (;;) {
        struct chunk *chunk = atomic_load(&current);
        if (chunk) {
            const size_t at = atomic_fetch_add(&chunk->used, n_bytes);
            if (at + n_bytes <= CHUNK - 16)
                return chunk->data + 16 - sizeof *chunk + at;
        }
        struct chunk *fresh = map(CHUNK);
        if (!fresh)
            return NULL;
        if (!atomic_compare_exchange_strong(&current, &chunk, fresh))
            munmap(fresh, CHUNK); /* another thread was first */
    }
}

static uint64_t hash_key(const struct det_key *key)
{
    const uint64_t start =
        ((uint64_t)key->what * DET_N_CLASSES + (uint64_t)key->cls) * 65536 + (uint64_t)key->rule;
    uint64_t hash = det_hash(key->name, strlen(key->name), start);
    hash = det_hash(key->field, strlen(key->field), hash);
    return det_hash(key->given, strlen(key->given), hash);
}

static bool same(const struct det_ledger_row *row, const struct det_key *key, uint64_t hash)
{
    return row->hash == hash && row->key.what == key->what && row->key.cls == key->cls &&
           row->key.rule == key->rule && strcmp(row->key.name, key->name) == 0 &&
           strcmp(row->key.field, key->field) == 0 && strcmp(row->key.given, key->given) == 0;
}

static const char *copy(char **at, const char *text)
{
    const size_t n = strlen(text) + 1;
    char *to = *at;
    memcpy(to, text, n);
    *at += n;
    return to;
}

static struct det_ledger_row *make(const struct det_key *key, uint64_t hash)
{
    struct det_ledger_row *row = allot(sizeof *row + strlen(key->name) + strlen(key->field) +
                                       strlen(key->given) + strlen(key->asked) + 4);
    if (!row)
        return NULL;
    char *texts = (char *)(row + 1);
    row->key = *key;
    row->key.name = copy(&texts, key->name);
    row->key.field = copy(&texts, key->field);
    row->key.given = copy(&texts, key->given);
    row->key.asked = copy(&texts, key->asked);
    row->hash = hash;
    const struct det_policy *policy = det_policy();
    if (key->what == DET_IS_ROW && policy->level == DET_LEVEL_RUN_TO_RUN)
        row->arms = (policy->strict >= 1 && key->cls == DET_CLASS_UNCOVERED) ||
                    (policy->strict >= 2 && key->cls == DET_CLASS_UNKNOWN);
    row->call = key->what == DET_IS_ROW && strcmp(key->field, "call") == 0;
    row->loud = row->arms || policy->log_level == DET_LOG_CALL ||
                (key->what == DET_IS_ROW && policy->trace >= DET_TRACE_DIGESTS);
    return row;
}

static struct det_ledger_row *shared_row(const struct det_key *key)
{
    struct det_ledger_row *row = &overflow[key->what][key->cls];
    row->key = (struct det_key){ key->what, key->cls, DET_N_RULES, false, "(out of memory)",
        key->what == DET_IS_ROW ? "call" : "", "", "" };
    row->call = false; /* what it stands for is not known: kernels are counted by themselves */
    return row;
}

struct det_ledger_row *det_ledger_find(const struct det_key *key)
{
    const uint64_t hash = hash_key(key);
    _Atomic(struct det_ledger_row *) *bucket = &buckets[hash % BUCKETS];
    struct det_ledger_row *seen = NULL, *mine = NULL;
    for (;;) {
        struct det_ledger_row *head = atomic_load_explicit(bucket, memory_order_acquire);
        for (struct det_ledger_row *row = head; row != seen; row = row->next) {
            if (same(row, key, hash))
                return row;
        }
        if (!mine && !(mine = make(key, hash)))
            return shared_row(key);
        seen = head;
        mine->next = head;
        if (atomic_compare_exchange_strong(bucket, &head, mine))
            break;
    }
    mine->older = atomic_load(&newest);
    while (!atomic_compare_exchange_weak(&newest, &mine->older, mine))
        ;
    return mine;
}

DET_START_TEXT struct det_ledger_row *det_ledger_newest(void)
{
    return atomic_load(&newest);
}

static int by_place(const void *a, const void *b)
{
    const struct det_ledger_row *x = a, *y = b;
    if (x->key.what != y->key.what)
        return x->key.what < y->key.what ? -1 : 1;
    if (x->key.cls != y->key.cls)
        return x->key.cls > y->key.cls ? -1 : 1;
    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    int order = strcmp(x->key.name, y->key.name);
    order = order ? order : strcmp(x->key.field, y->key.field);
    order = order ? order : strcmp(x->key.given, y->key.given);
    return order ? order : (int)x->key.rule - (int)y->key.rule;
}

static size_t gather(void **rows, size_t most)
{
    size_t n = 0;
    for (struct det_ledger_row *row = det_ledger_newest(); row; row = row->older) {
        if (row->n && n < most) {
            if (rows)
                rows[n] = row;
            n++;
        }
    }
    for (unsigned i = 0; i < DET_N_WHAT * DET_N_CLASSES; i++) {
        struct det_ledger_row *row = &overflow[i / DET_N_CLASSES][i % DET_N_CLASSES];
        if (row->n && n < most) {
            if (rows)
                rows[n] = row;
            n++;
        }
    }
    return n;
}

size_t det_ledger_sorted(struct det_ledger_row ***rows)
{
    size_t n = gather(NULL, SIZE_MAX);
    void **items = n ? map(n * sizeof *items) : NULL;
    *rows = (struct det_ledger_row **)items;
    if (!items)
        return 0;
    const size_t mapped = n;
    n = gather(items, mapped); /* other threads may still be adding */
    det_sort(items, n, by_place);
    return n;
}

void det_ledger_sorted_free(struct det_ledger_row **rows, size_t n)
{
    if (rows)
        munmap(rows, n * sizeof(void *));
}

void det_ledger_forget(void)
{
    for (struct det_ledger_row *row = det_ledger_newest(); row; row = row->older)
        atomic_store_explicit(&row->n, 0, memory_order_relaxed);
    for (unsigned i = 0; i < DET_N_WHAT * DET_N_CLASSES; i++)
        overflow[i / DET_N_CLASSES][i % DET_N_CLASSES].n = 0;
}

static uint64_t sum_of(enum det_what what, int cls)
{
    uint64_t sum = 0;
    for (struct det_ledger_row *row = det_ledger_newest(); row; row = row->older) {
        if (row->key.what == what && (cls < 0 || (int)row->key.cls == cls))
            sum += atomic_load_explicit(&row->n, memory_order_relaxed);
    }
    for (int i = 0; i < DET_N_CLASSES; i++)
        sum += cls < 0 || cls == i ? overflow[what][i].n : 0;
    return sum;
}

uint64_t det_ledger_count(enum det_class cls)
{
    return sum_of(DET_IS_ROW, (int)cls);
}

uint64_t det_ledger_count_what(enum det_what what)
{
    return sum_of(what, -1);
}

bool det_ledger_happened(void)
{
    return det_ledger_count_what(DET_IS_ROW) || det_ledger_count_what(DET_IS_OVERRIDE) ||
           det_ledger_count_what(DET_IS_CONFLICT);
}
