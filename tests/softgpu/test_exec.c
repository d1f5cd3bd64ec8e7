/* The PTX front end and interpreter by themselves: kernels of three architectures against host and MPFR references, schedules
 * that differ and repeat, faults, and malformed text. Memory is a plain arena here; the driver has the real check. */
#include <criterion/criterion.h>
#include <math.h>
#include <mpfr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/softgpu/softgpu.h"

enum { ARENA_BYTES = 8 << 20, MAX_RANGES = 256 };
static _Alignas(256) unsigned char arena[ARENA_BYTES];
static size_t arena_used;
static struct {
    const unsigned char *at;
    size_t n;
} ranges[MAX_RANGES];

bool sg_memory_ok(const void *at, size_t n)
{
    const unsigned char *p = at;
    if (p >= arena && p <= arena + arena_used && n <= (size_t)(arena + arena_used - p))
        return true;
    for (int k = 0; k < MAX_RANGES; k++)
        if (ranges[k].at && p >= ranges[k].at && p + n <= ranges[k].at + ranges[k].n)
            return true;
    return false;
}

void sg_memory_add_range(const void *at, size_t n)
{
    for (int k = 0; k < MAX_RANGES; k++)
        if (!ranges[k].at) {
            ranges[k].at = at;
            ranges[k].n = n;
            return;
        }
    abort();
}

void sg_memory_remove_range(const void *at)
{
    for (int k = 0; k < MAX_RANGES; k++)
        if (ranges[k].at == at)
            ranges[k].at = NULL;
}

static void *device(size_t n)
{
    arena_used = (arena_used + 255) / 256 * 256;
    void *at = arena + arena_used;
    arena_used += n;
    cr_assert(arena_used <= ARENA_BYTES);
    memset(at, 0, n);
    return at;
}

static char *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    cr_assert(f != NULL, "no %s", path);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*n + 1);
    cr_assert(fread(text, 1, *n, f) == *n);
    text[*n] = 0;
    fclose(f);
    return text;
}

static const int archs[] = { 75, 90, 100 };
#define EACH_ARCH(a) for (int a = 0; a < 3; a++)

static struct sg_module *basic(int arch)
{
    char path[512], error[256] = "";
    size_t n;
    snprintf(path, sizeof path, BUILD "/softgpu/kernels/basic.sm_%d.ptx", archs[arch]);
    char *text = read_file(path, &n);
    struct sg_module *m = sg_module_load(text, n, error, sizeof error);
    free(text);
    cr_assert(m != NULL, "%s: %s", path, error);
    return m;
}

static struct sg_schedule schedule;
static char fault_text[256];

static enum sg_fault run(struct sg_module *m, const char *name, unsigned gx, unsigned gy,
    unsigned bx, unsigned by, size_t shared, bool cooperative, const void *params)
{
    struct sg_kernel *k = sg_module_kernel(m, name);
    cr_assert(k != NULL, "no kernel %s", name);
    const struct sg_launch launch = { k, { gx, gy, 1 }, { bx, by, 1 }, shared, params,
        cooperative };
    struct sg_grid *g = sg_grid_start(&launch);
    while (!sg_grid_step(g, &schedule))
        continue;
    const char *text;
    const enum sg_fault fault = sg_grid_fault(g, &text);
    snprintf(fault_text, sizeof fault_text, "%s", text);
    sg_grid_free(g);
    return fault;
}
#define OK(...) cr_assert(run(__VA_ARGS__) == SG_OK, "%s", fault_text)

static void seed(unsigned n)
{
    memset(&schedule, 0, sizeof schedule);
    sg_schedule_seed(&schedule, n);
}

static uint64_t rng = 88172645463325252ull;
static uint64_t random64(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    return rng ^= rng << 17;
}
static float uniform(void)
{
    return (float)((double)(random64() >> 40) / (1 << 23) - 1.0);
}

