"""Imports of CUDA frameworks with and without the library: same answers, hooks seen to fire, time added.

The independent count: nvcc puts one 24-byte record per translation unit into .nvFatBinSegment, and its start-up code registers
each with the runtime; where device code was linked (-rdc), the records of its parts hold relocatable code and only the record of
the linked whole is registered. A library that shares its runtime (__cudaRegisterFatBinary is undefined or exported, so that ours
comes first, or looked up by name) does so through our hook; one with a runtime of its own inside (cuBLAS, the XLA plugin) keeps that call to itself, and
we see its kernels at the driver instead.
"""
import glob
import json
import mmap
import os
import re
import statistics
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RECORD = 24


def once(python, kind, library=None, **variables):
    """(answer of import_cuda.py, fat binaries in the log, wall seconds, CPU seconds) of one process."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DET_", "DETSHIM_", "LD_PRELOAD"))}
    env.update(TF_CPP_MIN_LOG_LEVEL="3", PYTHONWARNINGS="ignore", **variables)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        if library:
            env.update(LD_PRELOAD=library, DETSHIM_LOG=os.path.join(folder, "%p"))
        start = time.monotonic()
        child = subprocess.Popen([python, os.path.join(HERE, "import_cuda.py"), kind], env=env, stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status) if hasattr(os, "waitstatus_to_exitcode") else status
        out.seek(0)
        err.seek(0)
        if status:
            return {"result": "status %d: %s" % (status, err.read()[-400:]), "mapped": []}, 0, wall, 0
        answer = json.loads(out.read().splitlines()[-1])
        seen = 0
        for path in glob.glob(os.path.join(folder, str(answer["pid"]) + "*")):
            with open(path) as file:
                seen += sum(json.loads(line).get("fat binaries", 0) for line in file if '"cost"' in line)
    return answer, seen, wall, usage.ru_utime + usage.ru_stime


def readelf(option, path):
    return subprocess.run(["readelf", "-W", option, path], capture_output=True, text=True, check=True).stdout


def records(path):
    """Records of one library whose code is final, by the addresses they hold."""
    listing = readelf("-S", path)
    found = {name: (int(at, 16), int(size, 16)) for name, at, size in
             re.findall(r" (\.nvFatBinSegment|\.nv_fatbin|__nv_relfatbin) +PROGBITS +(\w+) \w+ (\w+) ", listing)}
    at, size = found.get(".nvFatBinSegment", (0, 0))
    if "__nv_relfatbin" not in found:
        return size // RECORD
    holds = {int(where, 16): int(target, 16) for where, target in
             re.findall(r"^(\w+) +\w+ +R_\w+_RELATIVE +(\w+)$", readelf("-r", path), re.M)}
    low, length = found[".nv_fatbin"]
    return sum(low <= holds.get(record + 8, 0) < low + length for record in range(at, at + size, RECORD))


def registers_elsewhere(path):
    """Does the library hand its records to a runtime outside itself? By symbol, or, as XLA's stubs do, by a name it looks up in
    libcudart: then it holds that name but no runtime of its own, which would hold the name of the driver it opens."""
    if re.search(r" (?:UND|DEFAULT +\d+) __cudaRegisterFatBinary\b", readelf("--dyn-syms", path)):
        return True
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return text.find(b"\0__cudaRegisterFatBinary\0") >= 0 and text.find(b"libcuda.so.1\0") < 0


def sections(mapped):
    """(records registered through the shared runtime, records of libraries with a runtime inside)"""
    shared = inside = 0
    for path in mapped:
        if not os.path.exists(path):
            continue
        n = records(path)
        if not n:
            continue
        if registers_elsewhere(path):
            shared += n
        else:
            inside += n
    return shared, inside


def compare(python, kind, library, rounds):
    """One dictionary of everything worth judging; the first run of each way only warms the file cache."""
    plain, _, _, _ = once(python, kind)
    ours, seen, _, _ = once(python, kind, library)
    off = once(python, kind, library, DETSHIM_LEVEL="off")[1]
    shared, inside = sections(ours["mapped"])
    walls, cpus, base = [], [], []
    for i in range(rounds):
        pair = [once(python, kind), once(python, kind, library)] if i % 2 else \
            [once(python, kind, library), once(python, kind)][::-1]
        walls.append(pair[1][2] - pair[0][2])
        cpus.append(pair[1][3] - pair[0][3])
        base.append(pair[0][3])
    return {"plain": plain["result"], "ours": ours["result"], "seen": seen, "seen_off": off, "shared": shared, "inside": inside,
            "mapped": ours["mapped"], "wall": statistics.median(walls), "cpu": statistics.median(cpus),
            "cpu_plain": statistics.median(base), "noise": max(base) - min(base)}
