/* What changes in one kernel: an extra parameter, every float add, addresses of module variables, and a count of adds handed
 * in before each way out. All as text edits; everything else stays byte for byte. */
#include "shim/ptx/edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replacements/accumulator.h"
#include "shim/ptx/emit.h"
#include "shim/ptx/verdict.h"

#define TABLE     "%detshim_table"
#define COUNT     "%detshim_count"
#define MAX_LANES 16 /* of det_ptx_emit_add */

bool det_ptx_can_emit(const struct det_ptx_module *module, const struct access *access)
{
    if (module->version < 60 || module->target < 60 || access->n_lanes > MAX_LANES)
        return false;
    /* several lanes run a red of our own, which has no form for bfloat16 pairs before sm_90 */
    const bool own_red = access->n_lanes > 1 && access->type == DET_PTX_BF16;
    return !own_red || access->cas >= 0 || (module->target >= 90 && module->version >= 78);
}

/* Operand text; a sign in front of a number belongs to it. */
static char *operand_text(const struct analysis *a, const struct ref *ref)
{
    const char *text = a->module->text;
    const bool minus = ref->kind == REF_IMM && ref->at > 0 && text[ref->at - 1] == '-';
    return strndup(text + ref->at - minus, (size_t)ref->len + minus);
}

/* Slot of the variable a symbol names: > 0 when the twin must use the original's address. */
static uint32_t variable_slot(const struct rewrite *rw, const struct ref *ref)
{
    if (ref->kind != REF_SYMBOL)
        return 0;
    const struct symbol *symbol =
        det_ptx_symbol(rw->a->module, rw->a->module->text + ref->at, ref->len);
    return symbol && symbol->kind == SYM_VARIABLE ? rw->variable_slot[symbol->index] : 0;
}

void det_ptx_address_text(const struct rewrite *rw, const struct ref *ref, char *out, size_t cap)
{
    const uint32_t slot = variable_slot(rw, ref);
    int n;
    if (slot)
        n = snprintf(out, cap, "%%detshim_var%u", slot - 1);
    else
        n = snprintf(out, cap, "%.*s", (int)ref->len, rw->a->module->text + ref->at);
    if (ref->offset && n > 0 && (size_t)n < cap)
        snprintf(out + n, cap - (size_t)n, "+%lld", (long long)ref->offset);
}

/* A variable's name becomes the register that holds its address in the original module. */
static void replace_variables(struct rewrite *rw)
{
    for (uint32_t i = 0; i < rw->a->n_refs; i++) {
        const struct ref *ref = &rw->a->refs[i];
        const uint32_t slot = variable_slot(rw, ref);
        if (!slot)
            continue;
        char name[32];
        snprintf(name, sizeof name, "%%detshim_var%u", slot - 1);
        det_edits_add(&rw->edits, ref->at, ref->at + ref->len, name);
    }
}

/* `mov.u64 %rd1, var+8;` cannot take a register plus a constant. */
static enum det_err replace_sums(struct rewrite *rw)
{
    const struct det_ptx_module *module = rw->a->module;
    for (uint32_t i = 0; i < rw->a->n_insts; i++) {
        const struct stmt *stmt = stmt_of(rw->a, i);
        const struct ref *src = det_ptx_slot(rw->a, i, 1), *dst = det_ptx_slot(rw->a, i, 0);
        if (stmt->id != OP_MOV || !src || !dst || !variable_slot(rw, src))
            continue;
        const uint32_t plus = det_ptx_skip(module, src->at + src->len);
        if (module->text[plus] != '+')
            continue;
        char text[160], guard[80] = "";
        if (stmt->guard)
            snprintf(guard, sizeof guard, "@%s%.*s ", stmt->guard_not ? "!" : "",
                (int)(det_ptx_word(module, stmt->guard) - stmt->guard), module->text + stmt->guard);
        snprintf(text, sizeof text, "%sadd.s64 %.*s, %%detshim_var%u, %.*s;", guard, (int)dst->len,
            module->text + dst->at, variable_slot(rw, src) - 1, (int)(stmt->end - 1 - plus - 1),
            module->text + plus + 1);
        det_edits_add(&rw->edits, stmt->at, stmt->end, text);
    }
    return DET_OK;
}

