/* see edit.h */
#include "shim/ptx/edit.h"

#include <stdlib.h>
#include <string.h>

void det_edits_add(struct edits *edits, uint32_t at, uint32_t end, const char *text)
{
    if (edits->n == edits->cap) {
        const size_t cap = edits->cap ? edits->cap * 2 : 64;
        struct edit *grown = realloc(edits->at, cap * sizeof *grown);
        if (!grown) {
            edits->failed = true;
            return;
        }
        edits->at = grown;
        edits->cap = cap;
    }
    char *copy = strdup(text);
    if (!copy) {
        edits->failed = true;
        return;
    }
    edits->at[edits->n] =
        (struct edit){ .at = at, .end = end, .order = (uint32_t)edits->n, .text = copy };
    edits->n++;
}

static int by_place(const void *x, const void *y)
{
    const struct edit *p = x, *q = y;
    if (p->at != q->at)
        return p->at < q->at ? -1 : 1;
    const bool p_inserts = p->at == p->end, q_inserts = q->at == q->end;
    if (p_inserts != q_inserts)
        return p_inserts ? -1 : 1; /* what is inserted here stands before what replaces */
    if (!p_inserts && p->end != q->end)
        return p->end > q->end ? -1 : 1; /* the larger replacement wins */
    return p->order < q->order ? -1 : 1;
}

void det_edits_settle(struct edits *edits)
{
    if (!edits->n)
        return;
    qsort(edits->at, edits->n, sizeof *edits->at, by_place);
    size_t kept = 0;
    uint32_t past = 0;
    for (size_t i = 0; i < edits->n; i++) {
        if (edits->at[i].at < past) {
            free(edits->at[i].text);
            continue;
        }
        past = edits->at[i].end;
        edits->at[kept++] = edits->at[i];
    }
    edits->n = kept;
}

void det_edits_apply(const struct edits *edits, const char *source, uint32_t from, uint32_t to,
    struct det_bytes *out)
{
    uint32_t at = from;
    for (size_t i = 0; i < edits->n; i++) {
        const struct edit *edit = &edits->at[i];
        if (edit->at < at || edit->end > to || edit->at >= to)
            continue;
        det_bytes_append(out, source + at, edit->at - at);
        det_bytes_text(out, edit->text);
        at = edit->end;
    }
    det_bytes_append(out, source + at, to - at);
}

void det_edits_free(struct edits *edits)
{
    for (size_t i = 0; i < edits->n; i++)
        free(edits->at[i].text);
    free(edits->at);
    *edits = (struct edits){ 0 };
}
