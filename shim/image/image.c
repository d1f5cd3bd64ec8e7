/* What kind of container the bytes are, and the bare PTX case. The containers themselves: fatbin.c, elf.c. */
#include "shim/image/image.h"

#include <stdlib.h>

#include "shim/image/parts.h"

enum det_err det_image_add(struct det_image *image, const struct det_image_entry *entry)
{
    /* Grows at powers of two, so no capacity has to be kept. */
    if ((image->n_entries & (image->n_entries - 1)) == 0) {
        const size_t cap = image->n_entries ? image->n_entries * 2 : 1;
        struct det_image_entry *grown = realloc(image->entries, cap * sizeof *grown);
        if (!grown)
            return DET_E_NOMEM;
        image->entries = grown;
    }
    image->entries[image->n_entries++] = *entry;
    return DET_OK;
}

void det_image_free(struct det_image *image)
{
    free(image->entries);
    *image = (struct det_image){ 0 };
}

bool det_arch_parse(const char *text, size_t n_bytes, unsigned *sm, char *suffix)
{
    size_t at = 0;
    if (n_bytes > 3 && memcmp(text, "sm_", 3) == 0)
        at = 3;
    else if (n_bytes > 8 && memcmp(text, "compute_", 8) == 0)
        at = 8;
    else
        return false;
    unsigned number = 0;
    const size_t digits_at = at;
    while (at < n_bytes && at - digits_at < 4 && text[at] >= '0' && text[at] <= '9')
        number = number * 10 + (unsigned)(text[at++] - '0');
    if (at == digits_at)
        return false;
    *sm = number;
    *suffix = 0;
    if (at < n_bytes && (text[at] == 'a' || text[at] == 'f'))
        *suffix = text[at];
    return true;
}

/* Past blanks and comments, which may stand before any directive. */
static size_t skip_space(const char *text, size_t n, size_t at)
{
    while (at < n) {
        if (text[at] == ' ' || (text[at] >= '\t' && text[at] <= '\r')) {
            at++;
        } else if (n - at >= 2 && text[at] == '/' && text[at + 1] == '/') {
            while (at < n && text[at] != '\n')
                at++;
        } else if (n - at >= 2 && text[at] == '/' && text[at + 1] == '*') {
            at += 2;
            while (at < n && !(text[at] == '/' && text[at - 1] == '*'))
                at++;
            at += at < n;
        } else {
            break;
        }
    }
    return at;
}

static bool directive(const char *text, size_t n, size_t *at, const char *word)
{
    *at = skip_space(text, n, *at);
    const size_t n_word = strlen(word);
    if (n - *at < n_word || memcmp(text + *at, word, n_word) != 0)
        return false;
    *at = skip_space(text, n, *at + n_word);
    return true;
}

bool det_ptx_facts(const uint8_t *bytes, size_t n, struct det_image_entry *entry)
{
    const char *text = (const char *)bytes;
    size_t at = 0;
    if (!directive(text, n, &at, ".version"))
        return false;
    while (at < n && ((text[at] >= '0' && text[at] <= '9') || text[at] == '.'))
        at++;
    if (directive(text, n, &at, ".target"))
        det_arch_parse(text + at, n - at, &entry->sm, &entry->suffix);
    return true;
}

/* A wrapper holds the address of its fat binary; it is followed only inside the bytes given. */
static enum det_err read_wrapper(const uint8_t *bytes, size_t n_bytes, struct det_image *out)
{
    if (n_bytes < DET_FATBIN_WRAPPER_BYTES)
        return DET_E_TRUNCATED;
    const uint64_t data = det_le64(bytes + DET_FATBIN_DATA_AT);
    const uint64_t first = (uint64_t)(uintptr_t)bytes;
    if (data < first || data - first >= n_bytes)
        return DET_E_RANGE;
    const size_t at = (size_t)(data - first);
    return det_fatbin_read(bytes + at, n_bytes - at, out);
}

/* See image.h */
enum det_err det_image_read(const void *bytes, size_t n_bytes, struct det_image *out)
{
    *out = (struct det_image){ 0 };
    const uint8_t *at = bytes;
    if (n_bytes < 4)
        return DET_E_TRUNCATED;
    if (det_le32(at) == DET_FATBIN_MAGIC)
        return det_fatbin_read(at, n_bytes, out);
    if (det_le32(at) == DET_FATBIN_WRAPPER_MAGIC)
        return read_wrapper(at, n_bytes, out);

    struct det_image_entry entry = {
        .payload = at, .payload_bytes = n_bytes, .plain_bytes = n_bytes
    };
    if (det_elf_is(at, n_bytes)) {
        entry.kind = DET_IMAGE_ELF;
        return det_elf_facts(at, n_bytes, &entry) ? det_image_add(out, &entry) : DET_E_FORMAT;
    }
    const uint8_t *nul = memchr(at, 0, n_bytes);
    if (nul)
        entry.payload_bytes = entry.plain_bytes = (size_t)(nul - at);
    entry.kind = DET_IMAGE_PTX;
    return det_ptx_facts(at, entry.payload_bytes, &entry) ? det_image_add(out, &entry)
                                                          : DET_E_FORMAT;
}
