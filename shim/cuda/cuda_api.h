/* cuda.h with every versioned form declared under its exported name (cuMemAlloc_v2, cuLaunchKernel_ptsz, …) and none of
 * the renaming macros: wrappers and tables name symbols, not API names. */
#ifndef DET_CUDA_API_H
#define DET_CUDA_API_H

#define __CUDA_API_VERSION_INTERNAL 1
#include <cuda.h>

/* cuda.h declares the newest per-thread forms only for programs that ask for them. */
CUresult CUDAAPI cuStreamGetCaptureInfo_v3_ptsz(CUstream hStream,
    CUstreamCaptureStatus *captureStatus_out, cuuint64_t *id_out, CUgraph *graph_out,
    const CUgraphNode **dependencies_out, const CUgraphEdgeData **edgeData_out,
    size_t *numDependencies_out);
CUresult CUDAAPI cuStreamUpdateCaptureDependencies_v2_ptsz(CUstream hStream,
    CUgraphNode *dependencies, const CUgraphEdgeData *dependencyData, size_t numDependencies,
    unsigned int flags);

#endif
