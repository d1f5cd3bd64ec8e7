/* Machine code whose PTX we have seen: compilers hand out both, or take one and give the other (NVRTC, cuLink), and programs
 * load only the machine code. Keyed by the machine code's bytes. No CUDA; bounded. */
#ifndef DET_IMAGE_KNOWN_H
#define DET_IMAGE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "shim/core/bytes.h"

/** `ptx` was compiled to the image at `machine` (at most n_bytes; its own length is read from it). Both are copied. False
 *  when the image cannot be read or the store is full (4,096 images, 256 MiB of PTX). */
bool det_known_add(const void *machine, size_t n_bytes, const char *ptx, size_t n_ptx);
/** PTX of an image as det_image_copy gives it; false when it is not known. */
bool det_known_find(const void *machine, size_t n_bytes, struct det_bytes *ptx);
void det_known_fork_child(void);

#endif
