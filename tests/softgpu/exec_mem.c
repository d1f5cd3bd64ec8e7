/* Loads, stores and address spaces. Every access is checked against its space; global ones through sg_memory_ok. */
#include <inttypes.h>
#include <stdio.h>
#include "tests/softgpu/exec_ops.h"
#pragma GCC diagnostic ignored "-Wsign-conversion" /* lanes are bits */
#pragma GCC optimize("O3")

static const char *const space_names[] = { "generic", "register", "global", "shared", "local",
    "const", "param", "function" };

void exec_fault(struct warp *w, const struct ins *i, enum sg_fault fault, const char *what)
{
    struct sg_grid *g = w->grid;
    if (g->fault != SG_OK)
        return;
    g->fault = fault;
    char statement[120];
    unsigned n = 0;
    if (i->more && i->more->text)
        for (unsigned k = 0; k < i->more->text_len && n < sizeof statement - 1; k++) {
            const char c = i->more->text[k] > ' ' ? i->more->text[k] : ' ';
            if (c != ' ' || (n > 0 && statement[n - 1] != ' '))
                statement[n++] = c;
        }
    statement[n] = 0;
    snprintf(g->text, sizeof g->text, "%s: %s, line %u: %s", g->kernel->function->name, what,
        i->more ? i->more->line : 0, statement);
}

static void address_fault(struct warp *w, const struct ins *i, unsigned l, uint64_t address,
    enum ptx_space space, size_t n, enum sg_fault fault)
{
    char what[128];
    snprintf(what, sizeof what,
        "%s %s address 0x%" PRIx64 " for %zu bytes, thread (%u,%u,%u) of block (%u,%u,%u)",
        fault == SG_MISALIGNED ? "misaligned" : "illegal", space_names[space], address, n,
        w->tid[0][l], w->tid[1][l], w->tid[2][l], w->block->id[0], w->block->id[1],
        w->block->id[2]);
    exec_fault(w, i, fault, what);
}

static bool inside(uint64_t at, size_t n, size_t cap)
{
    return at <= cap && n <= cap - at;
}

void *exec_resolve(struct warp *w, const struct ins *i, unsigned l, uint64_t address,
    enum ptx_space space, size_t n)
{
    const uint64_t given = address;
    if (space == PS_GENERIC && address - SHARED_WINDOW < FUNCTION_WINDOW - SHARED_WINDOW) {
        space = address < LOCAL_WINDOW ? PS_SHARED : address < PARAM_WINDOW ? PS_LOCAL : PS_PARAM;
        address &= WINDOW_BYTES - 1;
    }
    if (address & (n - 1)) {
        address_fault(w, i, l, given, space, n, SG_MISALIGNED);
        return NULL;
    }
    if (space == PS_SHARED && inside(address, n, w->grid->shared_bytes))
        return w->block->shared + address;
    if (space == PS_LOCAL && inside(address, n, w->local_cap))
        return w->local + l * w->local_cap + address;
    if (space == PS_PARAM && inside(address, n, w->grid->param_bytes))
        return w->grid->params + address;
    if (space == PS_GENERIC || space == PS_GLOBAL || space == PS_CONST) {
        void *at = (void *)(uintptr_t)address;
        if (sg_memory_ok(at, n))
            return at;
    }
    address_fault(w, i, l, given, space, n, SG_ILLEGAL_ADDRESS);
    return NULL;
}

static void lane_addresses(const struct warp *w, const struct ins *i, uint64_t out[LANES])
{
    const lane64 *wide = lanes_of(w, i, 1);
    const lane32 *narrow = lanes_of(w, i, 1);
    if (i->flags & IF_WIDE_BASE)
        for (unsigned l = 0; l < LANES; l++)
            out[l] = wide[l] + i->imm;
    else
        for (unsigned l = 0; l < LANES; l++)
            out[l] = (uint32_t)(narrow[l] + (uint32_t)i->imm);
}

/* Most accesses of a warp lie close together in one allocation: one check for all. */
static bool resolve_together(
    struct warp *w, const struct ins *i, const uint64_t address[LANES], size_t n, void *at[LANES])
{
    const uint64_t first = address[lowest_lane(w->active)];
    uint64_t low = first, high = first, all = first;
    for (unsigned l = 0; l < LANES; l++) {
        const uint64_t a = w->active >> l & 1 ? address[l] : first;
        low = a < low ? a : low;
        high = a > high ? a : high;
        all |= a;
    }
    if (all & (n - 1) || high - low > 1u << 16)
        return false;
    const size_t span = (size_t)(high - low) + n;
    unsigned char *base;
    if (i->space == PS_SHARED && inside(low, span, w->grid->shared_bytes))
        base = w->block->shared + low;
    else if (i->space == PS_PARAM && inside(low, span, w->grid->param_bytes))
        base = w->grid->params + low;
    else if ((i->space == PS_GLOBAL || i->space == PS_CONST ||
                 (i->space == PS_GENERIC && high < SHARED_WINDOW)) &&
             sg_memory_ok((void *)(uintptr_t)low, span))
        base = (void *)(uintptr_t)low;
    else
        return false;
    for (unsigned l = 0; l < LANES; l++)
        at[l] = (void *)((uintptr_t)base + (address[l] - low)); /* idle lanes: never used */
    return true;
}

