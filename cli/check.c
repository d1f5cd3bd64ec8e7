/* detshim check: the same command several times, plain and preloaded, and what can be said after that. Compared: the exit
 * status, every copy to the host (DETSHIM_TRACE=digests; plain runs are observed, which changes nothing), the `result
 * NAME=VALUE` lines the program prints; all of standard output with --stdout. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/kept.h"
#include "cli/launch.h"
#include "cli/seen.h"
#include "cli/settings.h"
#include "detshim/detshim.h"
#include "shim/core/hash.h"
#include "shim/core/text.h"
#include "shim/policy/policy.h"

enum { KEY_AS_IS = 256, KEY_STDOUT, KEY_SEED, KEY_BARE, MOST_RUNS = 100, MOST_OUT = 1 << 28 };

static const struct argp_option options[] = {
    { "runs", 'n', "N", 0, "runs of each kind (2 to 100; default 3)", 0 },
    { "as-is", KEY_AS_IS, NULL, 0, "the verdict is about the plain runs; there are no others", 0 },
    { "bare", KEY_BARE, NULL, 0,
        "plain runs load nothing of detshim; then only results and output are compared", 0 },
    { "stdout", KEY_STDOUT, NULL, 0, "standard output decides as well, byte for byte", 0 },
    { "seed", KEY_SEED, "N", 0, "DET_SEED for the preloaded runs", 0 },
    { "strict", 'S', "2", OPTION_ARG_OPTIONAL, "DETSHIM_STRICT for the preloaded runs", 0 },
    { 0 },
};

struct request {
    char **command;
    uint64_t n_runs;
    bool as_is, whole_output, bare;
};

/* One run and what it showed. */
struct shown {
    struct cli_outcome outcome;
    char *out, *err;
    size_t out_bytes, n_points, point_bytes;
    uint64_t out_hash, names_hash, values_hash;
    char first[80]; /* the first result line, for people */
    bool strict_end;
    unsigned n_logs, n_incomplete;
    struct cli_seen seen; /* copies to the host */
    uint64_t ledger_hash;
    char less[256]; /* a promise of one of its processes that is less than run_to_run */
};

