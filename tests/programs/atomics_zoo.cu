// One kernel per way a kernel can depend on arrival order, and per form of float addition: the kernels of the classifier's
// tests, run. `atomics_zoo --list` prints NAME CLASS HAZARD; `atomics_zoo NAME...` (default: all) prints `result NAME=hash`, and
// `oracle NAME=ok` where the sum is known exactly: inputs are integers times powers of two, summed in 128 bits, rounded once.
#include "tests/unit/ptx/kernels/forms.cu"
#undef AT
#define arrived arrived_hazards
#define sums    sums_hazards
#include "tests/unit/ptx/kernels/hazards.cu"

#undef arrived
#undef sums

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

// Parameters: o target, x inputs, r other results, i indices, n count, s {o, x}. Sums: x[AT] into o[AT % 7], elements of that many
// lanes; '-' subtracts; 0 is another sum, compared by repetition only.
struct row {
    const char *name, *cls, *hazard;
    const void *kernel;
    const char *params;
    char type; // f d h(alf) b(float16) u(nsigned)
    char sums;
};
#define ROW(name, cls, hazard, params, type, sums)                                                 \
    {                                                                                              \
#name, #cls, hazard, (const void *)name, params, type, sums                                \
    }
static const row rows[] = {
    ROW(add_f32, exact, "float-add", "oxin", 'f', '1'),
    ROW(add_f64, exact, "float-add", "ox", 'd', '1'),
    ROW(add_f16, exact, "float-add", "ox", 'h', '1'),
    ROW(add_f16x2, exact, "float-add", "ox", 'h', '2'),
    ROW(add_bf16, exact, "float-add", "ox", 'b', '1'),
    ROW(add_bf16x2, exact, "float-add", "ox", 'b', '2'),
    ROW(add_f32x4, exact, "float-add", "ox", 'f', '4'),
    ROW(add_system_scope, exact, "float-add", "ox", 'd', '1'),
    ROW(add_constant, exact, "float-add", "o", 'f', 0),
    ROW(add_acq_rel, exact, "float-add", "ox", 'f', 0),
    ROW(add_through_struct, exact, "float-add", "s", 'f', 0),
    ROW(add_early_exit, exact, "float-add", "oxn", 'f', 0),
    ROW(loop_f64, exact, "cas-add", "ox", 'd', '1'),
    ROW(loop_f32, exact, "cas-add", "ox", 'f', '1'),
    ROW(loop_f32_minus, exact, "cas-add", "ox", 'f', '-'),
    ROW(shared_add, exact, "shared-fold", "ox", 'f', 0),
    ROW(shared_dynamic, exact, "shared-fold", "ox", 'f', 0),
    { "early_start", "exact", "early-start", nullptr, nullptr, 0, 0 },
    ROW(plain, ordered, "", "ox", 'f', 0),
    ROW(histogram, ordered, "integer", "ox", 'u', 0),
    ROW(loop_integer, ordered, "integer", "ox", 'u', 0),
    ROW(maximum, ordered, "minmax", "ox", 'f', 0),
    ROW(last_block, ordered, "last-block", "rox", 'f', 0),
    ROW(used_result, uncovered, "result-used", "or", 'f', 0),
    ROW(read_after, uncovered, "read-of-target", "or", 'f', 0),
    ROW(read_by_loaded_pointer, uncovered, "read-without-proof", 0, 'f', 0),
    ROW(store_to_target, uncovered, "store-to-target", "o", 'f', 0),
    ROW(store_by_loaded_pointer, uncovered, "store-without-proof", 0, 'f', 0),
    ROW(last_block_adds, uncovered, "last-block-add", "rox", 'f', 0),
    ROW(last_block_own, uncovered, "slot-allocation", "rox", 'f', 0),
    ROW(grid_sync, uncovered, "grid-sync", 0, 'f', 0),
    ROW(locked, uncovered, "lock", 0, 'f', 0),
    ROW(loop_multiply, uncovered, "cas-operator", "ox", 'f', 0),
    ROW(loop_integer_shift, uncovered, "cas-operator", "ox", 'u', 0),
    ROW(loop_integer_and_xor, uncovered, "mixed-operators", "ox", 'u', 0),
    ROW(loop_integer_result_used, uncovered, "cas-operator", "oxr", 'u', 0),
    ROW(loop_toward_zero, uncovered, "rounding", "ox", 'f', 0),
    ROW(exchange, uncovered, "exchange", "or", 'f', 0),
    ROW(shared_read_without_barrier, uncovered, "shared-read", "ox", 'f', 0),
    ROW(shared_through_generic, uncovered, "shared-add", 0, 'f', 0),
    ROW(shared_add_and_max, uncovered, "mixed-operators", "ox", 'u', 0),
    { "cluster_add", "uncovered", "cluster-add", nullptr, nullptr, 0, 0 },
    { "bulk_reduce", "uncovered", "bulk-reduce", nullptr, nullptr, 0, 0 },
    ROW(publish, uncovered, "publication", "oxr", 'f', 0),
    ROW(spin, uncovered, "spin", 0, 'f', 0),
    ROW(mixed_types, uncovered, "mixed-types", 0, 'f', 0),
    ROW(slots, uncovered, "slot-allocation", "ro", 'u', 0),
    ROW(reads_clock, uncovered, "clock", "o", 'u', 0),
    ROW(active_lanes, uncovered, "active-mask", "o", 'u', 0),
    ROW(racing_read, uncovered, "racing-read", "or", 'u', 0),
    ROW(mixed_operators, uncovered, "mixed-operators", "o", 'u', 0),
    ROW(indirect, unknown, "indirect-call", 0, 'f', 0),
};

static const int n_blocks = 32, n_threads = 64, n_all = n_blocks * n_threads;
static const size_t n_bytes = n_all * 16;

