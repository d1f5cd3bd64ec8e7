/* What kind of file a program is, and what its dynamic section says. Nothing is executed. */
#ifndef DET_CLI_PROGRAM_H
#define DET_CLI_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

#include "shim/core/bytes.h"

enum cli_program_kind {
    CLI_PROGRAM_MISSING,
    CLI_PROGRAM_SCRIPT,
    CLI_PROGRAM_DYNAMIC, /* executable that ld.so starts: preloads work */
    CLI_PROGRAM_STATIC,  /* executable without ld.so: preloads are ignored */
    CLI_PROGRAM_SHARED,  /* shared object */
    CLI_PROGRAM_32BIT,
    CLI_PROGRAM_FOREIGN, /* ELF of another machine */
    CLI_PROGRAM_OTHER    /* no ELF: perhaps device code by itself */
};

struct cli_program {
    enum cli_program_kind kind;
    char path[PATH_MAX];
    char interpreter[256]; /* of a script, or the program's ld.so */
    bool set_id, musl;
    struct det_bytes bytes;
};

/** Find `name` as a shell would (PATH) when `search`, and read it. Free with cli_program_close. */
void cli_program_open(const char *name, bool search, struct cli_program *out);
void cli_program_close(struct cli_program *program);
/** One line for people. */
const char *cli_program_words(enum cli_program_kind kind);

/** DT_NEEDED names, in order. */
void cli_program_needed(
    const struct cli_program *program, void (*each)(const char *name, void *arg), void *arg);
/** Names of symbols: undefined ones of the dynamic table, or defined functions of any table. */
void cli_program_symbols(const struct cli_program *program, bool undefined,
    void (*each)(const char *name, void *arg), void *arg);
bool cli_program_has_section(const struct cli_program *program, const char *name);
/** Paths of all objects ld.so would map for this program (LD_TRACE_LOADED_OBJECTS: the program itself does not run).
 *  `each` gets "" as path for one that is not found. */
void cli_program_mapped(const struct cli_program *program,
    void (*each)(const char *name, const char *path, void *arg), void *arg);

#endif
