/* Fat binary: a 16-byte header, then entries of one architecture each. Layout seen in the output of every nvcc 13.0
 * option of notes/software-gpu.md section 3.2; field names are ours. Sizes in it are never trusted. */
#include "shim/image/parts.h"

enum entry_field {
    ENTRY_KIND = 0,          /* u16 */
    ENTRY_HEADER_BYTES = 4,  /* u32, 64 and more */
    ENTRY_PAYLOAD_BYTES = 8, /* u32, padded to 8 */
    ENTRY_PACKED_BYTES = 16, /* u32, 0 when not compressed */
    ENTRY_OPTIONS_AT =
        20,           /* u32 from the entry's start: { u32 text at, u32 text bytes }, 0 when none */
    ENTRY_SM = 28,    /* u32 */
    ENTRY_FLAGS = 40, /* u64 */
    ENTRY_PLAIN_BYTES = 56, /* u64 */
    ENTRY_MIN_BYTES = 64
};
enum entry_kind { KIND_PTX = 1, KIND_ELF = 2, KIND_LTO = 8 };
#define FLAG_LZ4    0x2000u
#define FLAG_ZSTD   0x8000u
#define FLAG_ARCH   0x100000u /* sm_90a */
#define FLAG_FAMILY 0x200000u /* sm_100f */

uint64_t det_fatbin_bytes(const uint8_t *header)
{
    if (det_le32(header) != DET_FATBIN_MAGIC || det_le16(header + 6) < DET_FATBIN_HEADER_BYTES)
        return 0;
    const uint64_t n_entries_bytes = det_le64(header + 8);
    return n_entries_bytes > UINT64_MAX / 2 ? 0 : n_entries_bytes + det_le16(header + 6);
}

/* nvcc -rdc notes ptxas' `--compile-only` beside the PTX; for machine code the ELF type tells. */
static bool options_hold(const uint8_t *entry, size_t header_bytes, const char *word)
{
    const size_t n_word = strlen(word);
    const size_t options = det_le32(entry + ENTRY_OPTIONS_AT);
    if (options < ENTRY_MIN_BYTES || options > header_bytes - 8)
        return false;
    const size_t text = det_le32(entry + options), n_text = det_le32(entry + options + 4);
    if (text > header_bytes || n_text > header_bytes - text)
        return false;
    for (size_t i = 0; i + n_word <= n_text; i++)
        if (memcmp(entry + text + i, word, n_word) == 0)
            return true;
    return false;
}

static void read_packing(const uint8_t *at, struct det_image_entry *entry)
{
    const uint32_t packed = det_le32(at + ENTRY_PACKED_BYTES);
    const uint64_t form = entry->flags & (FLAG_LZ4 | FLAG_ZSTD);
    entry->plain_bytes = entry->payload_bytes;
    if (form == 0 && packed == 0)
        return;
    if (packed != 0 && packed < entry->payload_bytes)
        entry->payload_bytes = packed;
    const uint64_t plain = det_le64(at + ENTRY_PLAIN_BYTES);
    entry->plain_bytes = plain <= DET_IMAGE_MAX_PLAIN ? (size_t)plain : 0;
    if (plain <= DET_IMAGE_MAX_PLAIN && form == FLAG_LZ4)
        entry->pack = DET_PACK_LZ4;
    else if (plain <= DET_IMAGE_MAX_PLAIN && form == FLAG_ZSTD)
        entry->pack = DET_PACK_ZSTD;
    else
        entry->pack = DET_PACK_UNKNOWN;
}

/* Enough for the ELF header; the rest of a compressed cubin stays packed. */
static void read_elf_facts(struct det_image_entry *entry)
{
    if (entry->pack == DET_PACK_NONE) {
        det_elf_facts(entry->payload, entry->payload_bytes, entry);
        return;
    }
    uint8_t head[64];
    const size_t n = det_image_peek(entry, head, sizeof head);
    det_elf_facts(head, n, entry);
}

static struct det_image_entry read_entry(
    const uint8_t *at, size_t header_bytes, size_t payload_bytes)
{
    struct det_image_entry entry = { .flags = det_le64(at + ENTRY_FLAGS),
        .sm = det_le32(at + ENTRY_SM),
        .payload = at + header_bytes,
        .payload_bytes = payload_bytes };
    if (entry.flags & FLAG_ARCH)
        entry.suffix = 'a';
    else if (entry.flags & FLAG_FAMILY)
        entry.suffix = 'f';
    read_packing(at, &entry);
    switch (det_le16(at + ENTRY_KIND)) {
    case KIND_PTX:
        entry.kind = DET_IMAGE_PTX;
        entry.relocatable = options_hold(at, header_bytes, "--compile-only");
        break;
    case KIND_ELF:
        entry.kind = DET_IMAGE_ELF;
        read_elf_facts(&entry);
        break;
    default:
        entry.kind = DET_IMAGE_OTHER;
        entry.lto = det_le16(at + ENTRY_KIND) == KIND_LTO;
        break;
    }
    return entry;
}

/* See parts.h */
enum det_err det_fatbin_read(const uint8_t *bytes, size_t n_bytes, struct det_image *out)
{
    if (n_bytes < DET_FATBIN_HEADER_BYTES)
        return DET_E_TRUNCATED;
    if (det_le32(bytes) != DET_FATBIN_MAGIC)
        return DET_E_FORMAT;
    const uint64_t whole = det_fatbin_bytes(bytes);
    if (whole == 0)
        return DET_E_FORMAT;
    const size_t end = whole < n_bytes ? (size_t)whole : n_bytes;
    size_t at = det_le16(bytes + 6);
    while (at < end) {
        if (end - at < ENTRY_MIN_BYTES)
            return DET_E_TRUNCATED;
        const size_t header = det_le32(bytes + at + ENTRY_HEADER_BYTES);
        const size_t payload = det_le32(bytes + at + ENTRY_PAYLOAD_BYTES);
        if (header < ENTRY_MIN_BYTES)
            return DET_E_FORMAT;
        if (header > end - at || payload > end - at - header)
            return DET_E_TRUNCATED;
        const struct det_image_entry entry = read_entry(bytes + at, header, payload);
        DET_TRY(det_image_add(out, &entry));
        at += header + payload;
    }
    return whole > n_bytes ? DET_E_TRUNCATED : DET_OK;
}
