/* PyTorch: the getters are answered, not the setters called. A script's own later use_deterministic_algorithms(False) or
 * cudnn.benchmark = True cannot undo them, and everything that asks (Inductor, Megatron, TransformerEngine) sees them on. One exception
 * to "what the program reads back stays what it set", logged once: PyTorch's own code branches on these getters.
 * They are called for every operator, so they log once and then cost two loads. */
#include <stdatomic.h>
#include <string.h>

#include "shim/core/bytes.h"
#include "shim/entropy/entropy.h"
#include "shim/loader/call.h"
#include "shim/log/log.h"
#include "shim/pins/pins.h"
#include "shim/pins/torch.h"

static bool strict(const char *what, const char *given, _Atomic int *said)
{
    if (!det_rule_acts(DET_RULE_PYTORCH_STRICT))
        return false;
    if (!atomic_load_explicit(said, memory_order_relaxed) && !atomic_exchange(said, 1))
        det_log_override_text(what, DET_RULE_PYTORCH_STRICT, "answer", "the program's", given);
    return true;
}

/* A getter with a fixed answer while the rule acts. */
#define ANSWER(symbol, text, value)                                                                \
    DET_EXPORT bool symbol(const void *self)                                                       \
    {                                                                                              \
        static _Atomic int said;                                                                   \
        if (strict(text, (value) ? "true" : "false", &said))                                       \
            return (value);                                                                        \
        return DET_REAL(symbol)(self);                                                             \
    }

ANSWER(_ZNK2at7Context23deterministicAlgorithmsEv, "at::Context::deterministicAlgorithms", true)
ANSWER(_ZNK2at7Context31deterministicAlgorithmsWarnOnlyEv,
    "at::Context::deterministicAlgorithmsWarnOnly", false)
ANSWER(_ZNK2at7Context18deterministicCuDNNEv, "at::Context::deterministicCuDNN", true)
ANSWER(_ZNK2at7Context14benchmarkCuDNNEv, "at::Context::benchmarkCuDNN", false)
ANSWER(_ZNK2at7Context19deterministicMkldnnEv, "at::Context::deterministicMkldnn", true)

/* Did the program itself ask for strict mode? Then it gets what it asked for, throws included. */
static bool program_asked(const void *self)
{
    const __typeof__(&_ZNK2at7Context23deterministicAlgorithmsEv) asked =
        (__typeof__(asked))(uintptr_t)det_real_or_null(
            DET_ID__ZNK2at7Context23deterministicAlgorithmsEv, __builtin_return_address(0));
    return self && asked && asked(self);
}

/* With the mode on PyTorch fills fresh memory (21 ms for 40 MB, measured): only when the program switched the mode on itself. */
DET_EXPORT bool _ZNK2at7Context36deterministicFillUninitializedMemoryEv(const void *self)
{
    static _Atomic int said;
    if (!program_asked(self) &&
        strict("at::Context::deterministicFillUninitializedMemory", "false", &said))
        return false;
    return DET_REAL(_ZNK2at7Context36deterministicFillUninitializedMemoryEv)(self);
}

/* CUBLAS_WORKSPACE_CONFIG is pinned (pins.def); torch <= 2.8 would check it once and throw where it came late. */
DET_EXPORT void _ZNK2at7Context33alertCuBLASConfigNotDeterministicEv(const void *self)
{
    static _Atomic int said;
    if (!strict("at::Context::alertCuBLASConfigNotDeterministic", "pinned", &said))
        DET_REAL(_ZNK2at7Context33alertCuBLASConfigNotDeterministicEv)(self);
}

DET_EXPORT bool _ZN2at7Context30checkCuBLASConfigDeterministicEv(void)
{
    static _Atomic int said;
    if (strict("at::Context::checkCuBLASConfigDeterministic", "true", &said))
        return true;
    return DET_REAL(_ZN2at7Context30checkCuBLASConfigDeterministicEv)();
}

/* The op's name becomes a ledger entry; nothing is thrown that the program would not have met without us. */
static void uncovered_op(const char *name, size_t n_bytes)
{
    DET_LINE(op, 160);
    det_line_bytes(&op, name, n_bytes < 120 ? n_bytes : 120);
    det_ledger_hit(det_ledger_row("call", op.at, DET_CLASS_UNCOVERED, DET_RULE_PYTORCH_ALERT,
        "PyTorch has no deterministic implementation of it"));
}

static const void *context(void)
{
    typedef const void *(*context_fn)(void);
    const context_fn global = (context_fn)(uintptr_t)det_pins_torch_find("_ZN2at13globalContextEv");
    return global ? global() : NULL;
}

#define ALERT(symbol, view)                                                                        \
    DET_EXPORT void symbol(const struct view *op)                                                  \
    {                                                                                              \
        if (!det_rule_acts(DET_RULE_PYTORCH_ALERT) || program_asked(context()))                    \
            DET_REAL(symbol)(op);                                                                  \
        else                                                                                       \
            uncovered_op(op->at, op->n_bytes);                                                     \
    }

ALERT(_ZN2at7Context21alertNotDeterministicERKSt17basic_string_viewIcSt11char_traitsIcEE,
    det_std_view)
ALERT(_ZN2at7Context21alertNotDeterministicERKN3c1017basic_string_viewIcEE, det_c10_view)

/* One function feeds every generator that the program did not seed. By counter, never a constant: torch.seed() must keep
 * giving new values. is_cuda: 53 bits, as the original does. */
DET_EXPORT uint64_t _ZN3c106detail25getNonDeterministicRandomEb(bool is_cuda)
{
    if (!det_entropy_armed() || !det_rule_acts(DET_RULE_SEED_TORCH))
        return DET_REAL(_ZN3c106detail25getNonDeterministicRandomEb)(is_cuda);
    const enum det_purpose purpose = is_cuda ? DET_PURPOSE_TORCH_CUDA : DET_PURPOSE_TORCH_CPU;
    uint64_t ordinal = 0;
    const uint64_t value = det_stream_next(purpose, &ordinal);
    det_log_override_text("c10::detail::getNonDeterministicRandom", DET_RULE_SEED_TORCH,
        det_purpose_word(purpose), "entropy", "DET_SEED");
    det_draw_log(det_purpose_word(purpose), true, 8, ordinal, __builtin_return_address(0));
    return is_cuda ? value >> 11 : value;
}

void *det_pins_torch_find(const char *name)
{
    void *found = det_family_symbol(DET_FAMILY_TORCH, name);
    return found ? found : det_family_symbol(DET_FAMILY_C10, name);
}
