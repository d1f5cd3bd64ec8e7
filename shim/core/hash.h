/* 64-bit hash of bytes (xxhash, inlined) and the uthash settings every map here uses. */
#ifndef DET_CORE_HASH_H
#define DET_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* On out-of-memory uthash must not exit the program that hosts us. */
#define HASH_NONFATAL_OOM 1
/* Faster than its own byte-wise hash, and one hash for everything. */
#define HASH_FUNCTION(key, n_bytes, hash) ((hash) = (unsigned)det_hash(key, n_bytes, 0))
#include <uthash.h>

uint64_t det_hash(const void *data, size_t n_bytes, uint64_t seed);
/** One step of splitmix64: a bijective mix, for deriving streams from seeds. */
uint64_t det_mix(uint64_t value);

#endif
