/* mbarrier: our own 64-bit layout (PTX keeps it opaque): bits 0-19 arrivals still missing, 20-39 arrivals per phase, 40-60 bytes
 * still to come, 63 the phase. A phase ends when nothing is missing and no bytes are to come. */
#include "tests/softgpu/exec_ops.h"

#define FIELD     0xfffffull
#define TX_FIELD  0x1fffffull
#define PHASE_BIT (1ull << 63)

static uint64_t settle(uint64_t s)
{
    if ((s & FIELD) != 0 || (s >> 40 & TX_FIELD) != 0)
        return s;
    return ((s & ~FIELD) ^ PHASE_BIT) | (s >> 20 & FIELD);
}

static uint64_t add_tx(uint64_t s, uint64_t n)
{
    return (s & ~(TX_FIELD << 40)) | (((s >> 40) + n) & TX_FIELD) << 40;
}

static uint64_t take_arrivals(uint64_t s, uint64_t n)
{
    const uint64_t missing = s & FIELD;
    return (s & ~FIELD) | (missing > n ? missing - n : 0);
}

static uint64_t operand(
    const struct warp *w, const struct ins *i, unsigned k, unsigned l, bool wide)
{
    const void *lanes = lanes_of(w, i, k);
    return wide ? ((const lane64 *)lanes)[l] : ((const lane32 *)lanes)[l];
}

/* The new state; *result is what the instruction gives back. */
static uint64_t step(
    const struct warp *w, const struct ins *i, unsigned l, uint64_t s, uint64_t *result)
{
    const uint64_t n = i->sub == MB_WAIT ? 0 : operand(w, i, 2, l, false);
    *result = s;
    switch ((enum mbarrier_op)i->sub) {
    case MB_INIT:
        return n << 20 | n;
    case MB_ARRIVE:
        return settle(take_arrivals(s, n));
    case MB_ARRIVE_DROP:
        return settle(take_arrivals((s & ~(FIELD << 20)) | (((s >> 20) - n) & FIELD) << 20, n));
    case MB_ARRIVE_EXPECT:
        return settle(take_arrivals(add_tx(s, n), 1));
    case MB_EXPECT:
        return add_tx(s, n);
    case MB_COMPLETE:
        return settle(add_tx(s, 0 - n));
    case MB_WAIT:
        *result = (s ^ operand(w, i, 2, l, true)) >> 63;
        return s;
    case MB_WAIT_PARITY:
        *result = s >> 63 != (n & 1);
        return s;
    default:
        return s;
    }
}

void exec_mbarrier(struct warp *w, const struct ins *i)
{
    uint64_t result[LANES] = { 0 };
    uint32_t narrow[LANES] = { 0 };
    FOR_LANES(l, w->active)
    {
        const uint64_t address = operand(w, i, 1, l, i->flags & IF_WIDE_BASE) + i->imm;
        uint64_t s;
        void *at = exec_resolve(w, i, l, address, (enum ptx_space)i->space, 8);
        if (!at)
            return;
        memcpy(&s, at, 8);
        s = step(w, i, l, s, &result[l]);
        memcpy(at, &s, 8);
        narrow[l] = (uint32_t)result[l];
    }
    if (i->flags & IF_NO_RESULT)
        return;
    if (i->sub >= MB_WAIT)
        put32(w, i, narrow);
    else
        put64(w, i, result);
}