Test(exec, saxpy_and_gemm)
{
    EACH_ARCH(a)
    {
        arena_used = 0;
        seed(1);
        struct sg_module *m = basic(a);
        enum { N = 1000, S = 48 };
        float *x = device(N * 4), *y = device(N * 4), want[N];
        for (int i = 0; i < N; i++) {
            x[i] = uniform();
            y[i] = uniform();
            want[i] = i < N - 7 ? fmaf(1.5f, x[i], y[i]) : y[i];
        }
        struct {
            int n;
            float a;
            float *x, *y;
        } p = { N - 7, 1.5f, x, y };
        OK(m, "saxpy", 8, 1, 128, 1, 0, false, &p);
        cr_assert(memcmp(y, want, sizeof want) == 0);
        float *f = device(S * S * 4), *g = device(S * S * 4), *h = device(S * S * 4);
        for (int i = 0; i < S * S; i++) {
            f[i] = uniform();
            g[i] = uniform();
        }
        struct {
            int n;
            float *f, *g, *h;
        } q = { S, f, g, h };
        OK(m, "gemm", S / 16, S / 16, 16, 16, 0, false, &q);
        for (int i = 0; i < S; i++)
            for (int j = 0; j < S; j++) {
                float sum = 0;
                for (int k = 0; k < S; k++)
                    sum = fmaf(f[i * S + k], g[k * S + j], sum);
                cr_assert(sum == h[i * S + j]);
            }
        sg_module_free(m);
    }
}

Test(exec, reductions)
{
    EACH_ARCH(a)
    {
        arena_used = 0;
        seed(2);
        struct sg_module *m = basic(a);
        enum { N = 5000, ROWS = 5, COLS = 77 };
        float *x = device(N * 4), *out = device(4);
        for (int i = 0; i < N; i++)
            x[i] = (float)(int)(random64() % 64); /* whole: the sum is exact in any order */
        float want = 0;
        for (int i = 0; i < N; i++)
            want += x[i];
        struct {
            int n;
            float *x, *out;
        } p = { N, x, out };
        OK(m, "block_sum", 7, 1, 160, 1, 0, false, &p);
        cr_assert(*out == want, "%g %g", *out, want);
        float *y = device(ROWS * COLS * 4);
        for (int i = 0; i < ROWS * COLS; i++)
            x[i] = 4 * uniform();
        struct {
            int n;
            float *x, *y;
        } q = { COLS, x, y };
        OK(m, "softmax_row", ROWS, 1, 64, 1, 64 * 4, false, &q);
        for (int r = 0; r < ROWS; r++) {
            double sum = 0;
            for (int i = 0; i < COLS; i++)
                sum += exp(x[r * COLS + i]);
            for (int i = 0; i < COLS; i++)
                cr_assert(fabs(y[r * COLS + i] - exp(x[r * COLS + i]) / sum) < 1e-6);
        }
        int *xi = device(N * 4), *part = device(64), *total = device(4), sum = 0;
        for (int i = 0; i < N; i++)
            sum += xi[i] = (int)(random64() % 1000);
        struct {
            int n, *x, *part, *out;
        } t = { N, xi, part, total };
        OK(m, "last_block", 13, 1, 32, 1, 0, false, &t);
        cr_assert(*total == sum);
        sg_module_free(m);
    }
}

Test(exec, atomics)
{
    EACH_ARCH(a)
    {
        arena_used = 0;
        seed(3);
        struct sg_module *m = basic(a);
        enum { N = 256 };
        unsigned *u = device(64);
        unsigned long long *w = device(16);
        double *d = device(16);
        float *f = device(4);
        uint16_t *h = device(4), *b = device(4);
        u[1] = u[3] = ~0u;
        const void *p[] = { u, w, d, f, h, b };
        const uint64_t before = sg_count_atomics();
        OK(m, "atomics", 4, 1, 64, 1, 0, false, p);
        cr_assert(sg_count_atomics() - before >= 14 * N);
        cr_assert(u[0] == N * (N - 1) / 2);
        cr_assert(u[1] == 7 && u[2] == N - 1 && u[3] == 0xffffff00u && u[4] == ~0u && u[5] == 0);
        cr_assert(u[6] == 1 && u[7] >= 1 && u[7] <= N);
        cr_assert(u[8] == N % 10, "inc %u", u[8]);
        cr_assert(u[9] == 4 - (N - 1) % 5, "dec %u", u[9]); /* 0 wraps to 4 first */
        cr_assert((int)u[10] == -(N - 1) && u[11] == 2 * N);
        cr_assert(w[0] == (uint64_t)u[0] << 32 && w[1] == (uint64_t)(N - 1) * (N - 1));
        cr_assert(d[0] == u[0] && f[0] == N);
        if (archs[a] >= 80) {
            cr_assert(d[1] == N / 2);
            cr_assert(h[0] == 0x5c00 && h[1] == 0x5c00, "256 in f16: %x", h[0]);
            cr_assert(b[0] == 0x4380 && b[1] == 0x4400, "256, 512 in bf16: %x %x", b[0], b[1]);
        }
        sg_module_free(m);
    }
}

