/* What shim.c needs of the loader. */
#ifndef DET_LOADER_LOADER_H
#define DET_LOADER_LOADER_H

#include <stdbool.h>

/** Find libc's functions now instead of at the first look-up: nothing depends on it. */
void det_loader_warm(void);
/** At process end: one line when the GPU was used and no wrapper was ever called, with the likely reason. */
void det_loader_self_test(void);
/** False when another preload's dlsym stands before ours. */
bool det_loader_is_first(void);

#endif
