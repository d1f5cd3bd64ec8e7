"""The recipe people copy to make a Keras training repeat, in its own structure: the seeds are set inside the loop, two fits are
compared, and `Result: True` is printed when the histories agree. argv[1]: three (environment and three seeds), keras
(set_random_seed and enable_op_determinism), or none (its lines deleted)."""
import os
import random
import sys

import numpy as np
import tensorflow as tf
from tensorflow import keras

import digits

variant = sys.argv[1]
SEED = 42
results = []
x, y = digits.load()
for _ in range(2):
    if variant == "three":
        os.environ["PYTHONHASHSEED"] = str(SEED)
        os.environ["TF_DETERMINISTIC_OPS"] = "1"
        random.seed(SEED)
        np.random.seed(SEED)
        tf.random.set_seed(SEED)
    elif variant == "keras":
        keras.utils.set_random_seed(SEED)
        tf.config.experimental.enable_op_determinism()
    model = keras.Sequential([
        keras.layers.Flatten(input_shape=(8, 8)),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(10),
    ])
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])
    history = model.fit(x, y, epochs=2, batch_size=64, verbose=0)
    results.append({key: [float(v) for v in values] for key, values in history.history.items()})
    print(results[-1])
print("Result:", results[0] == results[1])