Test(exec, divergence_calls_and_warps)
{
    EACH_ARCH(a)
    {
        arena_used = 0;
        seed(4);
        struct sg_module *m = basic(a);
        int *out = device(4096);
        OK(m, "divergent", 1, 1, 100, 1, 0, false, &out);
        for (int t = 0; t < 100; t++) {
            int n = 0;
            for (unsigned v = (unsigned)t * 7 + 1; v != 1; n++)
                v = v & 1 ? 3 * v + 1 : v / 2;
            const int r[8] = { n + 100, n * 3, n - 5, n ^ 77, n << 2, -n, 0, n | 1 };
            cr_assert(out[t] == r[t & 7], "thread %d: %d", t, out[t]);
        }
        OK(m, "calls", 1, 1, 70, 1, 0, false, &out);
        for (int t = 0; t < 70; t++) {
            const int fib[] = { 0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55 };
            cr_assert(
                out[t] == fib[t % 11] + 7 * t + (t & 1 ? 3 : 2) * t + 30 + 10 * (1 + (t & 3)));
        }
        unsigned *o = device(32 * 8 * 4);
        OK(m, "warp_ops", 1, 1, 32, 1, 0, false, &o);
        for (unsigned t = 0; t < 32; t++) {
            unsigned same = 0;
            for (unsigned k = 0; k < 32; k++)
                same |= (unsigned)(k / 5 == t / 5) << k;
            cr_assert(o[8 * t] == 0x49249249 && o[8 * t + 1] == 1 && o[8 * t + 2] == 1 &&
                      o[8 * t + 3] == same);
            cr_assert(o[8 * t + 4] == (t & 1 ? 49 : (t & 15) < 2 ? t : t - 2));
            if (archs[a] >= 80)
                cr_assert(o[8 * t + 5] == 496 + 93 + 0);
            cr_assert(o[8 * t + 6] >= 1 && o[8 * t + 7] >= 1);
        }
        OK(m, "named_barriers", 1, 1, 128, 1, 0, false, &out);
        for (int t = 0; t < 128; t++)
            cr_assert(out[t] == (t < 64 ? 63 - t + 3200 : 5), "%d: %d", t, out[t]);
        sg_module_free(m);
    }
}

Test(exec, grid_sync_and_spin_lock)
{
    EACH_ARCH(a)
    for (int in_order = 0; in_order < 2; in_order++) {
        arena_used = 0;
        seed(5);
        schedule.in_order = in_order;
        struct sg_module *m = basic(a);
        int *count = device(4), *seen = device(37 * 4), *lock = device(8);
        const void *p[] = { count, seen };
        OK(m, "grid_sync", 37, 1, 48, 1, 0, true, p);
        for (int b = 0; b < 37; b++)
            cr_assert(seen[b] == 3, "block %d saw %d", b, seen[b]);
        const void *q[] = { lock, lock + 1 };
        OK(m, "spin_lock", 3, 1, 40, 1, 0, false, q);
        cr_assert(lock[1] == 120 && lock[0] == 0);
        sg_module_free(m);
    }
}

static uint32_t sum_bits(
    struct sg_module *m, unsigned with, bool in_order, uint64_t *hash, uint64_t *instructions)
{
    enum { N = 2000 };
    arena_used = 0;
    rng = 12345;
    float *x = device(N * 4), *out = device(4);
    for (int i = 0; i < N; i++)
        x[i] = uniform() * (float)(1 << random64() % 20);
    struct {
        int n;
        float *x, *out;
    } p = { N, x, out };
    seed(with);
    schedule.in_order = in_order;
    const uint64_t before = sg_count_instructions();
    OK(m, "float_sum", 16, 1, 128, 1, 0, false, &p);
    *instructions = sg_count_instructions() - before;
    *hash = schedule.hash;
    uint32_t u;
    memcpy(&u, out, 4);
    return u;
}

