/* What the commands share. Each command is one file with one function; main.c picks it by name. The command line is a
 * static program: it runs on any glibc, and LD_PRELOAD meant for its children does not touch it. */
#ifndef DET_CLI_CLI_H
#define DET_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "shim/core/bytes.h"

/* Exit codes. run adds those of env(1): 125 we refuse, 126 cannot be run, 127 not found, 128 + signal. */
enum {
    CLI_SAME = 0,
    CLI_DIFFER = 1,
    CLI_TROUBLE = 2,
    CLI_NOT_COMPARABLE = 3,
    CLI_UNCOVERED = 4,
    CLI_REFUSED = 125,
    CLI_CANNOT_RUN = 126,
    CLI_NOT_FOUND = 127
};

int cli_run(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_diff(int argc, char **argv);
int cli_report(int argc, char **argv);
int cli_ptx(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_env(int argc, char **argv);
int cli_kernelspec(int argc, char **argv);
int cli_ptxas(int argc, char **argv);

/** "detshim: TEXT" on stderr; printf-style. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** "detshim: TEXT" on stderr, then exit with `status`. */
_Noreturn void cli_die(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