static error_t take(int key, char *arg, struct argp_state *state)
{
    struct request *request = state->input;
    switch (key) {
    case 'n':
        if (!det_text_u64(arg, &request->n_runs) || request->n_runs < 2 ||
            request->n_runs > MOST_RUNS)
            argp_error(state, "-n takes 2 to %d", MOST_RUNS);
        return 0;
    case KEY_AS_IS:
        request->as_is = true;
        return 0;
    case KEY_STDOUT:
        request->whole_output = true;
        return 0;
    case KEY_BARE:
        request->bare = true;
        return 0;
    case KEY_SEED:
        return setenv("DET_SEED", arg, 1);
    case 'S':
        return setenv("DETSHIM_STRICT", arg ? arg : "1", 1);
    case ARGP_KEY_ARG:
        request->command = state->argv + state->next - 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_END:
        if (!request->command)
            argp_error(state, "no command given");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static char *read_back(int fd, size_t *n_bytes)
{
    const off_t size = lseek(fd, 0, SEEK_END);
    char *text = size >= 0 && size < MOST_OUT ? calloc(1, (size_t)size + 1) : NULL;
    *n_bytes = 0;
    if (!text)
        cli_die(CLI_TROUBLE, "the program's output is over %d MiB; redirect it to a file",
            MOST_OUT >> 20);
    for (ssize_t n; (n = pread(fd, text + *n_bytes, (size_t)size - *n_bytes, (off_t)*n_bytes)) > 0;)
        *n_bytes += (size_t)n;
    close(fd);
    return text;
}

/* "result NAME=VALUE" lines: names and values hashed apart, so that another set of names is "not comparable". */
static void find_results(struct shown *run)
{
    for (const char *at = run->out; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
        if (strncmp(at, "result ", 7) != 0)
            continue;
        const size_t n = strcspn(at, "\n"), n_name = strcspn(at, "=\n");
        if (n_name == n)
            continue;
        run->names_hash = det_hash(at, n_name, run->names_hash);
        run->values_hash = det_hash(at, n, run->values_hash);
        if (!run->n_points++)
            snprintf(run->first, sizeof run->first, "%.*s", (int)n - 7, at + 7);
        run->point_bytes += n - n_name - 1;
    }
}

static void take_log(const struct cli_log *log, void *arg)
{
    struct shown *run = arg;
    run->n_logs++;
    run->n_incomplete += !log->complete && !log->running;
    run->strict_end |= strcmp(log->end, "strict") == 0;
    run->ledger_hash ^= det_mix(log->middle); /* processes in any order */
    cli_seen_log(&run->seen, log);
    if (log->complete && strcmp(log->promise, "run_to_run") != 0)
        snprintf(run->less, sizeof run->less, "%.200s", log->promise);
}

static int scratch(const char *name)
{
    const int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        cli_die(CLI_TROUBLE, "cannot make a scratch file: %s", strerror(errno));
    return fd;
}

enum how { PLAIN, LOADED };

/* Plain runs are observed so that copies can be compared; LEVEL is the user's for the others. */
static void prepare(const struct request *request, enum how how, const char *level)
{
    if (how == PLAIN && request->bare) {
        cli_unpreload();
        return;
    }
    cli_preload(cli_library());
    setenv("DETSHIM_TRACE", "digests", 1);
    if (how == PLAIN)
        setenv("DETSHIM_LEVEL", "observe", 1);
    else if (level)
        setenv("DETSHIM_LEVEL", level, 1);
    else
        unsetenv("DETSHIM_LEVEL");
}

static struct shown run_once(const struct request *request, enum how how, const char *level)
{
    struct shown run = { 0 };
    struct cli_kept kept = { "" };
    const int fds[3] = { open("/dev/null", O_RDONLY | O_CLOEXEC), scratch("out"), scratch("err") };
    size_t err_bytes;
    prepare(request, how, level);
    cli_kept_open(&kept);
    run.outcome = cli_spawn(request->command, fds, NULL, NULL);
    close(fds[0]);
    run.out = read_back(fds[1], &run.out_bytes);
    run.err = read_back(fds[2], &err_bytes);
    run.out_hash = det_hash(run.out, run.out_bytes, 0);
    find_results(&run);
    cli_kept_logs(&kept, take_log, &run);
    cli_seen_ready(&run.seen);
    cli_kept_close(&kept);
    return run;
}

static void show_run(size_t number, const char *how, const struct shown *run)
{
    char end[64];
    cli_describe(&run->outcome, end, sizeof end);
    printf("run %-3zu %-13s %8.2f s   %-8s stdout %016llx   %s\n", number, how,
        run->outcome.seconds, end, (unsigned long long)run->out_hash, run->first);
    fflush(stdout);
}

static void show_failure(const struct shown *run)
{
    const char *at = run->err + strlen(run->err);
    for (int n = 0; at > run->err && n < 6; at--)
        n += at[-1] == '\n';
    fprintf(stderr, "last words of the failed run:\n%s\n", at + (*at == '\n'));
}

/* What a set of runs says. */
static int judge(const struct request *request, const struct shown *runs, size_t n)
{
    int verdict = CLI_SAME;
    for (size_t i = 0; i < n; i++) {
        const struct cli_outcome *outcome = &runs[i].outcome;
        if (runs[i].strict_end && outcome->status == CLI_UNCOVERED)
            return CLI_UNCOVERED;
        if (outcome->exec_errno || outcome->signal || outcome->status)
            return CLI_TROUBLE;
    }
    if (!runs[0].n_points && !runs[0].seen.n_compared &&
        !(request->whole_output && runs[0].out_bytes))
        return CLI_TROUBLE;
    for (size_t i = 1; i < n; i++) {
        if (runs[i].n_points != runs[0].n_points || runs[i].names_hash != runs[0].names_hash)
            return CLI_NOT_COMPARABLE;
        const enum cli_seen_verdict copies = cli_seen_compare(&runs[0].seen, &runs[i].seen, NULL);
        if (copies == CLI_SEEN_OTHERS && verdict == CLI_SAME)
            verdict = CLI_NOT_COMPARABLE;
        if (copies == CLI_SEEN_DIFFER)
            verdict = CLI_DIFFER;
        const bool output =
            runs[i].out_hash == runs[0].out_hash && runs[i].out_bytes == runs[0].out_bytes;
        if (runs[i].values_hash != runs[0].values_hash || (request->whole_output && !output))
            verdict = CLI_DIFFER;
    }
    return verdict;
}

static bool outputs_equal(const struct shown *runs, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (runs[i].out_hash != runs[0].out_hash || runs[i].out_bytes != runs[0].out_bytes)
            return false;
    }
    return true;
}

static const char *words_for(int verdict)
{
    static const char *const words[] = { "identical", "DIFFER", "NO VERDICT", "NOT COMPARABLE",
        "ended by strict mode" };
    return words[verdict];
}

static double mean(const struct shown *runs, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += runs[i].outcome.seconds;
    return sum / (double)n;
}

static void explain_trouble(const struct request *request, const struct shown *runs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct cli_outcome *outcome = &runs[i].outcome;
        if (outcome->exec_errno || outcome->signal || outcome->status) {
            char end[64];
            cli_describe(outcome, end, sizeof end);
            printf("why        a run failed (%s): equal failures prove nothing\n", end);
            show_failure(&runs[i]);
            return;
        }
    }
    printf(
        "why        nothing to compare: no copy to the host was seen, and the program printed no "
        "`result NAME=VALUE` line%s\n",
        request->whole_output ? " and nothing else" : "; --stdout compares its whole output");
}

