/* Draws the way old C programs do. argv[1] picks: clock, pid, constant, threads, clock48, chrono-like. Prints what it drew. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N_THREADS 4
static uint64_t sums[N_THREADS];

static void *worker(void *arg)
{
    uint64_t *sum = arg;
    for (int i = 0; i < 200000; i++)
        *sum = *sum * 31 + (uint64_t)rand();
    return NULL;
}

static void threads(void)
{
    pthread_t ids[N_THREADS];
    srand(7);
    for (int i = 0; i < N_THREADS; i++)
        pthread_create(&ids[i], NULL, worker, &sums[i]);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(ids[i], NULL);
    for (int i = 0; i < N_THREADS; i++)
        printf("%016llx ", (unsigned long long)sums[i]);
    printf("main %d\n", rand());
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "clock";
    if (strcmp(how, "threads") == 0) {
        threads();
        return 0;
    }
    if (strcmp(how, "clock") == 0)
        srand((unsigned)time(NULL));
    else if (strcmp(how, "usec") == 0) {
        struct timeval now;
        gettimeofday(&now, NULL);
        srand((unsigned)(now.tv_sec * 1000000 + now.tv_usec));
    } else if (strcmp(how, "nsec") == 0) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        srandom((unsigned)((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec));
    } else if (strcmp(how, "timepid") == 0)
        srand((unsigned)time(NULL) ^ (unsigned)getpid());
    else if (strcmp(how, "pid") == 0)
        srand((unsigned)getpid());
    else if (strcmp(how, "clock48") == 0)
        srand48(time(NULL) + getpid());
    else if (strcmp(how, "constant") == 0)
        srand(12345);
    if (strcmp(how, "clock48") == 0)
        printf("%ld %ld\n", lrand48(), lrand48());
    else
        printf("%d %d %d\n", rand(), rand(), rand());
    if (argc > 2 && strcmp(argv[2], "fork") == 0) {
        fflush(stdout);
        if (fork() == 0) {
            srand((unsigned)time(NULL) ^ (unsigned)getpid());
            printf("child %d\n", rand());
            fflush(stdout);
            _exit(0);
        }
        wait(NULL);
    }
    return 0;
}
