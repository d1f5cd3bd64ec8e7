/* Inside of the software GPU's driver: what its files share. Objects behind CUDA handles are structs whose first word is a
 * tag, so that a wrong handle is answered with an error. One recursive lock guards everything (struct sg_scope). */
#ifndef SOFTGPU_DRIVER_H
#define SOFTGPU_DRIVER_H

/* Declares every historical entry point under its exported name and renames none. */
#define __CUDA_API_VERSION_INTERNAL 1
#include <cuda.h>
#include <stdio.h>
#include "tests/softgpu/softgpu.h"

#define SG_EXPORT __attribute__((visibility("default")))
/* tests/softgpu/entries.py finds implemented entry points by this macro. */
#define SG_API(name, ...) SG_EXPORT CUresult CUDAAPI name(__VA_ARGS__)

enum sg_tag {
    SG_CONTEXT = 0x53470001,
    SG_STREAM,
    SG_EVENT,
    SG_MODULE,
    SG_LIBRARY,
    SG_KERNEL,
    SG_FUNCTION,
    SG_GRAPH,
    SG_NODE,
    SG_EXEC,
    SG_POOL,
    SG_LINK,
    SG_DEAD
};

/* --- core (driver_core.c) --- */
struct sg_options {
    int sm;                      /* SOFTGPU_SM, e.g. 90 */
    int n_devices;               /* SOFTGPU_DEVICES */
    size_t memory_bytes;         /* SOFTGPU_MEM_MIB, per device */
    int max_ptx;                 /* SOFTGPU_MAX_PTX as 10 * major + minor; 0: no limit */
    bool strict_code;            /* SOFTGPU_STRICT_CODE */
    bool verbose;                /* SOFTGPU_VERBOSE: faults and refusals on stderr */
    struct sg_schedule schedule; /* SOFTGPU_SEED, SOFTGPU_MODE */
};
extern struct sg_options sg_options;

struct sg_scope {
    bool locked;
};
/** Lock, count the call for fault injection, refuse before cuInit. Nonzero: return that. */
CUresult sg_scope_begin(struct sg_scope *scope, const char *function, bool needs_init);
void sg_scope_end(struct sg_scope *scope);
#define SG_ENTER_IF(needs_init)                                                                    \
    struct sg_scope scope __attribute__((cleanup(sg_scope_end))) = { false };                      \
    {                                                                                              \
        const CUresult entered = sg_scope_begin(&scope, __func__, needs_init);                     \
        if (entered != CUDA_SUCCESS)                                                               \
            return entered;                                                                        \
    }
#define SG_ENTER() SG_ENTER_IF(true)
#define SG_TRY(expression)                                                                         \
    do {                                                                                           \
        const CUresult tried = (expression);                                                       \
        if (tried != CUDA_SUCCESS)                                                                 \
            return tried;                                                                          \
    } while (0)
#define SG_CHECK(condition, code)                                                                  \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return (code);                                                                         \
    } while (0)
