/* Compiled twins on disk; see the header. System calls only: no symbol newer than glibc 2.28, and stat's are. */
#include "shim/cuda/cuda_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shim/core/hash.h"
#include "shim/core/io.h"
#include "shim/log/log.h"
#include "shim/policy/policy.h"

#define MAGIC "DETTWIN\1"
enum { MAX_FILE_BYTES = 64 << 20, NAME_BYTES = 32, MAX_FILES = 4096, STALE_SECONDS = 3600 };

/** What stands before the machine code; little endian, for this machine only. */
struct head {
    char magic[8];
    struct det_cache_key key;
    uint64_t n_bytes, hash;
};

struct det_cache_key det_cache_key(const void *from, size_t n_bytes)
{
    return (struct det_cache_key){ det_hash(from, n_bytes, 1), det_hash(from, n_bytes, 2) };
}

static bool stat_of(int fd, struct stat *info)
{
    return syscall(SYS_fstat, fd, info) == 0;
}

/* --- the folder --- */

static const char not_there[] = "cannot be opened";

/* Our own and nobody else's to write: what we load from it runs with the program's rights. It may be read-only: what is there is
 * used, what is not is not kept. */
static const char *folder_check(const char *path)
{
    struct stat info;
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        char to[2];
        return readlink(path, to, sizeof to) >= 0 ? "is a link" : not_there;
    }
    const bool known = stat_of(fd, &info);
    close(fd);
    if (!known || info.st_uid != geteuid())
        return "belongs to another user";
    return info.st_mode & (S_IWGRP | S_IWOTH) ? "may be written by others" : NULL;
}

/* Each folder on the way that is not there. */
static void folders_make(char *path)
{
    for (char *at = path + 1; *at; at++)
        if (*at == '/') {
            *at = '\0';
            mkdir(path, 0700);
            *at = '/';
        }
    mkdir(path, 0700);
}

static bool path_default(struct det_line *path)
{
    const char *const cache = det_policy_env("XDG_CACHE_HOME", NULL);
    const char *const home = det_policy_env("HOME", NULL);
    if (cache != NULL && *cache == '/')
        det_line_printf(path, "%s/detshim", cache);
    else if (home != NULL && *home == '/')
        det_line_printf(path, "%s/.cache/detshim", home);
    return path->n != 0 && !path->cut;
}

static const char *folder_open(void)
{
    DET_LINE(path, 4096);
    const char *const asked = det_policy()->cache;
    const bool named = *asked != '\0';
    if (strcmp(asked, "off") == 0 || getuid() != geteuid() || getgid() != getegid())
        return NULL;
    if (named)
        det_line_text(&path, asked);
    else if (!path_default(&path))
        return NULL;
    if (path.cut)
        return NULL;
    while (path.n > 1 && path.at[path.n - 1] == '/') /* "link/" would be followed */
        path.at[--path.n] = '\0';
    folders_make(path.at);
    const char *const why = folder_check(path.at);
    if (why == NULL)
        return strdup(path.at);
    det_log_counter("folders that cannot be the cache", 1);
    if (named && why != not_there)
        det_log_note("DETSHIM_CACHE: '%s' %s; compiled kernels are not kept", path.at, why);
    return NULL;
}

const char *det_cache_folder(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const char *folder;
    static bool asked;
    const int saved = errno;
    pthread_mutex_lock(&lock);
    if (!asked)
        folder = folder_open();
    asked = true;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return folder;
}

/* --- files --- */

static void path_of(struct det_line *line, const char *folder, const struct det_cache_key *key)
{
    det_line_text(line, folder);
    det_line_text(line, "/");
    det_line_hex(line, key->a, 16);
    det_line_hex(line, key->b, 16);
}

/* NULL, or what is wrong with a file's contents. */
static const char *contents_check(const struct det_bytes *file, const struct det_cache_key *key)
{
    struct head head;
    if (file->n_bytes < sizeof head)
        return "is cut short";
    memcpy(&head, file->data, sizeof head);
    if (memcmp(head.magic, MAGIC, sizeof head.magic) != 0 || head.key.a != key->a ||
        head.key.b != key->b)
        return "is no compiled kernel of this name";
    if (head.n_bytes != file->n_bytes - sizeof head)
        return "is cut short";
    if (head.hash != det_hash(file->data + sizeof head, (size_t)head.n_bytes, 3))
        return "is damaged";
    return NULL;
}