void det_ptx_guard_text(const struct analysis *a, uint32_t inst, char *out, size_t cap)
{
    const struct stmt *stmt = stmt_of(a, inst);
    *out = '\0';
    if (stmt->guard)
        snprintf(out, cap, "@%s%.*s", stmt->guard_not ? "!" : "",
            (int)(det_ptx_word(a->module, stmt->guard) - stmt->guard),
            a->module->text + stmt->guard);
}

/* The fence an atomic's own ordering stood for. */
static void fence(
    const struct analysis *a, uint32_t inst, const char *guard, bool before, struct det_bytes *out)
{
    const bool both = det_ptx_has(a, inst, "acq_rel");
    const bool wanted = both || det_ptx_has(a, inst, before ? "release" : "acquire");
    if (!wanted)
        return;
    const char *scope = det_ptx_has(a, inst, "sys")       ? "sys"
                        : det_ptx_has(a, inst, "cta")     ? "cta"
                        : det_ptx_has(a, inst, "cluster") ? "cluster"
                                                          : "gpu";
    det_bytes_printf(out, "\t%s fence.acq_rel.%s;\n", guard, scope);
}

struct lanes {
    char *text[MAX_LANES];
    size_t n;
};

static bool collect_lanes(
    const struct analysis *a, uint32_t inst, unsigned slot, struct lanes *lanes)
{
    for (uint32_t r = 0; r < a->insts[inst].n_refs; r++) {
        const struct ref *ref = &a->refs[a->insts[inst].ref + r];
        if (ref->slot != slot || ref->role == ROLE_ADDR)
            continue;
        if (lanes->n == MAX_LANES || !(lanes->text[lanes->n] = operand_text(a, ref)))
            return false;
        lanes->n++;
    }
    return true;
}

static void free_lanes(struct lanes *lanes)
{
    for (size_t i = 0; i < lanes->n; i++)
        free(lanes->text[i]);
}

/* A plain float atomic: the emitted add takes its place. */
static enum det_err replace_add(struct rewrite *rw, const struct access *access)
{
    struct analysis *a = rw->a;
    const struct stmt *stmt = stmt_of(a, access->inst);
    const struct ref *address = NULL;
    for (uint32_t r = 0; r < a->insts[access->inst].n_refs && !address; r++)
        if (a->refs[a->insts[access->inst].ref + r].role == ROLE_ADDR)
            address = &a->refs[a->insts[access->inst].ref + r];
    struct lanes lanes = { .n = 0 };
    struct det_bytes original = { 0 }, out = { 0 };
    enum det_err err = DET_E_UNSUPPORTED;
    const size_t operands = access->packed ? access->n_lanes / 2u : access->n_lanes;
    if (address && collect_lanes(a, access->inst, stmt->id == OP_RED ? 1 : 2, &lanes) &&
        lanes.n == operands) {
        char where[160], guard[80];
        det_ptx_address_text(rw, address, where, sizeof where);
        det_ptx_guard_text(a, access->inst, guard, sizeof guard);
        det_edits_apply(&rw->edits, a->module->text, stmt->op, stmt->end, &original);
        const struct det_ptx_add add = { .type = (enum det_ptx_type)access->type,
            .n_lanes = access->n_lanes,
            .packed = access->packed,
            .address = where,
            .generic = access->space == SPACE_GENERIC,
            .addend = (const char *const *)lanes.text,
            .negate = access->negate,
            .table = TABLE,
            .check = rw->options->check,
            .count = COUNT,
            .original = original.data,
            .guard = *guard ? guard : NULL,
            .serial = rw->serial++,
            .version = a->module->version,
            .target = a->module->target };
        fence(a, access->inst, guard, true, &out);
        err = det_ptx_emit_add(&out, &add);
        fence(a, access->inst, guard, false, &out);
        if (err == DET_OK)
            err = det_bytes_check(&out);
        if (err == DET_OK)
            det_edits_add(&rw->edits, stmt->at, stmt->end, out.data);
    }
    free_lanes(&lanes);
    det_bytes_free(&original);
    det_bytes_free(&out);
    return err;
}

