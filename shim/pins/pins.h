/* Settings made before the program reads them: environment variables of vendor libraries and frameworks, and PyTorch's own switches,
 * overridden where PyTorch reads them rather than where a program sets them, so that a later call cannot undo them. */
#ifndef DET_PINS_PINS_H
#define DET_PINS_PINS_H

#include <stdbool.h>

#include "shim/core/bytes.h"
#include "shim/policy/policy.h"

/** Set every variable of pins.def for this Python module that the user left unset; a value of the user's is kept, or reported as a
 *  conflict where it breaks the promise. `set` (may be NULL) gets "NAME=VALUE" lines for os.environ, which does not see setenv. */
void det_pins_module(const char *module, struct det_line *set);
/** The same for any process, once, before its first call into a vendor library. */
void det_pins_vendor(void);
/** det_pins_vendor, and the pins of one library ("cublas", "nccl"). Only for calls that are rare: creation. */
void det_pins_library(const char *name);
/** Do all pins of this rule hold: the rule acts, and no value of the user's broke the promise? */
bool det_pins_hold(enum det_rule rule);
/** Is there a pin for this module? */
bool det_pins_known(const char *module);

/** Address of a function of the loaded libtorch_cpu or libc10 that we do not wrap; NULL when absent. */
void *det_pins_torch_find(const char *name);

#endif
