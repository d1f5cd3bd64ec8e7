/* Copy an image whose size nobody told us: the driver takes bare pointers. Every read goes through det_io_peek, so that a
 * pointer the driver itself would refuse, or fault on later, costs us an error only. */
#include <elf.h>

#include "shim/core/io.h"
#include "shim/image/parts.h"

#define CHUNK_BYTES 4096

static enum det_err append_peeked(const uint8_t *from, size_t n_bytes, struct det_bytes *out)
{
    uint8_t chunk[CHUNK_BYTES];
    while (n_bytes > 0) {
        const size_t ask = n_bytes < sizeof chunk ? n_bytes : sizeof chunk;
        if (det_io_peek(from, chunk, ask) != ask)
            return DET_E_TRUNCATED;
        det_bytes_append(out, chunk, ask);
        from += ask;
        n_bytes -= ask;
    }
    return det_bytes_check(out);
}

static enum det_err copy_fatbin(const uint8_t *from, size_t max_bytes, struct det_bytes *out)
{
    uint8_t header[DET_FATBIN_HEADER_BYTES];
    if (det_io_peek(from, header, sizeof header) != sizeof header)
        return DET_E_TRUNCATED;
    const uint64_t whole = det_fatbin_bytes(header);
    if (whole == 0)
        return DET_E_FORMAT;
    return whole > max_bytes ? DET_E_LIMIT : append_peeked(from, (size_t)whole, out);
}

/* The end of a cubin: its tables stand last in what ptxas writes, but sections may lie behind them. */
static enum det_err copy_elf(const uint8_t *from, const uint8_t *head, size_t n_head,
    size_t max_bytes, struct det_bytes *out)
{
    uint64_t end = det_elf_tables_end(head, n_head);
    if (end < sizeof(Elf64_Ehdr))
        return DET_E_FORMAT;
    if (end > max_bytes)
        return DET_E_LIMIT;
    DET_TRY(append_peeked(from, (size_t)end, out));
    const uint8_t *bytes = (const uint8_t *)out->data;
    Elf64_Ehdr header;
    memcpy(&header, bytes, sizeof header);
    const size_t have = (size_t)end;
    for (size_t i = 0; i < header.e_shnum && header.e_shentsize >= sizeof(Elf64_Shdr); i++) {
        Elf64_Shdr section;
        memcpy(&section, bytes + header.e_shoff + i * header.e_shentsize, sizeof section);
        if (section.sh_type == SHT_NOBITS)
            continue;
        if (section.sh_size > max_bytes || section.sh_offset > max_bytes - section.sh_size)
            return DET_E_LIMIT;
        if (section.sh_offset + section.sh_size > end)
            end = section.sh_offset + section.sh_size;
    }
    return append_peeked(from + have, (size_t)end - have, out);
}

static enum det_err copy_text(const uint8_t *from, size_t max_bytes, struct det_bytes *out)
{
    uint8_t chunk[CHUNK_BYTES];
    for (size_t n_done = 0; n_done < max_bytes;) {
        /* Up to a page boundary at most: what lies behind the NUL may be unmapped. */
        size_t ask = CHUNK_BYTES - ((uintptr_t)(from + n_done) & (CHUNK_BYTES - 1));
        ask = ask < max_bytes - n_done ? ask : max_bytes - n_done;
        const size_t got = det_io_peek(from + n_done, chunk, ask);
        const uint8_t *nul = memchr(chunk, 0, got);
        det_bytes_append(out, chunk, nul ? (size_t)(nul - chunk) : got);
        DET_TRY(det_bytes_check(out));
        if (nul)
            return DET_OK;
        if (got < ask)
            return DET_E_TRUNCATED;
        n_done += got;
    }
    return DET_E_LIMIT;
}

/* See image.h */
enum det_err det_image_copy(const void *pointer, size_t max_bytes, struct det_bytes *out)
{
    const uint8_t *from = pointer;
    uint8_t head[sizeof(Elf64_Ehdr)];
    const size_t n_head = det_io_peek(from, head, sizeof head);
    if (n_head < 4)
        return DET_E_TRUNCATED;
    const uint32_t magic = det_le32(head);
    if (magic == DET_FATBIN_WRAPPER_MAGIC) {
        if (n_head < DET_FATBIN_WRAPPER_BYTES)
            return DET_E_TRUNCATED;
        return copy_fatbin(
            (const uint8_t *)(uintptr_t)det_le64(head + DET_FATBIN_DATA_AT), max_bytes, out);
    }
    if (magic == DET_FATBIN_MAGIC)
        return copy_fatbin(from, max_bytes, out);
    if (memcmp(head, ELFMAG, SELFMAG) == 0)
        return copy_elf(from, head, n_head, max_bytes, out);
    /* Anything else must look like the start of text before we go looking for its end. */
    for (size_t i = 0; i < 4 && head[i]; i++)
        if (head[i] > 0x7e || (head[i] < ' ' && !(head[i] >= '\t' && head[i] <= '\r')))
            return DET_E_FORMAT;
    return copy_text(from, max_bytes, out);
}
