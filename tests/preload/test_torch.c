/* PyTorch's determinism getters, its alerts and its one source of seeds, on doubles of libtorch_cpu and libc10: each answer with the
 * rule, without it, and for a program that asked for strict mode itself. Real wheels are tests/frameworks. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/child.h"

#define LIBRARY "LD_PRELOAD=" BUILD "/libdetshim.so"
#define DOUBLES "LD_LIBRARY_PATH=" BUILD "/doubles"
#define PROGRAM BUILD "/preload/torch_calls"

static const char *const plain[] = { "LD_PRELOAD", "DET_SEED", DOUBLES, NULL };

static struct child calls(const char *const env[])
{
    struct child child = child_shell(env, 60, "%s", PROGRAM);
    cr_assert_eq(child.exit_status, 0, "%s", child.err);
    return child;
}

/* Every word of `wanted`, "name=value name=value": a value of "" means that no such line was printed. */
static void answers(struct child child, const char *wanted)
{
    char words[512];
    strncpy(words, wanted, sizeof words - 1);
    words[sizeof words - 1] = 0;
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
        char *value = strchr(word, '=');
        *value++ = 0;
        cr_expect_str_eq(child_result(child.out, word), value, "%s: %s", word, child.out);
    }
}

static bool same_text(const char *const a_env[], const char *const b_env[])
{
    struct child a = calls(a_env), b = calls(b_env);
    const bool equal = strcmp(a.out, b.out) == 0;
    child_free(&a);
    child_free(&b);
    return equal;
}

Test(torch, without_us_the_double_answers_the_opposite)
{
    struct child child = calls(plain);
    answers(child,
        "strict=0 warn_only=1 cudnn=0 benchmark=1 fill=1 mkldnn=0 cublas=0 threw_cublas=1 "
        "threw_std=put_ threw_c10=and cpu=42 cuda=43");
    child_free(&child);
}

Test(torch, getters_answer_strict_and_nothing_throws)
{
    const char *const env[] = { LIBRARY, "DET_SEED", "TORCH_STRICT", DOUBLES, NULL };
    struct child child = calls(env);
    answers(child,
        "strict=1 warn_only=0 cudnn=1 benchmark=0 fill=0 mkldnn=1 cublas=1 threw_cublas= "
        "threw_std= threw_c10=");
    child_free(&child);
}

Test(torch, an_alert_names_the_operator_as_uncovered)
{
    const char *const env[] = { LIBRARY, "DETSHIM_LOG=stderr", "DETSHIM_LOG_LEVEL=call", "DET_SEED",
        "TORCH_STRICT", DOUBLES, NULL };
    struct child child = calls(env);
    cr_expect(strstr(child.err, "put_"), "%s", child.err);
    cr_expect(strstr(child.err, "pytorch.alert"), "%s", child.err);
    cr_expect(strstr(child.err, "pytorch.strict"), "%s", child.err);
    cr_expect_not(strstr(child.err, "put_ and"), "a view has no NUL at its end: %s", child.err);
    child_free(&child);
}

Test(torch, a_program_that_asked_for_strict_mode_meets_its_errors)
{
    const char *const env[] = { LIBRARY, "DET_SEED", "TORCH_STRICT=1", DOUBLES, NULL };
    struct child child = calls(env);
    answers(child, "strict=1 fill=1 threw_std=put_ threw_c10=and");
    child_free(&child);
}

Test(torch, a_rule_switched_off_forwards)
{
    const char *const strict[] = { LIBRARY, "DETSHIM_RULES=-pytorch.strict", "DET_SEED", DOUBLES,
        NULL };
    struct child child = calls(strict);
    answers(
        child, "strict=0 warn_only=1 cudnn=0 benchmark=1 fill=1 mkldnn=0 cublas=0 threw_cublas=1");
    child_free(&child);
    const char *const alert[] = { LIBRARY, "DETSHIM_RULES=-pytorch.alert", "DET_SEED", DOUBLES,
        NULL };
    child = calls(alert);
    answers(child, "strict=1 threw_std=put_ threw_c10=and");
    child_free(&child);
}

Test(torch, observe_and_off_change_nothing)
{
    const char *const off[] = { LIBRARY, "DETSHIM_LEVEL=off", "DET_SEED=1", DOUBLES, NULL };
    const char *const observe[] = { LIBRARY, "DETSHIM_LEVEL=observe", "DET_SEED=1", DOUBLES, NULL };
    cr_expect(same_text(plain, off));
    cr_expect(same_text(plain, observe));
}

Test(torch, unseeded_generators_follow_the_seed)
{
    const char *const one[] = { LIBRARY, "DET_SEED=1", DOUBLES, NULL };
    const char *const two[] = { LIBRARY, "DET_SEED=2", DOUBLES, NULL };
    const char *const none[] = { LIBRARY, "DET_SEED", DOUBLES, NULL };
    cr_expect(same_text(one, one));
    cr_expect_not(same_text(one, two), "two seeds, one value");
    struct child child = calls(none);
    answers(child, "cpu=42 cpu_next=42 cuda=43");
    child_free(&child);
    child = calls(one);
    char first[64];
    strncpy(first, child_result(child.out, "cpu"), sizeof first - 1);
    first[sizeof first - 1] = 0;
    cr_expect_str_neq(first, "42");
    cr_expect_str_neq(first, child_result(child.out, "cpu_next"), "torch.seed() must move on");
    const unsigned long long cuda = strtoull(child_result(child.out, "cuda"), NULL, 10);
    cr_expect_neq(cuda, 43);
    cr_expect_lt(cuda, 1ull << 53, "the original gives 53 bits to CUDA generators");
    child_free(&child);
}
