"""TensorFlow's other sources: the global generator and non-deterministic states."""
import tensorflow as tf

print(tf.random.uniform([2]).numpy().tolist())
print(tf.random.get_global_generator().normal([2]).numpy().tolist())
print(tf.random.Generator.from_non_deterministic_state().uniform([2]).numpy().tolist())
