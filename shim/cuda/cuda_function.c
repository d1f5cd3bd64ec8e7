/* Kernel handles: which kernel a CUfunction or CUkernel stands for, and the settings that a twin must repeat. The program
 * keeps its own handles everywhere; only launches map them. */
#include <errno.h>

#include "shim/cuda/cuda_driver.h"
#include "shim/cuda/cuda_state.h"
#include "shim/loader/call.h"

/* The unit's kernel is noted, and its twin built while nothing is timed yet: first launches stay short, and a kernel first
 * launched inside a capture has its twin ready. */
static void named(const void *unit_handle, const void *function, const char *name)
{
    const int saved = errno;
    det_inside_begin();
    struct det_unit *const unit = det_unit_find(unit_handle);
    if (unit != NULL && name != NULL)
        det_fn_add(function, det_kern_get(unit, name));
    det_inside_end();
    errno = saved;
}

DET_EXPORT CUresult cuModuleGetFunction(CUfunction *hfunc, CUmodule hmod, const char *name)
{
    if (!det_enter(DET_ID_cuModuleGetFunction))
        return DET_REAL(cuModuleGetFunction)(hfunc, hmod, name);

    const CUresult status = DET_REAL(cuModuleGetFunction)(hfunc, hmod, name);
    if (status == CUDA_SUCCESS)
        named(hmod, *hfunc, name);
    det_leave(DET_ID_cuModuleGetFunction);
    return status;
}

DET_EXPORT CUresult cuLibraryGetKernel(CUkernel *pKernel, CUlibrary library, const char *name)
{
    if (!det_enter(DET_ID_cuLibraryGetKernel))
        return DET_REAL(cuLibraryGetKernel)(pKernel, library, name);

    const CUresult status = DET_REAL(cuLibraryGetKernel)(pKernel, library, name);
    if (status == CUDA_SUCCESS)
        named(library, *pKernel, name);
    det_leave(DET_ID_cuLibraryGetKernel);
    return status;
}

/* A CUfunction of a library's kernel in the current context: the same kernel under another handle. */
DET_EXPORT CUresult cuKernelGetFunction(CUfunction *pFunc, CUkernel kernel)
{
    if (!det_enter(DET_ID_cuKernelGetFunction))
        return DET_REAL(cuKernelGetFunction)(pFunc, kernel);

    const CUresult status = DET_REAL(cuKernelGetFunction)(pFunc, kernel);
    if (status == CUDA_SUCCESS)
        det_fn_add(*pFunc, det_fn_find(kernel));
    det_leave(DET_ID_cuKernelGetFunction);
    return status;
}

DET_EXPORT CUresult cuLibraryGetModule(CUmodule *pMod, CUlibrary library)
{
    if (!det_enter(DET_ID_cuLibraryGetModule))
        return DET_REAL(cuLibraryGetModule)(pMod, library);

    const CUresult status = DET_REAL(cuLibraryGetModule)(pMod, library);
    struct det_unit *const unit = det_unit_find(library);
    if (status == CUDA_SUCCESS && unit != NULL)
        det_unit_alias(*pMod, unit);
    det_leave(DET_ID_cuLibraryGetModule);
    return status;
}

DET_EXPORT CUresult cuModuleEnumerateFunctions(
    CUfunction *functions, unsigned int numFunctions, CUmodule mod)
{
    if (!det_enter(DET_ID_cuModuleEnumerateFunctions))
        return DET_REAL(cuModuleEnumerateFunctions)(functions, numFunctions, mod);

    const CUresult status = DET_REAL(cuModuleEnumerateFunctions)(functions, numFunctions, mod);
    const struct det_driver *const cu = det_driver();
    const char *name;
    for (unsigned i = 0; status == CUDA_SUCCESS && i < numFunctions; i++)
        if (functions[i] != NULL && cu->cuFuncGetName != NULL &&
            cu->cuFuncGetName(&name, functions[i]) == CUDA_SUCCESS)
            named(mod, functions[i], name);
    det_leave(DET_ID_cuModuleEnumerateFunctions);
    return status;
}

