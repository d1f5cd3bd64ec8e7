/* Reading device-code images: the entries' facts, and unpacking their PTX. The control copies the same bytes once. */
#include <string.h>

#include "bench/bench.h"
#include "shim/core/io.h"
#include "shim/image/image.h"

struct job {
    struct det_bytes bytes;
    const struct det_image_entry *entry; /* for unpacking */
    size_t control_bytes;
    char *room;
};

static void read_image(long n, void *arg)
{
    struct job *job = arg;
    for (long i = 0; i < n; i++) {
        struct det_image image;
        det_image_read(job->bytes.data, job->bytes.n_bytes, &image);
        bench_use(image.entries);
        det_image_free(&image);
    }
}

static void unpack(long n, void *arg)
{
    struct job *job = arg;
    for (long i = 0; i < n; i++) {
        struct det_bytes out = { 0 };
        det_image_unpack(job->entry, &out);
        bench_use(out.data);
        det_bytes_free(&out);
    }
}

static void copy(long n, void *arg)
{
    struct job *job = arg;
    for (long i = 0; i < n; i++) {
        memcpy(job->room, job->bytes.data, job->control_bytes);
        bench_use(job->room);
    }
}

int main(void)
{
    static const char *const files[] = { "all-major.fatbin", "mode-speed.fatbin", "sm_90.fatbin",
        "mode-none.fatbin" };
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        struct job job = { .room = malloc(1 << 20) };
        struct det_image image;
        char path[4096], name[64];
        snprintf(path, sizeof path, "%s/images/%s", BUILD, files[f]);
        if (det_io_read_file(path, 1 << 20, &job.bytes) != DET_OK ||
            det_image_read(job.bytes.data, job.bytes.n_bytes, &image) != DET_OK) {
            fprintf(stderr, "cannot read %s\n", path);
            return 1;
        }
        job.control_bytes = job.bytes.n_bytes;
        snprintf(name, sizeof name, "read %s", files[f]);
        bench_pair("bench_image", name, 100, (double)job.bytes.n_bytes, read_image, copy, &job);
        for (size_t i = 0; i < image.n_entries; i++) {
            if (image.entries[i].kind != DET_IMAGE_PTX)
                continue;
            job.entry = &image.entries[i];
            job.control_bytes = job.entry->plain_bytes < job.bytes.n_bytes ? job.entry->plain_bytes
                                                                           : job.bytes.n_bytes;
            snprintf(name, sizeof name, "unpack PTX of %s", files[f]);
            bench_pair(
                "bench_image", name, 100, (double)job.entry->plain_bytes, unpack, copy, &job);
        }
        det_image_free(&image);
        det_bytes_free(&job.bytes);
        free(job.room);
    }
    return 0;
}
