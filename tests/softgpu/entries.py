#!/usr/bin/env python3
"""Which exported symbol answers cuGetProcAddress(name, version, stream flag), and the _ptsz/_ptds twins.

usage: entries.py CUDA_HOME SOURCE... >entries.inc
Facts come from cuda.h (prototypes) and cudaTypedefs.h (name x version x stream variant); only entry points that a
SOURCE implements by SG_API() get a row, so that what is missing looks missing."""
import re
import subprocess
import sys

home, sources = sys.argv[1], sys.argv[2:]
written = set()
for source in sources:
    with open(source) as file:
        written |= set(re.findall(r"^SG_API\(\s*(\w+),", file.read(), re.M))

text = subprocess.run(
    ["gcc", "-E", "-P", "-x", "c", "-I", home + "/include", "-"], check=True, capture_output=True, text=True,
    input="#define __CUDA_API_VERSION_INTERNAL 1\n#include <cuda.h>\n#include <cudaProfiler.h>\n").stdout
text = re.sub(r"\s+", " ", text)
prototypes = dict(re.findall(r"CUresult (cu[A-Z]\w*) ?\(([^;]*)\);", text))

twins = []
for name, parameters in sorted(prototypes.items()):
    base, _, kind = name.rpartition("_")
    if kind not in ("ptsz", "ptds") or base not in written:
        continue
    names = [re.search(r"(\w+)(\[\d*\])?$", p.strip()).group(1) for p in parameters.split(",")]
    twins.append(name)
    print(f"SG_TWIN({name}, {base}, ({parameters}), ({', '.join(names)}))")

typedefs = []
for header in ("cudaTypedefs.h", "cudaProfilerTypedefs.h"):
    with open(home + "/include/" + header) as file:
        typedefs += re.findall(r"\*PFN_(cu\w+?)_v(\d+)(_ptsz|_ptds)?\)", file.read())
versions = {}
for name, version, kind in typedefs:
    versions.setdefault((name, kind), set()).add(int(version))
have = written | set(twins)
for (name, kind), known in sorted(versions.items()):
    symbols = [s for s in [name + kind] + [f"{name}_v{k}{kind}" for k in range(2, 6)] if s in prototypes]
    # The newest version belongs to the newest symbol, and so on downwards.
    for version, symbol in zip(sorted(known, reverse=True), reversed(symbols)):
        if symbol in have:
            print(f'SG_ROW("{name}", {1 if kind else 0}, {version}, {symbol})')
