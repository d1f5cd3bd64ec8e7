/* Starting programs: where our library is, what goes into their environment, waiting for them. */
#ifndef DET_CLI_LAUNCH_H
#define DET_CLI_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/** Absolute path of libdetshim.so: DETSHIM_LIBRARY, beside this program, or ../lib. Ends with CLI_REFUSED when there is
 *  none, or when its path has a blank or colon, which LD_PRELOAD cannot express. Static storage. */
const char *cli_library(void);
/** LD_PRELOAD of this process for its children: ours first, the others kept, older entries of ours dropped. */
void cli_preload(const char *library);
/** LD_PRELOAD without ours; unset when nothing is left. */
void cli_unpreload(void);

struct cli_outcome {
    int status;     /* exit status; -1 when killed */
    int signal;     /* 0 unless killed */
    int exec_errno; /* not 0: the program could not be started */
    double seconds;
};
/** Run argv and wait. stdin, out, err: descriptors for the child, -1 to inherit. `prepare` (may be NULL) runs in the child
 *  before exec. Signals sent to this process are passed on. */
struct cli_outcome cli_spawn(
    char *const argv[], const int fds[3], void (*prepare)(void *arg), void *arg);
/** What a shell would return: status, 128 + signal, 126 or 127. */
int cli_exit_code(const struct cli_outcome *outcome);
/** "exit 3", "killed by signal 9 (SIGKILL)", … */
void cli_describe(const struct cli_outcome *outcome, char *to, size_t cap_bytes);

#endif
