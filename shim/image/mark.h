/* The mark that `detshim ptxas` leaves in a cubin: a variable whose contents are the PTX it was compiled from, packed, so
 * that whoever loads the cubin can read it. The variable is ordinary data: without us nobody looks at it. */
#ifndef DET_IMAGE_MARK_H
#define DET_IMAGE_MARK_H

#include <stddef.h>
#include <stdint.h>

#include "shim/core/bytes.h"

#define DET_MARK_SYMBOL "detshim$ptx"
/** Appended to a kernel's name: its ordered form in the same module. */
#define DET_MARK_SUFFIX "$detshim"
#define DET_MARK_MAGIC  "DETSHIM\1"

/** Little endian; the LZ4 block follows. `beside` is det_hash(…, 0) of the text that det_ptx_make_twin printed with `beside`
 *  and `keep_name_suffix`, 0 when nothing was added: another version of the rewriter makes another text. */
struct det_mark_head {
    char magic[8];
    uint64_t beside;
    uint32_t packed_bytes, plain_bytes;
};

/** Appends the PTX to *ptx. DET_E_NOT_FOUND when the cubin (a CUDA ELF, not compressed) carries no mark. */
enum det_err det_mark_find(
    const void *cubin, size_t n_bytes, struct det_bytes *ptx, uint64_t *beside);

#endif
