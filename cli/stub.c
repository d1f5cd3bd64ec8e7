/* Commands that are not here yet. */
#include "cli/cli.h"
int cli_ptx(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 2;
}
int cli_doctor(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 2;
}
int cli_env(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 2;
}
