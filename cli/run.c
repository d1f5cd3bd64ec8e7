/* detshim run: settings from options, judged before anything starts; then the program with our library in front. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/kept.h"
#include "cli/launch.h"
#include "cli/settings.h"

enum { KEY_DRY = 256 };

static const struct argp_option options[] = {
    { "seed", 's', "N", 0, "also pin random streams the program left unseeded (DET_SEED)", 0 },
    { "level", 'l', "LEVEL", 0, "run_to_run, observe or off (DETSHIM_LEVEL)", 0 },
    { "strict", 'S', "2", OPTION_ARG_OPTIONAL,
        "end with status 4 at the first uncovered launch; 2: unknown too", 0 },
    { "log", 'o', "PATTERN", 0, "JSON-lines log; %h %p %r %l %x %j %t are filled in (DETSHIM_LOG)",
        0 },
    { "rules", 'r', "LIST", 0, "-rule,+rule: switch single rules (DETSHIM_RULES)", 0 },
    { "quiet", 'q', NULL, 0, "no summary at the end", 0 },
    { "dry-run", KEY_DRY, NULL, 0, "print what would be set and run, and stop", 0 },
    { 0 },
};

struct request {
    char **command;
    bool quiet, dry;
};

static error_t take(int key, char *arg, struct argp_state *state)
{
    struct request *request = state->input;
    switch (key) {
    case 's':
        return setenv("DET_SEED", arg, 1);
    case 'l':
        return setenv("DETSHIM_LEVEL", arg, 1);
    case 'S':
        return setenv("DETSHIM_STRICT", arg ? arg : "1", 1);
    case 'o':
        return setenv("DETSHIM_LOG", arg, 1);
    case 'r':
        return setenv("DETSHIM_RULES", arg, 1);
    case 'q':
        request->quiet = true;
        return setenv("DETSHIM_QUIET", "1", 1);
    case KEY_DRY:
        request->dry = true;
        return 0;
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

static void shell_quote(const char *text)
{
    text = text ? text : "";
    if (*text &&
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=+,@%-") ==
            strlen(text)) {
        fputs(text, stdout);
        return;
    }
    putchar('\'');
    for (; *text; text++)
        *text == '\'' ? fputs("'\\''", stdout) : putchar(*text);
    putchar('\'');
}

static int dry_run(const struct request *request)
{
    printf("env LD_PRELOAD=");
    shell_quote(getenv("LD_PRELOAD"));
    for (char **at = environ; *at; at++) {
        if (strncmp(*at, "DET_SEED=", 9) == 0 ||
            (strncmp(*at, "DETSHIM_", 8) == 0 && strncmp(*at, "DETSHIM_LIBRARY=", 16) != 0)) {
            putchar(' ');
            shell_quote(*at);
        }
    }
    for (char **at = request->command; *at; at++) {
        putchar(' ');
        shell_quote(*at);
    }
    putchar('\n');
    return 0;
}

struct ended {
    const struct cli_outcome *outcome;
    unsigned n_shown;
};

/* Every process whose log lacks its end: the one that was killed, or a child of it that was. */
static void show_incomplete(const struct cli_log *log, void *arg)
{
    struct ended *ended = arg;
    char why[96] = "ended without its last record";
    if (log->complete || log->running || log->n_records < 3)
        return;
    if (ended->outcome->signal)
        cli_describe(ended->outcome, why, sizeof why);
    if (ended->n_shown++ < 3)
        cli_kept_incomplete(log, why);
}

int cli_run(int argc, char **argv)
{
    static const struct argp argp = { options, take, "[--] COMMAND [ARG...]",
        "Run COMMAND so that its GPU results repeat bit for bit.\v"
        "Its exit status is passed through; 128 + N when signal N killed it. 125: refused before "
        "it "
        "started, 126: cannot be run, 127: not found.",
        NULL, NULL, NULL };
    struct request request = { 0 };
    argp_err_exit_status = CLI_REFUSED;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &request);
    cli_settings_or_refuse();
    cli_preload(cli_library());
    if (request.dry)
        return dry_run(&request);
    struct cli_kept kept = { "" };
    if (!request.quiet)
        cli_kept_open(&kept);
    const struct cli_outcome outcome = cli_spawn(request.command, NULL, NULL, NULL);
    if (outcome.exec_errno)
        cli_say("cannot run '%s': %s", request.command[0], strerror(outcome.exec_errno));
    struct ended ended = { &outcome, 0 };
    cli_kept_logs(&kept, show_incomplete, &ended);
    if (ended.n_shown > 3)
        cli_say("and %u more processes without their last record", ended.n_shown - 3);
    cli_kept_close(&kept);
    return cli_exit_code(&outcome);
}
