/* Another part. */
long cudnnGetProperty(void)
{
    return 2; /* "graph" */
}