// integer(i) * 2^power(i): exactly a float of its type
static long long integer(int i, char type)
{
    const unsigned long long r = (i + 1) * 0x9e3779b97f4a7c15ull,
                             h = (r ^ r >> 29) * 0xbf58476d1ce4e5b9ull;
    const int bits = type == 'd' ? 50 : type == 'f' ? 23 : 6;
    return (long long)(h >> (63 - bits)) - (1ll << bits);
}
static int power(int i, char type)
{
    return type == 'd' ? -(i * 7 % 40) : type == 'f' ? -(i * 5 % 20) : -(i * 3 % 9);
}

static std::vector<unsigned char> inputs(char type)
{
    std::vector<unsigned char> out(n_bytes);
    const int size = type == 'd' ? 8 : type == 'h' || type == 'b' ? 2 : 4;
    for (int i = 0; i < (int)n_bytes / size; i++) {
        const double d = ldexp((double)integer(i, type), power(i, type));
        const float f = (float)d;
        const __half h = __float2half(f);
        const __nv_bfloat16 b = __float2bfloat16(f);
        const unsigned u = (unsigned)integer(i, 'f') % 251;
        const void *from = type == 'd'   ? (const void *)&d
                           : type == 'f' ? (const void *)&f
                           : type == 'h' ? (const void *)&h
                           : type == 'b' ? (const void *)&b
                                         : (const void *)&u;
        memcpy(&out[(size_t)i * size], from, size);
    }
    return out;
}

// Each lane of o[k] must be the exact sum of that lane of x[i], i % 7 == k, rounded once.
static bool oracle(const row &r, const unsigned char *o)
{
    const int n_lanes = r.sums == '-' ? 1 : r.sums - '0', sign = r.sums == '-' ? -1 : 1;
    for (int at = 0; at < 7 * n_lanes; at++) {
        __int128 sum = 0;
        for (int i = at / n_lanes; i < n_all; i += 7) {
            const int from = i * n_lanes + at % n_lanes;
            sum += (__int128)(sign * integer(from, r.type)) << (40 + power(from, r.type));
        }
        const double d =
            ldexp((double)sum, -40); // exact for the 16-bit types, whose inputs have few bits
        const float f = ldexpf((float)sum, -40);
        const __half h = __double2half(d);
        const __nv_bfloat16 b = __double2bfloat16(d);
        if (r.type == 'd'   ? memcmp(&d, o + 8 * at, 8)
            : r.type == 'f' ? memcmp(&f, o + 4 * at, 4)
            : r.type == 'h' ? memcmp(&h, o + 2 * at, 2)
                            : memcmp(&b, o + 2 * at, 2))
            return false;
    }
    return true;
}

static bool run(const row &r, bool &good, unsigned long long &hash)
{
    unsigned char *o, *x, *other;
    int *where, n = n_all;
    std::vector<int> index(n_all);
    for (int i = 0; i < n_all; i++)
        index[i] = i % 7;
    const std::vector<unsigned char> in = inputs(r.type);
    std::vector<unsigned char> out(2 * n_bytes);
    cudaMalloc(&o, n_bytes), cudaMalloc(&x, n_bytes), cudaMalloc(&other, n_bytes);
    cudaMalloc(&where, n_all * sizeof(int));
    cudaMemcpy(x, in.data(), n_bytes, cudaMemcpyHostToDevice);
    cudaMemcpy(where, index.data(), n_all * sizeof(int), cudaMemcpyHostToDevice);
    cudaMemset(o, 0, n_bytes), cudaMemset(other, 0, n_bytes);
    box both = { (float *)o, (float *)x };
    void *args[8];
    int n_args = 0;
    for (const char *p = r.params; *p; p++)
        args[n_args++] = *p == 'o'   ? (void *)&o
                         : *p == 'x' ? (void *)&x
                         : *p == 'r' ? (void *)&other
                         : *p == 'i' ? (void *)&where
                         : *p == 's' ? (void *)&both
                                     : (void *)&n;
    cudaError_t e = cudaLaunchKernel(r.kernel, dim3(n_blocks), dim3(n_threads), args, 64, 0);
    if (e == cudaSuccess)
        e = cudaDeviceSynchronize();
    if (e == cudaSuccess)
        e = cudaMemcpy(out.data(), o, n_bytes, cudaMemcpyDeviceToHost);
    if (e == cudaSuccess)
        e = cudaMemcpy(out.data() + n_bytes, other, n_bytes, cudaMemcpyDeviceToHost);
    if (e != cudaSuccess)
        fprintf(stderr, "%s: %s\n", r.name, cudaGetErrorString(e));
    hash = 14695981039346656037ull;
    for (unsigned char c : out)
        hash = (hash ^ c) * 1099511628211ull;
    good = !r.sums || oracle(r, out.data());
    cudaFree(o), cudaFree(x), cudaFree(other), cudaFree(where);
    return e == cudaSuccess;
}

int main(int argc, char **argv)
{
    const bool list = argc > 1 && !strcmp(argv[1], "--list");
    for (const row &r : rows) {
        bool wanted = argc == 1 || list, good;
        unsigned long long hash;
        for (int i = 1; i < argc; i++)
            wanted |= !strcmp(argv[i], r.name);
        if (!wanted)
            continue;
        if (list)
            printf("%s %s %s\n", r.name, r.cls, *r.hazard ? r.hazard : "-");
        else if (!r.params || !run(r, good, hash))
            printf("result %s=not-run\n", r.name);
        else if (printf("result %s=%016llx\n", r.name, hash) && r.sums)
            printf("oracle %s=%s\n", r.name, good ? "ok" : "wrong");
        fflush(stdout);
    }
    return 0;
}
