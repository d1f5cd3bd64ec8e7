/* Software GPU: code images. Finds in PTX text, a fatbin or a fatbin wrapper the PTX that stands for what a driver would run
 * on this device. Machine code cannot be executed here; README.md, "Which code runs", says what takes its place. */
#include "tests/softgpu/driver.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define WRAPPER_MAGIC 0x466243b1u
#define FATBIN_MAGIC  0xba55ed50u
#define ELF_MAGIC     0x464c457fu
#define KIND_PTX      1
#define KIND_ELF      2
#define FLAG_LZ4      0x2000u
#define FLAG_ZSTD     0x8000u
#define FLAG_EXACT    0x100000u /* sm_90a and the like: this very architecture only */

struct entry {
    const unsigned char *payload;
    uint16_t kind;
    uint32_t payload_bytes, packed_bytes, sm;
    uint64_t flags, plain_bytes;
};

static uint32_t u32(const unsigned char *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

static uint64_t u64(const unsigned char *at)
{
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

/* Next entry at *at; false at the end. An entry that runs out of the image ends the walk with *bad. */
static bool next_entry(
    const unsigned char **at, const unsigned char *end, struct entry *out, bool *bad)
{
    const unsigned char *p = *at;
    if (p >= end)
        return false;
    *bad = true;
    if (end - p < 64)
        return false;
    const uint32_t header = u32(p + 4), payload = u32(p + 8);
    if (header < 64 || (uint64_t)header + payload > (uint64_t)(end - p))
        return false;
    uint16_t kind;
    memcpy(&kind, p, 2);
    *out = (struct entry){ .payload = p + header,
        .kind = kind,
        .payload_bytes = payload,
        .packed_bytes = u32(p + 16),
        .sm = u32(p + 28),
        .flags = u64(p + 40),
        .plain_bytes = u64(p + 56) };
    *at = p + header + payload;
    *bad = false;
    return true;
}

static bool elf_matches(const struct entry *e)
{
    const uint32_t sm = (uint32_t)sg_options.sm;
    return e->kind == KIND_ELF &&
           (e->flags & FLAG_EXACT ? e->sm == sm : e->sm / 10 == sm / 10 && e->sm <= sm);
}

/* How well a PTX entry stands for what the device would run; 0: not at all. `elf`: matching machine code, or NULL. */
static unsigned rank(const struct entry *e, const struct entry *elf)
{
    const uint32_t sm = (uint32_t)sg_options.sm;
    if (e->kind != KIND_PTX)
        return 0;
    const bool exact = (e->flags & FLAG_EXACT) != 0;
    const bool jit = exact ? e->sm == sm : e->sm <= sm; /* the driver could compile it */
    if (!elf)
        return jit ? 2000 + 2 * e->sm + exact : 0;
    if (e->sm == elf->sm && exact == ((elf->flags & FLAG_EXACT) != 0))
        return 4000;
    if (sg_options.strict_code)
        return 0;
    return jit ? 2000 + 2 * e->sm + exact : 1000 - (e->sm < 500 ? e->sm : 500);
}

static CUresult unpack(const struct entry *e, char **out, size_t *n_bytes)
{
    const bool packed = (e->flags & (FLAG_LZ4 | FLAG_ZSTD)) != 0;
    const size_t n = packed ? (size_t)e->plain_bytes : e->payload_bytes;
    SG_CHECK(n && n < (size_t)1 << 30, CUDA_ERROR_INVALID_IMAGE);
    SG_CHECK(!packed || e->packed_bytes <= e->payload_bytes, CUDA_ERROR_INVALID_IMAGE);
    char *text = sg_calloc(1, n + 1);
    size_t got = n;
    if (e->flags & FLAG_ZSTD)
        got = ZSTD_decompress(text, n, e->payload, e->packed_bytes);
    else if (e->flags & FLAG_LZ4)
        got = (size_t)LZ4_decompress_safe(
            (const char *)e->payload, text, (int)e->packed_bytes, (int)n);
    else
        memcpy(text, e->payload, n);
    if (got != n) {
        free(text);
        return CUDA_ERROR_INVALID_IMAGE;
    }
    *out = text;
    *n_bytes = strlen(text);
    return CUDA_SUCCESS;
}

static CUresult from_fatbin(const unsigned char *image, char **out, size_t *n_bytes)
{
    struct entry e, elf = { 0 }, best = { 0 };
    uint16_t header;
    bool bad = false, have_elf = false;
    unsigned best_rank = 0, n_ptx = 0, n_elf = 0;
    memcpy(&header, image + 6, 2);
    const unsigned char *begin = image + header, *end = begin + u64(image + 8);
    SG_CHECK(header >= 16 && end >= begin && end - begin < (1 << 30), CUDA_ERROR_INVALID_IMAGE);
    for (const unsigned char *at = begin; next_entry(&at, end, &e, &bad);) {
        n_ptx += e.kind == KIND_PTX;
        n_elf += e.kind == KIND_ELF;
        if (elf_matches(&e) && (!have_elf || e.sm > elf.sm)) {
            elf = e;
            have_elf = true;
        }
    }
    SG_CHECK(!bad, CUDA_ERROR_INVALID_IMAGE);
    for (const unsigned char *at = begin; next_entry(&at, end, &e, &bad);)
        if (rank(&e, have_elf ? &elf : NULL) > best_rank) {
            best = e;
            best_rank = rank(&e, have_elf ? &elf : NULL);
        }
    if (!best_rank) {
        sg_verbose("image with %u PTX and %u machine code entries: nothing to run for sm_%d", n_ptx,
            n_elf, sg_options.sm);
        return CUDA_ERROR_NO_BINARY_FOR_GPU;
    }
    if (have_elf && best_rank < 4000)
        sg_verbose("compute_%u PTX stands in for sm_%u machine code", best.sm, elf.sm);
    return unpack(&best, out, n_bytes);
}

/* `.version 8.4` -> 84; 0 where there is none. */
static int ptx_version(const char *ptx)
{
    int major = 0, minor = 0;
    const char *at = strstr(ptx, ".version");
    return at && sscanf(at + 8, " %d.%d", &major, &minor) == 2 ? 10 * major + minor : 0;
}

/* SOFTGPU_CUBIN=FILE: the PTX that the cubins of this run were compiled from. */
static bool sg_stand_in_for_cubins(char **ptx, size_t *n_bytes)
{
    const char *path = getenv("SOFTGPU_CUBIN");
    FILE *file = path && *path ? fopen(path, "rb") : NULL;
    if (!file)
        return false;
    enum { MOST = 16 << 20 };
    char *text = calloc(1, MOST + 1);
    *n_bytes = text ? fread(text, 1, MOST, file) : 0;
    fclose(file);
    *ptx = text;
    return *n_bytes > 0;
}

CUresult sg_image_ptx(const void *image, char **ptx, size_t *n_bytes)
{
    const unsigned char *at = image;
    SG_CHECK(at, CUDA_ERROR_INVALID_VALUE);
    if (at[0] == 0)
        return CUDA_ERROR_INVALID_IMAGE;
    if (at[1] && at[2] && at[3] && u32(at) == WRAPPER_MAGIC)
        at = *(const unsigned char *const *)(const void *)(at + 8);
    if (at[0] == 0x50 && at[1] == 0xed) {
        SG_CHECK(u32(at) == FATBIN_MAGIC, CUDA_ERROR_INVALID_IMAGE);
        SG_TRY(from_fatbin(at, ptx, n_bytes));
    } else if (at[0] == 0x7f && sg_stand_in_for_cubins(ptx, n_bytes)) {
        sg_verbose("a cubin: the file SOFTGPU_CUBIN stands in for its machine code");
    } else if (at[0] == 0x7f) {
        sg_verbose("a cubin alone: machine code cannot run here");
        return memcmp(at, "\177ELF", 4) ? CUDA_ERROR_INVALID_IMAGE : CUDA_ERROR_NO_BINARY_FOR_GPU;
    } else {
        for (size_t i = 0; i < 16 && at[i]; i++)
            SG_CHECK(at[i] >= 32 || at[i] == '\n' || at[i] == '\t' || at[i] == '\r',
                CUDA_ERROR_INVALID_IMAGE);
        *n_bytes = strlen((const char *)at);
        *ptx = sg_copy(at, *n_bytes + 1);
    }
    if (sg_options.max_ptx && ptx_version(*ptx) > sg_options.max_ptx) {
        free(*ptx);
        return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
    }
    return CUDA_SUCCESS;
}

/* --- JIT options --- */

struct sg_jit sg_jit_options(unsigned n, CUjit_option *options, void **values)
{
    struct sg_jit jit = { 0 };
    for (unsigned i = 0; options && values && i < n; i++)
        switch (options[i]) {
        case CU_JIT_INFO_LOG_BUFFER:
            jit.info = values[i];
            break;
        case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
            jit.info_cap = (size_t)(uintptr_t)values[i];
            jit.info_used = &values[i];
            break;
        case CU_JIT_ERROR_LOG_BUFFER:
            jit.error = values[i];
            break;
        case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
            jit.error_cap = (size_t)(uintptr_t)values[i];
            jit.error_used = &values[i];
            break;
        default: /* tuning options have nothing to act on */
            break;
        }
    if (jit.info_used)
        *jit.info_used = NULL;
    if (jit.error_used)
        *jit.error_used = NULL;
    if (jit.info && jit.info_cap)
        jit.info[0] = 0;
    if (jit.error && jit.error_cap)
        jit.error[0] = 0;
    return jit;
}

void sg_jit_error(struct sg_jit *jit, const char *text)
{
    sg_verbose("cannot load PTX: %s", text);
    if (!jit || !jit->error || !jit->error_cap)
        return;
    snprintf(jit->error, jit->error_cap, "%s", text);
    if (jit->error_used)
        *jit->error_used = (void *)(uintptr_t)(strlen(jit->error) + 1);
}
