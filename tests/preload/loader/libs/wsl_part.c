/* The driver proper behind wsl_front.c. */
long cuInit(unsigned flags)
{
    return 100 + flags;
}
