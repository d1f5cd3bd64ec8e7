/* Decompression of one entry: standard LZ4 blocks and zstd frames, as the public libraries read them. */
#include <lz4.h>
#include <stdlib.h>
#include <zstd.h>

#include "shim/image/parts.h"

/* LZ4 cannot expand further than this; a larger claim is a broken header, refused before memory is taken. */
#define LZ4_MAX_RATIO 255u

static enum det_err unpack_lz4(const struct det_image_entry *entry, char *to)
{
    if (entry->payload_bytes > LZ4_MAX_INPUT_SIZE || entry->plain_bytes > LZ4_MAX_INPUT_SIZE)
        return DET_E_COMPRESSION;
    const int n = LZ4_decompress_safe(
        (const char *)entry->payload, to, (int)entry->payload_bytes, (int)entry->plain_bytes);
    return n >= 0 && (size_t)n == entry->plain_bytes ? DET_OK : DET_E_COMPRESSION;
}

static enum det_err unpack_zstd(const struct det_image_entry *entry, char *to)
{
    const size_t n = ZSTD_decompress(to, entry->plain_bytes, entry->payload, entry->payload_bytes);
    return !ZSTD_isError(n) && n == entry->plain_bytes ? DET_OK : DET_E_COMPRESSION;
}

/* Does the header's claim agree with what the stream says of itself? Checked before memory is taken. */
static bool plausible(const struct det_image_entry *entry)
{
    if (entry->plain_bytes == 0 || entry->plain_bytes > DET_IMAGE_MAX_PLAIN)
        return false;
    if (entry->pack == DET_PACK_LZ4)
        return entry->plain_bytes / LZ4_MAX_RATIO <= entry->payload_bytes;
    const unsigned long long own = ZSTD_getFrameContentSize(entry->payload, entry->payload_bytes);
    return own == entry->plain_bytes || own == ZSTD_CONTENTSIZE_UNKNOWN;
}

/* See image.h */
enum det_err det_image_unpack(const struct det_image_entry *entry, struct det_bytes *out)
{
    size_t n = entry->payload_bytes;
    const char *plain = (const char *)entry->payload;
    char *unpacked = NULL;
    if (entry->pack != DET_PACK_NONE) {
        if (entry->pack == DET_PACK_UNKNOWN || !plausible(entry))
            return DET_E_COMPRESSION;
        n = entry->plain_bytes;
        plain = unpacked = malloc(n);
        if (!unpacked)
            return DET_E_NOMEM;
        const enum det_err err = entry->pack == DET_PACK_LZ4 ? unpack_lz4(entry, unpacked)
                                                             : unpack_zstd(entry, unpacked);
        if (err != DET_OK) {
            free(unpacked);
            return err;
        }
    }
    while (entry->kind == DET_IMAGE_PTX && n > 0 && plain[n - 1] == 0)
        n--;
    det_bytes_append(out, plain, n);
    free(unpacked);
    return det_bytes_check(out);
}

static size_t peek_zstd(const struct det_image_entry *entry, uint8_t *to, size_t cap)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (!stream)
        return 0;
    ZSTD_inBuffer in = { .src = entry->payload, .size = entry->payload_bytes, .pos = 0 };
    ZSTD_outBuffer room = { .size = cap, .pos = 0 };
    room.dst = to;
    while (room.pos < cap) {
        const size_t out_before = room.pos, in_before = in.pos;
        if (ZSTD_isError(ZSTD_decompressStream(stream, &room, &in)))
            break;
        if (room.pos == out_before && in.pos == in_before)
            break;
    }
    ZSTD_freeDStream(stream);
    return room.pos;
}

/* See parts.h */
size_t det_image_peek(const struct det_image_entry *entry, uint8_t *to, size_t cap)
{
    if (entry->pack == DET_PACK_ZSTD)
        return plausible(entry) ? peek_zstd(entry, to, cap) : 0;
    if (entry->pack == DET_PACK_LZ4 && plausible(entry) &&
        entry->payload_bytes <= LZ4_MAX_INPUT_SIZE) {
        const int n = LZ4_decompress_safe_partial((const char *)entry->payload, (char *)to,
            (int)entry->payload_bytes, (int)cap, (int)cap);
        return n > 0 ? (size_t)n : 0;
    }
    if (entry->pack != DET_PACK_NONE)
        return 0;
    const size_t n = entry->payload_bytes < cap ? entry->payload_bytes : cap;
    memcpy(to, entry->payload, n);
    return n;
}
