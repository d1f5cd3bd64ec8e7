/* Entropy asked of libc. CPython leaves a clean mark: its hash secret is 24 bytes and every self-seeding random.Random() is 2496
 * bytes, both with GRND_NONBLOCK; os.urandom, secrets, uuid4 and keys come with flags 0 and are never touched, nor is getentropy,
 * which OpenSSL uses. Source: Python/bootstrap_hash.c; measured on 3.7-3.13 (docs/SEEDS.md). */
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/entropy/entropy.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"
#include "shim/python/python.h"

#define HASH_SECRET_BYTES 24
#define TWISTER_BYTES     2496 /* 624 words of the Mersenne Twister */

static ssize_t real_getrandom(void *to, size_t n_bytes, unsigned flags)
{
    return syscall(SYS_getrandom, to, n_bytes, flags);
}

static void warn_all_once(void)
{
    static _Atomic int said;
    if (!atomic_exchange(&said, 1))
        det_log_note("DETSHIM_ENTROPY=all: keys, tokens and unique names repeat too; for sealed "
                     "experiments only");
}

/* Which stream this request belongs to, or DET_N_PURPOSES to leave it real. */
static enum det_purpose purpose_of(size_t n_bytes, unsigned flags)
{
    if (flags == GRND_NONBLOCK && (n_bytes == HASH_SECRET_BYTES || n_bytes == TWISTER_BYTES) &&
        det_python_present())
        return n_bytes == HASH_SECRET_BYTES ? DET_PURPOSE_PYTHON_HASH : DET_PURPOSE_PYTHON_RANDOM;
    return det_entropy_all() ? DET_PURPOSE_ALL : DET_N_PURPOSES;
}

static bool rule_of(enum det_purpose purpose)
{
    if (purpose == DET_PURPOSE_PYTHON_HASH)
        return det_rule_acts(DET_RULE_SEED_PYTHON_HASH);
    return purpose == DET_PURPOSE_ALL || det_rule_acts(DET_RULE_SEED_PYTHON_RANDOM);
}

DET_EXPORT ssize_t getrandom(void *to, size_t n_bytes, unsigned flags)
{
    if (!det_entropy_armed())
        return real_getrandom(to, n_bytes, flags);
    const void *caller = __builtin_return_address(0);
    const enum det_purpose purpose = purpose_of(n_bytes, flags);
    if (purpose == DET_N_PURPOSES || !rule_of(purpose)) {
        const ssize_t got = real_getrandom(to, n_bytes, flags);
        const int saved = errno;
        det_draw_log("getrandom", false, n_bytes, flags, caller);
        errno = saved;
        return got;
    }
    if (purpose == DET_PURPOSE_ALL)
        warn_all_once();
    uint64_t ordinal = 0;
    if (purpose == DET_PURPOSE_PYTHON_HASH) /* every interpreter of a job orders its sets alike */
        det_stream_expand(det_stream_at(purpose, 0), to, n_bytes);
    else
        det_stream_fill(purpose, to, n_bytes, &ordinal);
    const enum det_rule rule = purpose == DET_PURPOSE_PYTHON_HASH ? DET_RULE_SEED_PYTHON_HASH
                               : purpose == DET_PURPOSE_ALL       ? DET_RULE_SEED_ALL
                                                                  : DET_RULE_SEED_PYTHON_RANDOM;
    det_log_override_text(
        DET_NAME(getrandom), rule, det_purpose_word(purpose), "entropy", "DET_SEED");
    det_draw_log(det_purpose_word(purpose), true, n_bytes, ordinal, caller);
    return (ssize_t)n_bytes;
}

/* Secrets live here (OpenSSL, libsodium, gnutls): pinned only by DETSHIM_ENTROPY=all. */
DET_EXPORT int getentropy(void *to, size_t n_bytes)
{
    if (n_bytes > 256) {
        errno = EIO;
        return -1;
    }
    const void *caller = __builtin_return_address(0);
    if (det_entropy_armed() && det_entropy_all()) {
        uint64_t ordinal = 0;
        warn_all_once();
        det_stream_fill(DET_PURPOSE_ALL, to, n_bytes, &ordinal);
        det_draw_log("getentropy", true, n_bytes, ordinal, caller);
        return 0;
    }
    for (size_t done = 0; done < n_bytes;) {
        const ssize_t got = real_getrandom((char *)to + done, n_bytes - done, 0);
        if (got < 0 && errno != EINTR)
            return -1;
        done += got > 0 ? (size_t)got : 0;
    }
    if (det_entropy_armed())
        det_draw_log("getentropy", false, n_bytes, 0, caller);
    return 0;
}
