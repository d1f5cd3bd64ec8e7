/* Statements of one function body. The scan runs once at parse time for the summary (what the function holds) and again,
 * with the statements kept, for the few functions that need analysis. Never recursive. */
#include "shim/ptx/parts.h"

#include <stdlib.h>
#include <string.h>

struct scan {
    struct det_ptx_module *module;
    struct func *func;
    struct stmts *out;
    struct det_ptx_where *where;
    uint32_t at;
};

static enum det_err put(struct scan *scan, const struct stmt *stmt)
{
    struct stmts *out = scan->out;
    if (!out)
        return DET_OK;
    if (out->n == out->cap) {
        const size_t cap = out->cap ? out->cap * 2 : 256;
        struct stmt *grown = realloc(out->at, cap * sizeof *grown);
        if (!grown)
            return DET_E_NOMEM;
        out->at = grown;
        out->cap = cap;
    }
    out->at[out->n++] = *stmt;
    return DET_OK;
}

/* Registers whose value depends on time or placement. Called at a '%'. */
static bool is_placement(const char *at)
{
    switch (at[1]) {
    case 'c':
        return strncmp(at, "%clock", 6) == 0;
    case 'g':
        return strncmp(at, "%globaltimer", 12) == 0 || strncmp(at, "%gridid", 7) == 0;
    case 's':
        return strncmp(at, "%smid", 5) == 0;
    case 'w':
        return strncmp(at, "%warpid", 7) == 0;
    case 'e':
        return strncmp(at, "%envreg", 7) == 0;
    case 'p':
        return at[2] == 'm' && det_ptx_class[(unsigned char)at[3]] & CH_DIGIT;
    default:
        return false;
    }
}

/* From the first operand to just after ';'. Strings, comments and vector braces are stepped over. */
static enum det_err to_semicolon(struct scan *scan, uint32_t at, uint32_t *past)
{
    const char *text = scan->module->text;
    const uint32_t n = scan->module->n_bytes;
    unsigned depth = 0;
    for (;;) {
        while (!(det_ptx_class[(unsigned char)text[at]] & CH_STOP))
            at++;
        if (at >= n)
            return det_ptx_fail(scan->module, scan->at, "statement without ';'", scan->where);
        switch (text[at]) {
        case ';':
            *past = at + 1;
            return DET_OK;
        case '"':
            at = det_ptx_quoted(scan->module, at);
            break;
        case '/': {
            const uint32_t skipped = det_ptx_skip(scan->module, at);
            at = skipped == at ? at + 1 : skipped;
            break;
        }
        case '{':
            depth++, at++;
            break;
        case '}':
            if (!depth)
                return det_ptx_fail(scan->module, at, "'}' inside a statement", scan->where);
            depth--, at++;
            break;
        case '%':
            if (is_placement(text + at))
                scan->func->flags |= FUNC_ATTENTION;
            at++;
            break;
        default:
            at++;
        }
    }
}

/* `.loc` and `.file` end with their line, everything else with ';'. */
static enum det_err directive(struct scan *scan)
{
    struct det_ptx_module *module = scan->module;
    struct stmt stmt = { .at = scan->at, .op = scan->at, .kind = STMT_DIRECTIVE };
    const uint32_t word_end = det_ptx_word(module, scan->at + 1);
    if (word_end - scan->at > 40)
        return det_ptx_fail(module, scan->at, "directive too long", scan->where);
    stmt.op_len = (uint16_t)(word_end - scan->at);
    stmt.args = word_end;
    if (det_ptx_is(module, scan->at, stmt.op_len, ".loc") ||
        det_ptx_is(module, scan->at, stmt.op_len, ".file")) {
        stmt.end = det_ptx_line_end(module, word_end);
    } else {
        DET_TRY(to_semicolon(scan, word_end, &stmt.end));
        if (det_ptx_is(module, scan->at, stmt.op_len, ".shared")) {
            struct decl decl;
            if (!det_ptx_decl(module, word_end, stmt.end - 1, &decl))
                return det_ptx_fail(module, scan->at, "shared variable", scan->where);
            struct func *func = scan->func;
            const uint64_t end =
                (((uint64_t)func->shared_bytes + decl.align - 1) & ~(uint64_t)(decl.align - 1)) +
                decl.n_elems * decl.elem_bytes;
            func->shared_bytes = end > UINT32_MAX ? UINT32_MAX : (uint32_t)end;
        }
    }
    scan->at = stmt.end;
    return put(scan, &stmt);
}