Test(exec, schedules_differ_and_repeat)
{
    struct sg_module *m = basic(1);
    uint32_t sums[8];
    uint64_t hash[8], n[8], h, k;
    int different = 0;
    for (unsigned s = 0; s < 8; s++) {
        sums[s] = sum_bits(m, s, false, &hash[s], &n[s]);
        cr_assert(sum_bits(m, s, false, &h, &k) == sums[s] && h == hash[s] && k == n[s]);
        different += s > 0 && sums[s] != sums[0];
        cr_assert(s == 0 || hash[s] != hash[0]);
        cr_assert(n[s] == n[0], "straight code: the same work under every schedule");
    }
    cr_assert(different >= 4, "only %d of 7 sums differ from the first", different);
    const uint32_t ordered = sum_bits(m, 1, true, &h, &k);
    cr_assert(sum_bits(m, 2, true, &h, &k) == ordered);
    const float *x = (const float *)(const void *)arena;
    float want = 0;
    for (int i = 0; i < 2000; i++)
        want += x[i];
    uint32_t u;
    memcpy(&u, &want, 4);
    cr_assert(u == ordered, "in order is the order of indices");
    sg_module_free(m);
}

Test(exec, faults)
{
    seed(6);
    struct sg_module *m = basic(1);
    int *p = device(4), one = 1;
    cr_assert(run(m, "store_far", 1, 1, 1, 1, 0, false, &p) == SG_ILLEGAL_ADDRESS);
    cr_assert(strstr(fault_text, "st.global") != NULL && strstr(fault_text, "store_far") != NULL,
        "%s", fault_text);
    cr_assert(run(m, "half_block_waits", 1, 1, 64, 1, 0, false, NULL) == SG_DEADLOCK);
    cr_assert(run(m, "asserts", 1, 1, 1, 1, 0, false, &one) == SG_ASSERT);
    cr_assert(strstr(fault_text, "x == 0") != NULL, "%s", fault_text);
    cr_assert(run(m, "traps", 1, 1, 1, 1, 0, false, NULL) == SG_TRAP);
    void *odd = (char *)device(16) + 1;
    struct {
        int n;
        float a;
        void *x, *y;
    } s = { 1, 1, odd, odd };
    cr_assert(run(m, "saxpy", 1, 1, 32, 1, 0, false, &s) == SG_MISALIGNED);
    OK(m, "prints", 1, 1, 2, 1, 0, false, &p);
    cr_assert(*p == 4 || *p == 0); /* the count of arguments, where the caller keeps it */
    sg_module_free(m);
}

/* --- against MPFR --- */
struct format {
    int prec, emin, emax;
};
static const struct format f16 = { 11, -23, 16 }, bf16 = { 8, -132, 128 }, f32 = { 24, -148, 128 },
                           f64 = { 53, -1073, 1024 };
enum op { ADD, MUL, FMA, DIV, SQRT };

static double exact(struct format f, enum op op, mpfr_rnd_t mode, double a, double b, double c)
{
    mpfr_t x, y, z, r;
    mpfr_set_emin(-1100);
    mpfr_set_emax(1100);
    mpfr_inits2(53, x, y, z, (mpfr_ptr)0);
    mpfr_init2(r, f.prec);
    mpfr_set_d(x, a, MPFR_RNDN);
    mpfr_set_d(y, b, MPFR_RNDN);
    mpfr_set_d(z, c, MPFR_RNDN);
    mpfr_set_emin(f.emin);
    mpfr_set_emax(f.emax);
    int t = op == ADD   ? mpfr_add(r, x, y, mode)
            : op == MUL ? mpfr_mul(r, x, y, mode)
            : op == FMA ? mpfr_fma(r, x, y, z, mode)
            : op == DIV ? mpfr_div(r, x, y, mode)
                        : mpfr_sqrt(r, x, mode);
    t = mpfr_check_range(r, t, mode);
    mpfr_subnormalize(r, t, mode);
    const double d = mpfr_get_d(r, MPFR_RNDN);
    mpfr_clears(x, y, z, r, (mpfr_ptr)0);
    return d;
}

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static double half_value(uint16_t h, bool is_bf16)
{
    const int bits = is_bf16 ? 7 : 10, bias = is_bf16 ? 127 : 15, top = is_bf16 ? 255 : 31;
    const int e = h >> bits & top, m = h & ((1 << bits) - 1);
    const double v = e == top ? (m ? NAN : INFINITY)
                     : e      ? ldexp(m + (1 << bits), e - bias - bits)
                              : ldexp(m, 1 - bias - bits);
    return h >> 15 ? -v : v;
}

