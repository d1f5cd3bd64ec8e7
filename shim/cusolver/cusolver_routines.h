/* Between the routines, which are stamped without the vendor's header, and the ledger. */
#ifndef DET_CUSOLVER_ROUTINES_H
#define DET_CUSOLVER_ROUTINES_H

#include "shim/loader/call.h"

/** Count a routine without a choice of its own. A call from inside another vendor library is that library's, and counted there. */
void det_cusolver_count_routine(enum det_call call, const void *handle, const void *caller);

#endif
