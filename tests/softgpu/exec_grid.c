/* A grid: resident blocks, whose turn it is, and the schedule that decides. Blocks start in index order, as on hardware, so
 * that a block may wait for earlier ones; everything after the start is in random order. */
#include <stdio.h>
#include <stdlib.h>
#include "tests/softgpu/exec_ops.h"

/* --- schedule: xoshiro256** (Blackman and Vigna), seeded by splitmix64 --- */
static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = *x += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

void sg_schedule_seed(struct sg_schedule *s, uint64_t seed)
{
    for (unsigned k = 0; k < 4; k++)
        s->state[k] = splitmix(&seed);
    s->hash = 0xcbf29ce484222325;
}

static uint64_t rotate(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

uint32_t sg_schedule_pick(struct sg_schedule *s, uint32_t n)
{
    if (s->in_order || n < 2)
        return 0;
    uint64_t *st = s->state;
    const uint64_t r = rotate(st[1] * 5, 7) * 9, t = st[1] << 17;
    st[2] ^= st[0];
    st[3] ^= st[1];
    st[1] ^= st[2];
    st[0] ^= st[3];
    st[2] ^= t;
    st[3] = rotate(st[3], 45);
    const uint32_t choice = (uint32_t)((r >> 32) * n >> 32);
    s->hash = (s->hash ^ choice ^ (uint64_t)n << 32) * 0x100000001b3;
    s->hash ^= s->hash >> 29;
    return choice;
}

/* --- blocks --- */
static void *aligned(size_t n_bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, n_bytes ? n_bytes : 64) != 0) {
        fputs("softgpu: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static void start_warp(struct block *b, unsigned k, bool first)
{
    struct sg_grid *g = b->grid;
    const struct ptx_function *f = g->kernel->function;
    struct warp *w = &b->warp[k];
    const size_t register_bytes = (size_t)f->n_units * UNIT;
    if (first) {
        w->root.registers = aligned(register_bytes);
        w->local_cap = (f->local_bytes + 15) / 16 * 16;
        w->local = w->local_cap ? aligned(w->local_cap * LANES) : NULL;
    }
    memset(w->root.registers, 0, register_bytes);
    if (w->local)
        memset(w->local, 0xA5, w->local_cap * LANES);
    w->root.function = g->kernel->function;
    w->block = b;
    w->grid = g;
    w->index = k;
    w->alive = 0;
    for (unsigned l = 0; l < LANES; l++) {
        const unsigned t = k * LANES + l;
        w->tid[0][l] = t % g->block.x;
        w->tid[1][l] = t / g->block.x % g->block.y;
        w->tid[2][l] = t / g->block.x / g->block.y;
        w->lane_pc[l] = f->first_pc;
        w->lane_frame[l] = &w->root;
        w->lane_state[l] = t < g->n_threads ? LANE_RUN : LANE_DONE;
        w->alive |= t < g->n_threads ? 1u << l : 0;
    }
    w->runnable = w->alive;
    w->group = 0;
    w->merge_pc = ~0u;
    w->frame = &w->root;
    w->root.lanes = w->alive;
    w->base[0] = w->root.registers;
    w->base[1] = NULL;
    w->preferred = -1;
    w->spins = 0;
}

static void start_block(struct sg_grid *g, struct block *b)
{
    const bool first = !b->warp;
    if (first) {
        b->n_warps = (g->n_threads + LANES - 1) / LANES;
        b->warp = aligned(b->n_warps * sizeof *b->warp);
        memset(b->warp, 0, b->n_warps * sizeof *b->warp);
        b->shared = aligned(g->shared_bytes);
        b->grid = g;
    }
    memset(b->shared, 0xA5, g->shared_bytes);
    memset(b->barrier, 0, sizeof b->barrier);
    b->linear = g->next_block++;
    b->id[0] = (unsigned)(b->linear % g->grid.x);
    b->id[1] = (unsigned)(b->linear / g->grid.x % g->grid.y);
    b->id[2] = (unsigned)(b->linear / g->grid.x / g->grid.y);
    for (unsigned k = 0; k < b->n_warps; k++)
        start_warp(b, k, first);
    b->alive_threads = g->n_threads;
    b->alive_warps = b->n_warps;
    b->used = true;
    g->n_live++;
}

static void free_block(struct block *b)
{
    for (unsigned k = 0; k < b->n_warps && b->warp; k++) {
        exec_leave_frames(&b->warp[k], b->warp[k].alive);
        free(b->warp[k].root.registers);
        free(b->warp[k].local);
    }
    free(b->warp);
    free(b->shared);
}

/* --- grids --- */
static bool launch_is_possible(struct sg_grid *g)
{
    const uint64_t threads = (uint64_t)g->block.x * g->block.y * g->block.z;
    if (threads == 0 || threads > 1024 || g->n_blocks == 0) {
        g->fault = SG_ILLEGAL_INSTRUCTION;
        snprintf(g->text, sizeof g->text, "%s: impossible grid", g->kernel->function->name);
        return false;
    }
    g->n_threads = (unsigned)threads;
    return true;
}

struct sg_grid *sg_grid_start(const struct sg_launch *launch)
{
    static uint64_t last_id;
    struct sg_grid *g = calloc(1, sizeof *g);
    if (!g)
        abort();
    const struct ptx_function *f = launch->kernel->function;
    g->kernel = launch->kernel;
    g->code = launch->kernel->module->code;
    g->grid = launch->grid;
    g->block = launch->block;
    g->cooperative = launch->cooperative;
    g->n_blocks = (uint64_t)g->grid.x * g->grid.y * g->grid.z;
    g->param_bytes = f->param_bytes;
    g->params = aligned(g->param_bytes + 16);
    if (g->param_bytes)
        memcpy(g->params, launch->params, g->param_bytes);
    g->dynamic_bytes = launch->dynamic_shared_bytes;
    g->static_bytes = (f->static_shared + 15) / 16 * 16;
    g->shared_bytes = g->static_bytes + g->dynamic_bytes;
    g->id = ++last_id;
    if (g->cooperative) {
        g->sync_area = aligned(64);
        memset(g->sync_area, 0, 64);
        sg_memory_add_range(g->sync_area, 64);
    }
    g->ended = !launch_is_possible(g);
    return g;
}

static void draw_slots(struct sg_grid *g)
{
    uint64_t n = g->cooperative ? g->n_blocks : 1 + sg_schedule_pick(g->schedule, 16);
    if (n > g->n_blocks)
        n = g->n_blocks;
    g->n_slots = (unsigned)n;
    g->slot = aligned(n * sizeof *g->slot);
    memset(g->slot, 0, n * sizeof *g->slot);
    g->drawn = true;
}

static void fill_slots(struct sg_grid *g)
{
    for (unsigned k = 0; k < g->n_slots && g->next_block < g->n_blocks; k++)
        if (!g->slot[k].used)
            start_block(g, &g->slot[k]);
}

/* A turn is mostly short and sometimes long. */
static unsigned draw_quantum(struct sg_schedule *s)
{
    if (s->in_order)
        return 4096;
    const uint32_t scale = sg_schedule_pick(s, 9);
    return 1 + sg_schedule_pick(s, 1u << scale);
}

static bool turn_of_block(struct sg_grid *g, struct block *b)
{
    struct sg_schedule *s = g->schedule;
    const unsigned first = sg_schedule_pick(s, b->n_warps);
    for (unsigned k = 0; k < b->n_warps; k++) {
        struct warp *w = &b->warp[(first + k) % b->n_warps];
        if (w->runnable == 0)
            continue;
        g->turn++;
        w->preferred = -1;
        if (w->group != w->runnable) { /* apart: now and then not the usual order */
            if (s->in_order)
                w->preferred = g->turn % 8 == 7 ? (int)(g->turn / 8 % LANES) : -1;
            else if (sg_schedule_pick(s, 8) == 0)
                w->preferred = (int)sg_schedule_pick(s, LANES);
        }
        const unsigned quantum = draw_quantum(s);
        g->clock += quantum;
        exec_run_warp(w, quantum);
        if (!s->in_order || g->fault != SG_OK)
            return true;
    }
    for (unsigned k = 0; k < b->n_warps; k++)
        if (b->warp[k].runnable)
            return true;
    return s->in_order && b->alive_warps == 0;
}

static void end_if_done(struct sg_grid *g, struct block *b)
{
    if (b->used && b->alive_warps == 0) {
        b->used = false;
        g->n_live--;
    }
}

static void one_turn(struct sg_grid *g)
{
    const unsigned first = sg_schedule_pick(g->schedule, g->n_slots);
    bool progress = false;
    g->round++;
    for (unsigned k = 0; k < g->n_slots && !progress; k++) {
        struct block *b =
            &g->slot[(first + (g->schedule->in_order ? g->round : 0) + k) % g->n_slots];
        if (!b->used)
            continue;
        progress = turn_of_block(g, b);
        end_if_done(g, b);
    }
    if (!progress && g->n_live > 0 && g->fault == SG_OK) {
        g->fault = SG_DEADLOCK;
        snprintf(g->text, sizeof g->text,
            "%s: deadlock: every thread waits at a barrier or for its warp",
            g->kernel->function->name);
    }
}

bool sg_grid_step(struct sg_grid *g, struct sg_schedule *schedule)
{
    if (g->ended)
        return true;
    g->schedule = schedule;
    if (!g->drawn)
        draw_slots(g);
    for (unsigned turns = 1 + sg_schedule_pick(schedule, 16); turns > 0 && g->fault == SG_OK;
         turns--) {
        fill_slots(g);
        if (g->n_live == 0)
            break;
        one_turn(g);
    }
    g->ended = g->fault != SG_OK || (g->n_live == 0 && g->next_block == g->n_blocks);
    return g->ended;
}

enum sg_fault sg_grid_fault(const struct sg_grid *g, const char **text)
{
    if (text)
        *text = g->text;
    return g->fault;
}

void sg_grid_free(struct sg_grid *g)
{
    if (!g)
        return;
    for (unsigned k = 0; k < g->n_slots; k++)
        free_block(&g->slot[k]);
    free(g->slot);
    free(g->params);
    if (g->sync_area)
        sg_memory_remove_range(g->sync_area);
    free(g->sync_area);
    free(g);
}

uint64_t sg_count_instructions(void)
{
    return exec_instructions;
}

uint64_t sg_count_atomics(void)
{
    return exec_atomics;
}
