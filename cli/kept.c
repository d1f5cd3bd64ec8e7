/* See kept.h. */
#include "cli/kept.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "detshim/trace.h"
#include "shim/core/hash.h"
#include "shim/core/io.h"
#include "shim/log/ledger.h"
#include "shim/log/summary.h"

enum { MOST_LOG_BYTES = 1 << 30, MOST_LOGS = 4096 };

void cli_kept_open(struct cli_kept *kept)
{
    const char *base = getenv("TMPDIR");
    const int n = snprintf(kept->folder, sizeof kept->folder, "%s/detshim-XXXXXX",
        base && *base == '/' ? base : "/tmp");
    if (n < 0 || n >= (int)sizeof kept->folder || !mkdtemp(kept->folder)) {
        kept->folder[0] = 0;
        return;
    }
    setenv("DETSHIM_KEEP", kept->folder, 1);
}

void cli_kept_close(struct cli_kept *kept)
{
    unsetenv("DETSHIM_KEEP");
    DIR *folder = kept->folder[0] ? opendir(kept->folder) : NULL;
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));)
        unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    rmdir(kept->folder);
}

/* A record that is only ours to interpret when the whole line is valid; a torn last line is none. */
static bool record(const char *line, size_t n, struct det_bytes *copy, struct cli_json *json)
{
    copy->n_bytes = 0;
    det_bytes_append(copy, line, n);
    return det_bytes_check(copy) == DET_OK && memchr(line, 0, n) == NULL &&
           cli_json_parse(copy->data, json) && cli_json_u64(json, "v") == DET_TRACE_VERSION;
}

static void take_sum(const struct cli_json *json, struct cli_log *log)
{
    for (int cls = 0; cls < DET_N_CLASSES; cls++)
        log->n[cls] = cli_json_u64(json, det_class_word((enum det_class)cls));
    snprintf(log->promise, sizeof log->promise, "%s", cli_json_text(json, "promise"));
}

/* Called for each line of a block, in order; the last record may be torn off. */
typedef void (*det_line_fn)(const char *line, size_t n, const struct cli_json *json, void *arg);

/* Walk the newest block of `pid`: a log file may hold older runs before it. */
static void walk(const struct det_bytes *text, long pid, det_line_fn each, void *arg)
{
    struct det_bytes copy = { 0 };
    struct cli_json json;
    const char *start = NULL, *end = text->data + text->n_bytes, *next;
    for (const char *at = text->data; at < end; at = next) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        next = stop ? stop + 1 : end;
        if (strncmp(at, "{\"v\":1,\"t\":\"run\"", 16) == 0 &&
            record(at, (size_t)(next - at), &copy, &json) &&
            (long)cli_json_u64(&json, "pid") == pid)
            start = at;
    }
    for (const char *at = start; at && at < end; at = next) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        next = stop ? stop + 1 : end;
        if (!stop || !record(at, (size_t)(next - at), &copy, &json))
            continue;
        if (at != start && strcmp(cli_json_text(&json, "t"), DET_T_RUN) == 0)
            break;
        each(at, (size_t)(next - at), &json, arg);
    }
    det_bytes_free(&copy);
}

static void take_line(const char *line, size_t n, const struct cli_json *json, void *arg)
{
    struct cli_log *log = arg;
    const char *type = cli_json_text(json, "t");
    log->n_records++;
    if (strcmp(type, DET_T_RUN) == 0) {
        log->rank = cli_json_u64(json, "rank");
        log->world = cli_json_u64(json, "world");
    } else if (strcmp(type, DET_T_COST) == 0) {
        log->complete = true;
        snprintf(log->end, sizeof log->end, "%s", cli_json_text(json, "end"));
    } else {
        log->middle = det_hash(line, n, log->middle);
        if (strcmp(type, DET_T_SUM) == 0)
            take_sum(json, log);
    }
}

static bool held(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const bool busy = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    return busy;
}

static void read_log(
    struct cli_log *log, void (*each)(const struct cli_log *log, void *arg), void *arg)
{
    struct det_bytes text = { 0 };
    if (det_io_read_file(log->path, MOST_LOG_BYTES, &text) == DET_OK) {
        walk(&text, log->pid, take_line, log);
        log->running = !log->complete && held(log->path);
        each(log, arg);
    }
    det_bytes_free(&text);
}

