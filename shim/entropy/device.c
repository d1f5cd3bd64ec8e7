/* std::random_device of a dynamically linked libstdc++: one 32-bit value a call. The default token uses RDSEED or RDRAND where the
 * CPU has them, which no libc hook can see, so the member itself is answered. Crypto libraries keep real values. */
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/entropy/entropy.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"

/* unsigned int std::random_device::_M_getval() */
unsigned int _ZNSt13random_device9_M_getvalEv(void *self);

static bool keeps_secrets(const void *caller)
{
    static const char *const names[] = { "libcrypto", "libssl", "libgnutls", "libsodium",
        "libgcrypt", "libnettle", "libhogweed", "libmbed", "libnss", "libkrb5", "libssh",
        "libbotan", "libcryptopp", "libwolfssl", "libs2n" };
    char name[128];
    det_caller_name(caller, name, sizeof name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* Any source of entropy is a right answer for a caller that gets a real value. */
static unsigned real_value(void)
{
    unsigned value = 0;
    while (syscall(SYS_getrandom, &value, sizeof value, 0) != (long)sizeof value)
        ;
    return value;
}

DET_EXPORT unsigned int _ZNSt13random_device9_M_getvalEv(void *self)
{
    const void *caller = __builtin_return_address(0);
    (void)self;
    if (!det_entropy_armed() || !det_rule_acts(DET_RULE_SEED_RANDOM_DEVICE))
        return real_value();
    if (!det_entropy_all() && keeps_secrets(caller)) {
        det_draw_log("random_device", false, 4, 0, caller);
        return real_value();
    }
    uint64_t ordinal = 0;
    const uint64_t value = det_stream_next(DET_PURPOSE_RANDOM_DEVICE, &ordinal);
    det_log_override_text(
        "std::random_device", DET_RULE_SEED_RANDOM_DEVICE, "value", "entropy", "DET_SEED");
    det_draw_log("random_device", true, 4, ordinal, caller);
    return (unsigned)(value >> 32);
}
