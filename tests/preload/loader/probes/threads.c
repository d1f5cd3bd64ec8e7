/* Many threads look the same names up while another opens and closes a library. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
static atomic_long missing, done;
static atomic_int stop;
static void *look(void *arg)
{
    for (int i = 0; i < 10000; i++)
        for (int twice = 0; twice < 2; twice++)
            if (!dlsym(RTLD_NEXT, "open") || !dlsym(RTLD_DEFAULT, "close"))
                missing++;
    done++;
    return arg;
}
static void *churn(void *arg)
{
    while (!stop) {
        void *handle = dlopen("libdep.so", RTLD_NOW);
        if (!handle || !dlsym(handle, "only_in_dep"))
            missing++;
        if (handle)
            dlclose(handle);
    }
    return arg;
}
int main(void)
{
    pthread_t threads[8], other;
    pthread_create(&other, 0, churn, 0);
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], 0, look, 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], 0);
    stop = 1;
    pthread_join(other, 0);
    printf("result missing=%ld done=%ld\n", (long)missing, (long)done);
    return 0;
}
