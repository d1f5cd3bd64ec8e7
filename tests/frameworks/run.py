#!/usr/bin/env python3
"""Real frameworks under the library, on the CPU. Stands on real wheels in venvs below the build folder; no GPU is used.

usage: run.py BUILD [NAME...]   NAME picks environments (tf, tf212, tf28, tfold, torch, torch24, jax, jaxcuda, cupy, notebook); default all.

For every program: plain runs differ (else the test proves nothing), DET_SEED=1 runs match, some of them under load, DET_SEED=2 differs,
a script's own seeds win with the very bits of an unpreloaded run. Ends with `N passed, N failed, N skipped`.
"""
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile

import imports as importing

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(sys.argv[1])
LIBRARY = os.path.join(BUILD, "libdetshim.so")
WANTED = sys.argv[2:]

# name: (pythons to try, wheels). The oldest TensorFlow 2 whose wheel installs needs Python 3.7.
ENVIRONMENTS = {
    "tf": (["python3.11", "python3.12", "python3"], ["tensorflow-cpu"]),
    "tf212": (["python3.11", "python3.10"], ["tensorflow-cpu==2.12.1"]),
    "tf28": (["python3.10", "python3.9"], ["tensorflow-cpu==2.8.4", "protobuf<3.20", "numpy<1.24"]),
    "tfold": (["python3.7"], ["tensorflow-cpu==2.1.0", "protobuf<3.20"]),
    "torch": (["python3.11", "python3.12", "python3"], ["torch", "numpy"]),
    "torch24": (["python3.11", "python3.12"], ["torch==2.4.1", "numpy<2"]),
    "jax": (["python3.11", "python3.12", "python3"], ["jax[cpu]", "numpy"]),
    "jaxcuda": (["python3.11", "python3.12", "python3"], ["jax[cuda12]"]),
    "cupy": (["python3.11", "python3.12", "python3"],
             ["cupy-cuda12x", "numpy", "nvidia-cuda-runtime-cu12", "nvidia-cublas-cu12", "nvidia-cuda-nvrtc-cu12"]),
    "notebook": (["python3.11", "python3.12", "python3"], ["nbconvert", "ipykernel", "numpy"]),
}
counts = {"ok": 0, "not ok": 0, "skipped": 0}


def report(good, name, detail=""):
    counts["ok" if good else "not ok"] += 1
    print("%s - %s%s" % ("ok" if good else "not ok", name, "" if good else "  # " + detail), flush=True)


def skip(name, why):
    counts["skipped"] += 1
    print("ok - %s # SKIP %s" % (name, why), flush=True)


def find_python(names):
    for name in names:
        candidates = [shutil.which(name)]
        root = os.path.expanduser("~/.pyenv/versions")
        version = name.replace("python", "")
        if os.path.isdir(root):
            candidates += [os.path.join(root, v, "bin", "python3") for v in sorted(os.listdir(root))
                           if v == version or v.startswith(version + ".")]
        for path in candidates:
            if path and subprocess.run([path, "-c", "import ensurepip, venv"], capture_output=True).returncode == 0:
                return path
    return None


def environment(name):
    """Path of the environment's python, made when missing; None with a skip line when it cannot be."""
    folder = os.path.join(BUILD, "venvs", name)
    python = os.path.join(folder, "bin", "python")
    if os.path.exists(os.path.join(folder, "ready")):
        return python
    pythons, wheels = ENVIRONMENTS[name]
    base = find_python(pythons)
    if not base:
        skip(name, "none of %s here" % ", ".join(pythons))
        return None
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([base, "-m", "venv", folder], check=True)
    made = subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check"] + wheels,
                          capture_output=True, text=True)
    if made.returncode:
        skip(name, "wheels do not install: " + (made.stderr.strip().splitlines() or ["?"])[-1][:120])
        return None
    open(os.path.join(folder, "ready"), "w").close()
    return python


