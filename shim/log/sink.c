/* See sink.h. The descriptor is high (>= 512), close-on-exec, append-only, and locked against other processes that were
 * given the same pattern: those write FILE.1, FILE.2, …, so that blocks of two processes never mix. */
#include "shim/log/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "detshim/detshim.h"
#include "detshim/trace.h"
#include "shim/core/hash.h"
#include "shim/core/io.h"
#include "shim/log/order.h"
#include "shim/policy/policy.h"

enum { HIGH = 512, MOST_NAMES = 100, NOT_OPEN = -1 };

static struct {
    atomic_int state;  /* NOT_OPEN or enum det_sink */
    atomic_long owner; /* thread inside open; 0 none */
    int fd;
    dev_t dev;
    ino_t ino;
    bool locked;
    off_t start;        /* where our block begins: an older run may stand before it */
    size_t head_bytes;  /* the first two records, which sorting leaves in place */
    atomic_long writer; /* the only thread that wrote so far */
    atomic_bool several;
    uint64_t born_ns;
} log_file = { .state = NOT_OPEN, .fd = -1 };
static char log_path[4096];
static struct det_place log_place;

static long this_thread(void)
{
    return syscall(SYS_gettid);
}

/* Straight to the kernel: clock_gettime and fstat may be hooked, and fstat's symbol is newer than glibc 2.28. */
static struct timespec clock_now(clockid_t id)
{
    struct timespec now = { 0 };
    syscall(SYS_clock_gettime, id, &now);
    return now;
}

static bool identity(int fd, struct stat *info)
{
    return syscall(SYS_fstat, fd, info) == 0;
}

static bool still_ours(void)
{
    struct stat info;
    return log_file.fd >= 0 && identity(log_file.fd, &info) && info.st_dev == log_file.dev &&
           info.st_ino == log_file.ino;
}

void det_sink_say(const struct det_line *text)
{
    if (text->n)
        det_io_write(STDERR_FILENO, text->at, text->n);
}

static const char *reason(int number)
{
    switch (number) {
    case ENOENT:
        return "no such folder";
    case EACCES:
    case EPERM:
        return "permission denied";
    case EROFS:
        return "read-only file system";
    case EISDIR:
        return "is a folder";
    case ENOSPC:
    case EDQUOT:
        return "no space left";
    case ENAMETOOLONG:
        return "name too long";
    default:
        return NULL;
    }
}

static void cannot_open(int number)
{
    const char *why = reason(number);
    DET_LINE(line, 4400);
    det_line_printf(&line, "detshim: cannot open log '%s': ", log_path);
    if (why)
        det_line_text(&line, why);
    else
        det_line_printf(&line, "error %d", number);
    det_line_text(&line, "; going on without it\n");
    det_sink_say(&line);
}

static void make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0777); /* exists already: fine; fails: open tells */
        *slash = '/';
    }
}

static void name_file(struct det_line *path, const char *pattern)
{
    if (pattern[0] != '/') {
        char here[4096];
        det_line_printf(path, "%s/", getcwd(here, sizeof here) ? here : ".");
    }
    const uint64_t now = (uint64_t)clock_now(CLOCK_REALTIME).tv_sec;
    det_place_expand(&log_place, pattern, (uint64_t)getpid(), now, path);
}

static int move_up(int low)
{
    if (low < 0 || low >= HIGH)
        return low;
    int high = fcntl(low, F_DUPFD_CLOEXEC, HIGH);
    if (high < 0)
        high = fcntl(low, F_DUPFD_CLOEXEC, 100);
    if (high >= 0)
        close(low);
    return high >= 0 ? high : low;
}

static int open_path(void)
{
    int fd;
    do
        fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
    while (fd < 0 && errno == EINTR);
    return move_up(fd);
}

