/* Commands that are not here yet. */
#include "cli/cli.h"

int cli_doctor(int argc, char **argv)
{
    (void)argc;
    cli_die(CLI_TROUBLE, "'%s' is not here yet", argv[0]);
}

int cli_env(int argc, char **argv)
{
    (void)argc;
    cli_die(CLI_TROUBLE, "'%s' is not here yet", argv[0]);
}
