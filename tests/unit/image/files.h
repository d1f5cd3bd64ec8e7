/* Load the images tools/make_images.sh wrote. */
#ifndef TEST_UNIT_IMAGE_FILES_H
#define TEST_UNIT_IMAGE_FILES_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "shim/core/io.h"
#include "shim/image/image.h"

static inline struct det_bytes load(const char *name)
{
    char path[4096];
    struct det_bytes bytes = { 0 };
    snprintf(path, sizeof path, "%s/images/%s", BUILD, name);
    cr_assert_eq(det_io_read_file(path, 16 << 20, &bytes), DET_OK, "cannot read %s", path);
    return bytes;
}

/* "PTX 90a zstd, ELF 90": one word list per entry, `rel`, `lto`, `linked` where set. */
static inline const char *describe(const struct det_image *image)
{
    static const char *const kinds[] = { "PTX", "ELF", "OTHER" };
    static const char *const packs[] = { "", " lz4", " zstd", " unknown" };
    static char text[1024];
    size_t n = 0;
    text[0] = 0;
    for (size_t i = 0; i < image->n_entries && n < sizeof text; i++) {
        const struct det_image_entry *e = &image->entries[i];
        const char suffix[2] = { e->suffix, 0 };
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s %u%s%s%s%s%s", i ? ", " : "",
            kinds[e->kind], e->sm, suffix, packs[e->pack], e->relocatable ? " rel" : "",
            e->lto ? " lto" : "", e->linked ? " linked" : "");
    }
    return text;
}

#endif
