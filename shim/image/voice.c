/* The voice rule of design section 6.2: an image often holds PTX of one architecture beside machine code of another, compiled
 * through different __CUDA_ARCH__ branches, so PTX speaks for the kernels only under the conditions here. */
#include "shim/image/parts.h"

static bool runs(const struct det_image_entry *entry, unsigned sm)
{
    if (entry->sm == 0)
        return false;
    if (entry->suffix == 'a')
        return entry->sm == sm;
    const bool family = entry->sm / 10 == sm / 10 && entry->sm <= sm;
    if (entry->kind == DET_IMAGE_ELF || entry->suffix == 'f')
        return family;
    return entry->sm <= sm;
}

static unsigned rank(const struct det_image_entry *entry)
{
    return entry->sm * 4 + (entry->suffix == 'a' ? 2 : entry->suffix == 'f' ? 1 : 0);
}

/* The most specific piece of one kind that runs on the device. */
static const struct det_image_entry *pick(
    const struct det_image *image, enum det_image_kind kind, unsigned sm)
{
    const struct det_image_entry *best = NULL;
    for (size_t i = 0; i < image->n_entries; i++) {
        const struct det_image_entry *entry = &image->entries[i];
        if (entry->kind == kind && runs(entry, sm) && (!best || rank(entry) > rank(best)))
            best = entry;
    }
    return best;
}

static const struct det_image_entry *ptx_of_target(
    const struct det_image *image, const struct det_image_entry *code)
{
    const struct det_image_entry *any = NULL;
    for (size_t i = 0; i < image->n_entries; i++) {
        const struct det_image_entry *entry = &image->entries[i];
        if (entry->kind != DET_IMAGE_PTX)
            continue;
        if (rank(entry) == rank(code))
            return entry;
        any = entry;
    }
    return any;
}

static bool has_lto(const struct det_image *image)
{
    for (size_t i = 0; i < image->n_entries; i++)
        if (image->entries[i].lto)
            return true;
    return false;
}

/* See image.h */
enum det_image_voice det_image_voice(const struct det_image *image, unsigned sm,
    const struct det_image_entry **ptx, const struct det_image_entry **code)
{
    *code = pick(image, DET_IMAGE_ELF, sm);
    *ptx = NULL;
    if (*code) {
        *ptx = ptx_of_target(image, *code);
        if ((*code)->relocatable || (*code)->linked)
            return DET_VOICE_LINKED;
        if (!*ptx)
            return DET_VOICE_NONE;
        if (rank(*ptx) != rank(*code))
            return DET_VOICE_OTHER_ARCH;
        return (*ptx)->relocatable ? DET_VOICE_LINKED : DET_VOICE_PTX;
    }
    *ptx = pick(image, DET_IMAGE_PTX, sm);
    if (*ptx)
        return (*ptx)->relocatable ? DET_VOICE_LINKED : DET_VOICE_PTX;
    return has_lto(image) ? DET_VOICE_LINKED : DET_VOICE_NOTHING;
}

static void arch_text(const char *prefix, const struct det_image_entry *entry, struct det_line *out)
{
    det_line_text(out, prefix);
    det_line_u64(out, entry->sm);
    if (entry->suffix)
        det_line_bytes(out, &entry->suffix, 1);
}

/* See image.h */
void det_image_voice_text(enum det_image_voice voice, const struct det_image_entry *ptx,
    const struct det_image_entry *code, struct det_line *out)
{
    switch (voice) {
    case DET_VOICE_PTX:
        det_line_text(out, "PTX speaks for its kernels");
        if (ptx)
            arch_text(" (compute_", ptx, out), det_line_text(out, ")");
        return;
    case DET_VOICE_OTHER_ARCH:
        det_line_text(out, "PTX of another architecture");
        if (ptx && code) {
            arch_text(" (compute_", ptx, out);
            arch_text(" beside sm_", code, out);
            arch_text("); build with code=compute_", code, out);
        }
        return;
    case DET_VOICE_NONE:
        det_line_text(out, "machine code only");
        if (code) {
            arch_text(" (sm_", code, out);
            arch_text("); build with code=compute_", code, out);
        }
        return;
    case DET_VOICE_LINKED:
        det_line_text(out, "linked: kernels are made by a device link (-rdc or LTO)");
        return;
    case DET_VOICE_NOTHING:
        det_line_text(out, "nothing in the image runs on this device");
        return;
    }
}