Test(exec, halves_against_mpfr)
{
    EACH_ARCH(a)
    {
        arena_used = 0;
        seed(7);
        struct sg_module *m = basic(a);
        enum { N = 4000 };
        uint16_t *x = device(N * 6), *out = device(N * 16);
        for (int i = 0; i < 3 * N; i++) {
            x[i] = (uint16_t)random64();
            if (i % 3 == 2 && i % 2) /* near cancellation */
                x[i] = (uint16_t)(x[i - 1] ^ 0x8000 ^ (random64() & 3));
        }
        struct {
            int n;
            uint16_t *x, *out;
        } p = { N, x, out };
        OK(m, "halves", (N + 127) / 128, 1, 128, 1, 0, false, &p);
        for (int i = 0; i < N; i++)
            for (int b = 0; b <= (archs[a] >= 90); b++) {
                const double u = half_value(x[3 * i], b), v = half_value(x[3 * i + 1], b),
                             w = half_value(x[3 * i + 2], b);
                for (int op = ADD; op <= FMA; op++) {
                    const uint16_t got = out[8 * i + 4 * b + op];
                    const double want = exact(b ? bf16 : f16, op, MPFR_RNDN, u, v, w);
                    cr_assert(same(half_value(got, b), want),
                        "sm_%d bf16 %d op %d: %x %x %x gave %x", archs[a], b, op, x[3 * i],
                        x[3 * i + 1], x[3 * i + 2], got);
                    cr_assert(!isnan(want) || got == 0x7fff);
                }
                if (!b)
                    cr_assert(same(half_value(out[8 * i + 3], 0),
                                  exact(f16, ADD, MPFR_RNDN, (float)u / 3.0f,
                                      0.0 * (u < 0 ? -1 : 1), 0)) ||
                              u == 0 || isnan(u));
            }
        sg_module_free(m);
    }
}

Test(exec, rounding_modes_against_mpfr)
{
    static const mpfr_rnd_t modes[4] = { MPFR_RNDN, MPFR_RNDZ, MPFR_RNDD, MPFR_RNDU };
    EACH_ARCH(a)
    {
        arena_used = 0;
        seed(8);
        struct sg_module *m = basic(a);
        enum { N = 1500 };
        float *x = device(N * 12), *o = device(N * 80);
        double *y = device(N * 24), *p = device(N * 160);
        for (int i = 0; i < 3 * N; i++) {
            uint32_t u = (uint32_t)random64();
            uint64_t v = random64();
            if (i % 5 == 0) { /* subnormals */
                u &= 0x807fffff;
                v &= 0x800fffffffffffff;
            } else if (i % 2) { /* near one */
                u = (u & 0x80ffffff) | 0x3f000000;
                v = (v & 0x801fffffffffffff) | 0x3fe0000000000000;
            }
            memcpy(&x[i], &u, 4);
            memcpy(&y[i], &v, 8);
        }
        struct {
            int n;
            float *x, *o;
            double *y, *p;
        } q = { N, x, o, y, p };
        OK(m, "rounding", (N + 63) / 64, 1, 64, 1, 0, false, &q);
        for (int i = 0; i < N; i++)
            for (int k = 0; k < 4; k++)
                for (int op = ADD; op <= SQRT; op++) {
                    const float *s = x + 3 * i, got = o[20 * i + 5 * k + op];
                    const double *d = y + 3 * i, got64 = p[20 * i + 5 * k + op];
                    const double root = op == SQRT;
                    cr_assert(
                        same(got, exact(f32, op, modes[k], root ? fabsf(s[0]) : s[0], s[1], s[2])),
                        "sm_%d f32 mode %d op %d: %a %a %a gave %a", archs[a], k, op, s[0], s[1],
                        s[2], got);
                    cr_assert(
                        same(got64, exact(f64, op, modes[k], root ? fabs(d[0]) : d[0], d[1], d[2])),
                        "sm_%d f64 mode %d op %d: %a %a %a gave %a", archs[a], k, op, d[0], d[1],
                        d[2], got64);
                }
        sg_module_free(m);
    }
}

