/* Compiled twins on disk, so that the next process need not compile them: one file per twin in DETSHIM_CACHE, named by what went
 * into it. Several processes share the folder: files appear by rename only, and what does not fit its own name is refused. */
#ifndef DET_CUDA_CACHE_H
#define DET_CUDA_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/core/bytes.h"

enum { DET_CACHE_MOST_MIB = 256 };

/** Name of a twin: two hashes over everything that decides its machine code. */
struct det_cache_key {
    uint64_t a, b;
};
/** Hashes of `n_bytes` bytes: our version, the driver's, architecture, JIT options, PTX. */
struct det_cache_key det_cache_key(const void *from, size_t n_bytes);

/** The folder of this process, made when it was not there: DETSHIM_CACHE, or ${XDG_CACHE_HOME:-~/.cache}/detshim. Ours alone:
 *  our user owns it, nobody else may write, it is no link. NULL when there is none, silently; one line when the user named one that
 *  is refused for safety. None in a process that runs with rights other than its caller's. */
const char *det_cache_folder(void);
/** Machine code of `key`, appended to *out. False: not there, or a file that is not what it says (one line, and it is removed). */
bool det_cache_find(const char *folder, const struct det_cache_key *key, struct det_bytes *out);
/** Keep it; the oldest files go when the folder would be over DET_CACHE_MOST_MIB. False, silently, when it cannot be kept. */
bool det_cache_store(
    const char *folder, const struct det_cache_key *key, const void *code, size_t n_bytes);

#endif
