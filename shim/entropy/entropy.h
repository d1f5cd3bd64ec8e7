/* Random streams that DET_SEED gives to what a program left to chance. Every stream is mix(seed, purpose, process path,
 * ordinal); a process path is made of the rank and of fork and spawn ordinals, never of a pid. Secrets are never touched:
 * what counts as secret is written in docs/SEEDS.md. */
#ifndef DET_ENTROPY_ENTROPY_H
#define DET_ENTROPY_ENTROPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum det_purpose {
#define DET_PURPOSE(id, word, per_path) DET_PURPOSE_##id,
#include "shim/entropy/purposes.def"
#undef DET_PURPOSE
    DET_N_PURPOSES
};
const char *det_purpose_word(enum det_purpose purpose);

/** Does DET_SEED hold a number, and are level and DETSHIM_ENTROPY not off? Quiet and cheap: hooks on calls that every process
 *  makes (time, fork, exec) ask this and nothing else, so that a bad value never prints in a shell. */
bool det_entropy_armed(void);
/** The same, for DETSHIM_ENTROPY=all. */
bool det_entropy_all(void);

/** Value number `ordinal` of the stream; a bijection of ordinal, so values of one stream never repeat. */
uint64_t det_stream_at(enum det_purpose purpose, uint64_t ordinal);
/** How many draws of this purpose the process made. */
uint64_t det_stream_drawn(enum det_purpose purpose);
/** The next value of the stream in this process; thread-safe. *ordinal (may be NULL) gets its number, from 0. */
uint64_t det_stream_next(enum det_purpose purpose, uint64_t *ordinal);
/** Fill n bytes from one draw. */
void det_stream_fill(enum det_purpose purpose, void *to, size_t n_bytes, uint64_t *ordinal);
/** Expand a 64-bit value into bytes, the same way everywhere. */
void det_stream_expand(uint64_t value, void *to, size_t n_bytes);
/** Pure form for tests. */
uint64_t det_stream_value(
    uint64_t seed, enum det_purpose purpose, const char *path, uint64_t ordinal);

/** "p" for the first process, "r3" for rank 3, then ".f2" (second fork) and ".v1" (first spawned child). */
const char *det_path(void);
/** Path of the child that the running call is about to spawn by vfork or posix_spawn. */
void det_path_spawned(char *to, size_t cap_bytes);
void det_path_fork_prepare(void);
void det_path_fork_child(void);
/** The thread that forked is the child's first: it goes back to libc's own sequence. */
void det_rand_fork_child(void);
/** Pure form for tests: path of a process from what it inherited and its rank variables. */
void det_path_start(const char *inherited, const char *rank, char *to, size_t cap_bytes);

/** Record a draw in the log: seeded, or left real. The first twenty per caller, then counts. caller: any address inside the
 *  calling object. */
void det_draw_log(
    const char *purpose, bool seeded, size_t n_bytes, uint64_t ordinal, const void *caller);
/** File name (no folder) of the object that holds `address`; "?" when unknown. */
void det_caller_name(const void *address, char *to, size_t cap_bytes);

/** Was this number handed out by a clock or getpid lately, alone or combined as programs do it? */
bool det_clock_tainted(uint64_t value);
/** A seed the program is about to use: replaced when it comes from a clock or entropy, kept otherwise. Logs either way. */
uint64_t det_clock_seed(
    const char *call, enum det_purpose purpose, uint64_t asked, unsigned bits, const void *caller);

#endif
