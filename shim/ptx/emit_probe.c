/* Writes the PTX of a look into the table before an access that may meet a target at another pointer: counted, so that the launch
 * is not vouched for. Integer operations only, PTX 6.0 and sm_60. */
#include "shim/ptx/emit_parts.h"

#include <stdio.h>
#include <string.h>

/* a = global address. */
static void put_address(const struct det_emit_site *s, const struct det_ptx_probe *probe)
{
    const char *const sign = strpbrk(probe->address + 1, "+-");
    const int n = sign ? (int)(sign - probe->address) : (int)strlen(probe->address);
    if (*probe->address != '%') {
        put(s, "mov.u64 ~a, %s;", probe->address);
        return;
    }
    if (probe->generic)
        put(s, "cvta.to.global.u64 ~a, %.*s;", n, probe->address);
    else
        put(s, "mov.u64 ~a, %.*s;", n, probe->address);
    if (sign)
        put(s, "add.s64 ~a, ~a, %s;", sign + (*sign == '+'));
}

/* The block of one type, in the slots an insert would try; a free one ends the search. */
static void put_search(const struct det_emit_site *s)
{
    put(s, "lop3.b32 ~u, ~low, -%u, %d, 0xea;", s->f->block_bytes, (int)s->f->code + 1);
    put(s, "mov.b64 ~want, {~u, ~high};");
    put(s, "shf.r.wrap.b32 ~h, ~u, ~high, 5;");
    put(s, "mul.lo.u32 ~h, ~h, 0x%x;", DET_ACC_HASH);
    put(s, "shr.u32 ~h, ~h, ~shift;");
    put(s, "mov.u32 ~n, ~limit;");
    put_label(s, "look");
    put(s, "mad.wide.u32 ~entry, ~h, 16, ~entries;");
    put(s, "ld.volatile.global.u64 ~key, [~entry];");
    put(s, "setp.eq.u64 ~p, ~key, ~want;");
    put(s, "@~p bra det_pending_%u_x;", s->add->serial);
    put(s, "add.u32 ~h, ~h, 1;");
    put(s, "and.b32 ~h, ~h, ~mask;");
    put(s, "sub.u32 ~n, ~n, 1;");
    put(s, "setp.ne.u64 ~p, ~key, 0;");
    put(s, "setp.ne.and.u32 ~p, ~n, 0, ~p;");
    put(s, "@~p bra det_look#;");
}

enum det_err det_ptx_emit_probe(struct det_bytes *out, const struct det_ptx_probe *probe)
{
    const struct det_ptx_add names = { .serial = probe->serial, .guard = probe->guard };
    struct det_emit_site site = { out, &names, NULL, 0, false };
    const struct det_emit_site *const s = &site;
    det_bytes_text(out, "\t{\n");
    put(s, ".reg .pred ~p;");
    put(s, ".reg .b32 ~u, ~low, ~high, ~h, ~n, ~shift, ~mask, ~limit;");
    put(s, ".reg .b64 ~a, ~want, ~entries, ~entry, ~key;");
    det_emit_guard(s);
    put_address(s, probe);
    put(s, "mov.b64 {~low, ~high}, ~a;");
    put(s, "ld.global.nc.u64 ~entries, [%s];", probe->table);
    put(s, "ld.global.nc.u32 ~shift, [%s+%zu];", probe->table,
        offsetof(struct det_acc_head, hash_shift));
    put(s, "ld.global.nc.u32 ~mask, [%s+%zu];", probe->table,
        offsetof(struct det_acc_head, slot_mask));
    put(s, "ld.global.nc.u32 ~limit, [%s+%zu];", probe->table,
        offsetof(struct det_acc_head, probe_limit));
    for (unsigned type = 0; type < DET_PTX_OTHER; type++)
        if (probe->types >> type & 1) {
            site.f = &det_emit_formats[type];
            site.lane = type + 1; /* tells labels apart */
            put_search(s);
        }
    site.lane = 0;
    put(s, "bra det_done#;");
    put(s, "det_pending_%u_x:", probe->serial);
    put(s, "ld.global.nc.u64 ~a, [%s+%zu];", probe->table, offsetof(struct det_acc_head, counters));
    put(s, "ld.volatile.global.u64 ~key, [~a+%zu];", offsetof(struct det_acc_counters, pending));
    put(s, "setp.lt.u64 ~p, ~key, %u;", DET_ACC_COUNT_CAP);
    put(s, "@~p red.global.add.u64 [~a+%zu], 1;", offsetof(struct det_acc_counters, pending));
    put_label(s, "done");
    det_bytes_text(out, "\t}\n");
    return det_bytes_check(out);
}
