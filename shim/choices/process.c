/* The choices file of this process: opened at first use, written whole whenever it grew by an eighth, and at the end. */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shim/choices/choices.h"
#include "shim/core/io.h"
#include "shim/log/log.h"
#include "shim/policy/place.h"
#include "shim/policy/policy.h"

enum mode { UNOPENED, CLOSED, RECORD, REPLAY, AUTO };
enum { MOST_BYTES = 64 << 20 };

static _Atomic int mode; /* enum mode */
static atomic_flag busy = ATOMIC_FLAG_INIT;
static struct det_choices read_before; /* from the file: constant once opened */
static struct det_choices now;         /* what will be written */
static unsigned n_unwritten, n_changed_at_write;
static char path[4096];

/* A child forked while another thread held the lock must not hang: it goes without. */
static bool lock(void)
{
    for (int tries = 0; tries < 100000; tries++) {
        if (!atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
            return true;
        if (tries > 64)
            sched_yield();
    }
    return false;
}

static void unlock(void)
{
    atomic_flag_clear_explicit(&busy, memory_order_release);
}

static bool name_file(const char *pattern)
{
    struct det_place place;
    det_place_read(&place, det_policy_env, NULL);
    struct timespec start = { 0 };
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &start);
    struct det_line line = { .at = path, .n = 0, .cap = sizeof path, .cut = false };
    if (pattern[0] != '/') { /* the program may change its folder */
        char here[4096];
        det_line_printf(&line, "%s/", getcwd(here, sizeof here) ? here : ".");
    }
    det_place_expand(&place, pattern, (uint64_t)getpid(), (uint64_t)start.tv_sec, &line);
    return !line.cut;
}

static bool take(enum mode wanted, const struct det_bytes *file)
{
    const char *why = NULL;
    if (det_choices_parse(&read_before, file->data, file->n_bytes, &why) != DET_OK) {
        det_log_note("choices file '%s' refused: %s; nothing is recorded or replayed", path, why);
        return false;
    }
    struct det_choices copy = { 0 };
    if (wanted == AUTO && det_choices_parse(&copy, file->data, file->n_bytes, &why) == DET_OK)
        now = copy;
    return true;
}

static enum mode open_file(void)
{
    const struct det_policy *policy = det_policy();
    const char *colon = strchr(policy->choices, ':');
    if (!colon || policy->level != DET_LEVEL_RUN_TO_RUN || !name_file(colon + 1))
        return CLOSED;
    const enum mode wanted = policy->choices[0] == 'a'                    ? AUTO
                             : strncmp(policy->choices, "record", 6) == 0 ? RECORD
                                                                          : REPLAY;
    struct det_bytes file = { 0 };
    enum mode got = wanted;
    const enum det_err err = det_io_read_file(path, MOST_BYTES, &file);
    if (err == DET_E_NOT_FOUND) {
        if (wanted == REPLAY) {
            det_log_note("no choices file '%s' to replay; going on without it", path);
            got = CLOSED;
        }
    } else if (err != DET_OK) {
        det_log_note("cannot read choices file '%s'; going on without it", path);
        got = CLOSED;
    } else if ((wanted != RECORD || file.n_bytes) && !take(wanted, &file)) {
        got = CLOSED; /* also when recording: a file that is not ours is never overwritten */
    }
    det_bytes_free(&file);
    return got;
}

static enum mode opened(void)
{
    int at = atomic_load_explicit(&mode, memory_order_acquire);
    if (at != UNOPENED || !lock())
        return at ? (enum mode)at : CLOSED;
    at = atomic_load(&mode);
    if (at == UNOPENED) {
        at = (int)open_file();
        atomic_store_explicit(&mode, at, memory_order_release);
    }
    unlock();
    return (enum mode)at;
}

bool det_choices_recording(void)
{
    const enum mode at = opened();
    return at == RECORD || at == AUTO;
}

bool det_choices_replaying(void)
{
    const enum mode at = opened();
    return at == REPLAY || at == AUTO;
}

bool det_choices_find(const char *key, char *value, size_t cap_bytes)
{
    if (!det_choices_replaying())
        return false;
    const char *found = det_choices_get(&read_before, key);
    const size_t n = found ? strlen(found) : 0;
    if (found && n < cap_bytes) {
        memcpy(value, found, n + 1);
        det_log_counter("choices replayed", 1);
        return true;
    }
    det_log_counter("choices not in the file", 1);
    if (opened() == REPLAY)
        det_log_note("choices file '%s' lacks some problems of this run: the first deterministic "
                     "choice is taken",
            path);
    return false;
}

/* Lock held. */
static void write_file(void)
{
    struct det_bytes text = { 0 };
    det_choices_print(&now, &text);
    const enum det_err err = det_bytes_check(&text) == DET_OK
                                 ? det_io_replace_file(path, text.data, text.n_bytes, 0666)
                                 : DET_E_NOMEM;
    det_bytes_free(&text);
    n_unwritten = 0;
    n_changed_at_write = now.n;
    if (err != DET_OK) {
        det_log_note("cannot write choices file '%s'; choices are not kept", path);
        atomic_store(&mode, CLOSED);
    }
}

void det_choices_note(const char *key, const char *value)
{
    if (!det_choices_recording() || !lock())
        return;
    const bool held = opened() == AUTO && det_choices_get(&read_before, key);
    if (!held && det_choices_put(&now, key, value) == DET_CHOICES_CHANGED &&
        ++n_unwritten > n_changed_at_write / 8)
        write_file();
    unlock();
}

void det_choices_gone(const char *call, const char *key)
{
    det_log_counter("choices gone", 1);
    det_log_note("%s: the recorded choice is no longer offered for '%s'; the first deterministic "
                 "one is taken",
        call, key);
}

void det_choices_finish(void)
{
    const int at = atomic_load(&mode);
    if ((at == RECORD || at == AUTO) && lock()) {
        if (n_unwritten)
            write_file();
        unlock();
    }
}
