/* detshim COMMAND …: finds the command. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "detshim/detshim.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    { "run", cli_run, "run a program with the library preloaded" },
    { "check", cli_check, "run it several times, plain and preloaded, and compare" },
    { "diff", cli_diff, "where two logs of one program part" },
    { "report", cli_report, "what one or several logs say, for people" },
    { "ptx", cli_ptx, "show what the rewriter makes of device code" },
    { "doctor", cli_doctor, "what of a program can be reached, before running it" },
    { "kernelspec", cli_kernelspec,
        "write a Jupyter kernelspec that starts its kernel under the library" },
    { "ptxas", cli_ptxas,
        "ptxas for Triton and Inductor: adds ordered entries beside the untouched ones" },
    { "env", cli_env, "the settings in force and where they come from" },
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void say(const char *format, va_list args)
{
    fputs("detshim: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void cli_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void cli_die(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    exit(status);
}

static void usage(FILE *to)
{
    fputs("usage: detshim COMMAND [OPTION...] ...\n\n"
          "Makes the GPU results of unmodified programs repeat bit for bit.\n\n",
        to);
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  %-12s%s\n", commands[i].name, commands[i].help);
    fputs("\n`detshim COMMAND --help` tells the options of a command.\n", to);
}

/* A link named detshim-ptxas or detshim-ptxas-blackwell is `detshim ptxas`: frameworks take a path, not a command. */
static bool called_ptxas(const char *name)
{
    const char *slash = strrchr(name, '/');
    return strncmp(slash ? slash + 1 : name, "detshim-ptxas", 13) == 0;
}

int main(int argc, char **argv)
{
    if (argc > 0 && called_ptxas(argv[0]))
        return cli_ptxas(argc, argv);
    if (argc < 2) {
        usage(stderr);
        return CLI_TROUBLE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("detshim " DETSHIM_VERSION);
        return 0;
    }
    for (int i = 0; i < N_COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            char name[32];
            snprintf(name, sizeof name, "detshim %s", commands[i].name);
            argv[1] = name; /* argp shows it in its help */
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    cli_die(CLI_TROUBLE, "no command '%s'; `detshim --help` lists them", argv[1]);
}
