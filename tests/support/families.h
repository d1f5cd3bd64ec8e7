/* Fourteen families of addends that break sums: random bits, normal data, cancellation, subnormals, ties, overflow edges,
 * specials, signed zeros, headroom, single adds. Repeatable from a seed. */
#ifndef TEST_SUPPORT_FAMILIES_H
#define TEST_SUPPORT_FAMILIES_H

#include "tests/support/oracle.h"

enum { N_FAMILIES = 14, FAMILY_MAX_ADDENDS = 512 };
extern const char *const family_names[N_FAMILIES];

/** splitmix64. */
uint64_t random_bits(uint64_t *state);
/** Uniform in (0, 1]; and normal with mean 0, deviation 1. */
double random_unit(uint64_t *state);
double random_normal(uint64_t *state);

/** One multiset of addends for one target: how many were written to `addends`; `initial` is what the target holds before. */
size_t family_draw(
    enum oracle_type type, unsigned family, uint64_t *random, uint64_t *addends, uint64_t *initial);

#endif
