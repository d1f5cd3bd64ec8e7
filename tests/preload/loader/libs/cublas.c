/* Double of cuBLAS: real SONAME, real version node, -Bsymbolic. GENERATION is 12 or 13. */
long cublasGetProperty(int which, int *value)
{
    if (value)
        *value = GENERATION;
    return which < 0 ? 7 : 0;
}
long cublasGetStatusString(void)
{
    return GENERATION;
}
long cublasCreate_v2(void **handle)
{
    *handle = (void *)(long)GENERATION;
    return cublasGetProperty(0, 0);
}
#if GENERATION == 13
long cublasOnlyInNewest(void)
{
    return 13;
}
#endif