/* Width of the register in an address, from its declaration. */
static unsigned register_bits(const struct analysis *a, const struct ref *ref)
{
    const struct det_ptx_module *module = a->module;
    if (ref->kind != REF_REG)
        return 32;
    for (size_t i = 0; i < a->stmts.n; i++) {
        const struct stmt *stmt = &a->stmts.at[i];
        if (stmt->kind != STMT_DIRECTIVE || !det_ptx_is(module, stmt->op, stmt->op_len, ".reg"))
            continue;
        const uint32_t type = det_ptx_skip(module, stmt->args);
        uint32_t at = det_ptx_word(module, type + 1);
        const unsigned bits = memchr(module->text + type, '6', at - type) ? 64 : 32;
        for (at = det_ptx_skip(module, at); at + 1 < stmt->end;) {
            const uint32_t past = det_ptx_word(module, at);
            const uint32_t len = past - at;
            if (len && len <= ref->len &&
                memcmp(module->text + at, module->text + ref->at, len) == 0 &&
                (len == ref->len ||
                    (module->text[past] == '<' &&
                        (det_ptx_class[(unsigned char)module->text[ref->at + len]] & CH_DIGIT))))
                return bits;
            at = det_ptx_skip(module, past == at ? at + 1 : past);
        }
    }
    return 32;
}

struct shadow_text {
    char array[200], n_elems[16], shadow[32];
};
static struct det_ptx_shadow shadow_of(
    const struct analysis *a, uint32_t index, struct shadow_text *text)
{
    const struct shared_array *array = &a->shared.arrays[index];
    snprintf(text->array, sizeof text->array, "%.*s", (int)array->len, array->name);
    if (array->n_bytes) {
        snprintf(text->n_elems, sizeof text->n_elems, "%u", array->n_elems);
        snprintf(text->shadow, sizeof text->shadow, "detshim_shadow_%u", index);
    } else {
        snprintf(text->n_elems, sizeof text->n_elems, "%%detshim_elems");
        snprintf(text->shadow, sizeof text->shadow, "%%detshim_shadow");
    }
    return (struct det_ptx_shadow){ .type = (enum det_ptx_type)array->type,
        .array = text->array,
        .n_elems = text->n_elems,
        .shadow = text->shadow };
}

/* A float atomic on shared memory. */
static enum det_err replace_shared(struct rewrite *rw, const struct access *access)
{
    struct analysis *a = rw->a;
    const struct stmt *stmt = stmt_of(a, access->inst);
    const struct ref *address = NULL;
    for (uint32_t r = 0; r < a->insts[access->inst].n_refs && !address; r++)
        if (a->refs[a->insts[access->inst].ref + r].role == ROLE_ADDR)
            address = &a->refs[a->insts[access->inst].ref + r];
    struct lanes lanes = { .n = 0 };
    struct shadow_text names;
    const struct det_ptx_shadow shadow = shadow_of(a, access->array, &names);
    char where[200], guard[80];
    struct det_bytes out = { 0 };
    enum det_err err = DET_E_UNSUPPORTED;
    char *original = strndup(a->module->text + stmt->op, stmt->end - stmt->op);
    if (original && address && collect_lanes(a, access->inst, stmt->id == OP_RED ? 1 : 2, &lanes) &&
        lanes.n == 1) {
        det_ptx_address_text(rw, address, where, sizeof where);
        det_ptx_guard_text(a, access->inst, guard, sizeof guard);
        const struct det_ptx_add add = { .type = (enum det_ptx_type)access->type,
            .n_lanes = 1,
            .address = where,
            .generic = access->space == SPACE_GENERIC,
            .addend = (const char *const *)lanes.text,
            .table = TABLE,
            .check = rw->options->check,
            .original = original,
            .guard = *guard ? guard : NULL,
            .serial = rw->serial++,
            .version = a->module->version,
            .target = a->module->target };
        fence(a, access->inst, guard, true, &out);
        err = det_ptx_emit_add_shared(&out, &add, register_bits(a, address), &shadow);
        fence(a, access->inst, guard, false, &out);
        if (err == DET_OK)
            det_edits_add(&rw->edits, stmt->at, stmt->end, out.data);
    }
    free(original);
    free_lanes(&lanes);
    det_bytes_free(&out);
    return err;
}

