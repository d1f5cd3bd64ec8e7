/* Numbers of any PTX float or integer type taken apart exactly, and put together with any PTX rounding. */
#ifndef SOFTGPU_EXEC_NUM_H
#define SOFTGPU_EXEC_NUM_H

#include "tests/softgpu/exec_ir.h"

struct num { /* mant * 2^exp; `sticky`: plus something below the last bit */
    uint64_t mant;
    int exp;
    bool sign, nan, inf, sticky;
};
enum num_round { NUM_RN, NUM_RZ, NUM_RM, NUM_RP, NUM_RNA };

struct num num_of(enum ptx_type type, uint64_t bits);
/** To a float type. satfinite: overflow gives the largest finite value. NaN gives the canonical one. */
uint64_t num_to_float(enum ptx_type type, struct num x, enum num_round round, bool satfinite);
/** To an integer type, clamped to its range; NaN and bounds as the PTX ISA says for cvt. */
uint64_t num_to_int(enum ptx_type type, struct num x, enum num_round round, enum ptx_type from);

static inline enum num_round num_round_of(uint32_t flags)
{
    return flags & (IF_RZ | IF_RZI)   ? NUM_RZ
           : flags & (IF_RM | IF_RMI) ? NUM_RM
           : flags & (IF_RP | IF_RPI) ? NUM_RP
           : flags & IF_RNA           ? NUM_RNA
                                      : NUM_RN;
}

static inline uint32_t bits_f32(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}
static inline float f32_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}
static inline uint64_t bits_f64(double f)
{
    uint64_t u;
    memcpy(&u, &f, 8);
    return u;
}
static inline double f64_bits(uint64_t u)
{
    double f;
    memcpy(&f, &u, 8);
    return f;
}
static inline uint32_t flush32(uint32_t u)
{
    return u & 0x7f800000 ? u : u & 0x80000000;
}
static inline uint32_t canonical32(uint32_t u)
{
    return (u & 0x7fffffff) > 0x7f800000 ? 0x7fffffff : u;
}
/* PTX `.sat`: NaN gives +0. */
static inline uint32_t saturate32(uint32_t u)
{
    const float f = f32_bits(u);
    return f > 0 ? (f < 1 ? u : 0x3f800000) : 0;
}

float num_f16(uint16_t h);
uint16_t num_to_f16(float f);
static inline float num_bf16(uint16_t b)
{
    return f32_bits((uint32_t)b << 16);
}
static inline uint16_t num_to_bf16(float f)
{
    const uint32_t u = bits_f32(f);
    return (u & 0x7fffffff) > 0x7f800000 ? 0x7fff : (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
/** a * b + c rounded to odd in double: exact enough to round once more to 16 bits or float. */
double num_fma_odd(float a, float b, float c);

#endif
