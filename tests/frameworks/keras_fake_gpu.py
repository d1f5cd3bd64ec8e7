"""What is decided where a GPU is visible, with a faked list of devices: Python-side determinism on, generators without exceptions."""
import tensorflow as tf
from tensorflow.python.framework import config

print("before", config.is_op_determinism_enabled())
config.list_physical_devices = lambda kind=None: ["a GPU"] if kind == "GPU" else []
print("with a GPU", config.is_op_determinism_enabled())
print("generator", tf.random.get_global_generator() is not None)
print("uniform", tf.random.uniform([2]).shape == (2,))
config.list_physical_devices = lambda kind=None: []
print("hidden again", config.is_op_determinism_enabled())
