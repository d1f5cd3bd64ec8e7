/* A file of the twins' cache: any bytes are refused or are whole, through the file system and past the header's checks. */
#include <stdlib.h>
#include <string.h>

#include "shim/cuda/cuda_cache.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static const struct det_cache_key key = { 0x0123456789abcdef, 0xfedcba9876543210 };

static void check(const struct det_bytes *file, bool must)
{
    const char *const why = contents_check(file, &key);
    if (must && why != NULL)
        abort();
    struct head head;
    if (why != NULL)
        return;
    memcpy(&head, file->data, sizeof head);
    if (head.n_bytes + sizeof head != file->n_bytes)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    char *const data = malloc(n_bytes + sizeof(struct head));
    memcpy(data, bytes, n_bytes);
    struct det_bytes file = { .data = data, .n_bytes = n_bytes };
    check(&file, false);
    if (n_bytes >= sizeof(struct head)) { /* a header that names it: only length and hash decide */
        struct head head;
        memcpy(&head, data, sizeof head);
        memcpy(head.magic, MAGIC, sizeof head.magic);
        head.key = key;
        memcpy(data, &head, sizeof head);
        check(&file, false);
        head.n_bytes = n_bytes - sizeof head;
        head.hash = det_hash(data + sizeof head, n_bytes - sizeof head, 3);
        memcpy(data, &head, sizeof head);
        check(&file, true);
        file.n_bytes--; /* half written */
        if (contents_check(&file, &key) == NULL)
            abort();
    }
    free(data);
    return 0;
}