/* ld with .volatile, .acquire, .relaxed, .mmio: another thread may be writing. */
static bool strong(const char *at, size_t len)
{
    for (size_t i = 0; i + 4 < len; i++)
        if (at[i] == '.' && (memcmp(at + i, ".vol", 4) == 0 || memcmp(at + i, ".acq", 4) == 0 ||
                                memcmp(at + i, ".rela", 5) == 0 || memcmp(at + i, ".mmi", 4) == 0))
            return true;
    return false;
}

static void summarise(struct scan *scan, const struct stmt *stmt)
{
    struct func *func = scan->func;
    const unsigned flags = det_ptx_op_flags[stmt->id];
    func->n_instructions++;
    if (stmt->id == OP_OPAQUE)
        func->flags |= FUNC_OPAQUE;
    if (flags & OPF_X)
        func->flags |= FUNC_ATTENTION;
    if (flags & OPF_M) {
        func->flags |= FUNC_MEMORY;
        if (stmt->op_len > 8 && strong(scan->module->text + stmt->op, stmt->op_len))
            func->flags |= FUNC_ATTENTION;
        if ((stmt->id == OP_ST || stmt->id == OP_LD) && stmt->op_len > 6 &&
            (memcmp(scan->module->text + stmt->op + 2, ".asy", 4) == 0 ||
                memcmp(scan->module->text + stmt->op + 2, ".rel", 4) == 0))
            func->flags |= FUNC_ATTENTION;
    }
}

/* A label, or an instruction with its guard. */
static enum det_err instruction(struct scan *scan)
{
    struct det_ptx_module *module = scan->module;
    const char *text = module->text;
    struct stmt stmt = { .at = scan->at, .kind = STMT_OP };
    uint32_t at = scan->at;
    if (text[at] == '@') {
        at = det_ptx_skip(module, at + 1);
        if (text[at] == '!') {
            stmt.guard_not = true;
            at = det_ptx_skip(module, at + 1);
        }
        stmt.guard = at;
        at = det_ptx_skip(module, det_ptx_word(module, at));
        if (stmt.guard == at)
            return det_ptx_fail(module, at, "guard without a predicate", scan->where);
    }
    uint32_t word_end = det_ptx_word(module, at);
    if (word_end == at)
        return det_ptx_fail(module, at, "not a statement", scan->where);
    stmt.op = at;
    const uint32_t colon = text[word_end] == '.' ? word_end : det_ptx_skip(module, word_end);
    if (!stmt.guard && text[colon] == ':' && text[colon + 1] != ':') {
        stmt.kind = STMT_LABEL;
        stmt.end = stmt.args = colon + 1;
        stmt.op_len = (uint16_t)(word_end - at > 0xffff ? 0xffff : word_end - at);
        scan->at = stmt.end;
        return put(scan, &stmt);
    }
    stmt.id = (uint8_t)det_ptx_op(module, at, word_end - at);
    while (text[word_end] == '.' || text[word_end] == ':')
        word_end = det_ptx_word(module, word_end + 1);
    if (word_end - at > 200)
        return det_ptx_fail(module, at, "opcode too long", scan->where);
    stmt.op_len = (uint16_t)(word_end - at);
    stmt.args = word_end;
    DET_TRY(to_semicolon(scan, word_end, &stmt.end));
    summarise(scan, &stmt);
    scan->at = stmt.end;
    return put(scan, &stmt);
}

enum det_err det_ptx_scan_body(struct det_ptx_module *module, struct func *func, struct stmts *out,
    struct det_ptx_where *where)
{
    struct scan scan = {
        .module = module, .func = func, .out = out, .where = where, .at = func->body
    };
    func->flags = func->n_instructions = func->shared_bytes = 0;
    unsigned depth = 0;
    for (;;) {
        scan.at = det_ptx_skip(module, scan.at);
        if (scan.at >= module->n_bytes)
            return det_ptx_fail(module, func->body, "function body without '}'", where);
        struct stmt brace = {
            .at = scan.at, .end = scan.at + 1, .op = scan.at, .args = scan.at + 1, .op_len = 1
        };
        switch (module->text[scan.at]) {
        case '{':
            depth++;
            brace.kind = STMT_OPEN;
            DET_TRY(put(&scan, &brace));
            scan.at++;
            break;
        case '}':
            if (!depth) {
                func->body_end = scan.at;
                return DET_OK;
            }
            depth--;
            brace.kind = STMT_CLOSE;
            DET_TRY(put(&scan, &brace));
            scan.at++;
            break;
        case ';':
            scan.at++;
            break;
        case '.':
            DET_TRY(directive(&scan));
            break;
        case '@':
            if (module->text[scan.at + 1] == '@') {
                scan.at = det_ptx_line_end(module, scan.at);
                break;
            }
            DET_TRY(instruction(&scan));
            break;
        default:
            DET_TRY(instruction(&scan));
        }
    }
}
