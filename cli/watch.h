/* Follow a program and all its children to their ends, and look at each just before it is gone. */
#ifndef DET_CLI_WATCH_H
#define DET_CLI_WATCH_H

#include "cli/launch.h"

struct cli_watched {
    long pid;
    char exe[256];
    bool mapped; /* the last program this process ran had the library in its memory map */
};
/** Run argv under ptrace; `each` is called at the end of every process of its tree. A process killed by SIGKILL may be
 *  missed: it does not stop on its way out. */
struct cli_outcome cli_watch(char *const argv[], const char *library,
    void (*each)(const struct cli_watched *process, void *arg), void *arg);

#endif
