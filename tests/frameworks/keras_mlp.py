"""An unseeded Keras training as a newcomer writes it. argv: times to train (default 1), then an optional seeding style."""
import sys

import tensorflow as tf
from tensorflow import keras

import digits

times = int(sys.argv[1]) if len(sys.argv) > 1 else 1
style = sys.argv[2] if len(sys.argv) > 2 else ""
if style == "set_random_seed":
    keras.utils.set_random_seed(123)
elif style == "three":
    import random
    import numpy as np
    random.seed(5)
    np.random.seed(5)
    tf.random.set_seed(123)

x, y = digits.load()
for _ in range(times):
    model = keras.Sequential([
        keras.layers.Flatten(input_shape=(8, 8)),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10),
    ])
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])
    history = model.fit(x, y, epochs=2, validation_split=0.2, verbose=0)
    for key in sorted(history.history):
        print(key, [repr(float(v)) for v in history.history[key]])
    print("weights", digits.sha(model.get_weights()))
