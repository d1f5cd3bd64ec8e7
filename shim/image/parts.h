/* Between the files of this folder: unaligned little-endian loads, and one reader per container. */
#ifndef DET_IMAGE_PARTS_H
#define DET_IMAGE_PARTS_H

#include <string.h>

#include "shim/image/image.h"

/** Largest payload we unpack. The largest modules known (whole vendor libraries in one PTX) stay below 300 MiB; more is
 *  a broken length field. */
#define DET_IMAGE_MAX_PLAIN      ((size_t)1 << 30)

#define DET_FATBIN_WRAPPER_MAGIC 0x466243b1u
#define DET_FATBIN_WRAPPER_BYTES 24
#define DET_FATBIN_DATA_AT       8
#define DET_FATBIN_MAGIC         0xba55ed50u
#define DET_FATBIN_HEADER_BYTES  16

static inline uint16_t det_le16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline uint32_t det_le32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}
static inline uint64_t det_le64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/** Append a copy of `entry`. */
enum det_err det_image_add(struct det_image *image, const struct det_image_entry *entry);

/** Fat binary that starts at `bytes` with its 16-byte header. */
enum det_err det_fatbin_read(const uint8_t *bytes, size_t n_bytes, struct det_image *out);
/** Whole length of the fat binary by its header, 0 when the header is not one. Needs DET_FATBIN_HEADER_BYTES. */
uint64_t det_fatbin_bytes(const uint8_t *header);

bool det_elf_is(const uint8_t *bytes, size_t n_bytes);
/** Set sm, suffix, relocatable, linked of an uncompressed CUDA ELF; false when it is none. `n_bytes` may be the first part
 *  of the file only: then notes may be missed. Fields already known (sm != 0) are kept. */
bool det_elf_facts(const uint8_t *bytes, size_t n_bytes, struct det_image_entry *entry);
/** End of everything the ELF header names (program and section header tables), 0 when it is no ELF64 header. */
uint64_t det_elf_tables_end(const uint8_t *header, size_t n_bytes);

/** PTX text: does it open with `.version`? Then sm and suffix from `.target`. */
bool det_ptx_facts(const uint8_t *text, size_t n_bytes, struct det_image_entry *entry);
/** "sm_90a", "compute_103f" …: number and suffix; false when `text` starts otherwise. */
bool det_arch_parse(const char *text, size_t n_bytes, unsigned *sm, char *suffix);

/** First up to `cap` bytes after decompression; their number, 0 when it cannot be unpacked. */
size_t det_image_peek(const struct det_image_entry *entry, uint8_t *to, size_t cap);

#endif
