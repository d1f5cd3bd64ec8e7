/* Declarations: `.align 8 .b8 name[16]`, parameter lists with the offsets the driver gives them. */
#include "shim/ptx/parts.h"

#include <string.h>

/* Bytes of one element of type word `.u64`, `.f32`, `.b8`, …; 0 when it is no type. */
static uint32_t type_bytes(const char *at, uint32_t len)
{
    static const struct {
        const char *name;
        uint32_t bytes;
    } types[] = { { ".b8", 1 }, { ".u8", 1 }, { ".s8", 1 }, { ".b16", 2 }, { ".u16", 2 },
        { ".s16", 2 }, { ".f16", 2 }, { ".bf16", 2 }, { ".b32", 4 }, { ".u32", 4 }, { ".s32", 4 },
        { ".f32", 4 }, { ".f16x2", 4 }, { ".bf16x2", 4 }, { ".b64", 8 }, { ".u64", 8 },
        { ".s64", 8 }, { ".f64", 8 }, { ".b128", 16 }, { ".texref", 8 }, { ".surfref", 8 },
        { ".samplerref", 8 } };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i].name) == len && memcmp(types[i].name, at, len) == 0)
            return types[i].bytes;
    return 0;
}

static uint64_t number(const char *text, uint32_t *at)
{
    uint64_t value = 0;
    while (text[*at] >= '0' && text[*at] <= '9') {
        if (value < ((uint64_t)1 << 40))
            value = value * 10 + (uint64_t)(text[*at] - '0');
        ++*at;
    }
    return value;
}

/* `.v2`, `.v4`: vectors in a declaration. */
static uint32_t vector(const char *at, uint32_t len)
{
    if (len == 3 && at[1] == 'v' && at[2] >= '2' && at[2] <= '8')
        return (uint32_t)(at[2] - '0');
    return 1;
}

bool det_ptx_decl(const struct det_ptx_module *module, uint32_t at, uint32_t end, struct decl *out)
{
    const char *text = module->text;
    uint32_t lanes = 1;
    bool pointer = false;
    *out = (struct decl){ .n_elems = 1 };
    for (at = det_ptx_skip(module, at); at < end; at = det_ptx_skip(module, at)) {
        if (text[at] == '.') {
            const uint32_t past = det_ptx_word(module, at + 1);
            const uint32_t bytes = type_bytes(text + at, past - at);
            if (bytes)
                out->elem_bytes = bytes;
            lanes *= vector(text + at, past - at);
            pointer |= det_ptx_is(module, at, past - at, ".ptr");
            const bool align = det_ptx_is(module, at, past - at, ".align");
            at = past;
            if (align) {
                at = det_ptx_skip(module, at);
                const uint64_t value = number(text, &at);
                if (!pointer && value && value <= 65536 && !(value & (value - 1)))
                    out->align = (uint32_t)value;
            }
        } else if (text[at] == '(') { /* .attribute(.managed) */
            while (at < end && text[at] != ')')
                at++;
            at++;
        } else {
            break;
        }
    }
    if (at >= end || !out->elem_bytes)
        return false;
    out->name = at;
    at = det_ptx_word(module, at);
    out->name_len = at - out->name;
    for (at = det_ptx_skip(module, at); at < end && text[at] == '[';
         at = det_ptx_skip(module, at)) {
        at = det_ptx_skip(module, at + 1);
        const uint64_t n = number(text, &at);
        out->n_elems =
            out->n_elems < ((uint64_t)1 << 40) / (n + 1) ? out->n_elems * n : (uint64_t)1 << 40;
        at = det_ptx_skip(module, at);
        if (at >= end || text[at] != ']')
            return false;
        at++;
    }
    out->elem_bytes *= lanes;
    if (!out->align)
        out->align = out->elem_bytes > 16 ? 16 : out->elem_bytes;
    return out->name_len != 0;
}

enum det_err det_ptx_params(struct det_ptx_module *module, struct func *func)
{
    const char *text = module->text;
    if (!func->params_end)
        return DET_OK;
    uint32_t n = 0;
    const uint32_t first = det_ptx_skip(module, func->params_at);
    for (uint32_t at = first; at < func->params_end; at++)
        n += text[at] == ',';
    if (first >= func->params_end)
        return DET_OK;
    func->params = det_arena_take(&module->arena, (n + 1) * sizeof *func->params);
    if (!func->params)
        return DET_E_NOMEM;
    uint64_t offset = 0;
    for (uint32_t at = first; at < func->params_end;) {
        uint32_t comma = at;
        while (comma < func->params_end && text[comma] != ',')
            comma++;
        struct decl decl;
        if (!det_ptx_decl(module, at, comma, &decl))
            return DET_E_SYNTAX;
        struct param *param = &func->params[func->n_params++];
        param->name = det_arena_text(&module->arena, text + decl.name, decl.name_len);
        if (!param->name)
            return DET_E_NOMEM;
        offset = (offset + decl.align - 1) & ~(uint64_t)(decl.align - 1);
        const uint64_t n_bytes = decl.n_elems * decl.elem_bytes;
        if (offset + n_bytes > 1u << 20)
            return DET_E_SYNTAX;
        param->offset = (uint32_t)offset;
        param->n_bytes = (uint32_t)n_bytes;
        param->align = decl.align;
        param->pointer = n_bytes == 8 && decl.elem_bytes == 8;
        offset += n_bytes;
        at = comma + 1;
    }
    func->param_bytes = (uint32_t)offset;
    return DET_OK;
}
