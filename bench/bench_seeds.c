/* What DET_SEED costs where it hooks libc, and what it adds to an import in Python. Control: the same program without the preload,
 * run alternately. Three cases each: no preload, preload without a seed (every hook a plain jump), preload with a seed. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"

enum { N_PROBES = 6, N_ROUNDS = 9, N_CALLS = 200000 };
static const char *const probes[N_PROBES] = { "time", "clock_gettime", "rand", "rand in a thread",
    "open and close", "srand(constant)" };

static void *thread_rand(void *result)
{
    const double start = bench_now_ns();
    int sum = 0;
    for (int i = 0; i < N_CALLS; i++)
        sum += rand();
    bench_use(&sum);
    *(double *)result = (bench_now_ns() - start) / N_CALLS;
    return NULL;
}

static double probe_one(int which)
{
    struct timespec t;
    pthread_t thread;
    double result = 0;
    int n = which >= 4 ? N_CALLS / 10 : N_CALLS, sum = 0;
    if (which == 3) {
        pthread_create(&thread, NULL, thread_rand, &result);
        pthread_join(thread, NULL);
        return result;
    }
    const double start = bench_now_ns();
    for (int i = 0; i < n; i++)
        switch (which) {
        case 0:
            sum += (int)time(NULL);
            break;
        case 1:
            sum += clock_gettime(CLOCK_MONOTONIC, &t);
            break;
        case 2:
            sum += rand();
            break;
        case 4: {
            const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
            close(fd);
            break;
        }
        default:
            srand(7);
        }
    bench_use(&sum);
    return (bench_now_ns() - start) / n;
}

static int probe(void)
{
    for (int which = 0; which < N_PROBES; which++)
        printf("%.3f ", probe_one(which));
    printf("\n");
    return 0;
}

static const char *const settings[] = { "", "LD_PRELOAD=" BUILD "/libdetshim.so ",
    "DET_SEED=1 LD_PRELOAD=" BUILD "/libdetshim.so DETSHIM_LOG_LEVEL=off " };
static const char *const words[] = { "plain", "no seed", "seed" };

static void run_probe(const char *self, int setting, double out[N_PROBES])
{
    char command[1024];
    snprintf(command, sizeof command, "env %s'%s' probe", settings[setting], self);
    FILE *child = popen(command, "r");
    for (int i = 0; i < N_PROBES; i++)
        if (!child || fscanf(child, "%lf", &out[i]) != 1)
            out[i] = 0;
    if (child)
        pclose(child);
}

static double run_import(const char *module, int setting)
{
    char command[1024];
    snprintf(command, sizeof command, "env %spython3 -c 'import %s' 2>/dev/null", settings[setting],
        module);
    const double start = bench_now_ns();
    if (system(command) != 0)
        return -1;
    return bench_now_ns() - start;
}

static double median(double *times)
{
    qsort(times, N_ROUNDS, sizeof *times, bench_compare);
    return times[N_ROUNDS / 2];
}

static void put(const char *name, int setting, double ns, double control)
{
    printf("{\"bench\":\"seeds\",\"case\":\"%s, "
           "%s\",\"n\":1,\"bytes\":0,\"median_ns\":%.2f,\"runs\":%d,\"device\":\"cpu\","
           "\"control_ns\":%.2f}\n",
        name, words[setting], ns, N_ROUNDS, control);
    fflush(stdout);
}

static void imports(const char *module)
{
    static double times[3][N_ROUNDS];
    for (int round = 0; round < N_ROUNDS; round++)
        for (int setting = 0; setting < 3; setting++)
            times[setting][round] = run_import(module, setting);
    const double control = median(times[0]);
    char name[64];
    snprintf(name, sizeof name, "python3 -c 'import %s'", module);
    for (int setting = 1; setting < 3 && control > 0; setting++)
        put(name, setting, median(times[setting]), control);
}

int main(int argc, char **argv)
{
    static double all[3][N_PROBES][N_ROUNDS];
    if (argc > 1 && strcmp(argv[1], "probe") == 0)
        return probe();
    for (int round = 0; round < N_ROUNDS; round++)
        for (int setting = 0; setting < 3; setting++) {
            double one[N_PROBES];
            run_probe(argv[0], setting, one);
            for (int which = 0; which < N_PROBES; which++)
                all[setting][which][round] = one[which];
        }
    for (int which = 0; which < N_PROBES; which++) {
        const double control = median(all[0][which]);
        for (int setting = 1; setting < 3; setting++)
            put(probes[which], setting, median(all[setting][which]), control);
    }
    imports("random");
    imports("ssl");
    return 0;
}
