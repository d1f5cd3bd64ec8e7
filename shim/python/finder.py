# Run once inside the interpreter, in a namespace of its own, by detshim's audit hook. `_det` is a C function:
# _det("draw", purpose) -> 64-bit int; _det("rule", slug) -> bool; _det("note", text); _det("override", slug, what);
# _det("pins", module) -> "NAME=VALUE" lines of variables just set, which os.environ must learn.
# One finder stays in sys.meta_path; modules, sys.path and os.environ stay as they are. Compiled at every start of an interpreter, so
# only what most programs need is here; the rest is frameworks.py, compiled at the first import of one of them.
import sys


def draw(purpose):
    return _det("draw", purpose)


def pin_environment(module):
    import os
    for line in _det("pins", module).splitlines():
        name, _, value = line.partition("=")
        os.environ.setdefault(name, value)


def after_random(module):
    # CPython's own start-up draw is recognised in C; builds that go around libc are seeded here.
    if not _det("drawn", "python.random") and _det("rule", "seed.python-random"):
        module.seed(draw("python.random"))


def after_bit_generator(module):
    if not _det("rule", "seed.numpy"):
        return

    def randbits(bits):
        value = 0
        for _ in range((bits + 63) // 64):
            value = value << 64 | draw("numpy")
        return value & ((1 << bits) - 1)

    module.randbits = randbits
    _det("override", "seed.numpy", "SeedSequence")


def after_mtrand(module):
    # numpy before 1.17 has no SeedSequence: its global state reads the device itself.
    if "numpy.random.bit_generator" not in sys.modules and _det("rule", "seed.numpy"):
        module.seed(draw("numpy") & 0xFFFFFFFF)
        _det("override", "seed.numpy", "numpy.random.seed")


def after_tempfile(module):
    # Two jobs with one seed on one machine must not meet: names stay real.
    import random
    module._Random = random.SystemRandom


def later(name):
    """The hook of that name in frameworks.py."""
    def hook(module):
        if name not in globals():
            exec(_det("frameworks"), globals())
        globals()[name](module)
    return hook


HOOKS = {
    "random": after_random,
    "tempfile": after_tempfile,
    "numpy.random.bit_generator": after_bit_generator,
    "numpy.random.mtrand": after_mtrand,
    "tensorflow": later("after_tensorflow"),
    "torch": later("after_torch"),
    "cupy.random._generator": later("after_cupy_generator"),
    "triton": later("after_triton"),
    "jaxlib": later("after_jaxlib"),
    "triton.runtime.autotuner": later("after_triton_autotuner"),
}
if not _det("seeded"):
    for unseeded in ("random", "tempfile", "numpy.random.bit_generator", "numpy.random.mtrand"):
        del HOOKS[unseeded]


class DetFinder:
    """Lets the ordinary finders find, and runs a hook after the module's own code."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in HOOKS and ("." in name or not _det("pinned", name)):
            return None
        for finder in list(sys.meta_path):
            find = None if finder is cls else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find else None
            if spec is not None:
                break
        else:
            return None
        loader = spec.loader
        if not hasattr(loader, "exec_module"):
            return spec

        class Loader:
            def create_module(_, spec):
                return loader.create_module(spec)

            def exec_module(_, module):
                spec.loader = loader  # leave no trace on the module
                try:
                    module.__loader__ = loader
                except Exception:
                    pass
                try:
                    pin_environment(name)
                except Exception as error:
                    _det("note", "environment for '%s' not set: %r" % (name, error))
                loader.exec_module(module)
                try:
                    HOOKS.get(name, lambda module: None)(module)
                except Exception as error:
                    _det("note", "import hook for '%s' failed: %r; it stays as it is" % (name, error))

            def __getattr__(_, attribute):
                return getattr(loader, attribute)

        spec.loader = Loader()
        return spec


sys.meta_path.insert(0, DetFinder)
for already in list(HOOKS):
    if already in sys.modules:  # imported before the hook could be installed
        try:
            HOOKS[already](sys.modules[already])
        except Exception as error:
            _det("note", "import hook for '%s' failed: %r; it stays as it is" % (already, error))
