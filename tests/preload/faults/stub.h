/* A vendor library of stubs: every function does nothing, returns the status it was told to, and is counted. */
#ifndef FAULTS_STUB_H
#define FAULTS_STUB_H

#define STUB_API __attribute__((visibility("default")))
static int stub_answer;
static unsigned stub_count;

STUB_API void stub_set(int status);
STUB_API void stub_set(int status)
{
    stub_answer = status;
    stub_count = 0;
}
STUB_API unsigned stub_calls(void);
STUB_API unsigned stub_calls(void)
{
    return stub_count;
}
#define STUB(name)                                                                                 \
    STUB_API long name(void);                                                                      \
    STUB_API long name(void)                                                                       \
    {                                                                                              \
        stub_count++;                                                                              \
        return stub_answer;                                                                        \
    }
/* A question for a size, its answer behind the seventh argument: more than any caller brings. */
#define STUB_SIZE(name)                                                                            \
    STUB_API long name(void *, void *, void *, void *, void *, long, unsigned long *);             \
    STUB_API long name(                                                                            \
        void *a, void *b, void *c, void *d, void *e, long algorithm, unsigned long *n_bytes)       \
    {                                                                                              \
        (void)a, (void)b, (void)c, (void)d, (void)e, (void)algorithm;                              \
        stub_count++;                                                                              \
        if (n_bytes && !stub_answer)                                                               \
            *n_bytes = 1 << 20;                                                                    \
        return stub_answer;                                                                        \
    }

#endif
