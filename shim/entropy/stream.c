/* Streams: see entropy.h. No locks; counters are relaxed atomics, one per purpose, so that threads drawing for different
 * purposes do not disturb each other's numbering. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "shim/core/hash.h"
#include "shim/core/text.h"
#include "shim/entropy/entropy.h"
#include "shim/entropy/fork.h"
#include "shim/policy/policy.h"

static const struct {
    const char *word;
    bool per_path;
} purposes[DET_N_PURPOSES] = {
#define DET_PURPOSE(id, text, path) [DET_PURPOSE_##id] = { .word = (text), .per_path = (path) },
#include "shim/entropy/purposes.def"
#undef DET_PURPOSE
};
static _Atomic uint64_t drawn[DET_N_PURPOSES];

/* 0 not looked yet, 1 no, 2 armed, 3 armed for everything */
static _Atomic int armed_state;
static uint64_t armed_seed;

const char *det_purpose_word(enum det_purpose purpose)
{
    return purpose < DET_N_PURPOSES ? purposes[purpose].word : "?";
}

static int look(void)
{
    const char *seed = getenv("DET_SEED");
    uint64_t value = 0;
    if (!seed || !det_text_u64(seed, &value) || !det_policy_active())
        return 1;
    const char *level = getenv("DETSHIM_LEVEL"), *entropy = getenv("DETSHIM_ENTROPY");
    if (level && strcmp(level, "observe") == 0)
        return 1;
    if (entropy && strcmp(entropy, "off") == 0)
        return 1;
    armed_seed = value;
    return entropy && strcmp(entropy, "all") == 0 ? 3 : 2;
}

static int state(void)
{
    int now = atomic_load_explicit(&armed_state, memory_order_acquire);
    if (now == 0) {
        now = look();
        atomic_store_explicit(&armed_state, now, memory_order_release);
    }
    return now;
}

bool det_entropy_armed(void)
{
    return state() >= 2;
}

bool det_entropy_all(void)
{
    return state() == 3;
}

uint64_t det_stream_value(
    uint64_t seed, enum det_purpose purpose, const char *path, uint64_t ordinal)
{
    uint64_t key = det_mix(seed ^ 0x6465747368696d31u);
    key = det_mix(key ^ det_hash(purposes[purpose].word, strlen(purposes[purpose].word), 1));
    if (purposes[purpose].per_path)
        key = det_mix(key ^ det_hash(path, strlen(path), 2));
    return det_mix(key + ordinal * 0x9e3779b97f4a7c15u);
}

uint64_t det_stream_at(enum det_purpose purpose, uint64_t ordinal)
{
    state();
    return det_stream_value(armed_seed, purpose, det_path(), ordinal);
}

uint64_t det_stream_drawn(enum det_purpose purpose)
{
    return atomic_load_explicit(&drawn[purpose], memory_order_relaxed);
}

uint64_t det_stream_next(enum det_purpose purpose, uint64_t *ordinal)
{
    const uint64_t n = atomic_fetch_add_explicit(&drawn[purpose], 1, memory_order_relaxed);
    if (ordinal)
        *ordinal = n;
    det_policy(); /* a draw is what judges the settings */
    return det_stream_at(purpose, n);
}

void det_stream_expand(uint64_t value, void *to, size_t n_bytes)
{
    unsigned char *out = to;
    for (size_t i = 0; i < n_bytes; i += 8) {
        const uint64_t word = det_mix(value + (i / 8 + 1) * 0xd1b54a32d192ed03u);
        memcpy(out + i, &word, n_bytes - i < 8 ? n_bytes - i : 8);
    }
}

void det_stream_fill(enum det_purpose purpose, void *to, size_t n_bytes, uint64_t *ordinal)
{
    det_stream_expand(det_stream_next(purpose, ordinal), to, n_bytes);
}

/* The child of a fork has a path of its own, so its streams start anew. */
void det_stream_fork_child(void)
{
    for (int i = 0; i < DET_N_PURPOSES; i++)
        atomic_store_explicit(&drawn[i], 0, memory_order_relaxed);
}