/* The first name nobody else writes to. */
static bool open_free_name(const char *pattern)
{
    for (unsigned i = 0; i < MOST_NAMES; i++) {
        struct det_line path = { .at = log_path, .cap = sizeof log_path };
        name_file(&path, pattern);
        if (i)
            det_line_printf(&path, ".%u", i);
        if (path.cut) {
            errno = ENAMETOOLONG;
            return false;
        }
        make_folders(log_path);
        const int fd = open_path();
        struct stat info;
        if (fd < 0 || !identity(fd, &info))
            return false;
        log_file.locked = S_ISREG(info.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (S_ISREG(info.st_mode) && !log_file.locked && errno == EWOULDBLOCK) {
            close(fd);
            continue;
        }
        log_file.fd = fd;
        log_file.dev = info.st_dev;
        log_file.ino = info.st_ino;
        log_file.start = lseek(fd, 0, SEEK_END);
        return true;
    }
    errno = EACCES;
    return false;
}

/* Civil date from days since 1970 (H. Hinnant's algorithm); gmtime would read the time zone files. */
static void put_time(struct det_line *line)
{
    const int64_t seconds = clock_now(CLOCK_REALTIME).tv_sec;
    const int64_t z = seconds / 86400 + 719468, rest = seconds % 86400;
    const int64_t era = z / 146097, doe = z % 146097;
    const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    const int64_t day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
    const int64_t parts[] = { yoe + era * 400 + (month <= 2), month, day, rest / 3600,
        rest / 60 % 60, rest % 60 };
    for (unsigned i = 0; i < 6; i++) {
        if (i)
            det_line_bytes(line, &"--T::"[i - 1], 1);
        if (parts[i] < 10)
            det_line_bytes(line, "0", 1);
        det_line_i64(line, parts[i]);
    }
    det_line_bytes(line, "Z", 1);
}

static void put_run(struct det_record *record)
{
    const struct det_place *place = &log_place;
    DET_LINE(time, 32);
    put_time(&time);
    det_record_begin(record, true, DET_T_RUN);
    det_record_text(record, "tool", "detshim " DETSHIM_VERSION);
    det_record_text(record, "time", time.at);
    det_record_text(record, "host", place->host);
    det_record_u64(record, "pid", (uint64_t)getpid());
    det_record_u64(record, "ppid", (uint64_t)getppid());
    det_record_u64(record, "rank", place->rank);
    det_record_u64(record, "local_rank", place->local_rank);
    det_record_u64(record, "world", place->world);
    det_record_text(record, "job", place->job);
    det_record_text(record, "exe", place->exe);
    det_record_text(record, "log", log_path);
    det_record_end(record);
}

static void put_env(struct det_record *record)
{
    const struct det_policy *policy = det_policy();
    static const char *const levels[] = { "off", "observe", "run_to_run" };
    static const char *const entropies[] = { "off", "ml", "all" };
    static const char *const traces[] = { "off", "choices", "digests", "stacks" };
    det_record_begin(record, true, DET_T_ENV);
    if (policy->has_seed)
        det_record_u64(record, "seed", policy->seed);
    else
        det_record_text(record, "seed", NULL);
    det_record_text(record, "level", levels[policy->level]);
    det_record_u64(record, "strict", (uint64_t)policy->strict);
    det_record_text(record, "entropy", entropies[policy->entropy]);
    det_record_text(record, "skip", policy->skip_kernels);
    DET_LINE(rules, 1024);
    for (int rule = 0; rule < DET_N_RULES; rule++) {
        const struct det_rule_info *info = det_rule_info((enum det_rule)rule);
        if (policy->rule_on[rule] != info->standard)
            det_line_printf(&rules, "%s%c%s", rules.n ? "," : "", policy->rule_on[rule] ? '+' : '-',
                info->slug);
    }
    det_record_text(record, "rules", rules.n ? rules.at : "");
    if (policy->trace != DET_TRACE_OFF)
        det_record_text(record, "trace", traces[policy->trace]);
    det_record_end(record);
}

static enum det_sink open_now(void)
{
    const struct det_policy *policy = det_policy();
    det_place_read(&log_place, det_policy_env, NULL);
    const struct timespec now = clock_now(CLOCK_MONOTONIC);
    log_file.born_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    if (policy->log_level == DET_LOG_OFF)
        return DET_SINK_NONE;
    if (strcmp(policy->log, "stderr") == 0)
        return DET_SINK_STDERR;
    const char *keep = det_policy_env("DETSHIM_KEEP", NULL);
    DET_LINE(kept, 4096);
    if (!policy->log[0] && !(keep && keep[0]))
        return DET_SINK_NONE;
    if (!policy->log[0])
        det_line_printf(&kept, "%s/%d.jsonl", keep, (int)getpid());
    if (!open_free_name(policy->log[0] ? policy->log : kept.at)) {
        cannot_open(errno);
        log_path[0] = 0;
        return DET_SINK_NONE;
    }
    if (policy->log[0] && keep &&
        keep[0]) { /* detshim run finds the log of a killed process by its pid */
        det_line_printf(&kept, "%s/%d.jsonl", keep, (int)getpid());
        if (symlink(log_path, kept.at) != 0)
            kept.cut = true; /* nothing to do: the log itself is fine */
    }
    struct det_record record;
    put_run(&record);
    log_file.head_bytes = record.line.n;
    det_io_write(log_file.fd, record.line.at, record.line.n);
    put_env(&record);
    log_file.head_bytes += record.line.n;
    det_io_write(log_file.fd, record.line.at, record.line.n);
    return DET_SINK_FILE;
}

enum det_sink det_sink_ready(void)
{
    int state = atomic_load_explicit(&log_file.state, memory_order_acquire);
    if (state != NOT_OPEN)
        return (enum det_sink)state;
    const int saved = errno;
    const long me = this_thread();
    long owner = 0;
    while (!atomic_compare_exchange_weak(&log_file.owner, &owner, me)) {
        if (owner == me)
            return DET_SINK_NONE;
        owner = 0;
        sched_yield();
    }
    state = atomic_load(&log_file.state);
    if (state == NOT_OPEN) {
        state = (int)open_now();
        atomic_store_explicit(&log_file.state, state, memory_order_release);
    }
    atomic_store(&log_file.owner, 0);
    errno = saved;
    return (enum det_sink)state;
}

static bool reopen(void)
{
    const int fd = open_path();
    struct stat info;
    if (fd < 0 || !identity(fd, &info))
        return false;
    log_file.fd = fd;
    if (info.st_dev != log_file.dev || info.st_ino != log_file.ino) {
        log_file.dev =
            info.st_dev; /* the file was replaced (log rotation): our block goes on in a new one */
        log_file.ino = info.st_ino;
        log_file.locked = false;
    } else {
        log_file.locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
    }
    return true;
}

static void note_writer(void)
{
    const long me = this_thread();
    long first = 0;
    if (!atomic_compare_exchange_strong(&log_file.writer, &first, me) && first != me)
        atomic_store_explicit(&log_file.several, true, memory_order_relaxed);
}

void det_sink_mixed(void)
{
    atomic_store_explicit(&log_file.several, true, memory_order_relaxed);
}

/* Takes the same lock as opening: two threads that find the descriptor gone must not both reopen it. */
static bool check_descriptor(void)
{
    if (still_ours())
        return true;
    const long me = this_thread();
    long owner = 0;
    while (!atomic_compare_exchange_weak(&log_file.owner, &owner, me)) {
        if (owner == me)
            return false;
        owner = 0;
        sched_yield();
    }
    const bool good = still_ours() || reopen();
    atomic_store(&log_file.owner, 0);
    return good;
}

void det_sink_put(const struct det_record *record)
{
    const int saved = errno;
    const int state = atomic_load_explicit(&log_file.state, memory_order_acquire);
    if (state == DET_SINK_STDERR) {
        det_sink_say(&record->line);
    } else if (state == DET_SINK_FILE && check_descriptor()) {
        note_writer();
        det_io_write(log_file.fd, record->line.at, record->line.n);
    }
    errno = saved;
}

bool det_sink_canonical(void)
{
    if (atomic_load(&log_file.state) != DET_SINK_FILE || !atomic_load(&log_file.several))
        return true;
    if (!log_file.locked || !check_descriptor())
        return false;
    const int saved = errno;
    const int fd = open(log_path, O_RDWR | O_CLOEXEC);
    struct stat info;
    bool good = fd >= 0 && identity(fd, &info) && info.st_ino == log_file.ino &&
                info.st_dev == log_file.dev;
    const off_t from = log_file.start + (off_t)log_file.head_bytes;
    good = good && det_order_lines(fd, from, info.st_size - from);
    if (fd >= 0)
        close(fd);
    errno = saved;
    return good;
}

const char *det_sink_path(void)
{
    return atomic_load(&log_file.state) == DET_SINK_FILE ? log_path : "";
}

uint64_t det_sink_age_ns(void)
{
    const struct timespec now = clock_now(CLOCK_MONOTONIC);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec - log_file.born_ns;
}

const struct det_place *det_sink_place(void)
{
    det_sink_ready();
    return &log_place;
}

void det_sink_close(void)
{
    if (atomic_exchange(&log_file.state, DET_SINK_NONE) == DET_SINK_FILE && still_ours())
        close(log_file.fd);
}

void det_sink_forget(void)
{
    const int saved = errno;
    if (still_ours())
        close(log_file.fd);
    log_file.fd = -1;
    log_file.locked = false;
    atomic_store(&log_file.owner, 0);
    atomic_store(&log_file.writer, 0);
    atomic_store(&log_file.several, false);
    atomic_store(&log_file.state, NOT_OPEN);
    errno = saved;
}
