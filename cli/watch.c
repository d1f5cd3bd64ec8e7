/* See watch.h. PTRACE_EVENT_EXIT comes while the memory map still exists, so nothing is sampled and nothing is missed. */
#include "cli/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "shim/core/io.h"

enum { MOST_MAPS = 64 << 20 };

static bool maps_hold(long pid, const char *library)
{
    char path[64];
    struct det_bytes maps = { 0 };
    snprintf(path, sizeof path, "/proc/%ld/maps", pid);
    const bool held =
        det_io_read_file(path, MOST_MAPS, &maps) == DET_OK && strstr(maps.data, library);
    det_bytes_free(&maps);
    return held;
}

/* Threads stop on their way out as well; only the thread whose id is the process's speaks for it. */
static bool is_process(long id)
{
    char path[64];
    struct det_bytes status = { 0 };
    snprintf(path, sizeof path, "/proc/%ld/status", id);
    const bool read = det_io_read_file(path, 65536, &status) == DET_OK;
    const char *at = read ? strstr(status.data, "\nTgid:") : NULL;
    const bool leader = at && strtol(at + 6, NULL, 10) == id;
    det_bytes_free(&status);
    return leader;
}

static void look(pid_t pid, const char *library,
    void (*each)(const struct cli_watched *process, void *arg), void *arg)
{
    struct cli_watched process = { .pid = pid, .mapped = maps_hold(pid, library) };
    char path[64];
    if (!is_process(pid))
        return;
    snprintf(path, sizeof path, "/proc/%ld/exe", (long)pid);
    const ssize_t n = readlink(path, process.exe, sizeof process.exe - 1);
    if (n > 0)
        each(&process, arg);
}

static pid_t start(char *const argv[], int *failure)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        cli_die(CLI_TROUBLE, "cannot make a pipe: %s", strerror(errno));
    const pid_t pid = fork();
    if (pid == 0) {
        raise(SIGSTOP); /* until the parent has seized us */
        execvp(argv[0], argv);
        const int number = errno;
        det_io_write(ends[1], &number, sizeof number);
        _exit(127);
    }
    close(ends[1]);
    *failure = ends[0];
    return pid;
}

/* What to hand to the stopped thread: its signal, unless the stop was ptrace's own. */
static int resume_with(int status)
{
    const int number = WSTOPSIG(status);
    if (status >> 16 || number == SIGTRAP)
        return 0;
    return number;
}

static void go_on(pid_t pid, int status)
{
    const bool group_stop = status >> 16 == PTRACE_EVENT_STOP;
    const int number = WSTOPSIG(status);
    if (group_stop &&
        (number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU))
        ptrace(PTRACE_LISTEN, pid, NULL, NULL);
    else
        ptrace(PTRACE_CONT, pid, NULL, (void *)(long)resume_with(status));
}

struct cli_outcome cli_watch(char *const argv[], const char *library,
    void (*each)(const struct cli_watched *process, void *arg), void *arg)
{
    struct cli_outcome outcome = { .status = -1 };
    int failure, status;
    const pid_t first = start(argv, &failure);
    const long wanted =
        PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT;
    waitpid(first, &status, WUNTRACED);
    if (ptrace(PTRACE_SEIZE, first, NULL, (void *)wanted) != 0) {
        kill(first, SIGKILL);
        waitpid(first, NULL, 0);
        cli_die(CLI_TROUBLE, "cannot watch the program: %s", strerror(errno));
    }
    kill(first, SIGCONT);
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
        if (pid < 0)
            continue;
        if (WIFSTOPPED(status)) {
            if (status >> 16 == PTRACE_EVENT_EXIT)
                look(pid, library, each, arg);
            go_on(pid, status);
        } else if (pid == first) {
            outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
            outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
    }
    int number = 0;
    if (read(failure, &number, sizeof number) == (ssize_t)sizeof number)
        outcome.exec_errno = number;
    close(failure);
    return outcome;
}