/* --- single instructions: two inputs in, one result out, written as PTX --- */
static const struct {
    const char *body; /* %a %b 32-bit, %w %x 64-bit inputs, to %r (32) or %q (64) */
    uint64_t a, b, want;
} table[] = {
    { "div.s32 %r, %a, %b;", 0x80000000, 0xffffffff, 0x80000000 },
    { "rem.s32 %r, %a, %b;", (uint32_t)-7, 3, (uint32_t)-1 },
    { "shl.b32 %r, %a, %b;", 1, 32, 0 },
    { "shr.s32 %r, %a, %b;", 0x80000000, 99, 0xffffffff },
    { "shr.u32 %r, %a, %b;", 0x80000000, 31, 1 },
    { "mul.hi.s32 %r, %a, %b;", 0x80000000, 0x80000000, 0x40000000 },
    { "mul.wide.s32 %q, %a, %b;", 0xffffffff, 2, (uint64_t)-2 },
    { "mad.wide.u32 %q, %a, %b, 5;", 0xffffffff, 2, 0x200000003 },
    { "add.sat.s32 %r, %a, %b;", 0x7fffffff, 1, 0x7fffffff },
    { "bfe.s32 %r, %a, 4, 4;", 0xf0, 0, 0xffffffff },
    { "bfe.u32 %r, %a, 28, 8;", 0xf0000000, 0, 0xf },
    { "bfi.b32 %r, %a, %b, 8, 8;", 0xab, 0xffff0000, 0xffffab00 },
    { "bfind.s32 %r, %a;", 0xffffff00, 0, 7 },
    { "bfind.shiftamt.u32 %r, %a;", 1, 0, 31 },
    { "clz.b32 %r, %a;", 0, 0, 32 },
    { "popc.b64 %r, %w;", 0xff00ff00ff00ff00, 0, 32 },
    { "brev.b32 %r, %a;", 1, 0, 0x80000000 },
    { "prmt.b32 %r, %a, %b, 0x7531;", 0x33221100, 0x77665544, 0x77553311 },
    { "prmt.b32 %r, %a, %b, 0x0009;", 0x0000ff00, 0, 0x000000ff },
    { "lop3.b32 %r, %a, %b, 0xf0f0f0f0, 0x96;", 0xff00ff00, 0x0ff00ff0, 0x00000000 },
    { "shf.l.wrap.b32 %r, %a, %b, 8;", 0x11223344, 0xaabbccdd, 0xbbccdd11 },
    { "shf.r.clamp.b32 %r, %a, %b, 40;", 0x11223344, 0xaabbccdd, 0xaabbccdd },
    { "sad.s32 %r, %a, %b, 1;", (uint32_t)-5, 5, 11 },
    { "dp4a.s32.s32 %r, %a, %b, 10;", 0xff010203, 0x01010101, 15 },
    { "mul24.lo.s32 %r, %a, %b;", 0x00ffffff, 3, (uint32_t)-3 },
    { "{ .reg .u32 %t; add.cc.u32 %t, %a, %b; addc.u32 %r, 0, 0; }", 0xffffffff, 1, 1 },
    { "{ .reg .u32 %t; sub.cc.u32 %t, %a, %b; subc.u32 %r, 5, 0; }", 0, 1, 4 },
    { "{ .reg .pred %p, %t; setp.lt.and.s32 %p|%t, %a, %b, 1; selp.b32 %r, 1, 2, %t; }", 1, 2, 2 },
    { "cvt.rzi.s32.f32 %r, %a;", 0x4f000000, 0, 0x7fffffff },
    { "cvt.rni.u32.f32 %r, %a;", 0xbf800000, 0, 0 },
    { "cvt.rni.s32.f32 %r, %a;", 0x40200000, 0, 2 },
    { "cvt.rpi.s32.f32 %r, %a;", 0x40200000, 0, 3 },
    { "cvt.rzi.s32.f32 %r, %a;", 0x7fc00000, 0, 0 },
    { "cvt.rzi.s64.f32 %q, %a;", 0x7fc00000, 0, 1ull << 63 },
    { "cvt.rn.f32.u64 %r, %w;", 0xffffffffffffffff, 0, 0x5f800000 },
    { "cvt.rz.f32.u64 %r, %w;", 0xffffffffffffffff, 0, 0x5f7fffff },
    { "cvt.rn.f16x2.f32 %r, %a, %b;", 0x3f800000, 0x40000000, 0x3c004000 },
    { "cvt.rn.bf16x2.f32 %r, %a, %b;", 0x3f808000, 0x3f818000, 0x3f803f82 },
    { "cvt.sat.f32.f32 %r, %a;", 0x40000000, 0, 0x3f800000 },
    { "cvt.sat.u8.s32 %r, %a;", 300, 0, 255 },
    { "cvt.s32.s8 %r, %a;", 0x80, 0, 0xffffff80 },
    { "cvt.rna.tf32.f32 %r, %a;", 0x3f801000, 0, 0x3f802000 },
    { "cvt.rn.satfinite.e4m3x2.f32 %h, %a, %b; cvt.u32.u16 %r, %h;", 0x44000000, 0x3f800000,
        0x7e38 },
    { "cvt.ftz.f32.f32 %r, %a;", 0x80000001, 0, 0x80000000 },
    { "add.ftz.f32 %r, %a, %b;", 0x00000001, 0x3f800000, 0x3f800000 },
    { "add.f32 %r, %a, %b;", 0x7f800000, 0xff800000, 0x7fffffff },
    { "min.f32 %r, %a, %b;", 0x7fc00000, 0x3f800000, 0x3f800000 },
    { "min.NaN.f32 %r, %a, %b;", 0x7fc00000, 0x3f800000, 0x7fffffff },
    { "max.f32 %r, %a, %b;", 0x80000000, 0x00000000, 0x00000000 },
    { "copysign.f32 %r, %a, %b;", 0x80000000, 0x3f800000, 0xbf800000 },
    { "fma.rn.relu.f16x2 %r, %a, %b, 0;", 0x3c00bc00, 0x3c003c00, 0x3c000000 },
    { "set.gt.f32.s32 %r, %a, %b;", 2, 1, 0x3f800000 },
    { "slct.b32.s32 %r, %a, %b, -1;", 5, 6, 6 },
    { "vabsdiff4.u32.u32.u32.add %r, %a, %b, 0;", 0x01020304, 0x04030201, 8 },
    { "mov.b64 {%r, _}, %w;", 0x1122334455667788, 0, 0x55667788 },
    { "{ .reg .b16 %u<2>; mov.b32 {%u0, %u1}, %a; mov.b32 %r, {%u1, %u0}; }", 0x11112222, 0,
        0x22221111 },
    { "mad.lo.cc.u32 %r, %a, %b, %a; madc.hi.u32 %r, %a, %b, 0;", 0xffffffff, 0xffffffff,
        0xffffffff },
    /* inc of atomics and float flushing: global flushes subnormals, shared keeps them */
    { "st.global.u32 [%o], %a; red.global.add.f32 [%o], %b; ld.global.u32 %r, [%o];", 1, 0x3f800000,
        0x3f800000 },
    { "st.global.u32 [%o], %a; red.global.add.f32 [%o], %b; ld.global.u32 %r, [%o];", 1, 1, 0 },
    { "st.global.u32 [%o], %a; red.global.add.f32 [%o], %b; ld.global.u32 %r, [%o];", 0x80000001,
        0x80000001, 0x80000000 },
    { "st.shared.u32 [s], %a; red.shared.add.f32 [s], %b; ld.shared.u32 %r, [s];", 1, 1, 2 },
    { "ld.shared.u32 %r, [s];", 0, 0, 0xa5a5a5a5 },
    { "atom.global.cas.b16 %h, [%o], 0, 7; ld.global.u16 %r, [%o];", 0, 0, 7 },
    { "bra $L; mov.u32 %r, 1; $L: add.u32 %r, %r, 3;", 0, 0, 3 },
    { "{ .reg .u32 %i; mov.u32 %i, 1; ts: .branchtargets $A, $B; brx.idx %i, ts; $A: mov.u32 %r, "
      "8; $B: add.u32 %r, %r, 2; }",
        0, 0, 2 },
};

