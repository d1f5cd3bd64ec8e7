/* See cublas_ledger.h. */
#include "shim/cublas/cublas_ledger.h"

#include <stdatomic.h>

#include "shim/log/log.h"
#include "shim/pins/pins.h"

static struct det_ledger_row *find_row(enum det_call call, enum det_cublas_outcome outcome)
{
    static const struct {
        enum det_class cls;
        enum det_rule rule;
        const char *why;
    } table[DET_CUBLAS_N_OUTCOMES] = {
        [DET_CUBLAS_PLAIN] = { DET_CLASS_VOUCHED, DET_RULE_CUBLAS_WORKSPACE, "" },
        [DET_CUBLAS_AUTOTUNE_PINNED] = { DET_CLASS_PINNED, DET_RULE_CUBLAS_AUTOTUNE, "" },
        [DET_CUBLAS_EMULATION_PINNED] = { DET_CLASS_PINNED, DET_RULE_CUBLAS_EMULATION, "" },
        [DET_CUBLAS_ATOMICS_PINNED] = { DET_CLASS_PINNED, DET_RULE_CUBLAS_ATOMICS, "" },
        [DET_CUBLAS_AUTOTUNE_LEFT] = { DET_CLASS_UNCOVERED, DET_RULE_CUBLAS_AUTOTUNE,
            "the algorithm is picked by time" },
        [DET_CUBLAS_EMULATION_LEFT] = { DET_CLASS_UNCOVERED, DET_RULE_CUBLAS_EMULATION,
            "fixed-point emulation falls back when memory is short" },
        [DET_CUBLAS_ATOMICS_LEFT] = { DET_CLASS_UNCOVERED, DET_RULE_CUBLAS_ATOMICS,
            "atomics are allowed" },
    };
    const bool workspace = det_pins_hold(DET_RULE_CUBLAS_WORKSPACE);
    if (table[outcome].cls != DET_CLASS_UNCOVERED && !workspace)
        return det_ledger_row("call", det_call_name(call), DET_CLASS_UNCOVERED,
            DET_RULE_CUBLAS_WORKSPACE,
            "CUBLAS_WORKSPACE_CONFIG is not pinned: several streams may change the algorithm");
    return det_ledger_row(
        "call", det_call_name(call), table[outcome].cls, table[outcome].rule, table[outcome].why);
}

void det_cublas_count(enum det_call call, enum det_cublas_outcome outcome)
{
    static _Atomic(struct det_ledger_row *) rows[DET_N_CALLS][DET_CUBLAS_N_OUTCOMES];
    struct det_ledger_row *row = atomic_load_explicit(&rows[call][outcome], memory_order_relaxed);
    if (!row) {
        row = find_row(call, outcome);
        atomic_store_explicit(&rows[call][outcome], row, memory_order_relaxed);
    }
    det_ledger_hit(row);
}