static int by_pid(const void *a, const void *b)
{
    const long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

size_t cli_kept_logs(
    const struct cli_kept *kept, void (*each)(const struct cli_log *log, void *arg), void *arg)
{
    static long pids[MOST_LOGS];
    size_t n = 0;
    DIR *folder = kept->folder[0] ? opendir(kept->folder) : NULL;
    if (!folder)
        return 0;
    for (struct dirent *entry; (entry = readdir(folder)) && n < MOST_LOGS;) {
        char *end;
        const long pid = strtol(entry->d_name, &end, 10);
        if (pid > 0 && strcmp(end, ".jsonl") == 0)
            pids[n++] = pid;
    }
    closedir(folder);
    qsort(pids, n, sizeof *pids, by_pid);
    for (size_t i = 0; i < n; i++) {
        struct cli_log log = { .pid = pids[i] };
        snprintf(log.path, sizeof log.path, "%s/%ld.jsonl", kept->folder, pids[i]);
        read_log(&log, each, arg);
    }
    return n;
}

struct refill {
    struct det_policy policy;
    struct det_place place;
};

static enum det_rule rule_of(const struct cli_json *json)
{
    const char *slug = cli_json_text(json, "rule");
    int rule = 0;
    while (rule < DET_N_RULES && strcmp(det_rule_info((enum det_rule)rule)->slug, slug) != 0)
        rule++;
    return (enum det_rule)rule;
}

static void refill_row(const struct cli_json *json, const char *kind)
{
    int cls = 0;
    while (cls < DET_N_CLASSES &&
           strcmp(det_class_word((enum det_class)cls), cli_json_text(json, "class")) != 0)
        cls++;
    const struct det_key key = { DET_IS_ROW,
        cls < DET_N_CLASSES ? (enum det_class)cls : DET_CLASS_UNKNOWN, rule_of(json), false,
        cli_json_text(json, "name"), kind, cli_json_text(json, "why"), "" };
    det_ledger_find(&key)->n = 1;
}

static void value_text(const struct cli_json *json, const char *key, struct det_line *to)
{
    const struct cli_json_field *field = cli_json_get(json, key);
    if (field && field->kind == CLI_JSON_INT)
        det_line_printf(to, "%s%llu", field->negative ? "-" : "", (unsigned long long)field->value);
    else
        det_line_text(to, cli_json_text(json, key));
}

static void refill_change(const struct cli_json *json)
{
    const char *action = cli_json_text(json, "action");
    DET_LINE(asked, 256);
    DET_LINE(given, 256);
    value_text(json, "asked", &asked);
    value_text(json, "given", &given);
    const enum det_what what = strcmp(action, "changed") == 0    ? DET_IS_OVERRIDE
                               : strcmp(action, "conflict") == 0 ? DET_IS_CONFLICT
                                                                 : DET_IS_KEPT;
    const struct det_key key = { what, (enum det_class)0, rule_of(json), false,
        cli_json_text(json, "call"), cli_json_text(json, "field"), given.at, asked.at };
    atomic_fetch_add(&det_ledger_find(&key)->n, 1);
}

static void refill_line(const char *line, size_t n, const struct cli_json *json, void *arg)
{
    struct refill *refill = arg;
    const char *type = cli_json_text(json, "t");
    (void)line;
    (void)n;
    if (strcmp(type, DET_T_RUN) == 0) {
        refill->place.rank = cli_json_u64(json, "rank");
        refill->place.world = cli_json_u64(json, "world");
        refill->place.has_rank = refill->place.world > 1;
    } else if (strcmp(type, DET_T_ENV) == 0) {
        const struct cli_json_field *seed = cli_json_get(json, "seed");
        refill->policy.has_seed = seed && seed->kind == CLI_JSON_INT;
        refill->policy.seed = cli_json_u64(json, "seed");
        refill->policy.level = strcmp(cli_json_text(json, "level"), "observe") == 0
                                   ? DET_LEVEL_OBSERVE
                                   : DET_LEVEL_RUN_TO_RUN;
    } else if (strcmp(type, DET_T_KERNEL) == 0 || strcmp(type, DET_T_CALL) == 0) {
        refill_row(json, type);
    } else if (strcmp(type, DET_T_OVERRIDE) == 0) {
        refill_change(json);
    }
}

void cli_kept_incomplete(const struct cli_log *log, const char *why)
{
    struct det_bytes text = { 0 };
    struct refill refill = { .policy = { .level = DET_LEVEL_RUN_TO_RUN } };
    det_ledger_forget();
    if (det_io_read_file(log->path, MOST_LOG_BYTES, &text) == DET_OK)
        walk(&text, log->pid, refill_line, &refill);
    det_bytes_free(&text);
    const struct det_summary of = { &refill.policy, &refill.place, "", why };
    DET_LINE(out, DET_SUMMARY_BYTES);
    det_summary_text(&of, &out);
    det_io_write(STDERR_FILENO, out.at, out.n);
}