/* The emitted barrier must be of the kind the kernel uses: bar.sync wants whole warps. */
static void put_with_barrier(
    const struct analysis *a, uint32_t inst, const char *text, struct det_bytes *out)
{
    const bool loose = stmt_of(a, inst)->id == OP_BARRIER;
    for (const char *at; loose && (at = strstr(text, "bar.sync")) != NULL; text = at + 8) {
        det_bytes_append(out, text, (size_t)(at - text));
        det_bytes_text(out, "barrier.sync");
    }
    det_bytes_text(out, text);
}

static enum det_err put_folds(struct rewrite *rw)
{
    struct analysis *a = rw->a;
    for (uint32_t f = 0; f < a->shared.n_folds; f++) {
        const uint32_t inst = a->shared.folds[f];
        struct det_bytes fold = { 0 }, out = { 0 };
        enum det_err err = DET_OK;
        for (uint32_t i = 0; i < a->shared.n_arrays && err == DET_OK; i++) {
            struct shadow_text names;
            const struct det_ptx_shadow shadow = shadow_of(a, i, &names);
            if (a->shared.arrays[i].used)
                err = det_ptx_emit_shadow_fold(&fold, &shadow, rw->serial++);
        }
        det_bytes_text(&out, "\n");
        put_with_barrier(a, inst, fold.data ? fold.data : "", &out);
        if (err == DET_OK)
            err = det_bytes_check(&out);
        if (err == DET_OK)
            det_edits_add(&rw->edits, stmt_of(a, inst)->end, stmt_of(a, inst)->end, out.data);
        det_bytes_free(&fold);
        det_bytes_free(&out);
        DET_TRY(err);
    }
    return DET_OK;
}

/* Dynamic shared memory: D bytes of the program's, then the shadow. The launcher gave D * (1 + ratio) + slack. */
static void put_dynamic(
    const struct shared_plan *plan, const struct shared_array *array, struct det_bytes *out)
{
    static const uint8_t elem_bytes[] = {
        [DET_PTX_F32] = 4, [DET_PTX_F64] = 8, [DET_PTX_F16] = 2, [DET_PTX_BF16] = 2
    };
    det_bytes_printf(out,
        "\t.reg .b32 %%detshim_elems, %%detshim_shadow;\n\tmov.u32 %%detshim_elems, "
        "%%dynamic_smem_size;\n"
        "\tsub.u32 %%detshim_elems, %%detshim_elems, %u;\n\tdiv.u32 %%detshim_elems, "
        "%%detshim_elems, %u;\n"
        "\tmov.u32 %%detshim_shadow, %.*s;\n\tadd.u32 %%detshim_shadow, %%detshim_shadow, "
        "%%detshim_elems;\n"
        "\tadd.u32 %%detshim_shadow, %%detshim_shadow, 7;\n\tand.b32 %%detshim_shadow, "
        "%%detshim_shadow, -8;\n"
        "\tdiv.u32 %%detshim_elems, %%detshim_elems, %u;\n",
        DET_PTX_SHARED_SLACK, 1 + det_ptx_shared_ratio(plan), (int)array->len, array->name,
        elem_bytes[array->type]);
}

