/* What the shim adds to a whole training program on the software GPU: lane instructions and atomics executed, wall time. The
 * control is the same program under the same schedule seed without the shim. Says nothing about time on a GPU. */
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

struct figures {
    double ms, instructions, atomics, launches;
};

static double field(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtod(at + strlen(name), NULL) : 0;
}

static struct figures run(const char *settings, const char *program)
{
    static const char report[] = "/tmp/detshim-bench-report";
    char command[8192], text[4096] = "";
    snprintf(command, sizeof command,
        "rm -f %s; SOFTGPU_REPORT=%s SOFTGPU_SEED=1 DETSHIM_CACHE=off %s %s >/dev/null 2>&1",
        report, report, settings, program);
    const double start = bench_now_ns();
    const int status = system(command);
    const double end = bench_now_ns();
    FILE *file = fopen(report, "r");
    if (status != 0 || !file || !fgets(text, sizeof text, file)) {
        fprintf(stderr, "no figures from: %s\n", command);
        exit(1);
    }
    fclose(file);
    remove(report);
    return (struct figures){ .ms = (end - start) / 1e6,
        .instructions = field(text, "\"instructions\":"),
        .atomics = field(text, "\"atomics\":"),
        .launches = field(text, "\"launches\":") };
}

int main(void)
{
    static const char *const programs[] = { "digits_mlp", "digits_nvrtc" };
    for (int i = 0; i < 2; i++) {
        char path[4096], name[80];
        snprintf(path, sizeof path, BUILD "/programs/%s --epochs 1", programs[i]);
        const struct figures plain = run("", path),
                             shim = run("LD_PRELOAD=" BUILD "/libdetshim.so", path);
        const struct {
            const char *what, *unit;
            double value, control;
        } rows[] = { { "wall time", "ms", shim.ms, plain.ms },
            { "lane instructions", "instr", shim.instructions, plain.instructions },
            { "atomics", "atomics", shim.atomics, plain.atomics },
            { "launches, folds too", "launches", shim.launches, plain.launches } };
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            snprintf(name, sizeof name, "%s, one epoch: %s", programs[i], rows[r].what);
            bench_value("bench_training", name, rows[r].value, rows[r].unit, rows[r].control);
        }
    }
    return 0;
}
