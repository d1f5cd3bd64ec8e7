/* Reading host memory that may be gone. */
#ifndef DET_CUDA_MEMORY_H
#define DET_CUDA_MEMORY_H

#include "shim/cuda/cuda_digest.h"

/** Digest of a block's bytes, row after row. safe: the program may have freed it; then the kernel reads for us and a missing
 *  page is an answer, not a signal. False: it could not be read. */
bool det_memory_digest(const struct det_digest_block *block, bool safe, uint64_t *digest);

#endif