def run(python, arguments, seed=None, preload=None, **variables):
    """Standard output of one run. seed None: no DET_SEED, and no preload unless asked for."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DET_", "DETSHIM_", "LD_PRELOAD", "PYTHONHASHSEED"))}
    env.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", PYTHONWARNINGS="ignore", **variables)
    if seed is not None or preload:
        env.update(LD_PRELOAD=LIBRARY, DETSHIM_LOG_LEVEL=variables.get("DETSHIM_LOG_LEVEL", "off"))
    if seed is not None:
        env["DET_SEED"] = str(seed)
    done = subprocess.run([python] + arguments, cwd=HERE, env=env, capture_output=True, text=True, timeout=900)
    if done.returncode:
        return "exit %d\n%s" % (done.returncode, done.stderr[-2000:])
    return done.stdout + (done.stderr if variables.get("DETSHIM_LOG_LEVEL") else "")


class Load:
    """A busy loop on every CPU while some runs go on."""

    def __enter__(self):
        self.busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]

    def __exit__(self, *unused):
        for process in self.busy:
            process.kill()
            process.wait()


def repeats(label, python, arguments, runs=5, public=lambda text: text):
    """The main experiment over one program; returns the seeded output."""
    plain = [public(run(python, arguments)) for _ in range(2)]
    report(plain[0] != plain[1] and not plain[0].startswith("exit"), label + ": plain runs differ",
           "they agree or fail: " + plain[0][-300:])
    seeded = [public(run(python, arguments, seed=1)) for _ in range(runs - 2)]
    with Load():
        seeded += [public(run(python, arguments, seed=1)) for _ in range(2)]
    same = len(set(seeded)) == 1 and not seeded[0].startswith("exit")
    report(same, label + ": %d seeded runs match, 2 of them under load" % runs,
           "%d distinct: %s" % (len(set(seeded)), seeded[0][-300:]))
    other = public(run(python, arguments, seed=2))
    report(other != seeded[0] and not other.startswith("exit"), label + ": another seed differs", other[-300:])
    return seeded[0]


def own_seeds(label, python, arguments):
    plain, again = run(python, arguments), run(python, arguments)
    seeded = run(python, arguments, seed=1)
    report(plain == again == seeded and not plain.startswith("exit"), label + ": the script's own seeds win, bit for bit",
           "plain %s seeded %s" % (plain[-120:], seeded[-120:]))


def twice(label, python, program):
    pairs = [run(python, [program, "2"], seed=1) for _ in range(2)]
    lines = [line for line in pairs[0].splitlines() if line.startswith("weights")]
    single = [line for line in run(python, [program], seed=1).splitlines() if line.startswith("weights")]
    report(pairs[0] == pairs[1] and len(lines) == 2 and lines[0] != lines[1] and single == lines[:1],
           label + ": two trainings in one process, same pair in every process", pairs[0][-300:])


def recipe(label, python, newer):
    for variant in ["three", "keras"] if newer else ["three"]:
        plain, seeded = run(python, ["recipe.py", variant]), run(python, ["recipe.py", variant], seed=1)
        report("Result: True" in plain and "Result: True" in seeded, "%s: recipe '%s' is True with and without us" % (label, variant),
               plain[-200:] + seeded[-200:])
    runs = [run(python, ["recipe.py", "none"], seed=1) for _ in range(5)]
    report(len(set(runs)) == 1 and "Result: False" in runs[0],
           label + ": without the recipe's lines two fits differ and five processes agree", runs[0][-300:])


def tensorflow(name, python):
    repeats(name + " mlp", python, ["keras_mlp.py"])
    own_seeds(name + " three seeds", python, ["keras_mlp.py", "1", "three"])
    twice(name, python, "keras_mlp.py")
    if name == "tfold":  # Python 3.7 has no audit hooks: only the C part acts, and only this much is claimed
        return recipe(name, python, False)
    repeats(name + " dropout, batch norm, tf.data", python, ["keras_dropout.py"])
    fake = run(python, ["keras_fake_gpu.py"], seed=1)
    report(all(line in fake for line in ("before False", "with a GPU True", "generator True", "uniform True", "hidden again False")),
           name + ": with a (faked) GPU the Python side is on, without it off", fake[-300:])
    own_seeds(name + " set_random_seed", python, ["keras_mlp.py", "1", "set_random_seed"])
    repeats(name + " generators", python, ["keras_generators.py"], runs=3)
    recipe(name, python, True)


def triton(name, python):
    tuned = [run(python, ["triton_autotune.py"]) for _ in range(3)]
    ours = [run(python, ["triton_autotune.py"], preload=True) for _ in range(3)]
    report(len(set(tuned)) > 1 and len(set(ours)) == 1 and "1 32" in ours[0],
           name + " triton: tuning by a lying clock differs, preloaded it takes the first configuration that runs", ours[0][-200:])
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "choices")
        recorded = run(python, ["triton_autotune.py"], preload=True, DETSHIM_CHOICES="record:" + file)
        again = [run(python, ["triton_autotune.py"], preload=True, DETSHIM_CHOICES="replay:" + file) for _ in range(2)]
        report(again == [recorded] * 2, name + " triton: recorded choices are replayed", recorded + again[0])


def pytorch(name, python):
    repeats(name + " mlp, two loader workers", python, ["torch_mlp.py"])
    own_seeds(name, python, ["torch_mlp.py", "1", "seeds"])
    twice(name, python, "torch_mlp.py")
    plain, ours = run(python, ["torch_alert.py"]), run(python, ["torch_alert.py"], preload=True, DETSHIM_LOG_LEVEL="summary")
    report("filled False" in ours and "True False True" in ours and "put_" in ours and not ours.startswith("exit"),
           name + ": getters answer, memory fill off, an op without a deterministic form is listed, nothing raises", ours[-400:])
    report("False True False" in plain, name + ": control, the same getters unpreloaded", plain)
    if subprocess.run([python, "-c", "import triton"], capture_output=True).returncode == 0:
        triton(name, python)
    ranks = [run(python, ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "torch_ranks.py"], seed=1)
             for _ in range(2)]
    report(ranks[0] == ranks[1] and "weights equal True" in ranks[0] and "masks differ True" in ranks[0],
           name + ": two ranks, equal weights after DDP, different dropout masks, same in every run", ranks[0][-300:])


def public_lines(text):
    return "\n".join(line for line in text.splitlines() if not line.startswith("secret"))


def numpy_and_python(name, python):
    repeats(name + " numpy and random", python, ["numpy_script.py"], public=public_lines)
    secret = [[line for line in run(python, ["numpy_script.py"], seed=1).splitlines() if line.startswith("secret")] for _ in range(2)]
    with concurrent.futures.ThreadPoolExecutor() as pool:  # two jobs started together with one seed
        secret += [[line for line in text.splitlines() if line.startswith("secret")]
                   for text in pool.map(lambda _: run(python, ["numpy_script.py"], seed=1), range(2))]
    report(all(len(lines) == 4 for lines in secret) and all(len(set(column)) == 4 for column in zip(*secret)),
           name + ": uuid4, secrets, os.urandom, SystemRandom stay real", str(secret)[-300:])


def notebook(name, python):
    """One notebook executed under the kernelspec that `detshim kernelspec` writes."""
    folder = tempfile.mkdtemp(prefix="detshim-notebook-")
    source = "import random, numpy; print(random.random(), numpy.random.default_rng().random(), list({'a', 'b', 'c', 'd'}))"
    cell = {"cell_type": "code", "id": "a1", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
    with open(os.path.join(folder, "book.ipynb"), "w") as file:
        json.dump({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, file)

    def execute(kernel):
        env = dict(os.environ, JUPYTER_DATA_DIR=folder, DETSHIM_LOG_LEVEL="off")
        subprocess.run([python, "-m", "jupyter", "nbconvert", "--execute", "--to", "notebook", "--output", "done.ipynb",
                        "--ExecutePreprocessor.kernel_name=" + kernel, "book.ipynb"], cwd=folder, env=env,
                       capture_output=True, check=True, timeout=300)
        with open(os.path.join(folder, "done.ipynb")) as file:
            return "".join(json.load(file)["cells"][0]["outputs"][0]["text"])

    subprocess.run([os.path.join(BUILD, "detshim"), "kernelspec", "--name", "detshim", "--python", python, "--prefix", folder],
                   check=True, capture_output=True)
    subprocess.run([python, "-m", "ipykernel", "install", "--prefix", folder, "--name", "plain"], check=True, capture_output=True)
    shutil.copytree(os.path.join(folder, "share", "jupyter", "kernels", "plain"), os.path.join(folder, "kernels", "plain"))
    plain, ours = [execute("plain") for _ in range(2)], [execute("detshim") for _ in range(2)]
    report(plain[0] != plain[1], name + ": plain executions differ", plain[0])
    report(ours[0] == ours[1], name + ": executions under the kernelspec agree", "%s%s" % tuple(ours))
    shutil.rmtree(folder, ignore_errors=True)


def imports(name, python, rounds=5):
    """The framework's import: same answers, every registration seen, no time added beyond what runs differ by."""
    kind = {"jaxcuda": "jax", "torch24": "torch"}.get(name, name)
    got = importing.compare(python, kind, LIBRARY, rounds)
    report(got["plain"] == got["ours"] and not str(got["plain"]).startswith("status"),
           name + " import: answers %s with and without us" % got["plain"], str(got["ours"]))
    report(got["seen"] == got["shared"] and got["seen_off"] == 0,
           name + " import: %d fat binaries seen, %d records in libraries that share a runtime, %d in others, none seen when off"
           % (got["seen"], got["shared"], got["inside"]), "off: %d" % got["seen_off"])
    if kind == "torch":
        report(got["shared"] > 100, name + " import: the comparison above is not of nothing")
    if kind == "jax":
        report(any("jax_cuda" in path for path in got["mapped"]), name + " import: the CUDA plugin was opened", str(got["mapped"])[-200:])
    report(got["cpu"] <= max(got["noise"], 0.05 * got["cpu_plain"]),
           name + " import: median of %d pairs %+.0f ms CPU, %+.0f ms wall on %.0f ms CPU; plain runs spread %.0f ms"
           % (rounds, 1e3 * got["cpu"], 1e3 * got["wall"], 1e3 * got["cpu_plain"], 1e3 * got["noise"]))


def main():
    for name in ENVIRONMENTS:
        if WANTED and name not in WANTED:
            continue
        python = environment(name)
        if not python:
            continue
        if name.startswith("tf"):
            tensorflow(name, python)
        elif name.startswith("torch"):
            pytorch(name, python)
        if name in ("tf", "tf28", "torch24", "jax"):
            numpy_and_python(name, python)
        if name == "notebook":
            notebook(name, python)
        if name in ("tf", "torch", "torch24", "jaxcuda", "cupy"):
            imports(name, python)
        if name == "jax":
            repeats("jax", python, ["jax_script.py"])
    print("%d passed, %d failed, %d skipped" % (counts["ok"], counts["not ok"], counts["skipped"]))
    return 1 if counts["not ok"] or not counts["ok"] else 0


sys.exit(main())
