/* Any bytes through every entry of the image reader; nothing may crash, leak or point outside the input. */
#include <stdlib.h>

#include "shim/image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static void read_one(const void *bytes, size_t n_bytes, void *arg)
{
    (void)arg;
    struct det_image image;
    const struct det_image_entry *ptx, *code;
    det_image_read(bytes, n_bytes, &image);
    for (size_t i = 0; i < image.n_entries; i++) {
        const struct det_image_entry *entry = &image.entries[i];
        const size_t at = (size_t)(entry->payload - (const uint8_t *)bytes);
        if (at > n_bytes || entry->payload_bytes > n_bytes - at)
            abort();
        /* A claim of a gigabyte is legal and slow; the reader's own limit is tested in tests/unit/image. */
        struct det_bytes out = { 0 };
        if (entry->plain_bytes < 1 << 24)
            det_image_unpack(entry, &out);
        det_bytes_free(&out);
    }
    for (unsigned sm = 70; sm <= 121; sm += 3) {
        DET_LINE(line, 160);
        const enum det_image_voice voice = det_image_voice(&image, sm, &ptx, &code);
        det_image_voice_text(voice, ptx, code, &line);
    }
    det_image_free(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    read_one(bytes, n_bytes, NULL);
    det_image_scan_elf(bytes, n_bytes, read_one, NULL);
    return 0;
}
