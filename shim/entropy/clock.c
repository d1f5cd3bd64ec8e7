/* Seeds that come from a clock. The last values handed out by the clocks and by getpid are remembered; when a seeding call gets
 * such a number, alone or combined the way programs do it, the program asked for "anything", and DET_SEED answers. A constant
 * is the program's own choice and is kept. The clocks themselves always tell the true time. */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "shim/entropy/entropy.h"
#include "shim/entropy/next.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"

#define N_REMEMBERED 64
static struct {
    _Atomic uint64_t seconds, nanoseconds;
} remembered[N_REMEMBERED];
static _Atomic unsigned n_remembered;

static void remember(uint64_t seconds, uint64_t nanoseconds)
{
    const unsigned i =
        atomic_fetch_add_explicit(&n_remembered, 1, memory_order_relaxed) % N_REMEMBERED;
    atomic_store_explicit(&remembered[i].seconds, seconds, memory_order_relaxed);
    atomic_store_explicit(&remembered[i].nanoseconds, nanoseconds, memory_order_relaxed);
}

/* Is `value`, cut to 32 bits where it fits, one of the numbers a program makes of this reading? */
static bool made_from(uint64_t value, uint64_t s, uint64_t ns, uint64_t pid)
{
    const uint64_t candidates[] = { s, s ^ pid, s + pid, s * pid, s - pid, s * 1000 + ns / 1000000,
        s * 1000000 + ns / 1000, s * 1000000000u + ns, ns, ns / 1000, ns / 1000000, s ^ ns,
        s ^ (ns / 1000), s + ns, s + ns / 1000, s * (ns / 1000), s * ns,
        (s * 1000000 + ns / 1000) ^ pid, ns ^ pid, (ns / 1000) ^ pid, ns / 1000 * 1000, ns * pid,
        (s << 16) ^ pid, s ^ (pid << 16) };
    const uint64_t mask = value >> 32 ? ~(uint64_t)0 : 0xffffffffu;
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        /* small numbers (a microsecond count of 7) prove nothing */
        if (((candidates[i] ^ value) & mask) == 0 && value > 9999)
            return true;
    return false;
}

bool det_clock_tainted(uint64_t value)
{
    const uint64_t pid = (uint64_t)syscall(SYS_getpid);
    if (value == pid)
        return true;
    const unsigned n = atomic_load(&n_remembered);
    for (unsigned i = 0; i < n && i < N_REMEMBERED; i++)
        if (made_from(value, atomic_load(&remembered[i].seconds),
                atomic_load(&remembered[i].nanoseconds), pid))
            return true;
    return false;
}

uint64_t det_clock_seed(
    const char *call, enum det_purpose purpose, uint64_t asked, unsigned bits, const void *caller)
{
    if (!det_entropy_armed() || !det_rule_acts(DET_RULE_SEED_CLOCK))
        return asked;
    if (!det_clock_tainted(asked)) {
        det_log_kept(call, DET_RULE_SEED_CLOCK, "seed", "a constant of the program");
        return asked;
    }
    uint64_t ordinal = 0;
    const uint64_t given = det_stream_next(purpose, &ordinal) >> (64 - bits);
    det_log_override_text(call, DET_RULE_SEED_CLOCK, "seed", "clock", "DET_SEED");
    det_draw_log(det_purpose_word(purpose), true, bits / 8, ordinal, caller);
    return given;
}

DET_EXPORT time_t time(time_t *to)
{
    const time_t now = DET_NEXT(time)(to);
    if (det_entropy_armed())
        remember((uint64_t)now, 0);
    return now;
}

DET_EXPORT int gettimeofday(struct timeval *restrict to, void *restrict zone)
{
    const int status = DET_NEXT(gettimeofday)(to, zone);
    if (status == 0 && det_entropy_armed())
        remember((uint64_t)to->tv_sec, (uint64_t)to->tv_usec * 1000);
    return status;
}

DET_EXPORT int clock_gettime(clockid_t clock, struct timespec *to)
{
    const int status = DET_NEXT(clock_gettime)(clock, to);
    if (status == 0 && det_entropy_armed())
        remember((uint64_t)to->tv_sec, (uint64_t)to->tv_nsec);
    return status;
}
