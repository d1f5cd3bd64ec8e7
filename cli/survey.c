/* See survey.h. */
#include "cli/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/code.h"
#include "shim/core/io.h"
#include "shim/log/summary.h"
#include "shim/ptx/ptx.h"

enum { MOST_ARCHITECTURES = 64, MOST_NAMES = 20, MOST_REASONS = 32 };

/* PTX version, the CUDA release that brought it, the first driver branch of that release. First two: PTX ISA, "Release notes", table
 * "PTX release history", as NVIDIA's cuda-python repeats it (cuda/bindings/utils/_ptx_utils.py); third: CUDA toolkit release
 * notes, table "CUDA toolkit and corresponding driver versions". */
static const struct {
    unsigned ptx, cuda, driver;
} releases[] = { { 78, 118, 520 }, { 80, 120, 525 }, { 81, 121, 530 }, { 82, 122, 535 },
    { 83, 123, 545 }, { 84, 124, 550 }, { 85, 125, 555 }, { 86, 127, 565 }, { 87, 128, 570 },
    { 88, 129, 575 }, { 90, 130, 580 }, { 91, 131, 590 } };
enum { N_RELEASES = sizeof releases / sizeof *releases };

/* 0 when this machine has no NVIDIA driver. */
static unsigned driver_branch(void)
{
    struct det_bytes text = { 0 };
    unsigned branch = 0;
    if (det_io_read_file("/proc/driver/nvidia/version", 65536, &text) == DET_OK) {
        const char *at = strstr(text.data, "Kernel Module");
        at = at ? strpbrk(at, "0123456789") : NULL;
        branch = at ? (unsigned)strtoul(at, NULL, 10) : 0;
    }
    det_bytes_free(&text);
    return branch;
}

static unsigned newest_ptx_of(unsigned branch)
{
    unsigned ptx = 0;
    for (int i = 0; i < N_RELEASES; i++)
        ptx = releases[i].driver <= branch ? releases[i].ptx : ptx;
    return ptx;
}

void cli_survey_driver(void)
{
    const unsigned branch = driver_branch(), ptx = newest_ptx_of(branch);
    if (!branch)
        puts("driver       none on this machine: what it takes is not known");
    else if (ptx)
        printf("driver       %u: takes PTX up to %u.%u%s\n", branch, ptx / 10, ptx % 10,
            branch > releases[N_RELEASES - 1].driver ? " and newer" : "");
    else
        printf("driver       %u: older than PTX 7.8\n", branch);
}

struct tally {
    char name[24];
    size_t n;
};
struct tallies {
    struct tally rows[MOST_ARCHITECTURES];
    size_t n_rows;
};

static void count_entry(struct tallies *tallies, const struct det_image_entry *entry)
{
    char name[24];
    if (entry->kind == DET_IMAGE_OTHER)
        snprintf(name, sizeof name, "%s", entry->lto ? "LTO code" : "other");
    else
        cli_code_arch(entry, name);
    for (size_t i = 0; i < tallies->n_rows; i++) {
        if (strcmp(tallies->rows[i].name, name) == 0) {
            tallies->rows[i].n++;
            return;
        }
    }
    if (tallies->n_rows < MOST_ARCHITECTURES) {
        snprintf(tallies->rows[tallies->n_rows].name, sizeof name, "%s", name);
        tallies->rows[tallies->n_rows++].n = 1;
    }
}

static void count_image(const struct cli_image *from, void *arg)
{
    for (size_t i = 0; i < from->image->n_entries; i++)
        count_entry(arg, &from->image->entries[i]);
}

bool cli_survey_open(const char *path, struct cli_survey *out)
{
    struct tallies tallies = { .n_rows = 0 };
    *out = (struct cli_survey){ .path = path };
    if (!cli_code_walk(path, count_image, &tallies, &out->n_images))
        return false;
    if (!tallies.n_rows)
        out->n_images = 0;
    for (size_t i = 0; i < tallies.n_rows; i++)
        det_bytes_printf(&out->architectures, "%s%s (%zu)", i ? ", " : "", tallies.rows[i].name,
            tallies.rows[i].n);
    return true;
}

void cli_survey_close(struct cli_survey *survey)
{
    det_bytes_free(&survey->architectures);
}

/* Why kernels cannot be covered, line numbers left out, and how many for each. */
struct reasons {
    struct {
        char text[120];
        unsigned n;
    } rows[MOST_REASONS];
    size_t n_rows;
};

static void count_reason(struct reasons *reasons, enum det_class cls, const char *reason)
{
    char text[120];
    const char *line = strstr(reason, ", line ");
    snprintf(text, sizeof text, "%s: %.*s", det_class_word(cls),
        (int)(line ? (size_t)(line - reason) : strlen(reason)), reason);
    size_t i = 0;
    while (i < reasons->n_rows && strcmp(reasons->rows[i].text, text) != 0)
        i++;
    if (i == MOST_REASONS)
        return;
    if (i == reasons->n_rows)
        snprintf(reasons->rows[reasons->n_rows++].text, sizeof text, "%s", text);
    reasons->rows[i].n++;
}

