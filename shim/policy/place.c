/* See place.h. */
#include "shim/policy/place.h"

#include <string.h>
#include <sys/utsname.h>

#include "shim/core/io.h"
#include "shim/core/text.h"

typedef const char *(*det_get_fn)(const char *name, void *arg);

static bool first_number(det_get_fn get, void *arg, const char *const names[], uint64_t *value)
{
    for (; *names; names++) {
        const char *text = get(*names, arg);
        if (text && det_text_u64(text, value))
            return true;
    }
    return false;
}

static void copy_text(char *to, size_t cap_bytes, const char *from)
{
    const size_t n = strnlen(from, cap_bytes - 1);
    memcpy(to, from, n);
    to[n] = 0;
}

static void read_job(struct det_place *out, det_get_fn get, void *arg)
{
    static const char *const names[] = { "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", NULL };
    for (const char *const *name = names; *name && !out->job[0]; name++) {
        const char *text = get(*name, arg);
        if (text)
            copy_text(out->job, sizeof out->job, text);
    }
}

void det_place_read(struct det_place *out, det_get_fn get, void *arg)
{
    static const char *const ranks[] = { "RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
        "SLURM_PROCID", NULL };
    static const char *const locals[] = { "LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK",
        "MPI_LOCALRANKID", "SLURM_LOCALID", NULL };
    static const char *const worlds[] = { "WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE",
        "SLURM_NTASKS", NULL };
    *out = (struct det_place){ .world = 1 };
    out->has_rank = first_number(get, arg, ranks, &out->rank);
    first_number(get, arg, locals, &out->local_rank);
    first_number(get, arg, worlds, &out->world);
    read_job(out, get, arg);
    struct utsname system;
    copy_text(out->host, sizeof out->host, uname(&system) == 0 ? system.nodename : "localhost");
    char path[4096];
    det_io_exe(path, sizeof path);
    const char *slash = strrchr(path, '/');
    copy_text(out->exe, sizeof out->exe, slash ? slash + 1 : path);
}

/* Texts from outside become part of a file name: no slash may slip in. */
static void put_name(struct det_line *out, const char *text)
{
    for (; *text; text++)
        det_line_bytes(out, *text == '/' ? "_" : text, 1);
}

void det_place_expand(const struct det_place *place, const char *pattern, uint64_t pid,
    uint64_t start_seconds, struct det_line *out)
{
    for (; *pattern; pattern++) {
        if (*pattern != '%' || !pattern[1]) {
            det_line_bytes(out, pattern, 1);
            continue;
        }
        switch (*++pattern) {
        case 'h':
            put_name(out, place->host);
            break;
        case 'p':
            det_line_u64(out, pid);
            break;
        case 'r':
            det_line_u64(out, place->rank);
            break;
        case 'l':
            det_line_u64(out, place->local_rank);
            break;
        case 'x':
            put_name(out, place->exe);
            break;
        case 'j':
            put_name(out, place->job[0] ? place->job : "nojob");
            break;
        case 't':
            det_line_u64(out, start_seconds);
            break;
        default:
            det_line_bytes(out, pattern, 1);
        }
    }
}

bool det_place_pattern_ok(const char *pattern)
{
    while ((pattern = strchr(pattern, '%'))) {
        if (!pattern[1] || !strchr("hprlxjt%", pattern[1]))
            return false;
        pattern += 2;
    }
    return true;
}
