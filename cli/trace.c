/* See trace.h. */
#include "cli/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "detshim/trace.h"
#include "shim/core/hash.h"
#include "shim/core/io.h"

enum { MOST_BYTES = 1 << 30 };

/* The few names in a log stand in it often. */
struct word {
    char *text;
    UT_hash_handle hh;
};
static struct word *words;

void cli_trace_plain(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 32 || *text == 127)
            *text = '?';
}

static const char *keep(const char *text)
{
    struct word *word = NULL;
    char *const plain = strdup(text);
    if (!plain)
        return "";
    cli_trace_plain(plain);
    HASH_FIND_STR(words, plain, word);
    if (!word && (word = calloc(1, sizeof *word))) {
        word->text = plain;
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): kept until the command ends */
        HASH_ADD_KEYPTR(hh, words, word->text, strlen(word->text), word);
        return plain;
    }
    free(plain);
    return word ? word->text : "";
}

struct intake {
    struct cli_trace *out;
    struct det_bytes scratch;
    struct cli_json json;
    char *why;
    size_t cap_why;
    const char *path;
};

static bool parse(struct intake *reader, const char *line, size_t n)
{
    reader->scratch.n_bytes = 0;
    det_bytes_append(&reader->scratch, line, n);
    return det_bytes_check(&reader->scratch) == DET_OK && !memchr(line, 0, n) &&
           cli_json_parse(reader->scratch.data, &reader->json);
}

static bool refuse(struct intake *reader, size_t line, const char *what)
{
    if (line)
        snprintf(reader->why, reader->cap_why, "'%s', line %zu: %s", reader->path, line, what);
    else
        snprintf(reader->why, reader->cap_why, "'%s': %s", reader->path, what);
    return false;
}

static bool known_version(struct intake *reader, size_t line)
{
    if (cli_json_u64(&reader->json, "v") == DET_TRACE_VERSION && *cli_json_text(&reader->json, "t"))
        return true;
    return refuse(reader, line, "not a record of this version of detshim's log");
}

/* Grows by doubling. */
static void *room_for_one(void *list, size_t n, size_t n_bytes)
{
    if (n & (n - 1))
        return list;
    return realloc(list, (n ? 2 * n : 1) * n_bytes);
}

static bool is_hex(const char *text)
{
    return strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16;
}

static bool add_copy(struct intake *reader, size_t line)
{
    struct cli_trace *const out = reader->out;
    const struct cli_json *const json = &reader->json;
    struct cli_copy *const list = room_for_one(out->copies, out->n_copies, sizeof *list);
    const char *digest = cli_json_text(json, "digest");
    if (!list)
        return refuse(reader, line, "no memory");
    out->copies = list;
    if (!cli_json_u64(json, "thread") || !cli_json_u64(json, "n") || (*digest && !is_hex(digest)))
        return refuse(reader, line, "a copy without its thread, number or digest");
    list[out->n_copies++] = (struct cli_copy){ .thread = cli_json_u64(json, "thread"),
        .n = cli_json_u64(json, "n"),
        .n_bytes = cli_json_u64(json, "bytes"),
        .launches = cli_json_u64(json, "launches"),
        .stream = keep(cli_json_text(json, "stream")),
        .call = keep(cli_json_text(json, "call")),
        .digest = *digest ? strdup(digest) : "",
        .why = keep(cli_json_text(json, "why")),
        .after = keep(cli_json_text(json, "after")),
        .line = line };
    return true;
}

static bool add_line(struct intake *reader, char *at, size_t n, size_t line)
{
    struct cli_trace *const out = reader->out;
    const char *const type = cli_json_text(&reader->json, "t");
    struct cli_line *const list = room_for_one(out->lines, out->n_lines, sizeof *list);
    if (!list)
        return refuse(reader, line, "no memory");
    out->lines = list;
    at[n] = 0; /* was its newline */
    list[out->n_lines] = (struct cli_line){ .at = at, .n_bytes = n, .line = line };
    snprintf(list[out->n_lines++].type, sizeof list->type, "%s", type);
    if (strcmp(type, DET_T_RUN) == 0) {
        out->rank = cli_json_u64(&reader->json, "rank");
        out->world = cli_json_u64(&reader->json, "world");
        out->exe = keep(cli_json_text(&reader->json, "exe"));
    } else if (strcmp(type, DET_T_COST) == 0) {
        out->complete = true;
        out->end = keep(cli_json_text(&reader->json, "end"));
    }
    return true;
}

static bool starts_run(const char *at, size_t n)
{
    static const char start[] = "{\"v\":1,\"t\":\"" DET_T_RUN "\"";
    return n >= sizeof start - 1 && memcmp(at, start, sizeof start - 1) == 0;
}

