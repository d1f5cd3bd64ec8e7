/* The next library. */
const char *shared_name(void)
{
    return "b";
}
