/* Handwritten digits from MNIST's IDX format, plain C and C++. Looks in the folder given, then $DIGITS_DIR, then the source
 * tree's tests/data/digits. */
#ifndef DIGITS_H
#define DIGITS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DIGITS_ROOT
#define DIGITS_ROOT "."
#endif
#define DIGITS_PIXELS  64
#define DIGITS_CLASSES 10

struct digits {
    int n;
    float *pixels; /* n x 64, 0..1 */
    int *labels;   /* n, 0..9 */
};

static unsigned digits_word(const unsigned char *at)
{
    return (unsigned)at[0] << 24 | (unsigned)at[1] << 16 | (unsigned)at[2] << 8 | at[3];
}

/* Whole file, NULL when it is missing; *n_bytes its length. */
static unsigned char *digits_file(const char *folder, const char *name, size_t *n_bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    unsigned char *bytes = (unsigned char *)malloc(1 << 20);
    *n_bytes = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static int digits_load_from(const char *folder, struct digits *out)
{
    size_t n_image_bytes = 0, n_label_bytes = 0;
    unsigned char *images = digits_file(folder, "digits-images-idx3-ubyte", &n_image_bytes);
    unsigned char *labels = digits_file(folder, "digits-labels-idx1-ubyte", &n_label_bytes);
    int ok = 0;
    if (images && labels && n_image_bytes >= 16 && n_label_bytes >= 8) {
        const unsigned n = digits_word(images + 4);
        const unsigned pixels = digits_word(images + 8) * digits_word(images + 12);
        ok = digits_word(images) == 0x803 && digits_word(labels) == 0x801 &&
             pixels == DIGITS_PIXELS && n == digits_word(labels + 4) &&
             n_image_bytes == 16 + (size_t)n * pixels && n_label_bytes == 8 + n;
        if (ok) {
            out->n = (int)n;
            out->pixels = (float *)malloc(sizeof(float) * n * pixels);
            out->labels = (int *)malloc(sizeof(int) * n);
            for (unsigned i = 0; i < n * pixels; i++)
                out->pixels[i] = (float)images[16 + i] / 255.0f;
            for (unsigned i = 0; i < n; i++)
                out->labels[i] = labels[8 + i] % DIGITS_CLASSES;
        }
    }
    free(images);
    free(labels);
    return ok;
}

static struct digits digits_load(const char *folder)
{
    const char *const folders[] = { folder, getenv("DIGITS_DIR"),
        DIGITS_ROOT "/tests/data/digits" };
    struct digits out = { 0, NULL, NULL };
    for (int i = 0; i < 3; i++)
        if (folders[i] && digits_load_from(folders[i], &out))
            return out;
    fprintf(stderr, "no digits found; give their folder by --data or DIGITS_DIR\n");
    exit(2);
}

#endif
