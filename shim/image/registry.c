/* Registered names and images; see the header. Entries are only added: programs register at start and at dlopen. */
#include "shim/image/registry.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shim/core/hash.h"

struct image {
    const void *handle, *wrapper;
    UT_hash_handle hh;
};
struct function {
    const void *host, *handle;
    char *name;
    UT_hash_handle hh;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct image *images;
static struct function *functions;
static __thread const void *launching;
static _Atomic size_t n_registered;

void det_registry_image(const void *handle, const void *wrapper)
{
    struct image *image = NULL;
    n_registered++;
    pthread_mutex_lock(&lock);
    HASH_FIND_PTR(images, &handle, image);
    if (image == NULL && (image = calloc(1, sizeof *image)) != NULL) {
        image->handle = handle;
        HASH_ADD_PTR(images, handle, image);
    }
    if (image != NULL)
        image->wrapper = wrapper;
    pthread_mutex_unlock(&lock);
}

size_t det_registry_n_images(void)
{
    return n_registered;
}

/* Lock held. */
static struct function *function_get(const void *host)
{
    struct function *function = NULL;
    HASH_FIND_PTR(functions, &host, function);
    if (function == NULL && (function = calloc(1, sizeof *function)) != NULL) {
        function->host = host;
        HASH_ADD_PTR(functions, host, function);
    }
    return function;
}

void det_registry_name(const void *host, const void *handle, const char *name)
{
    if (host == NULL || name == NULL)
        return;
    pthread_mutex_lock(&lock);
    struct function *const function = function_get(host);
    if (function != NULL) {
        function->handle = handle;
        if (function->name == NULL || strcmp(function->name, name) != 0)
            function->name = strdup(name); /* an old name may still be in use: it stays */
    }
    pthread_mutex_unlock(&lock);
}

void det_registry_alias(const void *token, const void *host)
{
    struct function *from = NULL;
    pthread_mutex_lock(&lock);
    HASH_FIND_PTR(functions, &host, from);
    struct function *const to = from != NULL && token != NULL ? function_get(token) : NULL;
    if (to != NULL) {
        to->handle = from->handle;
        to->name = from->name;
    }
    pthread_mutex_unlock(&lock);
}

const char *det_registry_find(const void *host)
{
    struct function *function = NULL;
    pthread_mutex_lock(&lock);
    HASH_FIND_PTR(functions, &host, function);
    const char *const name = function != NULL ? function->name : NULL;
    pthread_mutex_unlock(&lock);
    return name;
}

const void *det_registry_wrapper(const char *name)
{
    const void *handle = NULL, *wrapper = NULL;
    bool several = false;
    struct image *image = NULL;
    pthread_mutex_lock(&lock);
    for (const struct function *f = functions; f != NULL; f = f->hh.next) {
        if (f->name == NULL || f->handle == NULL || strcmp(f->name, name) != 0)
            continue;
        several |= handle != NULL && handle != f->handle;
        handle = f->handle;
    }
    if (handle != NULL && !several)
        HASH_FIND_PTR(images, &handle, image);
    if (image != NULL)
        wrapper = image->wrapper;
    pthread_mutex_unlock(&lock);
    return wrapper;
}

void det_registry_launching(const void *host)
{
    launching = host;
}

const char *det_registry_current(void)
{
    return launching != NULL ? det_registry_find(launching) : NULL;
}

void det_registry_fork_child(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    memcpy(&lock, &fresh, sizeof lock);
    launching = NULL;
}