/* Where the wanted run starts; NULL when there is none. */
static char *find_run(struct intake *reader, long pid, size_t *line)
{
    char *const end = reader->out->text.data + reader->out->text.n_bytes, *found = NULL;
    size_t number = 1;
    for (char *at = reader->out->text.data, *stop; at < end; at = stop + 1, number++) {
        stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            break;
        if (!starts_run(at, (size_t)(stop - at)) || !parse(reader, at, (size_t)(stop - at)))
            continue;
        reader->out->n_runs++;
        if (!pid || (long)cli_json_u64(&reader->json, "pid") == pid) {
            found = at;
            *line = number;
        }
    }
    return found;
}

static bool take_run(struct intake *reader, char *at, size_t line)
{
    char *const start = at, *const end = reader->out->text.data + reader->out->text.n_bytes;
    for (char *stop; at < end; at = stop + 1, line++) {
        stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            return true; /* torn */
        const size_t n = (size_t)(stop - at);
        if (at != start && starts_run(at, n))
            return true;
        if (!parse(reader, at, n))
            return refuse(reader, line, "not a record of a log");
        if (!known_version(reader, line))
            return false;
        if (reader->out->complete)
            return refuse(reader, line, "a record after the last one");
        const bool copy = strcmp(cli_json_text(&reader->json, "t"), DET_T_COPY) == 0;
        if (!(copy ? add_copy(reader, line) : add_line(reader, at, n, line)))
            return false;
    }
    return true;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): written through the reader */
bool cli_trace_read(const char *path, long pid, struct cli_trace *out, char *why, size_t cap_bytes)
{
    struct intake reader = { .out = out, .why = why, .cap_why = cap_bytes, .path = path };
    size_t line = 0;
    *out = (struct cli_trace){ .exe = "", .end = "" };
    const enum det_err err = det_io_read_file(path, MOST_BYTES, &out->text);
    if (err != DET_OK)
        return refuse(&reader, 0, err == DET_E_LIMIT ? "over 1 GiB" : "cannot be read");
    char *const start = out->text.n_bytes ? find_run(&reader, pid, &line) : NULL;
    const bool good =
        start ? take_run(&reader, start, line) : refuse(&reader, 0, "holds no run of detshim");
    det_bytes_free(&reader.scratch);
    if (!good)
        cli_trace_free(out);
    return good;
}

void cli_trace_free(struct cli_trace *trace)
{
    for (size_t i = 0; i < trace->n_copies; i++)
        if (*trace->copies[i].digest)
            free((char *)(uintptr_t)trace->copies[i].digest);
    free(trace->copies);
    free(trace->lines);
    det_bytes_free(&trace->text);
    *trace = (struct cli_trace){ .exe = "", .end = "" };
}

bool cli_copy_compared(const struct cli_copy *copy)
{
    return *copy->digest != 0;
}

static int by_thread(const void *a, const void *b)
{
    const struct cli_copy *x = a, *y = b;
    if (x->thread != y->thread)
        return x->thread < y->thread ? -1 : 1;
    return (x->n > y->n) - (x->n < y->n);
}

static int by_place(const void *a, const void *b)
{
    const struct cli_copy *x = a, *y = b;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return by_thread(a, b);
}

struct group {
    uint64_t thread, shape, content;
    size_t number; /* by thread */
};

static int by_content(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->shape != y->shape)
        return x->shape < y->shape ? -1 : 1;
    return (x->content > y->content) - (x->content < y->content);
}

static uint64_t text_hash(const char *text, uint64_t seed)
{
    return det_hash(text, strlen(text), seed);
}

static struct group group_of(const struct cli_copy *copies, size_t n)
{
    struct group group = { copies[0].thread, 0, 0, 0 };
    for (size_t i = 0; i < n && copies[i].thread == group.thread; i++) {
        group.shape = text_hash(copies[i].call, group.shape);
        group.shape = text_hash(copies[i].stream, group.shape + copies[i].n_bytes);
        group.content = text_hash(copies[i].digest, group.content);
    }
    return group;
}

void cli_trace_order(struct cli_trace *trace)
{
    struct group *groups = NULL;
    size_t n = 0;
    if (!trace->n_copies)
        return;
    qsort(trace->copies, trace->n_copies, sizeof *trace->copies, by_thread);
    for (size_t i = 0; i < trace->n_copies; i++) {
        if (i && trace->copies[i].thread == trace->copies[i - 1].thread)
            continue;
        groups = room_for_one(groups, n, sizeof *groups);
        if (!groups)
            abort();
        groups[n] = group_of(trace->copies + i, trace->n_copies - i);
        groups[n].number = n;
        n++;
    }
    /* The first thread is the program's own and keeps its place. */
    if (n > 2)
        qsort(groups + 1, n - 1, sizeof *groups, by_content);
    size_t *const places = calloc(n, sizeof *places);
    if (!places)
        abort();
    for (size_t g = 0; g < n; g++)
        places[groups[g].number] = g;
    for (size_t i = 0, g = 0; i < trace->n_copies; i++) {
        g += i && trace->copies[i].thread != trace->copies[i - 1].thread;
        trace->copies[i].place = places[g];
    }
    free(places);
    free(groups);
    qsort(trace->copies, trace->n_copies, sizeof *trace->copies, by_place);
}
