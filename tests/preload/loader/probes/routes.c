/* One route into a vendor library per mode; the doubles say who answered, the watch library who was asked. Without a preload
 * the watch counts read -9. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef long (*function)();

static long count(const char *name)
{
    long (*watch)(const char *) = (long (*)(const char *))dlsym(RTLD_DEFAULT, "watch_count");
    return watch ? watch(name) : -9;
}

static long nested(const char *name)
{
    long (*watch)(const char *) = (long (*)(const char *))dlsym(RTLD_DEFAULT, "watch_nested");
    return watch ? watch(name) : -9;
}

static void *open_now(const char *name, int mode)
{
    void *handle = dlopen(name, RTLD_NOW | mode);
    if (!handle)
        fprintf(stderr, "routes: %s\n", dlerror());
    return handle;
}

static long property(function get)
{
    int value = -1;
    const long status = get ? get(0, &value) : 0;
    return status ? -status : value;
}

static long extension(void *handle)
{
    function call = handle ? (function)dlsym(handle, "extension_call") : 0;
    return call ? call() : -1;
}

static void handle(void)
{
    void *lib = open_now("libcublas.so.13", RTLD_LOCAL);
    const long by_name = property((function)dlsym(lib, "cublasGetProperty"));
    const long by_version = property((function)dlvsym(lib, "cublasGetProperty", "libcublas.so.13"));
    printf(
        "result name=%ld version=%ld count=%ld\n", by_name, by_version, count("cublasGetProperty"));
}

static void global(void)
{
    dlerror();
    void *early = dlsym(RTLD_DEFAULT, "cublasGetProperty");
    const int said = dlerror() != 0;
    void *lib = open_now("libcublas.so.13", RTLD_GLOBAL);
    const long found = property((function)dlsym(RTLD_DEFAULT, "cublasGetProperty"));
    const long main_handle = property((function)dlsym(dlopen(0, RTLD_NOW), "cublasGetProperty"));
    printf("result early=%d said=%d found=%ld main=%ld count=%ld lib=%d\n", early != 0, said, found,
        main_handle, count("cublasGetProperty"), lib != 0);
}

static void absent(void)
{
    void *lib = open_now("libcublas.so.12", RTLD_GLOBAL);
    dlerror();
    void *by_handle = dlsym(lib, "cublasOnlyInNewest");
    const int said_handle = dlerror() != 0;
    void *by_default = dlsym(RTLD_DEFAULT, "cublasOnlyInNewest");
    const int said_default = dlerror() != 0;
    void *by_main = dlsym(dlopen(0, RTLD_NOW), "cublasOnlyInNewest");
    const int said_main = dlerror() != 0;
    void *never = dlvsym(lib, "cublasOnlyInNewest", "libcublas.so.12");
    printf("result handle=%d%d default=%d%d main=%d%d version=%d\n", by_handle != 0, said_handle,
        by_default != 0, said_default, by_main != 0, said_main, never != 0);
}

static void local(void)
{
    void *lib = open_now("libext13.so", RTLD_LOCAL);
    const long first = extension(lib);
    printf("result value=%ld count=%ld constructor=%ld\n", first, count("cublasGetProperty"),
        count("cublasGetStatusString"));
}

static void two(void)
{
    void *a = open_now("libext12.so", RTLD_LOCAL);
    const long before = extension(a);
    void *b = open_now("libext13.so", RTLD_LOCAL);
    const long x = extension(b), y = extension(a), z = extension(b);
    long *made = dlsym(b, "extension_constructed");
    printf("result before=%ld b=%ld a=%ld again=%ld constructor=%ld count=%ld\n", before, x, y, z,
        made ? *made : -1, count("cublasGetProperty"));
}

static void two_handles(void)
{
    void *a = open_now("libcublas.so.12", RTLD_LOCAL), *b = open_now("libcublas.so.13", RTLD_LOCAL);
    function in_a = (function)dlsym(a, "cublasGetProperty"),
             in_b = (function)dlsym(b, "cublasGetProperty");
    const long x = property(in_a), y = property(in_b), z = property(in_a);
    printf("result a=%ld b=%ld again=%ld count=%ld\n", x, y, z, count("cublasGetProperty"));
}

static void stub(void)
{
    void *lib = open_now("libtfstub.so", RTLD_GLOBAL);
    const long by_stub = property((function)dlsym(lib, "cublasGetProperty"));
    const long again = property((function)dlsym(RTLD_DEFAULT, "cublasGetProperty"));
    printf(
        "result stub=%ld again=%ld counted=%d\n", by_stub, again, count("cublasGetProperty") > 0);
}

static void deepbind(void)
{
    void *lib = open_now("libext13.so", RTLD_LOCAL | RTLD_DEEPBIND);
    const long value = extension(lib);
    printf("result value=%ld count=%ld\n", value, count("cublasGetProperty"));
}

static void cudnn(void)
{
    void *lib = open_now("libcudnn.so.9", RTLD_GLOBAL), *made = 0;
    function version = (function)dlsym(lib, "cudnnGetVersion");
    const long value = version();
    ((function)dlsym(lib, "cudnnCreateTensorDescriptor"))(&made);
    printf("result version=%ld made=%ld count=%ld nested=%ld inner=%ld\n", value, (long)made,
        count("cudnnGetVersion"), nested("cudnnGetVersion"), nested("cudnnGetProperty"));
}

static void wsl(void)
{
    void *lib = open_now("libcuda.so.1", RTLD_NOW);
    const long value = ((function)dlsym(lib, "cuInit"))(5);
    printf("result value=%ld count=%ld nested=%ld\n", value, count("cuInit"), nested("cuInit"));
}

static void none(void)
{
    function wrapper = (function)dlsym(RTLD_DEFAULT, "watch_count");
    void *self = wrapper ? dlopen(getenv("WATCH"), RTLD_NOW | RTLD_NOLOAD) : 0;
    function get = self ? (function)dlsym(self, "cublasGetProperty") : 0;
    printf("result absent=%d\n", get == 0);
}

static void closing(void)
{
    void *lib = open_now("libcublas.so.13", RTLD_LOCAL);
    function get = (function)dlsym(lib, "cublasGetProperty");
    const long before = property(get);
    dlclose(lib);
    for (int i = 0; i < 50; i++) {
        void *again = open_now("libcublas.so.13", RTLD_LOCAL);
        if (again)
            dlclose(again);
    }
    const long after = property(get);
    printf("result before=%ld after=%ld count=%ld\n", before, after, count("cublasGetProperty"));
}

static void forking(void)
{
    void *lib = open_now("libcublas.so.13", RTLD_LOCAL);
    function get = (function)dlsym(lib, "cublasGetProperty");
    long bad = property(get) != 13;
    for (int i = 0; i < 20; i++) {
        const pid_t child = fork();
        if (child == 0) {
            void *own = open_now("libcudnn.so.9", RTLD_LOCAL);
            const int fine =
                property(get) == 13 && own && ((function)dlsym(own, "cudnnGetVersion"))() == 90900;
            if (i % 2)
                _exit(fine ? 0 : 1);
            exit(fine ? 0 : 1);
        }
        int status = 1;
        waitpid(child, &status, 0);
        bad += status != 0;
    }
    printf("result bad=%ld\n", bad);
}

static void closed(void)
{
    fflush(0);
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    const int mine = open("/dev/zero", O_RDONLY);
    void *lib = open_now("libcublas.so.13", RTLD_LOCAL);
    const long value = property((function)dlsym(lib, "cublasGetProperty"));
    char byte = 1;
    const long got = read(mine, &byte, 1);
    printf("result value=%ld mine=%d read=%ld%d\n", value, mine, got, byte);
}

static volatile sig_atomic_t in_handler;
static function from_handler;
static void on_alarm(int number)
{
    (void)number;
    in_handler += property(from_handler) == 13;
}

static void signals(void)
{
    void *lib = open_now("libcublas.so.13", RTLD_LOCAL);
    from_handler = (function)dlsym(lib, "cublasGetProperty");
    struct sigaction before, after, act = { .sa_handler = on_alarm };
    int changed = 0;
    for (int i = 1; i < 32; i++)
        if (i != SIGKILL && i != SIGSTOP)
            changed += sigaction(i, 0, &before) == 0 && before.sa_handler != SIG_DFL;
    sigaction(SIGUSR1, &act, 0);
    errno = 77;
    for (int i = 0; i < 1000; i++) {
        raise(SIGUSR1);
        property(from_handler);
    }
    sigaction(SIGSEGV, 0, &after);
    printf("result handled=%d handlers=%d errno=%d\n", (int)in_handler, changed, errno);
}

static void error_kept(void)
{
    void *lib = open_now("libcublas.so.13", RTLD_LOCAL);
    dlerror();
    dlsym(RTLD_DEFAULT, "no_such_thing");
    function get = (function)dlsym(lib, "cublasGetStatusString"); /* success clears, as in libc */
    dlsym(lib, "cublasNoSuchThing");
    const char *text = dlerror();
    const int named = text && strstr(text, "cublasNoSuchThing");
    errno = 42;
    get();
    const int kept = errno;
    printf("result named=%d errno=%d cleared=%d\n", named, kept, dlerror() == 0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } modes[] = { { "handle", handle }, { "global", global }, { "absent", absent },
        { "local", local }, { "two", two }, { "two_handles", two_handles }, { "stub", stub },
        { "deepbind", deepbind }, { "cudnn", cudnn }, { "wsl", wsl }, { "none", none },
        { "closing", closing }, { "forking", forking }, { "closed", closed },
        { "signals", signals }, { "error", error_kept } };
    for (unsigned i = 0; argc > 1 && i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(modes[i].name, argv[1])) {
            modes[i].run();
            return 0;
        }
    return 2;
}