static char *wrap(const char *body)
{
    static char text[4096];
    snprintf(text, sizeof text,
        ".version 9.0\n.target sm_100\n.address_size 64\n.visible .entry k(.param .u64 o, .param "
        ".u64 a, .param .u64 b)\n{\n"
        ".reg .b64 %%o, %%w, %%x, %%q;\n.reg .b32 %%a, %%b, %%r;\n.reg .b16 %%h;\n.shared .align 8 "
        ".b8 s[64];\n"
        "ld.param.u64 %%o, [o];\nld.param.u64 %%w, [a];\nld.param.u64 %%x, [b];\ncvt.u32.u64 %%a, "
        "%%w;\n"
        "cvt.u32.u64 %%b, %%x;\n%s\nst.global.u32 [%%o+8], %%r;\nst.global.u64 [%%o+16], "
        "%%q;\nret;\n}\n",
        body);
    return text;
}

Test(exec, single_instructions)
{
    seed(9);
    uint64_t *out = device(64);
    for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
        char error[200] = "";
        const char *text = wrap(table[k].body);
        memset(out, 0, 64);
        struct sg_module *m = sg_module_load(text, strlen(text), error, sizeof error);
        cr_expect(m != NULL, "%s: %s", table[k].body, error);
        if (!m)
            continue;
        const uint64_t p[] = { (uintptr_t)out, table[k].a, table[k].b };
        cr_expect(run(m, "k", 1, 1, 1, 1, 0, false, p) == SG_OK, "%s", fault_text);
        const bool wide = strstr(table[k].body, "%q") != NULL;
        const uint64_t got = wide ? out[2] : (uint32_t)out[1];
        cr_expect(got == table[k].want, "%s gave %llx, not %llx", table[k].body,
            (unsigned long long)got, (unsigned long long)table[k].want);
        sg_module_free(m);
    }
}

