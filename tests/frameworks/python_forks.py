"""Children of every kind and what they draw. argv[1]: fork, spawn, forkserver or subprocess."""
import multiprocessing
import random
import subprocess
import sys


def draw(n):
    import numpy
    return [random.random(), float(numpy.random.default_rng().random())]


if __name__ == "__main__":
    how = sys.argv[1]
    print("parent", random.random())
    if how == "subprocess":
        for _ in range(3):
            print(subprocess.run([sys.executable, "-c", "import random; print(random.random(), hash('a'))"],
                                 capture_output=True, text=True).stdout.strip())
    else:
        context = multiprocessing.get_context(how)
        for _ in range(3):  # one after the other: which child draws what must not depend on timing
            with context.Pool(1) as pool:
                print(pool.map(draw, [0])[0])
