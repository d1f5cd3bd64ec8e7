/* What folds reported: read from mapped host memory after the program synchronised, without any driver call. A launch whose
 * fold complained is moved from exact to uncovered; all launches since the last look are, since they cannot be told apart. */
#include <stdatomic.h>
#include <string.h>

#include "shim/core/io.h"
#include "shim/cuda/cuda_digest.h"
#include "shim/cuda/cuda_decide.h"
#include "shim/cuda/cuda_shim.h"
#include "shim/cuda/cuda_table.h"
#include "shim/log/ledger.h"

static _Atomic bool pending;
static _Atomic bool mismatch; /* the cross-check found a wrong sum */

void det_reports_expect(void)
{
    if (!atomic_load_explicit(&pending, memory_order_relaxed))
        atomic_store_explicit(&pending, true, memory_order_relaxed);
}

static bool read_report(const struct det_report *report, bool peek, struct det_acc_report *now)
{
    const void *const host = (const void *)(uintptr_t)report->host;
    if (peek)
        return det_io_peek(host, now, sizeof *now) == sizeof *now;
    for (size_t i = 0; i < sizeof *now / sizeof(uint64_t); i++)
        ((uint64_t *)now)[i] = ((const volatile uint64_t *)host)[i];
    return true;
}

static void count(const struct det_acc_report *now, const struct det_acc_report *seen)
{
    det_log_counter("adds", now->adds - seen->adds);
    det_log_counter("promotions", now->promotions - seen->promotions);
    det_log_counter("special addends", now->specials - seen->specials);
    det_log_counter("elements folded", now->elements - seen->elements);
    if (now->checked != seen->checked)
        det_log_counter("targets cross-checked", now->checked - seen->checked);
}

/* Hits that the cross-check moved before are not there any more. */
static void move_hits(struct det_ledger_row *row, const char *name, const char *why, uint64_t n)
{
    const uint64_t there = atomic_load(&row->n);
    det_ledger_move(row,
        det_ledger_row("kernel", name, DET_CLASS_UNCOVERED, DET_RULE_ATOMICS_EXACT, why),
        n < there ? n : there);
}

/* Map lock held. */
static bool report_read(struct det_table *table, struct det_report *report, bool peek)
{
    struct det_acc_report now, *const seen = &report->seen;
    if (!read_report(report, peek, &now))
        return true;
    uint64_t folds = now.folds - seen->folds;
    const char *const why = det_decide_report(now.overflow - seen->overflow,
        now.mixed_types - seen->mixed_types, now.foreign_writer - seen->foreign_writer,
        now.headroom - seen->headroom, now.pending - seen->pending);
    const uint64_t away = atomic_load(&report->elsewhere);
    const uint64_t less = away < folds ? away : folds;
    atomic_fetch_sub(&report->elsewhere, less);
    folds -= less;
    if (why != NULL && folds != 0)
        move_hits(report->row, report->name, why, folds);
    if (now.overflow != seen->overflow)
        table->grow = true;
    if (now.pending != seen->pending)
        atomic_store(&report->reads_pending, true);
    if (now.mismatch != seen->mismatch) {
        det_log_note(
            "cross-check: the exact sums of kernel %s are wrong; nothing that this process "
            "rewrote is vouched for",
            report->name);
        atomic_store(&mismatch, true);
    }
    count(&now, seen);
    *seen = now;
    return now.folds == atomic_load(&report->launched);
}

/* Map lock held. */
static void context_read(struct det_ctx *ctx, void *arg)
{
    const bool peek = *(const bool *)arg;
    bool done = true;
    for (struct det_table *t = atomic_load(&ctx->tables); t != NULL; t = t->next)
        for (struct det_report *r = __atomic_load_n(&t->reports, __ATOMIC_ACQUIRE); r != NULL;
             r = r->next)
            done &= report_read(t, r, peek);
    if (!done)
        det_reports_expect();
}

/* One wrong sum speaks against all of them, from the first launch on. */
static void none_is_exact(void)
{
    for (struct det_ledger_row *row = det_ledger_newest(); row != NULL; row = row->older) {
        const uint64_t n = atomic_load(&row->n);
        if (row->key.what == DET_IS_ROW && row->key.cls == DET_CLASS_EXACT &&
            row->key.rule == DET_RULE_ATOMICS_EXACT && n != 0)
            move_hits(row, row->key.name, "cross-check failed", n);
    }
}

void det_reports_collect(bool peek)
{
    if (!atomic_exchange_explicit(&pending, false, memory_order_relaxed))
        return;
    det_ctx_each(context_read, &peek);
    if (atomic_load_explicit(&mismatch, memory_order_relaxed))
        none_is_exact();
}

void det_cuda_finish(void)
{
    det_reports_collect(true);
    det_digest_finish();
}