/* Declares the shadows and clears them. */
static enum det_err open_shadows(struct rewrite *rw, struct det_bytes *out)
{
    const struct shared_plan *plan = &rw->a->shared;
    for (uint32_t i = 0; i < plan->n_arrays; i++) {
        struct shadow_text names;
        if (!plan->arrays[i].used)
            continue;
        const struct det_ptx_shadow shadow = shadow_of(rw->a, i, &names);
        if (plan->arrays[i].n_bytes)
            det_bytes_printf(out, "\t.shared .align 8 .b8 %s[%zu];\n", names.shadow,
                det_ptx_shadow_bytes(shadow.type, plan->arrays[i].n_elems));
        else
            put_dynamic(plan, &plan->arrays[i], out);
        rw->shadow_types |= 1u << shadow.type;
        DET_TRY(det_ptx_emit_shadow_clear(out, &shadow, rw->serial++));
    }
    return DET_OK;
}

/* A pair of bfloat16 where no instruction adds pairs (sm_80): two scalar adds. A lane that is zero, Inf or NaN goes by a
 * compare-and-swap of its own, the other half -0, which changes nothing. */
static enum det_err put_bf16_pair(
    struct rewrite *rw, const struct det_ptx_add *pair, struct ref address, struct det_bytes *out)
{
    enum det_err err = DET_OK;
    det_bytes_printf(out,
        "\t{\n\t.reg .b16 %%detshim_lo, %%detshim_hi;\n\tmov.b32 {%%detshim_lo, %%detshim_hi}, "
        "%s;\n",
        pair->addend[0]);
    for (unsigned lane = 0; lane < 2 && err == DET_OK; lane++) {
        char original[640], where[200];
        const uint32_t serial = rw->serial++;
        const char *space = pair->generic ? "" : ".global";
        const char *sub = pair->negate ? "0xbf80bf80" : "0x3f803f80";
        snprintf(original, sizeof original,
            "{ .reg .pred %%detshim_q; .reg .b32 %%detshim_x, %%detshim_o, %%detshim_n, "
            "%%detshim_c, %%detshim_1; "
            "mov.b32 %%detshim_x, %s; and.b32 %%detshim_x, %%detshim_x, %s; or.b32 %%detshim_x, "
            "%%detshim_x, %s; "
            "mov.b32 %%detshim_1, %s; ld%s.u32 %%detshim_o, [%s];\ndetshim_pair_%u: "
            "fma.rn.bf16x2 %%detshim_n, %%detshim_x, %%detshim_1, %%detshim_o; "
            "atom%s.cas.b32 %%detshim_c, [%s], %%detshim_o, %%detshim_n; "
            "setp.ne.u32 %%detshim_q, %%detshim_c, %%detshim_o; mov.b32 %%detshim_o, %%detshim_c; "
            "@%%detshim_q bra detshim_pair_%u; }",
            pair->addend[0], lane ? "0xffff0000" : "0x0000ffff",
            pair->negate ? "0"
            : lane       ? "0x00008000"
                         : "0x80000000",
            sub, space, pair->address, serial, space, pair->address, serial);
        const char *const addend[1] = { lane ? "%detshim_hi" : "%detshim_lo" };
        struct det_ptx_add add = *pair;
        address.offset += 2 * lane;
        det_ptx_address_text(rw, &address, where, sizeof where);
        add.n_lanes = 1, add.packed = false, add.addend = addend, add.address = where,
        add.original = original;
        add.serial = serial;
        err = det_ptx_emit_add(out, &add);
    }
    det_bytes_text(out, "\t}\n");
    return err;
}

/* A compare-and-swap loop: before its addition stands the exact add and a jump to behind the loop. Zero, Inf, NaN and a failed
 * insert go on into the loop as it was, so each addend is added once, one way or the other. */
