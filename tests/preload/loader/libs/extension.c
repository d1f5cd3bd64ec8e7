/* A Python-like extension: linked to one generation of cuBLAS, opened RTLD_LOCAL. */
long cublasGetProperty(int which, int *value);
long cublasGetStatusString(void);
long extension_call(void)
{
    int value = 0;
    const long status = cublasGetProperty(0, &value);
    return status ? -1 : value;
}
long extension_constructed;
__attribute__((constructor)) static void start(void)
{
    extension_constructed = cublasGetStatusString() + 0;
}
