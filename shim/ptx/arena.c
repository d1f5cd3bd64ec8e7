/* Bump allocator: a module takes memory in large blocks and gives all of it back at once. No per-token malloc. */
#include "shim/ptx/parts.h"

#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    size_t pad;
};

void *det_arena_take(struct arena *arena, size_t n_bytes)
{
    if (n_bytes > (SIZE_MAX >> 2))
        return NULL;
    n_bytes = (n_bytes + 15) & ~(size_t)15;
    if ((size_t)(arena->end - arena->at) < n_bytes || !arena->at) {
        const size_t room = n_bytes > 60000 ? n_bytes : 60000;
        struct arena_block *block = malloc(sizeof *block + room);
        if (!block)
            return NULL;
        block->next = arena->blocks;
        arena->blocks = block;
        arena->at = (char *)(block + 1);
        arena->end = arena->at + room;
    }
    void *taken = arena->at;
    arena->at += n_bytes;
    return memset(taken, 0, n_bytes);
}

char *det_arena_text(struct arena *arena, const char *from, size_t n_bytes)
{
    char *copy = det_arena_take(arena, n_bytes + 1);
    if (copy)
        memcpy(copy, from, n_bytes);
    return copy;
}

void det_arena_free(struct arena *arena)
{
    struct arena_block *block = arena->blocks;
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    *arena = (struct arena){ 0 };
}
