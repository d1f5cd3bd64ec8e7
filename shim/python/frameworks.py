# Hooks after the import of a framework; run in finder.py's namespace when the first of them is needed. `_det` and `draw` are there.


def scan_file(path, names):
    """Which of `names` (bytes) occur in the file: how we know that a loaded XLA understands a flag."""
    import mmap
    with open(path, "rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found, last = [], 0
            for name in names:  # texts of one parser lie together: look near the one before first
                at = data.find(name, max(0, last - (1 << 21)), last + (1 << 21)) if last else -1
                at = at if at >= 0 else data.find(name)
                if at >= 0:
                    found, last = found + [name], at
            return found


def gpu_visible(config):
    """True where TensorFlow would place an op on a GPU; asked late, so that the script may still hide devices."""
    try:
        return bool(config.list_physical_devices("GPU"))
    except Exception:
        return False


def follow_tensorflow_errors(tensorflow):
    """An op without a deterministic kernel: one line after the program's own traceback."""
    previous = sys.excepthook

    def excepthook(kind, error, trace):
        previous(kind, error, trace)
        text = str(error)
        if "determinism" in text and ("not" in text or "deterministic" in text):
            op = getattr(getattr(error, "op", None), "type", None) or text.strip().split("\n")[0][:120]
            _det("note", "TensorFlow has no deterministic kernel for: %s; DETSHIM_RULES=-tensorflow.op-determinism "
                 "lets it run unrepeatably" % op)

    sys.excepthook = excepthook


def op_determinism(tensorflow):
    """C++ side on; Python side on only where a GPU is visible, so that CPU bits stay those of an unpreloaded run."""
    from tensorflow.python.framework import config
    from tensorflow.python.util import _pywrap_determinism as switch
    if switch.is_enabled():
        return  # the user set TF_DETERMINISTIC_OPS
    switch.enable(True)
    asked, original = [], config.enable_op_determinism

    def enable_op_determinism():
        asked.append(True)
        return original()

    enable_op_determinism.__doc__ = original.__doc__
    config.enable_op_determinism = enable_op_determinism
    config.is_op_determinism_enabled = lambda: bool(asked) or gpu_visible(config)
    try:
        tensorflow.config.experimental.enable_op_determinism = enable_op_determinism
    except Exception:
        pass
    _det("override", "tensorflow.op-determinism", "C++ side")


def own_global_generator(tensorflow):
    """get_global_generator raises under op determinism unless one was set: give it one from our stream."""
    from tensorflow.python.ops import stateful_random_ops as ops
    original = ops.get_global_generator

    def get_global_generator():
        if ops.global_generator is None:
            ops.set_global_generator(ops.Generator.from_seed(draw("tensorflow") >> 1))
        return original()

    get_global_generator.__doc__ = original.__doc__
    for place in (ops, tensorflow.random, getattr(tensorflow.random, "experimental", None)):
        if place is not None and hasattr(place, "get_global_generator"):
            place.get_global_generator = get_global_generator


def seeded_by_program(tensorflow):
    """Without DET_SEED: as soon as the program sets a TensorFlow seed itself, make the ops repeat as well."""
    from tensorflow.python.framework import random_seed
    original = random_seed.set_seed

    def set_seed(seed):
        if seed is not None and _det("rule", "tensorflow.op-determinism"):
            op_determinism(tensorflow)
        return original(seed)

    set_seed.__doc__ = original.__doc__
    random_seed.set_seed = set_seed
    tensorflow.random.set_seed = set_seed


def after_tensorflow(module):
    if not _det("seeded"):
        return seeded_by_program(module)
    if _det("rule", "seed.tensorflow"):
        module.random.set_seed(draw("tensorflow") & 0x7FFFFFFF)
        own_global_generator(module)
        _det("override", "seed.tensorflow", "tf.random.set_seed")
    if _det("rule", "tensorflow.op-determinism"):
        op_determinism(module)
        follow_tensorflow_errors(module)
    import os
    _det("fingerprint", "tensorflow.threads", "%d cpus, intra %s" % (
        len(os.sched_getaffinity(0)), os.environ.get("TF_NUM_INTRAOP_THREADS", "default")))


def after_torch(module):
    # Unseeded generators are answered in C++; where that function has another name, fall back to the public call.
    if _det("seeded") and _det("rule", "seed.torch") and not _det("symbol", "_ZN3c106detail25getNonDeterministicRandomEb"):
        module.manual_seed(draw("torch.cpu") >> 1)
        _det("override", "seed.torch", "torch.manual_seed")


def after_cupy_generator(module):
    """cupy seeds a generator from os.urandom(8); only its own view of `os` is changed. Not yet run on a GPU."""
    if not (_det("seeded") and _det("rule", "seed.cupy")) or not hasattr(module, "os"):
        return

    class Os:
        def __init__(self, real):
            self._real = real

        def __getattr__(self, name):
            return getattr(self._real, name)

        def urandom(self, n):
            return b"".join(draw("cupy").to_bytes(8, "little") for _ in range((n + 7) // 8))[:n]

    module.os = Os(module.os)
    _det("override", "seed.cupy", "os.urandom of cupy.random")


def after_triton_autotuner(module):
    """Triton picks a configuration by elapsed time. Unless DETSHIM_CHOICES records, nothing is timed: the first configuration that runs
    is taken, or the one that was recorded for this kernel and problem."""
    Autotuner = module.Autotuner
    bench, run = Autotuner._bench, Autotuner.run
    untimed = []  # tuners inside _bench; the thread that appended removes

    def problem(tuner, meta):
        values = dict(getattr(tuner, "nargs", None) or {}, **meta)
        name = getattr(getattr(tuner, "base_fn", None), "__name__", "kernel")
        keys = getattr(tuner, "keys", None) or [tuner.arg_names[i] for i in getattr(tuner, "key_idx", ())]  # before Triton 3.1
        plain = ["%s=%s" % (key, values[key]) for key in keys
                 if isinstance(values.get(key), (int, float, str, bool))]
        types = [str(value.dtype) for value in values.values() if hasattr(value, "dtype")]
        return " ".join([where(), name] + plain + types)

    def where():
        import triton
        try:
            from triton.runtime import driver
            target = "%s" % (driver.active.get_current_target(),)
        except Exception:
            target = "no GPU"
        return "triton %s, %s:" % (getattr(triton, "__version__", "?"), target)

    def once(kernel_call, quantiles=None, **unused):
        kernel_call()  # a configuration that cannot run still raises here, and is left out
        return (1.0, 1.0, 1.0)

    def unless_untimed(timer):  # before Triton 3.2 the timers are functions of the module
        def do_bench(kernel_call, *args, **options):
            if not untimed:
                return timer(kernel_call, *args, **options)
            return once(kernel_call) if options.get("quantiles") else once(kernel_call)[0]
        return do_bench

    for name in ("do_bench", "do_bench_cudagraph"):
        if hasattr(module, name):
            setattr(module, name, unless_untimed(getattr(module, name)))

    def _bench(self, *args, config, **meta):
        if not _det("rule", "triton.autotune") or _det("recording"):
            return bench(self, *args, config=config, **meta)
        self.__dict__["do_bench"] = once
        untimed.append(self)
        try:
            result = bench(self, *args, config=config, **meta)
        finally:
            untimed.pop()
        several = isinstance(result, (list, tuple))
        if (min(result) if several else result) == float("inf"):
            return result
        _det("override", "triton.autotune", "timing")
        recorded = _det("choice", problem(self, meta))
        time = 0.5 if recorded and str(config) == recorded else 1.0
        return [time] * 3 if several else time

    def tuned_run(self, *args, **meta):
        before = set(self.cache)
        result = run(self, *args, **meta)
        if set(self.cache) != before and _det("rule", "triton.autotune"):
            self.nargs = dict(zip(self.arg_names, args))
            key, chosen = problem(self, meta), str(self.best_config)
            self.nargs = None
            recorded = _det("choice", key)
            if _det("recording"):
                _det("choose", key, chosen)
            elif recorded and recorded != chosen:
                _det("gone", key)
        return result

    Autotuner._bench, Autotuner.run = _bench, tuned_run


def after_triton(module):
    """Triton asks the environment for its ptxas at each compilation. Ours runs the one Triton would have used. Inductor takes
    over what is set here, its worker processes inherit it."""
    import os
    if not _det("rule", "triton.ptxas"):
        return
    ours = []
    with open("/proc/self/maps") as maps:
        for line in maps:
            if line.rstrip().endswith("/libdetshim.so"):
                here = os.path.dirname(line.split(None, 5)[5].strip())
                ours = [here, os.path.join(os.path.dirname(here), "bin")]
                break
    folder = os.path.join(os.path.dirname(module.__file__), "backends", "nvidia", "bin")
    if not os.path.isdir(folder):  # before Triton 3
        folder = os.path.join(os.path.dirname(module.__file__), "common", "..", "third_party", "cuda", "bin")
    for binary in ("ptxas", "ptxas-blackwell"):
        name = binary.upper().replace("-", "_")
        variable = "TRITON_%s_PATH" % name
        real = os.path.join(folder, binary)
        stand_in = [path for path in (os.path.join(place, "detshim-" + binary) for place in ours)
                    if os.access(path, os.X_OK)]
        if "detshim-" in os.environ.get(variable, ""):
            continue  # a parent of this process set it
        if os.environ.get(variable):
            _det("kept", "triton.ptxas", variable)
        elif os.access(real, os.X_OK) and stand_in:
            os.environ["DETSHIM_" + name] = real
            os.environ[variable] = stand_in[0]
            _det("override", "triton.ptxas", variable)
        elif os.access(real, os.X_OK):
            _det("note", "detshim-%s is not installed beside libdetshim.so: kernels of Triton stay unknown" % binary)


def after_jaxlib(module):
    """XLA_FLAGS is appended before any backend parses it, and only with flags that every XLA found here knows: an unknown one
    would end the process."""
    import glob
    import importlib.util
    import os
    if not _det("rule", "xla.flags"):
        return
    wanted = [b"xla_gpu_deterministic_ops", b"xla_gpu_autotune_level"]
    values = {b"xla_gpu_deterministic_ops": "true", b"xla_gpu_autotune_level": "0"}
    here = os.path.dirname(module.__file__)
    plugins = []
    for name in ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_plugins.xla_cuda12", "jax_plugins.xla_cuda13"):
        try:
            spec = importlib.util.find_spec(name)
        except Exception:
            spec = None
        for folder in (spec.submodule_search_locations or []) if spec else []:
            plugins += glob.glob(os.path.join(folder, "*xla_cuda_plugin*.so"))
    if not plugins:
        return  # no GPU backend: CPU results stay those of an unpreloaded run
    libraries = plugins + glob.glob(os.path.join(here, "libjax_common.so")) + glob.glob(os.path.join(here, "xla_extension.so"))
    known = list(wanted)
    for library in libraries:
        known = scan_file(library, known)
    flags = os.environ.get("XLA_FLAGS", "")
    for name in wanted:
        text = name.decode()
        if text in flags:
            _det("kept", "xla.flags", text)
        elif name in known:
            flags = (flags + " --%s=%s" % (text, values[name])).strip()
            _det("override", "xla.flags", text)
        else:
            _det("note", "this XLA does not know %s; left out" % text)
    os.environ["XLA_FLAGS"] = flags
