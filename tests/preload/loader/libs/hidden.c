/* Stands in a folder only the RUNPATH of librunpath.so names. */
int in_hidden(void)
{
    return 7;
}
