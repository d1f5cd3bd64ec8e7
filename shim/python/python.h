/* CPython from outside: recognise it, and run our import hook inside it. Uses only exported C-API functions found by name, so that one
 * library serves every version, shared or static. */
#ifndef DET_PYTHON_PYTHON_H
#define DET_PYTHON_PYTHON_H

#include <stdbool.h>

/** Does this process hold a CPython interpreter? Cached once true. */
bool det_python_present(void);
/** From the library's constructor: pin the hash seed and ask for the audit hook. Nothing where there is no CPython. */
void det_python_start(void);

#endif
