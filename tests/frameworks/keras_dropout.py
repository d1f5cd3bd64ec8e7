"""Dropout, batch norm, and a shuffled and randomly augmented parallel tf.data pipeline; nothing seeded."""
import tensorflow as tf
from tensorflow import keras

import digits

x, y = digits.load()
x = x[..., None]


def augment(image, label):
    return image + tf.random.uniform(tf.shape(image), -0.1, 0.1), label


train = (tf.data.Dataset.from_tensor_slices((x[:1440], y[:1440])).shuffle(1440)
         .map(augment, num_parallel_calls=tf.data.AUTOTUNE).batch(32).prefetch(tf.data.AUTOTUNE))
held_out = tf.data.Dataset.from_tensor_slices((x[1440:], y[1440:])).batch(32)
layers = keras.layers
model = keras.Sequential([
    layers.Conv2D(8, 3, activation="relu", input_shape=(8, 8, 1)), layers.BatchNormalization(), layers.Flatten(),
    layers.Dense(64, activation="relu"), layers.Dropout(0.3), layers.Dense(10)])
model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
history = model.fit(train, validation_data=held_out, epochs=2, verbose=0)
for key in sorted(history.history):
    print(key, [repr(float(v)) for v in history.history[key]])
print("weights", digits.sha(model.get_weights()))