Test(exec, unsupported_faults_only_when_reached)
{
    seed(10);
    uint64_t *out = device(64);
    const char *bodies[] = { "bra $L; wgmma.fence.sync.aligned; $L:", "wgmma.fence.sync.aligned;" };
    for (int k = 0; k < 2; k++) {
        char error[200] = "";
        const char *text = wrap(bodies[k]);
        struct sg_module *m = sg_module_load(text, strlen(text), error, sizeof error);
        cr_assert(m != NULL, "%s", error);
        const uint64_t p[] = { (uintptr_t)out, 0, 0 };
        cr_assert(run(m, "k", 1, 1, 1, 1, 0, false, p) == (k ? SG_ILLEGAL_INSTRUCTION : SG_OK));
        cr_assert(!k || strstr(fault_text, "wgmma") != NULL, "%s", fault_text);
        sg_module_free(m);
    }
}

/* Every cut, and every 97th byte replaced: an error line or a module, never a crash. */
Test(exec, malformed_text, .timeout = 120)
{
    size_t n;
    char *text = read_file(BUILD "/softgpu/kernels/basic.sm_75.ptx", &n), error[200];
    const size_t most = n < 12000 ? n : 12000;
    for (size_t cut = 0; cut < most; cut++) {
        error[0] = 0;
        struct sg_module *m = sg_module_load(text, cut, error, sizeof error);
        cr_assert(m != NULL || error[0] != 0, "cut at %zu: no message", cut);
        sg_module_free(m);
    }
    for (size_t at = 0; at < n; at += 97) {
        const char kept = text[at];
        text[at] = "{}[]();,.@%!-x9\n"[at / 97 % 16];
        error[0] = 0;
        struct sg_module *m = sg_module_load(text, n, error, sizeof error);
        cr_assert(m != NULL || error[0] != 0);
        sg_module_free(m);
        text[at] = kept;
    }
    free(text);
}
