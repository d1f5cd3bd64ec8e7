"""For a machine with a card: the unseeded digits training of tests/frameworks on the GPU. Not yet run.

    for i in 1 2 3; do python tests/gpu/keras_recipe.py; done                                            # differ
    for i in 1 2 3; do DET_SEED=1 LD_PRELOAD=build/libdetshim.so python tests/gpu/keras_recipe.py; done   # agree
"""
import os
import runpy
import sys

import tensorflow as tf

if not tf.config.list_physical_devices("GPU"):
    print("skipped: TensorFlow sees no GPU")
    sys.exit(0)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "frameworks"))
sys.argv = ["keras_dropout.py"]
runpy.run_path(os.path.join(sys.path[0], "keras_dropout.py"), run_name="__main__")
