/* Stands behind the shim in LD_PRELOAD: counts how often anybody asks the environment. */
#include <stddef.h>
#include <string.h>
extern char **environ;
long getenv_calls;
char *getenv(const char *name)
{
    getenv_calls++;
    const size_t n = strlen(name);
    for (char **e = environ; e && *e; e++)
        if (!strncmp(*e, name, n) && (*e)[n] == '=')
            return *e + n + 1;
    return NULL;
}
char *secure_getenv(const char *name)
{
    return getenv(name);
}
