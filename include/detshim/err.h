/* Error codes used inside detshim and by its command line. 0 is success.
 * Wrappers never hand these to the program: there the vendor's own status type is returned. */
#ifndef DETSHIM_ERR_H
#define DETSHIM_ERR_H

enum det_err {
#define DET_ERROR(name, text) DET_##name,
#include "detshim/errors.def"
#undef DET_ERROR
    DET_N_ERRORS
};

/** One-line text of `err`, lower case, no full stop; never NULL. */
const char *det_err_text(enum det_err err);

/** Forward a failure to the caller. */
#define DET_TRY(expr)                                                                              \
    do {                                                                                           \
        const enum det_err det_try_err = (expr);                                                   \
        if (det_try_err != DET_OK)                                                                 \
            return det_try_err;                                                                    \
    } while (0)

#endif
