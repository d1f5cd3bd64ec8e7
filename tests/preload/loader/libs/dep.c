/* Only reachable through the scope of the library that needs it. */
int only_in_dep(void)
{
    return 41;
}
