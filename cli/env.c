/* detshim env: the settings in force and where each came from; with --check whether children really map the library. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/launch.h"
#include "cli/settings.h"
#include "cli/watch.h"
#include "shim/policy/place.h"
#include "shim/policy/policy.h"

static const struct argp_option options[] = {
    { "check", 'c', NULL, 0, "run COMMAND and tell for each process whether the library was mapped",
        0 },
    { 0 },
};

struct request {
    bool check;
    char **command;
};

// NOLINTNEXTLINE(readability-non-const-parameter): the type is argp's
static error_t take(int key, char *arg, struct argp_state *state)
{
    struct request *request = state->input;
    (void)arg;
    switch (key) {
    case 'c':
        request->check = true;
        return 0;
    case ARGP_KEY_ARG:
        request->command = state->argv + state->next - 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_END:
        if (request->check != (request->command != NULL))
            argp_error(
                state, request->check ? "--check needs a command" : "a command needs --check");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct complaint {
    const char *variable;
    char line[600];
    unsigned n;
};

static void note_complaint(const char *line, void *arg)
{
    struct complaint *complaint = arg;
    const size_t n = strlen(complaint->variable);
    if (strncmp(line, complaint->variable, n) == 0 && line[n] == ':')
        snprintf(complaint->line, sizeof complaint->line, "%s", line + n + 2);
    complaint->n++;
}

static void print_complaint(const char *line, void *arg)
{
    ++*(unsigned *)arg;
    printf("unknown      %s\n", line);
}

static const char *get_for(const char *name, void *arg)
{
    (void)arg;
    return getenv(name);
}

static unsigned show_settings(void)
{
    unsigned n_bad = 0;
    for (int i = 0; i < DET_N_OPTIONS; i++) {
        const struct det_option_info *info = det_option_info((enum det_option)i);
        const char *value = getenv(info->variable);
        const bool set = value && *value;
        struct complaint complaint = { info->variable, "", 0 };
        struct det_policy policy;
        det_policy_parse(&policy, get_for, &complaint, note_complaint);
        const char *shown = set && !complaint.line[0] ? value
                            : info->standard[0]       ? info->standard
                                                      : "unset";
        printf("%-24s %-18s %s%s\n", info->variable, shown,
            !set                ? "default"
            : complaint.line[0] ? "default, because the environment says "
                                : "environment",
            complaint.line);
        n_bad += complaint.line[0] != 0;
    }
    det_policy_unknown(environ, print_complaint, &n_bad);
    return n_bad;
}

static void print_conflict(const char *name, const char *value, const char *why, void *arg)
{
    (void)arg;
    printf("conflict     %s=%s: %s\n", name, value, why);
}

static void show_place(void)
{
    struct det_place place;
    det_place_read(&place, det_policy_env, NULL);
    if (place.has_rank)
        printf("rank         %llu of %llu, local rank %llu\n", (unsigned long long)place.rank,
            (unsigned long long)place.world, (unsigned long long)place.local_rank);
    if (place.job[0])
        printf("job          %s\n", place.job);
    const char *preload = getenv("LD_PRELOAD");
    printf("LD_PRELOAD   %s\n",
        preload && *preload ? preload : "unset: `detshim run` sets it for its program");
}

enum { MOST_PROGRAMS = 256 };

/* Processes of one program that fared alike are one line. */
struct programs {
    struct {
        char exe[256];
        bool mapped;
        unsigned n;
    } rows[MOST_PROGRAMS];
    size_t n_rows;
    unsigned n_without;
};

static void note_process(const struct cli_watched *process, void *arg)
{
    struct programs *programs = arg;
    programs->n_without += !process->mapped;
    for (size_t i = 0; i < programs->n_rows; i++) {
        if (programs->rows[i].mapped == process->mapped &&
            strcmp(programs->rows[i].exe, process->exe) == 0) {
            programs->rows[i].n++;
            return;
        }
    }
    if (programs->n_rows < MOST_PROGRAMS) {
        programs->rows[programs->n_rows].mapped = process->mapped;
        programs->rows[programs->n_rows].n = 1;
        memcpy(programs->rows[programs->n_rows++].exe, process->exe, sizeof process->exe);
    }
}

static int check(char **command)
{
    static struct programs programs;
    cli_preload(cli_library());
    const struct cli_outcome outcome = cli_watch(command, "libdetshim.so", note_process, &programs);
    if (outcome.exec_errno)
        cli_die(cli_exit_code(&outcome), "cannot run '%s': %s", command[0],
            strerror(outcome.exec_errno));
    for (size_t i = 0; i < programs.n_rows; i++)
        printf("%-10s %4u x %s\n", programs.rows[i].mapped ? "mapped" : "NOT mapped",
            programs.rows[i].n, programs.rows[i].exe);
    if (programs.n_without)
        puts("why          statically linked, set-user-id, another libc or machine, or LD_PRELOAD "
             "was dropped on the way");
    char end[64];
    cli_describe(&outcome, end, sizeof end);
    printf("RESULT       %s; %s\n",
        programs.n_without ? "some processes ran without the library"
                           : "every process mapped the library",
        end);
    return programs.n_without ? CLI_DIFFER : CLI_SAME;
}

int cli_env(int argc, char **argv)
{
    static const struct argp argp = { options, take, "[--check -- COMMAND [ARG...]]",
        "Show the settings in force, where each came from, and what breaks them.\v"
        "Exit status: 0, 1 for a bad or conflicting setting or, with --check, a process without "
        "the library.",
        NULL, NULL, NULL };
    struct request request = { false, NULL };
    argp_err_exit_status = CLI_TROUBLE;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &request);
    if (request.check)
        return check(request.command);
    const unsigned n_bad = show_settings();
    show_place();
    return n_bad + cli_conflicts(print_conflict, NULL) ? CLI_DIFFER : CLI_SAME;
}