static bool resolve_lanes(struct warp *w, const struct ins *i, size_t n, void *at[LANES])
{
    uint64_t address[LANES];
    lane_addresses(w, i, address);
    if (resolve_together(w, i, address, n, at))
        return true;
    FOR_LANES(l, w->active)
    {
        at[l] = exec_resolve(w, i, l, address[l], (enum ptx_space)i->space, n);
        if (!at[l])
            return false;
    }
    return true;
}

static size_t access_bytes(const struct ins *i)
{
    const size_t n = (size_t)i->bytes * i->n_vec;
    return n & (n - 1) ? 4 * n : n; /* v3 does not exist */
}

/* One element per lane from `at[l] + offset` to registers `to`. */
static void load_element(
    const struct warp *w, const struct ins *i, void *const at[LANES], size_t offset, void *to)
{
    lane32 *r = to;
    lane64 *r64 = to;
    const bool is_signed = i->type >= PT_S8 && i->type <= PT_S64;
#define ONE(T, store)                                                                              \
    T v;                                                                                           \
    memcpy(&v, (const char *)at[l] + offset, sizeof v);                                            \
    store;
#define EACH(T, store)                                                                             \
    if (w->active == ALL_LANES) {                                                                  \
        for (unsigned l = 0; l < LANES; l++) {                                                     \
            ONE(T, store)                                                                          \
        }                                                                                          \
    } else {                                                                                       \
        FOR_LANES(l, w->active)                                                                    \
        {                                                                                          \
            ONE(T, store)                                                                          \
        }                                                                                          \
    }                                                                                              \
    break
    switch (i->bytes) {
    case 1:
        if (is_signed) { /* the braces hold EACH's break */
            EACH(int8_t, r[l] = (uint32_t)v);
        }
        EACH(uint8_t, r[l] = v);
    case 2:
        if (is_signed) { /* the braces hold EACH's break */
            EACH(int16_t, r[l] = (uint32_t)v);
        }
        EACH(uint16_t, r[l] = v);
    case 4:
        EACH(uint32_t, r[l] = v);
    default:
        EACH(uint64_t, r64[l] = v);
    }
#undef EACH
#undef ONE
}

static void *element(const struct warp *w, const struct ins *i, unsigned side, unsigned k)
{
    if (i->n_vec == 1)
        return lanes_of(w, i, side == 0 ? 0 : 2);
    return (void *)(w->base[i->more->vec_base[side][k]] + i->more->vec[side][k]);
}

/* One address for all lanes, known when decoding: parameters and variables. */
static void load_uniform(struct warp *w, const struct ins *i)
{
    const uint64_t address = *(const lane64 *)lanes_of(w, i, 1) + i->imm;
    const void *at =
        exec_resolve(w, i, lowest_lane(w->active), address, (enum ptx_space)i->space, i->bytes);
    if (!at)
        return;
    uint64_t v = 0;
    memcpy(&v, at, i->bytes);
    uint32_t r[LANES];
    uint64_t r64[LANES];
    for (unsigned l = 0; l < LANES; l++) {
        r[l] = (uint32_t)v;
        r64[l] = v;
    }
    if (i->bytes == 8)
        put64(w, i, r64);
    else
        put32(w, i, r);
}

void exec_load(struct warp *w, const struct ins *i)
{
    void *at[LANES];
    const bool is_small_signed = i->bytes < 4 && i->type >= PT_S8 && i->type <= PT_S64;
    if (i->base[1] == 1 && i->n_vec == 1 && i->space != PS_LOCAL && i->space != PS_GENERIC &&
        !is_small_signed) {
        load_uniform(w, i);
        return;
    }
    if (!resolve_lanes(w, i, access_bytes(i), at))
        return;
    for (unsigned k = 0; k < i->n_vec; k++)
        load_element(w, i, at, (size_t)k * i->bytes, element(w, i, 0, k));
}

void exec_store(struct warp *w, const struct ins *i)
{
    void *at[LANES];
    if (!resolve_lanes(w, i, access_bytes(i), at))
        return;
    for (unsigned k = 0; k < i->n_vec; k++) {
        const lane32 *r = element(w, i, 1, k);
        const lane64 *r64 = element(w, i, 1, k);
        const size_t offset = (size_t)k * i->bytes;
        FOR_LANES(l, w->active)
        {
            if (i->bytes == 8)
                memcpy((char *)at[l] + offset, &r64[l], 8);
            else
                memcpy((char *)at[l] + offset, &r[l], i->bytes);
        }
    }
}