/* Of the first pair that is not alike. */
static void show_copies(const struct shown *runs, size_t n)
{
    char text[512];
    for (size_t i = 1; i < n; i++) {
        if (cli_seen_compare(&runs[0].seen, &runs[i].seen, NULL) == CLI_SEEN_SAME)
            continue;
        cli_seen_first(&runs[0].seen, &runs[i].seen, text, sizeof text);
        printf("copies     runs 1 and %zu: %s\n", i + 1, text);
        return;
    }
}

/* The least of what the processes of the preloaded runs promised. */
static void show_ledger(const struct shown *runs, size_t n)
{
    unsigned n_logs = 0, n_incomplete = 0;
    bool equal = true;
    const char *promise = "run_to_run";
    for (size_t i = 0; i < n; i++) {
        n_logs += runs[i].n_logs;
        n_incomplete += runs[i].n_incomplete;
        equal &= runs[i].ledger_hash == runs[0].ledger_hash;
        promise = runs[i].less[0] ? runs[i].less : promise;
    }
    if (n_incomplete)
        promise = "no promise, a process ended without its last record";
    if (n_logs)
        printf("ledger     %s; records of the runs %s\n", promise, equal ? "identical" : "differ");
    else
        puts("ledger     no GPU work was seen in the preloaded runs: detshim made nothing "
             "repeatable");
}

static void report(const struct request *request, const struct shown *plain,
    const struct shown *loaded, int as_is, int under)
{
    const size_t n = request->n_runs;
    const struct shown *judged = request->as_is ? plain : loaded;
    if (request->as_is)
        printf("VERDICT    %s as is (%zu runs)\n", words_for(as_is), n);
    else
        printf("VERDICT    plain runs: %s; under detshim: %s (%zu runs each)\n", words_for(as_is),
            words_for(under), n);
    printf("compared   %zu result values, %zu bytes per run; standard output %s%s\n",
        judged[0].n_points, judged[0].point_bytes, outputs_equal(judged, n) ? "equal" : "differs",
        request->whole_output ? "" : " (does not decide)");
    const struct cli_seen *seen = &judged[0].seen;
    printf("           %zu copies to the host, %llu bytes per run", seen->n_compared,
        (unsigned long long)seen->n_bytes);
    if (seen->n_uncompared)
        printf("; %zu more could not be compared (%s)", seen->n_uncompared, seen->why);
    puts("");
    show_copies(judged, n);
    if ((request->as_is ? as_is : under) == CLI_TROUBLE)
        explain_trouble(request, judged, n);
    if (!request->as_is) {
        show_ledger(loaded, n);
        const double before = mean(plain, n), after = mean(loaded, n);
        printf("cost       %+.1f %% wall (%.2f s -> %.2f s), start-up included\n",
            before > 0 ? 100 * (after / before - 1) : 0, before, after);
        if (as_is == CLI_SAME)
            puts("note       the plain runs agree too: this command does not show a difference "
                 "here");
    }
    puts("not seen   results that are neither copied nor printed, other inputs, a loaded GPU, "
         "longer "
         "runs");
}

int cli_check(int argc, char **argv)
{
    static const struct argp argp = { options, take, "[--] COMMAND [ARG...]",
        "Run COMMAND N times plain and N times preloaded and compare exit status, copies from the "
        "device and `result` lines.\v"
        "Exit status: 0 same, 1 differ, 2 trouble (also: nothing to compare), 3 not comparable, 4 "
        "uncovered under strict. It speaks about the preloaded runs, with --as-is about the plain "
        "ones.",
        NULL, NULL, NULL };
    struct request request = { .n_runs = 3 };
    static struct shown plain[MOST_RUNS], loaded[MOST_RUNS];
    argp_err_exit_status = CLI_TROUBLE;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &request);
    cli_settings_or_refuse();
    const char *seed = getenv("DET_SEED"), *set = getenv("DETSHIM_LEVEL");
    char *const level = set ? strdup(set) : NULL; /* the variable changes below */
    if (!request.as_is || !request.bare)
        cli_library();
    printf("detshim %s   seed %s   level %s\n", DETSHIM_VERSION, seed && *seed ? seed : "none",
        level && *level ? level : "run_to_run");
    for (size_t i = 0; i < request.n_runs; i++) {
        plain[i] = run_once(&request, PLAIN, level);
        show_run(i + 1, "plain", &plain[i]);
        if (plain[i].outcome.exec_errno) {
            cli_say(
                "cannot run '%s': %s", request.command[0], strerror(plain[i].outcome.exec_errno));
            free(level);
            return CLI_TROUBLE;
        }
    }
    for (size_t i = 0; !request.as_is && i < request.n_runs; i++) {
        loaded[i] = run_once(&request, LOADED, level);
        show_run(request.n_runs + i + 1, "with detshim", &loaded[i]);
    }
    const int as_is = judge(&request, plain, request.n_runs);
    const int under = request.as_is ? as_is : judge(&request, loaded, request.n_runs);
    report(&request, plain, loaded, as_is, under);
    free(level);
    return under;
}
