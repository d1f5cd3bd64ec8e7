/* libc's generators. Seeding calls with a clock value get one from DET_SEED. rand() from several threads draws from one hidden
 * state in an order nobody fixes, so with DET_SEED every thread but the first gets a stream of its own, named by who created it.
 * The first thread keeps libc's own sequence, bit for bit. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/core/hash.h"
#include "shim/entropy/entropy.h"
#include "shim/entropy/fork.h"
#include "shim/entropy/next.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"

/* A thread's place in the tree of threads: mix of the parent's place and its ordinal there. 0: the first thread. */
static __thread uint64_t place, n_children, n_drawn;
static _Atomic uint64_t
    seeding; /* changes with every srand, so that re-seeding restarts the threads' streams too */

struct start {
    void *(*run)(void *);
    void *arg;
    uint64_t place;
};

static void *begin(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    place = start.place;
    return start.run(start.arg);
}

DET_EXPORT int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attr,
    void *(*run)(void *), void *restrict arg)
{
    struct start *start = det_entropy_armed() ? malloc(sizeof *start) : NULL;
    if (!start)
        return DET_NEXT(pthread_create)(thread, attr, run, arg);
    *start = (struct start){ run, arg, det_mix(place * 0x9e3779b97f4a7c15u + ++n_children) | 1 };
    const int status = DET_NEXT(pthread_create)(thread, attr, begin, start);
    if (status != 0)
        free(start);
    return status;
}

static bool private_stream(void)
{
    return place != 0 && det_entropy_armed() && det_rule_acts(DET_RULE_SEED_RAND_THREADS);
}

static uint64_t draw(const char *call)
{
    if (n_drawn == 0)
        det_log_override_text(
            call, DET_RULE_SEED_RAND_THREADS, "stream", "shared", "one per thread");
    return det_stream_at(
        DET_PURPOSE_RAND_THREAD, det_mix(place ^ atomic_load(&seeding)) + n_drawn++);
}

void det_rand_fork_child(void)
{
    place = n_children = n_drawn = 0; /* the thread that forked is the child's first */
}

DET_EXPORT int rand(void)
{
    return private_stream() ? (int)(draw("rand") >> 33) : DET_NEXT(rand)();
}

DET_EXPORT long random(void)
{
    return private_stream() ? (long)(draw("random") >> 33) : DET_NEXT(random)();
}

DET_EXPORT double drand48(void)
{
    return private_stream() ? (double)(draw("drand48") >> 16) * 0x1p-48 : DET_NEXT(drand48)();
}

DET_EXPORT long lrand48(void)
{
    return private_stream() ? (long)(draw("lrand48") >> 33) : DET_NEXT(lrand48)();
}

DET_EXPORT long mrand48(void)
{
    return private_stream() ? (long)(int32_t)(draw("mrand48") >> 32) : DET_NEXT(mrand48)();
}

static uint64_t seed_given(const char *call, uint64_t asked, unsigned bits, const void *caller)
{
    const uint64_t given = det_clock_seed(call, DET_PURPOSE_CLOCK_SEED, asked, bits, caller);
    if (det_entropy_armed()) {
        atomic_store(&seeding, det_mix(given));
        n_drawn = 0;
    }
    return given;
}

DET_EXPORT void srand(unsigned seed)
{
    DET_NEXT(srand)((unsigned)seed_given("srand", seed, 32, __builtin_return_address(0)));
}

DET_EXPORT void srandom(unsigned seed)
{
    DET_NEXT(srandom)((unsigned)seed_given("srandom", seed, 32, __builtin_return_address(0)));
}

DET_EXPORT void srand48(long seed)
{
    const uint64_t asked = (uint64_t)seed;
    DET_NEXT(srand48)
    ((long)seed_given(
        "srand48", asked >> 32 ? asked : (uint32_t)asked, 32, __builtin_return_address(0)));
}