static enum det_err replace_loop(struct rewrite *rw, const struct access *access)
{
    struct analysis *a = rw->a;
    const struct cas_loop *loop = &a->loops[access->cas];
    const struct stmt *add_stmt = stmt_of(a, loop->add);
    char where[160], leave[160], original[96], text[96];
    char *addend = operand_text(a, &a->refs[loop->addend]);
    if (!addend)
        return DET_E_NOMEM;
    const uint32_t serial = rw->serial++;
    det_ptx_address_text(rw, &a->refs[loop->address], where, sizeof where);
    snprintf(original, sizeof original, "bra $detshim_loop_%u;", serial);
    const struct block *last = &a->blocks[loop->last];
    if (last->next == loop->exit_block) {
        snprintf(leave, sizeof leave, "$detshim_exit_%u", serial);
        snprintf(text, sizeof text, "\n%s:", leave);
        const uint32_t at = stmt_of(a, last->last - 1)->end;
        det_edits_add(&rw->edits, at, at, text);
    } else {
        *leave = '\0';
        for (uint32_t b = loop->first; b <= loop->last; b++) {
            const uint32_t end = a->blocks[b].last - 1;
            const struct ref *to =
                a->blocks[b].taken == loop->exit_block ? det_ptx_slot(a, end, 0) : NULL;
            if (to)
                snprintf(leave, sizeof leave, "%.*s", (int)to->len, a->module->text + to->at);
        }
    }
    const char *const addends[1] = { addend };
    const struct det_ptx_add add = { .type = loop->type,
        .n_lanes = loop->n_lanes,
        .packed = loop->packed,
        .address = where,
        .generic = access->space == SPACE_GENERIC,
        .addend = addends,
        .negate = loop->negate,
        .table = TABLE,
        .check = rw->options->check,
        .count = COUNT,
        .original = original,
        .serial = serial,
        .version = a->module->version,
        .target = a->module->target };
    struct det_bytes out = { 0 };
    enum det_err err = DET_E_UNSUPPORTED;
    if (*leave && add.packed && add.type == DET_PTX_BF16)
        err = put_bf16_pair(rw, &add, a->refs[loop->address], &out);
    else if (*leave)
        err = det_ptx_emit_add(&out, &add);
    det_bytes_printf(&out, "\tbra %s;\n$detshim_loop_%u:\n\t", leave, serial);
    if (err == DET_OK)
        err = det_bytes_check(&out);
    if (err == DET_OK)
        det_edits_add(&rw->edits, add_stmt->at, add_stmt->at, out.data);
    free(addend);
    det_bytes_free(&out);
    return err;
}

/* Before ret and exit: hand in how many adds this thread did. */
static enum det_err flush_counts(struct rewrite *rw)
{
    struct analysis *a = rw->a;
    for (uint32_t i = 0; i < a->n_insts; i++) {
        const struct stmt *stmt = stmt_of(a, i);
        if (stmt->id != OP_RET && stmt->id != OP_EXIT)
            continue;
        struct det_bytes out = { 0 };
        const uint32_t serial = rw->serial++;
        if (stmt->guard)
            det_bytes_printf(&out, "@%s%.*s bra $detshim_stay_%u;\n", stmt->guard_not ? "" : "!",
                (int)(det_ptx_word(a->module, stmt->guard) - stmt->guard),
                a->module->text + stmt->guard, serial);
        enum det_err err = det_ptx_emit_count(&out, TABLE, COUNT);
        det_bytes_printf(&out, "\t%.*s", (int)(stmt->end - stmt->op), a->module->text + stmt->op);
        if (stmt->guard)
            det_bytes_printf(&out, "\n$detshim_stay_%u:", serial);
        if (err == DET_OK)
            err = det_bytes_check(&out);
        if (err == DET_OK)
            det_edits_add(&rw->edits, stmt->at, stmt->end, out.data);
        det_bytes_free(&out);
        DET_TRY(err);
    }
    return DET_OK;
}

static void drop_lines(struct rewrite *rw)
{
    const struct analysis *a = rw->a;
    for (size_t i = 0; i < a->stmts.n; i++) {
        const struct stmt *stmt = &a->stmts.at[i];
        if (stmt->kind == STMT_DIRECTIVE && det_ptx_is(a->module, stmt->op, stmt->op_len, ".loc"))
            det_edits_add(&rw->edits, stmt->at, stmt->end, "");
    }
}

