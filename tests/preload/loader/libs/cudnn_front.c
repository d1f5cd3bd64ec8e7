/* cuDNN 9's front library: finds the same public names in its parts. */
#include <dlfcn.h>
static void *part(const char *name)
{
    void *handle = dlopen("libcudnn_ops.so.9", RTLD_NOW);
    return handle ? dlsym(handle, name) : 0;
}
long cudnnGetVersion(void)
{
    return ((long (*)(void))part("cudnnGetVersion"))();
}
long cudnnCreateTensorDescriptor(void **out)
{
    const long status = ((long (*)(void **))part("cudnnCreateTensorDescriptor"))(out);
    return status;
}
long cudnnGetProperty(void)
{
    return 1; /* "front" */
}
