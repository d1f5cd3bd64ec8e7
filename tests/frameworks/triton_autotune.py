"""Triton's own Autotuner over a stand-in kernel, timed by a clock that lies at random. No GPU: the kernel is a Python function."""
import inspect
import random

import triton.testing
from triton.runtime.autotuner import Autotuner, Config


class Kernel:
    """What a JITFunction is to the autotuner: something with run() around a plain function."""
    arg_names = ["x", "n"]

    def __init__(self):
        def scale(x, n, BLOCK):
            return x
        self.fn = scale

    def run(self, *args, **meta):
        self.last = meta["BLOCK"]
        if meta["BLOCK"] == 16:
            from triton.runtime.errors import OutOfResources
            raise OutOfResources(1, 0, "shared memory")
        return args


def lying_clock(kernel_call, quantiles):
    kernel_call()
    return [random.SystemRandom().random()] * 3


def lying_function(fn, warmup=25, rep=100, grad_to_none=None, quantiles=None, fast_flush=True, return_mode="mean"):
    fn()
    return [__import__("random").SystemRandom().random()] * 3


kernel = Kernel()
clock = {"do_bench": lying_clock}
if "do_bench" not in inspect.signature(Autotuner.__init__).parameters:  # Triton 3.0 calls a function of its own, which is made to lie
    clock = {}
    triton.testing.do_bench.__code__ = lying_function.__code__
tuner = Autotuner(kernel, kernel.arg_names, [Config({"BLOCK": b}) for b in (16, 32, 64, 128, 256, 512)], ["n"], None, None, **clock)
for n in (1, 2, 3, 4, 5, 6):
    tuner.run([1.0], n, grid=(1,))
    print(n, kernel.last)