/* The table's address, a zero count, and the variables this kernel names. */
static enum det_err entry_code(struct rewrite *rw, bool adds)
{
    const struct analysis *a = rw->a;
    struct det_bytes out = { 0 };
    det_bytes_printf(&out,
        "\n\t.reg .b64 %s, %s;\n\tld.param.u64 %s, [%s_detshim_table];\n\tcvta.to.global.u64 %s, "
        "%s;\n",
        TABLE, COUNT, TABLE, a->func->name, TABLE, TABLE);
    if (adds)
        det_bytes_printf(&out, "\tmov.u64 %s, 0;\n", COUNT);
    for (uint32_t v = 0; v < a->module->n_variables; v++) {
        const uint32_t slot = rw->variable_slot[v];
        bool used = false;
        for (uint32_t i = 0; i < a->n_refs && slot && !used; i++)
            used = variable_slot(rw, &a->refs[i]) == slot;
        if (!used)
            continue;
        det_bytes_printf(&out,
            "\t.reg .b64 %%detshim_var%u;\n\tld.global.nc.u64 %%detshim_var%u, [%s+%zu];\n"
            "\tcvta.to.global.u64 %%detshim_var%u, %%detshim_var%u;\n",
            slot - 1, slot - 1, TABLE, offsetof(struct det_acc_head, vars) + 8 * (size_t)(slot - 1),
            slot - 1, slot - 1);
    }
    enum det_err err = a->shared.usable && !rw->options->identity ? open_shadows(rw, &out) : DET_OK;
    if (err == DET_OK)
        err = det_bytes_check(&out);
    if (err == DET_OK)
        det_edits_add(&rw->edits, a->func->body, a->func->body, out.data);
    det_bytes_free(&out);
    return err;
}

static void header(struct rewrite *rw)
{
    const struct func *func = rw->a->func;
    struct det_bytes out = { 0 };
    if (rw->options->keep_name_suffix)
        det_edits_add(&rw->edits, func->name_end, func->name_end, "$detshim");
    if (func->n_params)
        det_bytes_printf(&out, ",\n\t.param .u64 %s_detshim_table\n", func->name);
    else if (func->params_end)
        det_bytes_printf(&out, "\n\t.param .u64 %s_detshim_table\n", func->name);
    else
        det_bytes_printf(&out, "(\n\t.param .u64 %s_detshim_table\n)\n", func->name);
    /* after the last parameter, before blanks and a comment that may follow it */
    uint32_t at = func->params_end ? func->params_end : func->name_end;
    while (func->params_end && at > func->params_at && (rw->a->module->text[at - 1] == '\n'))
        at--;
    if (det_bytes_check(&out) == DET_OK)
        det_edits_add(&rw->edits, at, at, out.data);
    else
        rw->edits.failed = true;
    det_bytes_free(&out);
}

enum det_err det_ptx_rewrite(struct rewrite *rw)
{
    struct analysis *a = rw->a;
    bool adds = false;
    replace_variables(rw);
    DET_TRY(replace_sums(rw));
    det_edits_settle(&rw->edits); /* so far in order of position: originals are printed with them */
    for (uint32_t i = 0; i < a->n_accesses && !rw->options->identity; i++) {
        const struct access *access = &a->accesses[i];
        if (access->hazard == HAZARD_SHARED_FOLD) {
            DET_TRY(replace_shared(rw, access));
            continue;
        }
        if (access->guarded && rw->options->guard)
            DET_TRY(det_ptx_rewrite_probe(rw, access));
        if (access->kind != ACC_ADD)
            continue;
        if (access->hazard != HAZARD_FLOAT_ADD && access->hazard != HAZARD_CAS_ADD)
            return DET_E_UNSUPPORTED;
        adds = true;
        DET_TRY(
            access->hazard == HAZARD_CAS_ADD ? replace_loop(rw, access) : replace_add(rw, access));
    }
    if (adds)
        DET_TRY(flush_counts(rw));
    if (a->shared.usable && !rw->options->identity)
        DET_TRY(put_folds(rw));
    drop_lines(rw);
    header(rw);
    DET_TRY(entry_code(rw, adds));
    det_edits_settle(&rw->edits);
    return rw->edits.failed ? DET_E_NOMEM : DET_OK;
}
