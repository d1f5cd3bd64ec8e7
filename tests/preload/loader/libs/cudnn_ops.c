/* A part of cuDNN: same public names, and calls another part by PLT. */
long cudnnGetProperty(void);
long cudnnGetVersion(void)
{
    return 90900;
}
long cudnnCreateTensorDescriptor(void **out)
{
    *out = (void *)cudnnGetProperty();
    return 0;
}
