/* Device-code images: fat binaries (plain, LZ4, zstd), ELF objects and cubins, bare PTX. Bytes in, facts out; no CUDA.
 * Every length in the input is checked against the bytes given; nothing is trusted. Layout facts:
 * notes/software-gpu.md section 3.2. */
#ifndef DET_IMAGE_IMAGE_H
#define DET_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "detshim/err.h"
#include "shim/core/bytes.h"

enum det_image_kind { DET_IMAGE_PTX, DET_IMAGE_ELF, DET_IMAGE_OTHER };

/** One piece of code for one architecture. `payload` points into the bytes that were read. */
struct det_image_entry {
    enum det_image_kind kind;
    unsigned sm;      /* 90 for sm_90 or compute_90; 0 when unknown */
    char suffix;      /* 'a', 'f' or 0: architecture-specific and family-specific targets */
    bool relocatable; /* -rdc output: its code is not final until linked */
    bool
        linked; /* machine code written by nvlink (a note in the ELF says so; seen when not compressed) */
    bool lto; /* NVVM bitcode for device link-time optimisation: kind is OTHER */
    uint64_t flags;
    const uint8_t *payload;
    size_t payload_bytes; /* as stored, padding removed where the header tells */
    size_t plain_bytes;   /* after decompression; equals payload_bytes when not compressed */
    enum { DET_PACK_NONE, DET_PACK_LZ4, DET_PACK_ZSTD, DET_PACK_UNKNOWN } pack;
};

struct det_image {
    struct det_image_entry *entries;
    size_t n_entries;
};

/** Read whatever `bytes` is: fatbin (header, or wrapper whose data lies inside the bytes), CUDA ELF, bare PTX text.
 *  On an error part-way the entries found before it are kept and the error returned. */
enum det_err det_image_read(const void *bytes, size_t n_bytes, struct det_image *out);
void det_image_free(struct det_image *image);
/** Decompress one entry (or copy it). PTX loses trailing NULs. DET_E_COMPRESSION names what went wrong. */
enum det_err det_image_unpack(const struct det_image_entry *entry, struct det_bytes *out);

/** Copy the image a program handed to the driver by bare pointer (size unknown): follows a fatbin wrapper, reads the size
 *  from the header, PTX to its NUL; all through det_io_peek, so a bad pointer fails instead of faulting. */
enum det_err det_image_copy(const void *pointer, size_t max_bytes, struct det_bytes *out);

/** All fat binaries inside an ELF file (.nv_fatbin sections; a cubin is returned as itself): for the command line and
 *  for mapped objects. `each` is called with bytes inside the given ones; returns the number of images. */
size_t det_image_scan_elf(const void *bytes, size_t n_bytes,
    void (*each)(const void *image, size_t n_bytes, void *arg), void *arg);

/** Which PTX speaks for the kernels of an image on a device (design section 6.2). */
enum det_image_voice {
    DET_VOICE_PTX, /* *ptx is what the driver compiles, or of the very target of the machine code it picks */
    DET_VOICE_OTHER_ARCH, /* there is PTX, but of another architecture than the machine code the driver picks */
    DET_VOICE_NONE,   /* machine code only */
    DET_VOICE_LINKED, /* relocatable or LTO code: kernels are made by a later link */
    DET_VOICE_NOTHING /* nothing here runs on this device */
};
/** Where machine code of several forms would fit, the exact sm comes before older ones and 'a' before 'f' before plain; which
 *  one a driver prefers among forms of one sm is not documented and not yet seen on a device.
 *  sm: 10 * major + minor of the device. Entries must have been read already; *ptx and *code may become NULL.
 *  Machine code sm_XY runs on devices of the same major with minor >= Y; suffix 'a' only on the exact sm; 'f' on the same
 *  family (same major, minor >= Y); PTX compute_XY on any sm >= XY ('a': exact sm, 'f': family). */
enum det_image_voice det_image_voice(const struct det_image *image, unsigned sm,
    const struct det_image_entry **ptx, const struct det_image_entry **code);
/** One line for the ledger, e.g. "PTX of another architecture (compute_80 beside sm_90); build with code=compute_90". */
void det_image_voice_text(enum det_image_voice voice, const struct det_image_entry *ptx,
    const struct det_image_entry *code, struct det_line *out);

#endif
