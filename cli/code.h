/* Device code in files: PTX text, cubins, fat binaries, and whatever an ELF object or executable embeds. */
#ifndef DET_CLI_CODE_H
#define DET_CLI_CODE_H

#include <stdbool.h>
#include <stddef.h>

#include "shim/image/image.h"

/** One image of a file: several entries for several architectures, of which the driver picks one. */
struct cli_image {
    const char *file;
    size_t ordinal; /* 0, 1, …, in file order */
    const struct det_image *image;
    enum det_err err; /* not DET_OK: entries are those before the fault */
};
/** Calls `each` per image. False when the file cannot be read (said on stderr); *n_images may be 0. */
bool cli_code_walk(const char *path, void (*each)(const struct cli_image *image, void *arg),
    void *arg, size_t *n_images);
/** Names of the kernels in machine code (an ELF cubin, unpacked): global functions of its symbol table. */
void cli_code_kernels(
    const void *cubin, size_t n_bytes, void (*each)(const char *name, void *arg), void *arg);
/** "sm_90a", "compute_90", with room for 24 bytes. */
void cli_code_arch(const struct det_image_entry *entry, char *to);
/** "sm_90", "sm_90a", "90": 10 * major + minor, 0 when it is none of these. */
unsigned cli_code_sm(const char *text);

#endif
