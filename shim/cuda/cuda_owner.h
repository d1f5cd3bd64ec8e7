/* Which mapped object an address belongs to: code handed to the driver from inside an NVIDIA library is NVIDIA's. */
#ifndef DET_CUDA_OWNER_H
#define DET_CUDA_OWNER_H

#include <stdbool.h>

/** Is `name` (a path or SONAME) one of NVIDIA's math or communication libraries? Driver and runtime are not: they load other
 *  people's code. Pure. */
bool det_owner_name_is_vendor(const char *name);
/** Does `address` lie inside such a library? False for heap memory. */
bool det_owner_is_vendor(const void *address);

#endif