static bool read_whole(int fd, char *to, size_t n_bytes)
{
    while (n_bytes != 0) {
        const ssize_t n = read(fd, to, n_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        to += n;
        n_bytes -= (size_t)n;
    }
    return true;
}

/* What was checked is what is read: one descriptor. */
static const char *file_read(int fd, struct det_bytes *file)
{
    struct stat info;
    if (!stat_of(fd, &info) || !S_ISREG(info.st_mode) || info.st_uid != geteuid())
        return "is not a file of our own";
    if (info.st_mode & (S_IWGRP | S_IWOTH))
        return "may be written by others";
    if (info.st_size > MAX_FILE_BYTES)
        return "is too large";
    char *const data = malloc((size_t)info.st_size + 1);
    if (data == NULL)
        return "does not fit into memory";
    *file = (struct det_bytes){ data, (size_t)info.st_size, (size_t)info.st_size + 1, false };
    return read_whole(fd, data, file->n_bytes) ? NULL : "cannot be read";
}

bool det_cache_find(const char *folder, const struct det_cache_key *key, struct det_bytes *out)
{
    const int saved = errno;
    struct det_bytes file = { 0 };
    DET_LINE(path, 4200);
    path_of(&path, folder, key);
    const int fd = path.cut ? -1 : open(path.at, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    const bool there = fd >= 0 || (!path.cut && errno != ENOENT);
    const char *why = fd < 0 ? not_there : file_read(fd, &file);
    if (fd >= 0)
        close(fd);
    if (why == NULL && (why = contents_check(&file, key)) == NULL)
        det_bytes_append(out, file.data + sizeof(struct head), file.n_bytes - sizeof(struct head));
    if (why != NULL && there) {
        det_log_counter("files of the cache refused", 1);
        det_log_note("cache: '%s' %s; not used", path.at, why);
        unlink(path.at);
    }
    free(file.data);
    errno = saved;
    return why == NULL && det_bytes_check(out) == DET_OK;
}

struct entry {
    int64_t seconds;
    uint64_t n_bytes;
    char name[NAME_BYTES + 1];
};

static int oldest_first(const void *a, const void *b)
{
    const int64_t x = ((const struct entry *)a)->seconds, y = ((const struct entry *)b)->seconds;
    return (x > y) - (x < y);
}

/* Only what we wrote goes: somebody may have named a folder that holds other things. */
static bool ours(int fd)
{
    char magic[sizeof MAGIC - 1];
    return read_whole(fd, magic, sizeof magic) && memcmp(magic, MAGIC, sizeof magic) == 0;
}

/* What a process that was killed left half written. */
static bool stale(const char *name, const struct stat *info)
{
    const size_t n = strlen(name);
    return strspn(name, "0123456789abcdef") == NAME_BYTES && name[NAME_BYTES] == '.' &&
           strcmp(name + n - 4, ".tmp") == 0 && info->st_mtim.tv_sec + STALE_SECONDS < time(NULL);
}

static size_t list(DIR *dir, struct entry *entries)
{
    const struct dirent *item;
    size_t n = 0;
    while (n < MAX_FILES && (item = readdir(dir)) != NULL) {
        struct stat info;
        if (strlen(item->d_name) < NAME_BYTES)
            continue;
        const int fd =
            openat(dirfd(dir), item->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
            continue;
        if (!stat_of(fd, &info) || !S_ISREG(info.st_mode))
            ;
        else if (stale(item->d_name, &info))
            unlinkat(dirfd(dir), item->d_name, 0);
        else if (strlen(item->d_name) == NAME_BYTES && ours(fd)) {
            entries[n].seconds = info.st_mtim.tv_sec;
            entries[n].n_bytes = (uint64_t)info.st_size;
            memcpy(entries[n++].name, item->d_name, NAME_BYTES + 1);
        }
        close(fd);
    }
    return n;
}

/* Room for `n_bytes` more: the oldest files go, down to three quarters so that not every store has to look for one. */
static void make_room(const char *folder, uint64_t n_bytes, uint64_t most)
{
    DIR *const dir = opendir(folder);
    struct entry *const entries = dir != NULL ? malloc(MAX_FILES * sizeof *entries) : NULL;
    if (entries != NULL) {
        const size_t n = list(dir, entries);
        uint64_t all = n_bytes;
        for (size_t i = 0; i < n; i++)
            all += entries[i].n_bytes;
        if (all > most || n == MAX_FILES) {
            qsort(entries, n, sizeof *entries, oldest_first);
            for (size_t i = 0; i < n && (all > most / 4 * 3 || i < n / 4); i++) {
                unlinkat(dirfd(dir), entries[i].name, 0);
                all -= entries[i].n_bytes;
            }
        }
    }
    free(entries);
    if (dir != NULL)
        closedir(dir);
}

bool det_cache_store(
    const char *folder, const struct det_cache_key *key, const void *code, size_t n_bytes)
{
    const int saved = errno;
    struct det_bytes file = { 0 };
    struct head head = { .key = *key, .n_bytes = n_bytes, .hash = det_hash(code, n_bytes, 3) };
    bool stored = false;
    DET_LINE(path, 4200);
    memcpy(head.magic, MAGIC, sizeof head.magic);
    path_of(&path, folder, key);
    det_bytes_append(&file, &head, sizeof head);
    det_bytes_append(&file, code, n_bytes);
    if (!path.cut && n_bytes < MAX_FILE_BYTES - sizeof head && det_bytes_check(&file) == DET_OK) {
        make_room(folder, file.n_bytes, (uint64_t)DET_CACHE_MOST_MIB << 20);
        stored = det_io_replace_file(path.at, file.data, file.n_bytes, 0600) == DET_OK;
    }
    det_bytes_free(&file);
    errno = saved;
    return stored;
}
