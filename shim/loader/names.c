/* The table of wrapped calls: name, family, and a hash to find a name, filled lazily by inserts that any number of threads may
 * repeat. */
#include "shim/loader/internal.h"

/* Names in one object and their places in it: nothing here is relocated when a process starts. */
static const struct names {
#define DET_CALL(symbol, since, how) char symbol[sizeof #symbol];
#include "shim/loader/calls.def"
#undef DET_CALL
} names = {
#define DET_CALL(symbol, since, how) #symbol,
#include "shim/loader/calls.def"
#undef DET_CALL
};
_Static_assert(sizeof names <= UINT16_MAX, "places of names have 16 bits");
static const uint16_t places[] = {
#define DET_CALL(symbol, since, how) offsetof(struct names, symbol),
#include "shim/loader/calls.def"
#undef DET_CALL
};

static const char *name_of(unsigned call)
{
    return (const char *)&names + places[call];
}

/* DET_FIRST_<family> is the id of the first call of that family's table. */
enum det_first {
#define DET_TABLE(family)            DET_FIRST_##family, DET_BEFORE_##family = DET_FIRST_##family - 1,
#define DET_CALL(symbol, since, how) DET_POSITION_##symbol,
#include "shim/loader/calls.def"
#undef DET_CALL
#undef DET_TABLE
};

static const struct {
    enum det_first first;
    enum det_family family;
} tables[] = {
#define DET_TABLE(family) { DET_FIRST_##family, DET_FAMILY_##family },
#define DET_CALL(symbol, since, how)
#include "shim/loader/calls.def"
#undef DET_CALL
#undef DET_TABLE
};

enum { N_BUCKETS = 4096 };
_Static_assert(DET_N_CALLS * 3 < N_BUCKETS, "the hash must stay sparse");
static _Atomic uint32_t buckets[N_BUCKETS]; /* high half of the hash, id + 1; 0 is empty */
_Atomic uint8_t det_call_families[DET_N_CALLS];
static _Atomic int filled;

/* Where a zero byte is, its high bit is set; garbage only above the first. */
static uint64_t zero_bytes(uint64_t word)
{
    return (word - 0x0101010101010101u) & ~word & 0x8080808080808080u;
}

/* Products by place, added up: none waits for the one before it. */
static uint64_t mix(uint64_t h, uint64_t word, unsigned place)
{
    static const uint64_t odd[4] = { 0x9e3779b97f4a7c15u, 0xbf58476d1ce4e5b9u, 0x94d049bb133111ebu,
        0xd6e8feb86659fd93u };
    return h + (word ^ word >> 31) * (odd[place & 3] + 2 * (uint64_t)place);
}

/* dlsym's cost for names that are not ours is mostly this, so eight bytes are taken at a time. Loads are aligned: they stay inside the
 * pages, and the memory tags, that hold the name. The value depends on the text only, not on where it stands. */
static inline __attribute__((always_inline)) uint32_t hash(const char *name)
{
    typedef uint64_t __attribute__((may_alias)) word;
    const unsigned shift = 8 * ((uintptr_t)name & 7);
    const word *at = (const word *)((uintptr_t)name & ~(uintptr_t)7);
    unsigned place = 0;
    uint64_t h = 0, rest = *at++ >> shift,
             end = zero_bytes(rest | (shift ? ~(uint64_t)0 << (64 - shift) : 0));
    while (!end) {
        const uint64_t next = *at++, whole = shift ? rest | next << (64 - shift) : rest;
        end = zero_bytes(whole);
        if (end) {
            rest = whole;
            break;
        }
        h = mix(h, whole, place++);
        rest = next >> shift;
        end = zero_bytes(rest | (shift ? ~(uint64_t)0 << (64 - shift) : 0));
    }
    const uint64_t keep =
        (end & -end) - 1; /* bytes before the end, and seven bits of it: all zero */
    h = mix(h, rest & keep, place);
    return (uint32_t)(h >> 32);
}

static uint32_t entry_of(uint32_t hash, unsigned call)
{
    return (hash & 0xffff0000u) | (call + 1);
}

/* A slot is written once and never changes, so two threads that insert in the same order agree. */
static void insert(enum det_call call)
{
    const uint32_t h = hash(name_of(call)), entry = entry_of(h, call);
    for (uint32_t i = h;; i++) {
        uint32_t there = 0;
        if (atomic_compare_exchange_strong(&buckets[i % N_BUCKETS], &there, entry) ||
            there == entry)
            return;
    }
}

static __attribute__((noinline)) void fill(void)
{
    size_t table = 0;
    const size_t n_tables = sizeof tables / sizeof tables[0];
    for (unsigned call = 0; call < DET_N_CALLS; call++) {
        while (table + 1 < n_tables && (unsigned)tables[table + 1].first <= call)
            table++;
        atomic_store_explicit(
            &det_call_families[call], (uint8_t)tables[table].family, memory_order_relaxed);
        insert(call);
    }
    atomic_store_explicit(&filled, 1, memory_order_release);
}

static inline __attribute__((always_inline)) void prepare(void)
{
    if (__builtin_expect(!atomic_load_explicit(&filled, memory_order_acquire), 0))
        fill();
}

void det_calls_prepare(void)
{
    prepare();
}

/* From slot `i` on, where the high half of the hash fits: rarely for a name that is not wrapped. */
static __attribute__((noinline)) enum det_call compare(uint32_t i, uint32_t h, const char *name)
{
    for (;; i++) {
        const uint32_t entry = atomic_load_explicit(&buckets[i % N_BUCKETS], memory_order_relaxed);
        if (!entry)
            return DET_N_CALLS;
        const unsigned call = (entry & 0xffff) - 1;
        if (entry == entry_of(h, call) && det_same(name_of(call), name))
            return call;
    }
}

enum det_call det_call_find(const char *name)
{
    prepare();
    const uint32_t h = hash(name);
    for (uint32_t i = h;; i++) {
        const uint32_t entry = atomic_load_explicit(&buckets[i % N_BUCKETS], memory_order_relaxed);
        if (!entry)
            return DET_N_CALLS;
        if (((entry ^ h) & 0xffff0000u) == 0)
            return compare(i, h, name);
    }
}

enum det_family det_call_family(enum det_call call)
{
    prepare();
    return atomic_load_explicit(&det_call_families[call], memory_order_relaxed);
}

const char *det_call_name(enum det_call call)
{
    return call < DET_N_CALLS ? name_of(call) : "?";
}
