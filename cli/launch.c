/* See launch.h. */
#include "cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "shim/core/io.h"

#define OURS "libdetshim.so"

static bool found(char *to, const char *path)
{
    return realpath(path, to) && access(to, R_OK) == 0;
}

static bool beside(char *to)
{
    char self[PATH_MAX], path[PATH_MAX + 32];
    if (!det_io_exe(self, sizeof self))
        return false;
    *strrchr(self, '/') = 0;
    snprintf(path, sizeof path, "%s/" OURS, self);
    if (found(to, path))
        return true;
    snprintf(path, sizeof path, "%s/../lib/" OURS, self);
    return found(to, path);
}

const char *cli_library(void)
{
    static char path[PATH_MAX];
    const char *given = getenv("DETSHIM_LIBRARY");
    if (given && *given) {
        if (!found(path, given))
            cli_die(CLI_REFUSED, "cannot read DETSHIM_LIBRARY '%s': %s", given, strerror(errno));
    } else if (!beside(path)) {
        cli_die(CLI_REFUSED,
            "cannot find " OURS " beside this program or in ../lib; set DETSHIM_LIBRARY");
    }
    if (strpbrk(path, " :"))
        cli_die(CLI_REFUSED,
            "the path '%s' has a blank or a colon, which LD_PRELOAD cannot express; "
            "put the library elsewhere",
            path);
    return path;
}

static bool is_ours(const char *entry)
{
    const char *slash = strrchr(entry, '/');
    return strcmp(slash ? slash + 1 : entry, OURS) == 0;
}

/* Entries are separated by colons or blanks. */
static void set_preload(const char *first)
{
    const char *old = getenv("LD_PRELOAD");
    struct det_bytes list = { 0 };
    det_bytes_text(&list, first);
    char *copy = strdup(old ? old : "");
    for (char *entry = strtok(copy, ": "); entry; entry = strtok(NULL, ": ")) {
        if (!is_ours(entry))
            det_bytes_printf(&list, "%s%s", list.n_bytes ? ":" : "", entry);
    }
    if (list.n_bytes)
        setenv("LD_PRELOAD", list.data, 1);
    else
        unsetenv("LD_PRELOAD");
    free(copy);
    det_bytes_free(&list);
}

void cli_preload(const char *library)
{
    set_preload(library);
}

void cli_unpreload(void)
{
    set_preload("");
}

static volatile sig_atomic_t child_pid;

/* Ctrl-C reaches the child by itself: the terminal sends it to the whole process group. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (child_pid > 0 && info->si_code != SI_KERNEL)
        kill((pid_t)child_pid, number);
}

static const int passed[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT };
enum { N_PASSED = sizeof passed / sizeof *passed };

static void catch_signals(void)
{
    struct sigaction action = { .sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART };
    for (int i = 0; i < N_PASSED; i++) {
        struct sigaction old;
        if (sigaction(passed[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(passed[i], &action, NULL);
    }
}

static _Noreturn void become(
    char *const argv[], const int fds[3], int tell, void (*prepare)(void *), void *arg)
{
    for (int i = 0; i < 3; i++) {
        if (fds && fds[i] >= 0)
            dup2(fds[i], i);
    }
    if (prepare)
        prepare(arg);
    execvp(argv[0], argv);
    const int number = errno;
    det_io_write(tell, &number, sizeof number);
    _exit(127);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int exec_failure(int fd)
{
    int number = 0;
    ssize_t n;
    do
        n = read(fd, &number, sizeof number);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof number ? number : 0;
}

struct cli_outcome cli_spawn(
    char *const argv[], const int fds[3], void (*prepare)(void *arg), void *arg)
{
    struct cli_outcome outcome = { .status = -1 };
    int ends[2];
    sigset_t all, old;
    if (pipe2(ends, O_CLOEXEC) != 0)
        cli_die(CLI_TROUBLE, "cannot make a pipe: %s", strerror(errno));
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    const double start = now();
    const pid_t pid = fork();
    if (pid < 0)
        cli_die(CLI_TROUBLE, "cannot fork: %s", strerror(errno));
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, &old, NULL);
        close(ends[0]);
        become(argv, fds, ends[1], prepare, arg);
    }
    child_pid = pid;
    catch_signals();
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(ends[1]);
    outcome.exec_errno = exec_failure(ends[0]);
    close(ends[0]);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    child_pid = 0;
    outcome.seconds = now() - start;
    if (WIFSIGNALED(status))
        outcome.signal = WTERMSIG(status);
    else
        outcome.status = WEXITSTATUS(status);
    return outcome;
}

int cli_exit_code(const struct cli_outcome *outcome)
{
    if (outcome->exec_errno)
        return outcome->exec_errno == ENOENT ? CLI_NOT_FOUND : CLI_CANNOT_RUN;
    return outcome->signal ? 128 + outcome->signal : outcome->status;
}

void cli_describe(const struct cli_outcome *outcome, char *to, size_t cap_bytes)
{
    if (outcome->exec_errno)
        snprintf(to, cap_bytes, "cannot run: %s", strerror(outcome->exec_errno));
    else if (outcome->signal)
        snprintf(to, cap_bytes, "killed by signal %d (SIG%s)", outcome->signal,
            sigabbrev_np(outcome->signal));
    else
        snprintf(to, cap_bytes, "exit %d", outcome->status);
}
