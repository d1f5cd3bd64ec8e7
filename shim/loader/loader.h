/* What shim.c needs of the loader. */
#ifndef DET_LOADER_LOADER_H
#define DET_LOADER_LOADER_H

#include <stdbool.h>

/** At process end: one line when the GPU was used and no wrapper was ever called, with the likely reason. */
void det_loader_self_test(void);
/** False when another preload's dlsym stands before ours. */
bool det_loader_is_first(void);

#endif
