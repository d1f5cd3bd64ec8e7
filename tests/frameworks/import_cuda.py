"""Imports one framework the way its users do, and says which libraries that mapped. argv[1]: torch, jax, cupy, tf."""
import json
import os
import sys
import warnings

warnings.simplefilter("ignore")


def torch():
    import torch

    return [torch.__version__, torch.cuda.is_available(), torch.backends.cudnn.version()]


def jax():
    import jax  # the CUDA plugin is opened, finds no driver, and leaves the CPU

    return [jax.__version__, sorted({device.platform for device in jax.devices()})]


def cupy():
    import cupy
    import cupy.cuda.runtime

    return [cupy.__version__, cupy.cuda.runtime.runtimeGetVersion()]


def tf():
    import tensorflow

    return [tensorflow.__version__, len(tensorflow.config.list_physical_devices("GPU"))]


result = {"torch": torch, "jax": jax, "cupy": cupy, "tf": tf}[sys.argv[1]]()
with open("/proc/self/maps") as file:
    mapped = {line.split(None, 5)[5].strip() for line in file if line.count("/") and ".so" in line}
print(json.dumps({"pid": os.getpid(), "result": result, "mapped": sorted(mapped)}))
