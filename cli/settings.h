/* The settings a program would start with, judged before it starts. */
#ifndef DET_CLI_SETTINGS_H
#define DET_CLI_SETTINGS_H

#include <stddef.h>

/** Ends with CLI_REFUSED, one line per bad value or unknown name; under DETSHIM_STRICT also for settings of the
 *  user's own that break the promise. gpu_to_gpu becomes run_to_run with one line. */
void cli_settings_or_refuse(void);
/** Calls `each` for every variable of this environment that breaks the promise; returns how many. */
size_t cli_conflicts(
    void (*each)(const char *name, const char *value, const char *why, void *arg), void *arg);

#endif