static void show_reasons(const struct reasons *reasons)
{
    for (size_t i = 0; i < reasons->n_rows; i++)
        printf("  why        %u %s\n", reasons->rows[i].n, reasons->rows[i].text);
}

struct judgement {
    struct cli_survey *survey;
    struct reasons reasons;
    unsigned sm, n_shown;
    bool names;
    unsigned n[DET_N_CLASSES], n_silent; /* images that hold nothing for this card */
    const char *reason;                  /* while the kernels of machine code are listed */
};

static void judge(struct judgement *to, const char *name, enum det_class cls, const char *reason)
{
    to->n[cls]++;
    if (cls >= DET_CLASS_UNKNOWN)
        count_reason(&to->reasons, cls, reason);
    if (cls < DET_CLASS_UNKNOWN || !to->names || to->n_shown++ >= MOST_NAMES)
        return;
    DET_LINE(line, 128);
    det_summary_name(name, 70, &line);
    printf("  %-10s %s: %s\n", det_class_word(cls), line.at, reason);
}

static void judge_code(const char *name, void *arg)
{
    struct judgement *to = arg;
    judge(to, name, DET_CLASS_UNKNOWN, to->reason);
}

static void judge_ptx(struct judgement *to, const struct det_image_entry *entry)
{
    struct det_bytes text = { 0 };
    struct det_ptx_module *module = NULL;
    struct det_ptx_where where = { 0, "" };
    if (det_image_unpack(entry, &text) != DET_OK ||
        det_ptx_parse(text.data, text.n_bytes, &module, &where) != DET_OK) {
        judge(to, "(PTX that cannot be read)", DET_CLASS_UNKNOWN, where.text);
    } else {
        const unsigned version = det_ptx_version(module);
        to->survey->newest_ptx =
            version > to->survey->newest_ptx ? version : to->survey->newest_ptx;
        for (size_t i = 0; i < det_ptx_n_kernels(module); i++) {
            const struct det_ptx_kernel *kernel = det_ptx_kernel(module, i);
            judge(to, kernel->name, kernel->cls, kernel->reason);
        }
    }
    det_ptx_free(module);
    det_bytes_free(&text);
}

static void judge_image(const struct cli_image *from, void *arg)
{
    struct judgement *to = arg;
    const struct det_image_entry *ptx = NULL, *code = NULL;
    const enum det_image_voice voice = det_image_voice(from->image, to->sm, &ptx, &code);
    DET_LINE(reason, 256);
    if (voice == DET_VOICE_PTX) {
        judge_ptx(to, ptx);
    } else if (code) {
        struct det_bytes cubin = { 0 };
        det_image_voice_text(voice, ptx, code, &reason);
        to->reason = reason.at;
        if (det_image_unpack(code, &cubin) == DET_OK)
            cli_code_kernels(cubin.data, cubin.n_bytes, judge_code, to);
        det_bytes_free(&cubin);
    } else if (from->image->n_entries) {
        to->n_silent++;
    }
}

static void show_driver_limit(unsigned ptx)
{
    const unsigned branch = driver_branch(), taken = newest_ptx_of(branch);
    for (int i = 0; i < N_RELEASES; i++) {
        if (releases[i].ptx < ptx || (branch && taken >= ptx))
            continue;
        printf("  driver     its PTX %u.%u needs a driver of CUDA %u.%u (branch %u) or newer%s\n",
            ptx / 10, ptx % 10, releases[i].cuda / 10, releases[i].cuda % 10, releases[i].driver,
            branch ? ": the one here refuses it, so its kernels would be uncovered" : "");
        return;
    }
    if (ptx > releases[N_RELEASES - 1].ptx)
        printf("  driver     its PTX %u.%u is newer than this table: needs a driver of the toolkit "
               "that wrote it\n",
            ptx / 10, ptx % 10);
}

unsigned cli_survey_show(struct cli_survey *survey, unsigned sm, bool names)
{
    struct judgement to = { .survey = survey, .sm = sm, .names = names };
    size_t n_images;
    cli_code_walk(survey->path, judge_image, &to, &n_images);
    if (to.n_shown > MOST_NAMES)
        printf("  and        %u more\n", to.n_shown - MOST_NAMES);
    if (names)
        show_reasons(&to.reasons);
    printf("  on sm_%-4u", sm);
    for (int cls = 0; cls < DET_N_CLASSES; cls++) {
        if (cls != DET_CLASS_PINNED && cls != DET_CLASS_VOUCHED)
            printf("%s%u %s", cls ? ", " : " ", to.n[cls], det_class_word((enum det_class)cls));
    }
    puts(to.n_silent ? "; some images hold nothing for this card" : "");
    if (names && survey->newest_ptx)
        show_driver_limit(survey->newest_ptx);
    for (int cls = 0; cls < DET_N_CLASSES; cls++)
        survey->n_kernels += to.n[cls];
    return to.n[DET_CLASS_UNKNOWN] + to.n[DET_CLASS_UNCOVERED];
}
