/* The settings of this process: read lazily, published once, complaints by the publisher only. */
#include "shim/policy/policy.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shim/core/bytes.h"
#include "shim/core/io.h"
#include "shim/core/once.h"
#include "shim/core/start.h"
#include "shim/core/text.h"
#include "shim/policy/place.h"

const char *det_policy_env(const char *name, void *unused)
{
    (void)unused;
    const size_t n = strlen(name);
    for (char *const *at = environ; at && *at; at++) {
        if (strncmp(*at, name, n) == 0 && (*at)[n] == '=')
            return *at + n + 1;
    }
    return NULL;
}

static void ignore(const char *line, void *arg)
{
    (void)line;
    (void)arg;
}

/* Rank 0 speaks for the job; the mark keeps children and siblings quiet. */
static void say(const char *text, void *arg)
{
    const struct det_place *place = arg;
    if (place->rank != 0 || !det_once_per_tree(text))
        return;
    DET_LINE(line, 640);
    det_line_printf(&line, "detshim: %s\n", text);
    det_io_write(STDERR_FILENO, line.at, line.n);
}

static const char *get_for_say(const char *name, void *arg)
{
    (void)arg;
    return det_policy_env(name, NULL);
}

/* Programs overwrite their environment (setproctitle) or change it; ours is copied where nobody frees it. */
static void keep_texts(struct det_policy *policy)
{
    const char **const texts[] = { &policy->log, &policy->skip_kernels, &policy->choices,
        &policy->cache };
    size_t n_bytes = 0;
    for (size_t i = 0; i < 4; i++)
        n_bytes += **texts[i] ? strlen(*texts[i]) + 1 : 0;
    if (!n_bytes)
        return;
    char *at = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < 4; i++) {
        if (at == MAP_FAILED) {
            *texts[i] = "";
        } else if (**texts[i]) {
            const size_t n = strlen(*texts[i]) + 1;
            memcpy(at, *texts[i], n);
            *texts[i] = at;
            at += n;
        }
    }
}

static void complain_all(const struct det_policy *policy)
{
    if (policy->log_level == DET_LOG_OFF || policy->level == DET_LEVEL_OFF)
        return;
    struct det_place place;
    det_place_read(&place, det_policy_env, NULL);
    struct det_policy again;
    det_policy_parse(&again, get_for_say, &place, say);
    det_policy_unknown(environ, say, &place);
}

/* Racing threads each parse into a slot of their own and one wins: no lock that a fork could leave taken. */
DET_START_DATA static _Atomic(const struct det_policy *) published;

DET_START_TEXT bool det_policy_was_read(void)
{
    return atomic_load_explicit(&published, memory_order_acquire);
}

const struct det_policy *det_policy(void)
{
    enum { SLOTS = 64 };
    static struct det_policy slots[SLOTS];
    static atomic_uint taken;
    const struct det_policy *ready = atomic_load_explicit(&published, memory_order_acquire);
    if (ready)
        return ready;
    const int saved = errno;
    const unsigned slot = atomic_fetch_add(&taken, 1);
    if (slot < SLOTS) {
        struct det_policy *mine = &slots[slot];
        det_policy_parse(mine, det_policy_env, NULL, ignore);
        keep_texts(mine);
        if (atomic_compare_exchange_strong(&published, &ready, mine))
            complain_all(mine);
    }
    while (!(ready = atomic_load_explicit(&published, memory_order_acquire)))
        sched_yield();
    errno = saved;
    return ready;
}

static bool wanted_here(void)
{
    if (getauxval(AT_SECURE))
        return false;
    const char *level = det_policy_env("DETSHIM_LEVEL", NULL);
    const char *disable = det_policy_env("DETSHIM_DISABLE", NULL);
    const char *procs = det_policy_env("DETSHIM_PROCS", NULL);
    if ((level && strcmp(level, "off") == 0) || (disable && strcmp(disable, "1") == 0))
        return false;
    if (!procs || !*procs)
        return true;
    char path[4096];
    det_io_exe(path, sizeof path);
    const char *slash = strrchr(path, '/');
    return det_text_in_list(procs, path) || det_text_in_list(procs, slash ? slash + 1 : path);
}

bool det_policy_active(void)
{
    static atomic_int answer; /* 0 not asked yet, 1 no, 2 yes */
    int known = atomic_load_explicit(&answer, memory_order_relaxed);
    if (!known) {
        known = 1 + wanted_here();
        atomic_store_explicit(&answer, known, memory_order_relaxed);
    }
    return known == 2;
}

bool det_rule_acts(enum det_rule rule)
{
    const struct det_policy *policy = det_policy();
    return policy->level == DET_LEVEL_RUN_TO_RUN && (unsigned)rule < DET_N_RULES &&
           policy->rule_on[rule];
}
