/* See seen.h. */
#include "cli/seen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

void cli_seen_log(struct cli_seen *seen, const struct cli_log *log)
{
    char why[512];
    struct cli_seen_process *list =
        realloc(seen->processes, (seen->n_processes + 1) * sizeof *list);
    if (!list)
        cli_die(CLI_TROUBLE, "no memory");
    seen->processes = list;
    struct cli_seen_process *const process = &list[seen->n_processes];
    *process = (struct cli_seen_process){ .order = 0 };
    if (!cli_trace_read(log->path, log->pid, &process->trace, why, sizeof why)) {
        cli_say("%s", why);
        return;
    }
    for (size_t i = 0; i < seen->n_processes; i++)
        process->order += list[i].trace.rank == process->trace.rank &&
                          strcmp(list[i].trace.exe, process->trace.exe) == 0;
    seen->n_processes++;
}

/* By program, rank and order, so that processes are paired whatever their pids are. */
static int by_program(const void *a, const void *b)
{
    const struct cli_seen_process *x = a, *y = b;
    const int exe = strcmp(x->trace.exe, y->trace.exe);
    if (exe)
        return exe;
    if (x->trace.rank != y->trace.rank)
        return x->trace.rank < y->trace.rank ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

void cli_seen_ready(struct cli_seen *seen)
{
    if (!seen->n_processes)
        return;
    qsort(seen->processes, seen->n_processes, sizeof *seen->processes, by_program);
    for (size_t i = 0; i < seen->n_processes; i++) {
        struct cli_trace *const trace = &seen->processes[i].trace;
        cli_trace_order(trace);
        for (size_t c = 0; c < trace->n_copies; c++) {
            const struct cli_copy *const copy = &trace->copies[c];
            if (cli_copy_compared(copy)) {
                seen->n_compared++;
                seen->n_bytes += copy->n_bytes;
            } else {
                seen->n_uncompared++;
                seen->why = copy->why;
            }
        }
    }
}

/* Which of two copies comes first in a merge of two lists. */
static int order(const struct cli_copy *a, const struct cli_copy *b)
{
    if (!a || !b)
        return a ? -1 : b ? 1 : 0;
    if (a->place != b->place)
        return a->place < b->place ? -1 : 1;
    return (a->n > b->n) - (a->n < b->n);
}

static enum cli_seen_verdict alike(const struct cli_copy *a, const struct cli_copy *b)
{
    if (strcmp(a->call, b->call) != 0 || a->n_bytes != b->n_bytes ||
        strcmp(a->stream, b->stream) != 0)
        return CLI_SEEN_OTHERS;
    if (cli_copy_compared(a) && cli_copy_compared(b) && strcmp(a->digest, b->digest) != 0)
        return CLI_SEEN_DIFFER;
    return CLI_SEEN_SAME;
}

enum cli_seen_verdict cli_trace_compare(
    const struct cli_trace *a, const struct cli_trace *b, bool open_end, struct cli_seen_at *at)
{
    enum cli_seen_verdict verdict = CLI_SEEN_SAME;
    uint64_t lost = UINT64_MAX; /* place of a thread that went another way */
    size_t i = 0, j = 0;
    while ((i < a->n_copies || j < b->n_copies) && verdict != CLI_SEEN_DIFFER) {
        const struct cli_copy *x = i < a->n_copies ? &a->copies[i] : NULL;
        const struct cli_copy *y = j < b->n_copies ? &b->copies[j] : NULL;
        if (!x && !y)
            break;
        const int first = order(x, y);
        i += first <= 0;
        j += first >= 0;
        x = first <= 0 ? x : NULL;
        y = first >= 0 ? y : NULL;
        const uint64_t place = x ? x->place : y ? y->place : 0;
        if (place == lost || (open_end && ((!x && !a->complete) || (!y && !b->complete))))
            continue;
        const enum cli_seen_verdict now = x && y ? alike(x, y) : CLI_SEEN_OTHERS;
        lost = now == CLI_SEEN_OTHERS ? place : lost;
        if (now <= verdict)
            continue;
        verdict = now;
        if (at)
            *at = (struct cli_seen_at){ { a, b }, x, y };
    }
    return verdict;
}

enum cli_seen_verdict cli_seen_compare(
    const struct cli_seen *a, const struct cli_seen *b, struct cli_seen_at *at)
{
    enum cli_seen_verdict verdict = CLI_SEEN_SAME;
    static const struct cli_trace nothing;
    for (size_t i = 0; i < a->n_processes || i < b->n_processes; i++) {
        const struct cli_trace *x = i < a->n_processes ? &a->processes[i].trace : &nothing;
        const struct cli_trace *y = i < b->n_processes ? &b->processes[i].trace : &nothing;
        struct cli_seen_at here;
        const enum cli_seen_verdict now = cli_trace_compare(x, y, false, &here);
        if (now <= verdict)
            continue;
        verdict = now;
        if (at)
            *at = here;
    }
    return verdict;
}

void cli_seen_first(const struct cli_seen *a, const struct cli_seen *b, char *to, size_t cap_bytes)
{
    struct cli_seen_at at = { 0 };
    const enum cli_seen_verdict verdict = cli_seen_compare(a, b, &at);
    const struct cli_copy *const copy = at.a ? at.a : at.b;
    if (!copy) {
        snprintf(to, cap_bytes, "alike");
        return;
    }
    snprintf(to, cap_bytes, "%s copy %llu of thread %llu%s%s (%s, %llu bytes)%s%s%s",
        verdict == CLI_SEEN_DIFFER ? "first difference at" : "other copies from",
        (unsigned long long)copy->n, (unsigned long long)copy->thread,
        *at.trace[0]->exe ? " in " : "", at.trace[0]->exe, copy->call,
        (unsigned long long)copy->n_bytes, *copy->after ? ", after '" : "", copy->after,
        *copy->after ? "'" : "");
}
