/* See child.h. Output goes through temporary files, so that a chatty child cannot block on a full pipe. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/child.h"

static int scratch_file(void)
{
    char name[] = "/tmp/detshim-child-XXXXXX";
    const int fd = mkstemp(name);
    if (fd >= 0)
        unlink(name);
    return fd;
}

static char *read_back(int fd)
{
    struct stat info;
    fstat(fd, &info);
    char *text = calloc(1, (size_t)info.st_size + 1);
    if (text && pread(fd, text, (size_t)info.st_size, 0) < 0)
        text[0] = 0;
    close(fd);
    return text;
}

static void become(const char *const argv[], const char *const env[], int out, int err)
{
    setpgid(0, 0);
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out, 1);
    dup2(err, 2);
    close(null);
    close(out);
    close(err);
    for (; env && *env; env++) {
        char *copy = strdup(*env);
        char *equals = strchr(copy, '=');
        if (equals) {
            *equals = 0;
            setenv(copy, equals + 1, 1);
        } else {
            unsetenv(copy);
        }
    }
    execvp(argv[0], (char *const *)(void *)argv);
    fprintf(stderr, "child: cannot run '%s': %s\n", argv[0], strerror(errno));
    _exit(127);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct child child_run(const char *const argv[], const char *const env[], double seconds)
{
    struct child child = { .exit_status = -1 };
    const int out = scratch_file(), err = scratch_file();
    const double end = now() + seconds;
    const pid_t pid = fork();
    if (pid == 0)
        become(argv, env, out, err);
    int status = 0;
    useconds_t pause = 200;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (now() > end && !child.timed_out) {
            child.timed_out = true;
            kill(-pid, SIGKILL);
        }
        usleep(pause);
        pause = pause < 10000 ? pause * 2 : pause;
    }
    if (WIFEXITED(status))
        child.exit_status = WEXITSTATUS(status);
    else
        child.signal = WTERMSIG(status);
    child.out = read_back(out);
    child.err = read_back(err);
    return child;
}

struct child child_shell(const char *const env[], double seconds, const char *format, ...)
{
    char command[8192];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    const char *const argv[] = { "sh", "-c", command, NULL };
    return child_run(argv, env, seconds);
}

void child_free(struct child *child)
{
    free(child->out);
    free(child->err);
    child->out = child->err = NULL;
}

const char *child_result(const char *text, const char *name)
{
    static char value[256];
    char key[80];
    value[0] = 0;
    snprintf(key, sizeof key, " %s=", name);
    for (const char *line = text; line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, "result ", 7) != 0)
            continue;
        const char *at = strstr(line, key);
        const char *end = strchr(line, '\n');
        if (at && (!end || at < end))
            sscanf(at + strlen(key), "%255s", value);
    }
    return value;
}
