/* What nvcc's start-up code registered with the runtime: fat binaries and the device names of host functions. Where the
 * driver does not show us a module being loaded (runtimes before CUDA 12), a launch still gets its name from here.
 * Addresses and names in, facts out; no CUDA. */
#ifndef DET_IMAGE_REGISTRY_H
#define DET_IMAGE_REGISTRY_H

#include <stddef.h>

/** A fat binary wrapper was registered under `handle`. */
void det_registry_image(const void *handle, const void *wrapper);
/** How many were registered so far, by any library that shares its runtime with others. */
size_t det_registry_n_images(void);
/** Host function `host` (or a kernel token) stands for kernel `name` of the fat binary under `handle` (NULL: unknown). */
void det_registry_name(const void *host, const void *handle, const char *name);
/** Another name for a known one: a token the runtime made for a host function. */
void det_registry_alias(const void *token, const void *host);
/** Device name of a host function or token; NULL when it was not registered. Lives as long as the process. */
const char *det_registry_find(const void *host);
/** Wrapper of the one fat binary that has kernel `name`; NULL when none has or several have. */
const void *det_registry_wrapper(const char *name);

/** The runtime call this thread is inside of launches `host`; NULL at its end. */
void det_registry_launching(const void *host);
/** Name of the kernel being launched by the runtime on this thread; NULL outside of a runtime launch. */
const char *det_registry_current(void);
void det_registry_fork_child(void);

#endif
