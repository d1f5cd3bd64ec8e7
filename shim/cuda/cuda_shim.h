/* What shim.c needs of the driver wrappers. */
#ifndef DET_CUDA_SHIM_H
#define DET_CUDA_SHIM_H

/** In the child after fork: CUDA is dead there, so everything is forgotten. */
void det_cuda_fork_child(void);
/** At process end, before the summary: read reports that no synchronising call has read. No CUDA call. */
void det_cuda_finish(void);

#endif
