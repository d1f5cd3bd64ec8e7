"""Every unseeded source of NumPy and of Python, and the ones that must stay secret (lines that begin with 'secret')."""
import os
import random
import secrets
import sys
import tempfile
import uuid

import numpy as np

for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
    print("np.random.rand", np.random.rand(2).tolist())
    print("default_rng", np.random.default_rng().random(2).tolist())
    print("default_rng again", np.random.default_rng().random(2).tolist())
    print("RandomState", np.random.RandomState().rand(2).tolist())
    print("SeedSequence", np.random.SeedSequence().entropy)
    print("random", random.random(), random.Random().random())
print("set", list({"alpha", "beta", "gamma", "delta", "eps"}))
print("hash", hash("abc"))
print("secret SystemRandom", random.SystemRandom().random())
print("secret uuid4", uuid.uuid4())
print("secret token", secrets.token_hex(8))
print("secret urandom", os.urandom(8).hex())
