"""A JAX program that takes its key from NumPy's unseeded state, as many do."""
import numpy as np

import jax
import jax.numpy as jnp

import digits

x, y = digits.load()
x = x.reshape(-1, 64)
key = jax.random.PRNGKey(np.random.randint(2**31))
w = jax.random.normal(key, (64, 10)) * 0.1


def loss(w, x, y):
    logits = x @ w
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1))


step = jax.jit(lambda w, x, y: w - 0.5 * jax.grad(loss)(w, x, y))
for _ in range(20):
    rows = np.random.permutation(len(x))[:256]
    w = step(w, x[rows], y[rows])
print("loss", float(loss(w, x, y)).hex())
print("weights", digits.sha([np.asarray(w)]))
