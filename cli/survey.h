/* The device code of one file, judged for a card: counts by class, and what cannot be covered by name. */
#ifndef DET_CLI_SURVEY_H
#define DET_CLI_SURVEY_H

#include <stdbool.h>
#include <stddef.h>

#include "shim/core/bytes.h"

struct cli_survey {
    const char *path;
    size_t n_images;
    struct det_bytes architectures; /* "sm_80 (12), compute_90 (3)" */
    unsigned newest_ptx;            /* 10 * major + minor of .version */
    size_t n_kernels;               /* judged by cli_survey_show so far */
};
bool cli_survey_open(const char *path, struct cli_survey *out);
void cli_survey_close(struct cli_survey *survey);
/** Prints a line of counts for the card; with `names` also what is uncovered or unknown. Returns how many kernels are. */
unsigned cli_survey_show(struct cli_survey *survey, unsigned sm, bool names);
/** The driver of this machine, and the PTX it takes. */
void cli_survey_driver(void);

#endif
