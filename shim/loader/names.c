/* The table of wrapped calls: name, wrapper, family, and a hash to find a name. No vendor header is seen here. The hash is filled
 * lazily by inserts that any number of threads may repeat. */
#include "shim/loader/internal.h"

/* Names in one object and their places in it; wrappers by their distance from the table: nothing here is relocated when a process
 * starts. */
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
extern const int32_t det_wrapper_places[] __attribute__((visibility("hidden")));
__asm__(".pushsection .rodata, \"a\"\n"
        ".balign 4\n"
        ".hidden det_wrapper_places\n"
        ".globl det_wrapper_places\n"
        "det_wrapper_places:\n"
#define DET_CALL(symbol, since, how) ".long " #symbol " - det_wrapper_places\n"
#include "shim/loader/calls.def"
#undef DET_CALL
        ".popsection\n");

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
static _Atomic uint16_t buckets[N_BUCKETS]; /* id + 1; 0 is empty */
_Atomic uint8_t det_call_families[DET_N_CALLS];
static _Atomic int filled;

/* Two cycles a byte: dlsym's cost for names that are not ours is mostly this. */
static uint32_t hash(const char *name)
{
    uint32_t h = 5381;
    for (; *name; name++)
        h = h * 33 + (unsigned char)*name;
    return h ^ (h >> 15);
}

/* A slot is written once and never changes, so two threads that insert in the same order agree. */
static void insert(enum det_call call)
{
    for (uint32_t i = hash(name_of(call));; i++) {
        uint16_t there = 0;
        if (atomic_compare_exchange_strong(&buckets[i % N_BUCKETS], &there, (uint16_t)(call + 1)) ||
            there == call + 1)
            return;
    }
}

static void fill(void)
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

void det_calls_prepare(void)
{
    if (!atomic_load_explicit(&filled, memory_order_acquire))
        fill();
}

enum det_call det_call_find(const char *name)
{
    det_calls_prepare();
    for (uint32_t i = hash(name);; i++) {
        const unsigned id = atomic_load_explicit(&buckets[i % N_BUCKETS], memory_order_relaxed);
        if (!id)
            return DET_N_CALLS;
        if (det_same(name_of(id - 1), name))
            return id - 1;
    }
}

enum det_family det_call_family(enum det_call call)
{
    det_calls_prepare();
    return atomic_load_explicit(&det_call_families[call], memory_order_relaxed);
}

const void *det_call_wrapper(enum det_call call)
{
    return (const char *)det_wrapper_places + det_wrapper_places[call];
}

const char *det_call_name(enum det_call call)
{
    return call < DET_N_CALLS ? name_of(call) : "?";
}