DET_EXPORT CUresult cuLibraryEnumerateKernels(
    CUkernel *kernels, unsigned int numKernels, CUlibrary lib)
{
    if (!det_enter(DET_ID_cuLibraryEnumerateKernels))
        return DET_REAL(cuLibraryEnumerateKernels)(kernels, numKernels, lib);

    const CUresult status = DET_REAL(cuLibraryEnumerateKernels)(kernels, numKernels, lib);
    const struct det_driver *const cu = det_driver();
    const char *name;
    for (unsigned i = 0; status == CUDA_SUCCESS && i < numKernels; i++)
        if (kernels[i] != NULL && cu->cuKernelGetName != NULL &&
            cu->cuKernelGetName(&name, kernels[i]) == CUDA_SUCCESS)
            named(lib, kernels[i], name);
    det_leave(DET_ID_cuLibraryEnumerateKernels);
    return status;
}

/* --- settings, stored and replayed --- */

static void attribute_set(const void *function, CUfunction_attribute attr, int value)
{
    struct det_kern *const kern = det_fn_find(function);
    if (kern == NULL)
        return;
    unsigned at = 0;
    while (at < kern->n_attr && kern->attr[at].attr != attr)
        at++;
    if (at == DET_MAX_ATTR)
        return;
    kern->attr[at].value = value;
    kern->attr[at].attr = attr;
    if (at == kern->n_attr)
        kern->n_attr++;
    det_inside_begin();
    det_twin_settings(kern);
    det_inside_end();
}

DET_EXPORT CUresult cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value)
{
    if (!det_enter(DET_ID_cuFuncSetAttribute))
        return DET_REAL(cuFuncSetAttribute)(hfunc, attrib, value);

    const CUresult status = DET_REAL(cuFuncSetAttribute)(hfunc, attrib, value);
    if (status == CUDA_SUCCESS)
        attribute_set(hfunc, attrib, value);
    det_leave(DET_ID_cuFuncSetAttribute);
    return status;
}

DET_EXPORT CUresult cuKernelSetAttribute(
    CUfunction_attribute attrib, int val, CUkernel kernel, CUdevice dev)
{
    if (!det_enter(DET_ID_cuKernelSetAttribute))
        return DET_REAL(cuKernelSetAttribute)(attrib, val, kernel, dev);

    const CUresult status = DET_REAL(cuKernelSetAttribute)(attrib, val, kernel, dev);
    if (status == CUDA_SUCCESS)
        attribute_set(kernel, attrib, val);
    det_leave(DET_ID_cuKernelSetAttribute);
    return status;
}

static void config_set(const void *function, int cache, int shared)
{
    struct det_kern *const kern = det_fn_find(function);
    if (kern == NULL)
        return;
    if (cache >= 0)
        kern->cache_config = cache;
    if (shared >= 0)
        kern->shared_config = shared;
    det_inside_begin();
    det_twin_settings(kern);
    det_inside_end();
}

DET_EXPORT CUresult cuFuncSetCacheConfig(CUfunction hfunc, CUfunc_cache config)
{
    if (!det_enter(DET_ID_cuFuncSetCacheConfig))
        return DET_REAL(cuFuncSetCacheConfig)(hfunc, config);

    const CUresult status = DET_REAL(cuFuncSetCacheConfig)(hfunc, config);
    if (status == CUDA_SUCCESS)
        config_set(hfunc, (int)config, -1);
    det_leave(DET_ID_cuFuncSetCacheConfig);
    return status;
}

DET_EXPORT CUresult cuKernelSetCacheConfig(CUkernel kernel, CUfunc_cache config, CUdevice dev)
{
    if (!det_enter(DET_ID_cuKernelSetCacheConfig))
        return DET_REAL(cuKernelSetCacheConfig)(kernel, config, dev);

    const CUresult status = DET_REAL(cuKernelSetCacheConfig)(kernel, config, dev);
    if (status == CUDA_SUCCESS)
        config_set(kernel, (int)config, -1);
    det_leave(DET_ID_cuKernelSetCacheConfig);
    return status;
}

DET_EXPORT CUresult cuFuncSetSharedMemConfig(CUfunction hfunc, CUsharedconfig config)
{
    if (!det_enter(DET_ID_cuFuncSetSharedMemConfig))
        return DET_REAL(cuFuncSetSharedMemConfig)(hfunc, config);

    const CUresult status = DET_REAL(cuFuncSetSharedMemConfig)(hfunc, config);
    if (status == CUDA_SUCCESS)
        config_set(hfunc, -1, (int)config);
    det_leave(DET_ID_cuFuncSetSharedMemConfig);
    return status;
}