/* cp.async: completes at once. Source 2 plus vec[1][0] is the global address, source 3 how many bytes are real. */
void exec_copy_async(struct warp *w, const struct ins *i)
{
    uint64_t to[LANES];
    lane_addresses(w, i, to);
    const lane32 *real = lanes_of(w, i, 3), *narrow = lanes_of(w, i, 2);
    const lane64 *wide = lanes_of(w, i, 2);
    FOR_LANES(l, w->active)
    {
        const uint64_t from = (i->n_vec == 8 ? wide[l] : narrow[l]) + (uint64_t)i->more->vec[1][0];
        unsigned char copy[16] = { 0 };
        const size_t n = real[l] < i->bytes ? real[l] : i->bytes;
        void *d = exec_resolve(w, i, l, to[l], PS_SHARED, i->bytes);
        void *s = n && d ? exec_resolve(w, i, l, from, PS_GLOBAL, i->bytes) : NULL;
        if (!d || (n && !s))
            return;
        if (n)
            memcpy(copy, s, n);
        memcpy(d, copy, i->bytes < 16 ? i->bytes : 16);
    }
}

/* --- generic addresses --- */
static uint64_t window(unsigned space)
{
    return space == PS_SHARED  ? SHARED_WINDOW
           : space == PS_LOCAL ? LOCAL_WINDOW
           : space == PS_PARAM ? PARAM_WINDOW
                               : 0;
}

static void shift_window(struct warp *w, const struct ins *i, uint64_t by)
{
    if (i->bytes == 8) {
        const lane64 *a = lanes_of(w, i, 1);
        uint64_t r[LANES];
        for (unsigned l = 0; l < LANES; l++)
            r[l] = a[l] + by;
        put64(w, i, r);
    } else {
        const lane32 *a = lanes_of(w, i, 1);
        uint32_t r[LANES];
        memcpy(r, a, sizeof r);
        put32(w, i, r);
    }
}

/* Parameters of functions live in local memory. */
static unsigned cvta_space(const struct warp *w, const struct ins *i)
{
    return i->space == PS_PARAM && w->frame->depth > 0 ? PS_LOCAL : i->space;
}

void exec_to_generic(struct warp *w, const struct ins *i)
{
    shift_window(w, i, window(cvta_space(w, i)));
}

void exec_from_generic(struct warp *w, const struct ins *i)
{
    shift_window(w, i, 0 - window(cvta_space(w, i)));
}

void exec_is_space(struct warp *w, const struct ins *i)
{
    const lane64 *a = lanes_of(w, i, 1);
    uint32_t r[LANES];
    for (unsigned l = 0; l < LANES; l++) {
        const unsigned is = a[l] - SHARED_WINDOW >= FUNCTION_WINDOW - SHARED_WINDOW ? PS_GLOBAL
                            : a[l] < LOCAL_WINDOW                                   ? PS_SHARED
                            : a[l] < PARAM_WINDOW                                   ? PS_LOCAL
                                                                                    : PS_PARAM;
        r[l] = is == i->space;
    }
    put32(w, i, r);
}

/* --- mov between a register and its parts --- */
void exec_unpack(struct warp *w, const struct ins *i)
{
    const lane64 *wide = lanes_of(w, i, 1);
    const lane32 *narrow = lanes_of(w, i, 1);
    const unsigned part = 8u * i->bytes / i->n_vec;
    uint64_t value[LANES];
    for (unsigned l = 0; l < LANES; l++)
        value[l] = i->bytes == 8 ? wide[l] : narrow[l];
    for (unsigned k = 0; k < i->n_vec; k++) {
        lane32 *to = element(w, i, 0, k);
        FOR_LANES(l, w->active) to[l] = (uint32_t)(value[l] >> (k * part) & ((1ull << part) - 1));
    }
}

void exec_pack(struct warp *w, const struct ins *i)
{
    const unsigned part = 8u * i->bytes / i->n_vec;
    uint64_t r[LANES] = { 0 };
    uint32_t narrow[LANES];
    for (unsigned k = 0; k < i->n_vec; k++) {
        const lane32 *from = element(w, i, 1, k);
        for (unsigned l = 0; l < LANES; l++)
            r[l] |= (from[l] & ((1ull << part) - 1)) << (k * part);
    }
    for (unsigned l = 0; l < LANES; l++)
        narrow[l] = (uint32_t)r[l];
    if (i->bytes == 8)
        put64(w, i, r);
    else
        put32(w, i, narrow);
}