/** Give up the lock while waiting for somebody else, then take it again. */
void sg_unlock_all(unsigned *depth);
void sg_lock_again(unsigned depth);
void sg_verbose(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sg_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool sg_trace_wanted(void);
void sg_note_launch(void);
void sg_note_fault(const char *text);
void *sg_calloc(size_t n, size_t bytes); /* never NULL: out of host memory ends the process */
void *sg_copy(const void *from, size_t n_bytes);

/* --- contexts (driver_context.c) --- */
struct sg_context {
    enum sg_tag tag;
    int device;
    unsigned long long id;
    bool primary;
    unsigned refs; /* primary only */
    unsigned flags;
    CUresult sticky;                    /* after a fault: what every later call gets */
    struct sg_stream *legacy, *streams; /* streams: every live one, legacy included */
    size_t limits[16];
    struct sg_context *next;
};
struct sg_thread {
    struct sg_context *stack[64];
    unsigned depth;
    bool per_thread_default; /* inside a _ptsz or _ptds twin */
    CUstreamCaptureMode capture_mode;
    struct sg_stream *own_streams; /* per-thread default streams, by next_own */
    unsigned long ordinal;
};
extern __thread struct sg_thread sg_thread;
/** The current context, healthy; else CUDA_ERROR_INVALID_CONTEXT or its sticky error. */
CUresult sg_current(struct sg_context **context);
CUresult sg_context_check(CUcontext handle, struct sg_context **context);
struct sg_context *sg_contexts(void);

/* --- memory (driver_memory.c) --- */
struct sg_alloc {
    char *at;
    size_t n_bytes; /* as asked */
    CUmemorytype type;
    bool managed, registered, pooled;
    unsigned flags;
    struct sg_context *context; /* NULL for portable host memory of no context */
    int device;
    unsigned long long id;
    struct sg_pool *pool;
};
void sg_memory_start(void);
CUresult sg_memory_alloc(
    struct sg_context *context, CUmemorytype type, size_t n_bytes, struct sg_alloc **out);
CUresult sg_memory_free(const void *at);
struct sg_alloc *sg_memory_find(const void *at); /* the allocation that contains `at`, or NULL */
size_t sg_memory_used(int device);
void sg_memory_drop_context(struct sg_context *context);
struct sg_pool *sg_pool_default(int device);

/* --- work: what a queue or a graph node holds (driver_queue.c) --- */
enum sg_work_kind {
    SG_WORK_EMPTY,
    SG_WORK_KERNEL,
    SG_WORK_COPY,
    SG_WORK_FILL,
    SG_WORK_HOST,
    SG_WORK_RECORD,
    SG_WORK_WAIT_EVENT,
    SG_WORK_WAIT_VALUE,
    SG_WORK_WRITE_VALUE,
    SG_WORK_FREE,
    SG_WORK_GRAPH
};
struct sg_work {
    enum sg_work_kind kind;
    union {
        struct {
            struct sg_function *function;
            CUfunction asked;        /* the handle the program gave: kernel or function */
            struct sg_launch launch; /* launch.params: owned, total_bytes long */
            void **pointers;         /* owned; what a graph query gives as kernelParams */
        } kernel;
        struct {
            char *to;
            const char *from;
            size_t width, height, depth, to_pitch, from_pitch, to_slice, from_slice;
            void *staging; /* owned copy of pageable host bytes */
            CUDA_MEMCPY3D asked;
        } copy;
        struct {
            char *at;
            uint32_t value;
            unsigned elem;
            size_t width, height, pitch; /* width in elements */
        } fill;
        struct {
            CUhostFn function;
            void *data;
        } host;
        struct sg_event *event;
        struct {
            void *at;
            uint64_t value;
            unsigned flags;
            bool wide;
        } value;
        void *release;
        struct {
            struct sg_plan *plan;   /* owned by this work */
            struct sg_graph *child; /* in a graph: the child graph, owned */
        } graph;
    } u;
};
struct sg_run {
    struct sg_work work;
    struct sg_grid *grid;
    struct sg_plan *plan;
    bool busy; /* a host function runs right now, outside the lock */
};
struct sg_work sg_work_copy(const struct sg_work *work);
void sg_work_free(struct sg_work *work);
/** Go on with one piece of work; true when it ended. A fault goes to context->sticky. */
bool sg_run_step(struct sg_run *run, struct sg_context *context);
bool sg_run_ready(const struct sg_run *run);

struct sg_dep {
    struct sg_stream *stream;
    uint64_t sequence;
};
struct sg_op {
    struct sg_op *next;
    struct sg_run run;
    struct sg_dep *deps;
    size_t n_deps;
};
struct sg_stream {
    enum sg_tag tag;
    struct sg_context *context;
    unsigned long
        ordinal; /* by order of creation in the process; the legacy stream of the first context is 0 */
    unsigned long long id;
    unsigned flags;
    int priority;
    bool legacy, per_thread, dying;
    uint64_t submitted, done;
    struct sg_op *head, *tail;
    struct sg_capture *capture;
    struct sg_node **tips; /* while capturing: what the next node depends on */
    size_t n_tips;
    struct sg_dep *waits; /* for the next operation */
    size_t n_waits;
    struct sg_stream *next, *next_own;
};
struct sg_event {
    enum sg_tag tag;
    struct sg_context *context;
    unsigned flags;
    bool recorded;
    struct sg_stream *stream; /* last recorded in; NULL when recorded by a graph node that ended */
    uint64_t sequence;
    uint64_t time_ns;
    struct sg_capture *capture; /* last recorded in a capturing stream */
    uint64_t capture_id;
    struct sg_node **tips;
    size_t n_tips;
};
/** Handle -> stream of the current context; NULL, 1, 2 as CUDA defines them. */
CUresult sg_stream_of(CUstream handle, struct sg_stream **stream);
struct sg_stream *sg_stream_new(struct sg_context *context, unsigned flags, int priority);
CUresult sg_event_of(CUevent handle, struct sg_event **event);

/** Queue, or add to the graph being captured. Takes the work over, also on failure. */
CUresult sg_submit(struct sg_stream *stream, struct sg_work *work);
void sg_stream_wait(struct sg_stream *stream, struct sg_stream *other, uint64_t sequence);
CUresult sg_wait_stream(struct sg_stream *stream, uint64_t sequence);
CUresult sg_wait_context(struct sg_context *context);
/** Let some queued work run without waiting. */
void sg_progress(unsigned n_steps);
void sg_drop_queues(struct sg_context *context);
uint64_t sg_now_ns(
    void); /* a virtual clock: instructions and operations done, so that it repeats */
void sg_clock_add(uint64_t ns);

/* --- capture (driver_capture.c) --- */
struct sg_capture {
    uint64_t id;
    struct sg_graph *graph;
    bool to_existing_graph, invalid;
    CUstreamCaptureMode mode;
    struct sg_stream *origin;
    unsigned long thread;
    unsigned n_streams;
    struct sg_capture *next;
};
CUresult sg_capture_unsafe(void); /* 900 where a call is not allowed while capturing */
CUresult sg_capture_legacy_use(struct sg_stream *stream); /* 906 */
CUresult sg_capture_add(struct sg_stream *stream, struct sg_work *work);
CUresult sg_capture_record(struct sg_stream *stream, struct sg_event *event);
CUresult sg_capture_wait(struct sg_stream *stream, struct sg_event *event);
CUresult sg_capture_refuse(struct sg_stream *stream, CUresult code); /* invalidates */
void sg_capture_forget_stream(struct sg_stream *stream);
bool sg_capture_live(const struct sg_capture *capture, uint64_t id);

/* --- graphs (driver_graph.c, driver_graph_exec.c) --- */
struct sg_node {
    enum sg_tag tag;
    struct sg_graph *graph;
    CUgraphNodeType type;
    struct sg_work work;
    struct sg_node **deps;
    size_t n_deps;
    struct sg_node *cloned_from;
};
struct sg_graph {
    enum sg_tag tag;
    struct sg_node **nodes;
    size_t n_nodes;
    bool child; /* belongs to a node */
    struct sg_graph *cloned_from;
};
struct sg_graph *sg_graph_new(void);
void sg_graph_free(struct sg_graph *graph);
struct sg_graph *sg_graph_copy(const struct sg_graph *graph);
/** Takes the work over. NULL: a dependency is not in the graph. */
struct sg_node *sg_graph_add(struct sg_graph *graph, CUgraphNodeType type, struct sg_work *work,
    struct sg_node *const *deps, size_t n_deps);
bool sg_node_depend(struct sg_node *node, struct sg_node *on);
CUgraphNodeType sg_work_type(const struct sg_work *work);
CUresult sg_work_from_kernel_params(const CUDA_KERNEL_NODE_PARAMS *params, struct sg_work *work);
CUresult sg_work_from_copy(const CUDA_MEMCPY3D *params, struct sg_work *work);
CUresult sg_work_from_fill(const CUDA_MEMSET_NODE_PARAMS *params, struct sg_work *work);

struct sg_plan_node {
    struct sg_run run;
    struct sg_node *origin; /* identity only: may be gone */
    size_t *deps;
    size_t n_deps;
    bool disabled, done;
};
struct sg_plan {
    struct sg_plan_node *nodes;
    size_t n_nodes, n_done;
};
struct sg_plan *sg_plan_of_graph(const struct sg_graph *graph);
struct sg_plan *sg_plan_copy(const struct sg_plan *plan);
void sg_plan_free(struct sg_plan *plan);
bool sg_plan_step(struct sg_plan *plan, struct sg_context *context);
bool sg_plan_ready(const struct sg_plan *plan);

/* --- code (driver_image.c, driver_module.c, driver_library.c, driver_function.c) --- */
struct sg_jit {
    char *info, *error;
    size_t info_cap, error_cap;
    void **info_used, **error_used; /* where the written sizes go */
};
/** PTX text that stands for an image (PTX, fatbin, wrapper) on this device; free() it. */
CUresult sg_image_ptx(const void *image, char **ptx, size_t *n_bytes);
bool sg_image_size(const void *image, size_t *n_bytes);
struct sg_jit sg_jit_options(unsigned n, CUjit_option *options, void **values);
void sg_jit_error(struct sg_jit *jit, const char *text);

struct sg_function {
    enum sg_tag tag;
    struct sg_kernel *code;
    struct sg_module_object *module;
    struct sg_kernel_object *kernel; /* the library kernel it comes from, or NULL */
    int max_dynamic_shared, carveout;
    int cluster[3], non_portable, cluster_policy;
};
struct sg_module_object {
    enum sg_tag tag;
    struct sg_module *code;
    struct sg_context *context;
    struct sg_library *library;     /* NULL for cuModuleLoad* */
    struct sg_function **functions; /* one per kernel, made when asked for */
    struct sg_module_object *next;
};
struct sg_kernel_object {
    enum sg_tag tag;
    struct sg_library *library;
    size_t index;
    char *name;
    int max_dynamic_shared, carveout;
};
struct sg_library {
    enum sg_tag tag;
    char *ptx;
    size_t n_ptx;
    struct sg_module_object *modules; /* one per context */
    struct sg_kernel_object **kernels;
    size_t n_kernels;
};
CUresult sg_module_make(struct sg_context *context, const char *ptx, size_t n_bytes,
    struct sg_jit *jit, struct sg_module_object **out);
void sg_module_drop(struct sg_module_object *module);
struct sg_function *sg_module_function(struct sg_module_object *module, size_t index);
CUresult sg_library_module(
    struct sg_library *library, struct sg_context *context, struct sg_module_object **out);
/** CUfunction or CUkernel handle -> the function in `context`. */
CUresult sg_function_of(CUfunction handle, struct sg_context *context, struct sg_function **out);
/** A kernel's arguments, from pointers or from an `extra` buffer, packed by the offsets of the PTX. */
CUresult sg_launch_pack(struct sg_function *function, void **params, void **extra, void **packed);
/** Checks shapes against device and function and fills `work`. */
CUresult sg_launch_work(CUfunction handle, struct sg_context *context, const unsigned grid[3],
    const unsigned block[3], unsigned shared, void **params, void **extra, struct sg_work *work);
void sg_launch_trace(const struct sg_work *work, const struct sg_stream *stream, const char *via);

#define SG_HANDLE(handle, wanted)                                                                  \
    ((handle) && *(const enum sg_tag *)(const void *)(handle) == (wanted))

#endif
