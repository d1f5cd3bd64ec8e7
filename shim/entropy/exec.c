/* Children made by vfork or posix_spawn share our memory until they exec, so no fork handler can tell them who they are: the
 * exec hands them their path in DETSHIM_PATH. Nothing here allocates: the new environment lives on the stack. A program that
 * gives its children an empty environment loses the preload with it, and nothing is added. */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/core/bytes.h"
#include "shim/entropy/entropy.h"
#include "shim/entropy/fork.h"
#include "shim/entropy/next.h"
#include "shim/loader/call.h"

extern char **environ;

#define NAME          "DETSHIM_PATH="
#define MAX_VARIABLES 8192 /* above this the environment is passed as it is */

struct marked {
    char text[200];
    char **variables; /* storage for n + 2 pointers, given by the caller */
};

static size_t count(char *const *variables)
{
    size_t n = 0;
    while (variables && variables[n] && n <= MAX_VARIABLES)
        n++;
    return n;
}

static bool preloaded(char *const *variables)
{
    for (; variables && *variables; variables++)
        if (strncmp(*variables, "LD_PRELOAD=", 11) == 0)
            return true;
    return false;
}

static bool wants_mark(char *const *variables)
{
    return det_entropy_armed() && count(variables) < MAX_VARIABLES && preloaded(variables);
}

/* The same environment with the child's path. spawned: a child is being made; else the process itself goes on. */
static char *const *mark(struct marked *out, char *const *variables, bool spawned)
{
    struct det_line line = { .at = out->text, .cap = sizeof out->text };
    size_t n = 0;
    char path[170];
    det_line_text(&line, NAME);
    if (spawned)
        det_path_spawned(path, sizeof path);
    det_line_text(&line, spawned ? path : det_path());
    for (; *variables; variables++)
        if (strncmp(*variables, NAME, sizeof NAME - 1) != 0)
            out->variables[n++] = *variables;
    out->variables[n++] = out->text;
    out->variables[n] = NULL;
    return out->variables;
}

/* VLAs are banned; alloca is bounded by MAX_VARIABLES (64 KiB). */
#define MARKED(name, list, spawned)                                                                \
    struct marked name;                                                                            \
    name.variables = __builtin_alloca((count(list) + 2) * sizeof(char *));                         \
    (list) = mark(&name, (list), (spawned))

DET_EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
    if (wants_mark(envp)) {
        MARKED(marked, envp, !det_path_is_mine());
        return DET_NEXT(execve)(path, argv, envp);
    }
    return DET_NEXT(execve)(path, argv, envp);
}

DET_EXPORT int execv(const char *path, char *const argv[])
{
    return execve(path, argv, environ);
}

DET_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
    if (wants_mark(envp)) {
        MARKED(marked, envp, !det_path_is_mine());
        return DET_NEXT(execvpe)(file, argv, envp);
    }
    return DET_NEXT(execvpe)(file, argv, envp);
}

DET_EXPORT int execvp(const char *file, char *const argv[])
{
    return execvpe(file, argv, environ);
}

DET_EXPORT int posix_spawn(pid_t *restrict pid, const char *restrict path,
    const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *restrict attr,
    char *const argv[restrict], char *const envp[restrict])
{
    char *const *variables = envp;
    if (wants_mark(variables)) {
        MARKED(marked, variables, true);
        return DET_NEXT(posix_spawn)(pid, path, actions, attr, argv, variables);
    }
    return DET_NEXT(posix_spawn)(pid, path, actions, attr, argv, envp);
}

DET_EXPORT int posix_spawnp(pid_t *restrict pid, const char *restrict file,
    const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *restrict attr,
    char *const argv[restrict], char *const envp[restrict])
{
    char *const *variables = envp;
    if (wants_mark(variables)) {
        MARKED(marked, variables, true);
        return DET_NEXT(posix_spawnp)(pid, file, actions, attr, argv, variables);
    }
    return DET_NEXT(posix_spawnp)(pid, file, actions, attr, argv, envp);
}
