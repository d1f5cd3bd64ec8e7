#!/usr/bin/env python3
"""Prints the tables of vendor routines that take no choice of algorithm: every function of a library that takes a handle and
computes, by its number of arguments. One row each: forwarded untouched, counted under the library's documented promise.

usage: routines.py CUDA_HOME cublas|cusolver >shim/LIBRARY/LIBRARY_routines.def     (`--check FILE` lists what a newer header adds)
Only functions whose arguments are all integers and pointers can be rows; one with a floating-point argument is left out.
"""
import re
import sys

LIBRARIES = {
    "cublas": ("cublas_api.h", "cublasHandle_t", r"cublas(Set|Get|Create|Destroy|Logger)", "shim/cublas/cublas.def"),
    "cusolver": ("cusolverDn.h", "cusolverDnHandle_t", r"cusolverDn(Set|Get|Create|Destroy|Logger|IRS)|\w+_bufferSize$",
                 "shim/cusolver/cusolver.def"),
}
# 1000 * major + 100 * minor of the first version, by the first pattern that fits the name
SINCE = {
    "cublas": [(r"GroupedBatched", 12500), (r"_64$", 12000), (r"gemv(Strided)?Batched", 11600), (r"Uint8|gemm3m", 8000),
               (r"StridedBatched", 8000), (r"(Asum|Copy|Swap|Iamax|Iamin|Rot\w*)Ex", 10100), (r"(Nrm2|Dot|Dotc|Scal|Axpy)Ex", 8000),
               (r"(syrk|herk|syrk3m|herk3m|gemm)Ex|Hgemm", 7500), (r"gels|geqrf", 6500), (r"tpttr|trttp", 6000),
               (r"rkx|matinv", 5500), (r"Batched|geam|dgmm", 5000), (r"", 4000)],
    "cusolver": [(r"DnX(sytrs|trtri|syevBatched|geev|larft)", 11400), (r"DnX", 11100), (r"DnXX|Dn[A-Z]{2}ge", 10200), (r"", 7000)],
}


def functions(path, handle, leave):
    text = re.sub(r"/\*.*?\*/", "", open(path).read(), flags=re.S)
    text = re.sub(r"//.*|^\s*#.*", "", text, flags=re.M)
    for name, params in re.findall(r"(?:cublasStatus_t|cusolverStatus_t)\s+(?:CUBLASWINAPI|CUSOLVERAPI)\s+(\w+)\s*\(([^;{]*?)\)\s*;", text):
        params = [" ".join(p.split()) for p in params.split(",")]
        if params[0].startswith(handle) and not re.match(leave, name):
            if not any(re.match(r"(const )?(float|double|cu\w*Complex) \w+$", p) for p in params):
                yield name, len(params)


def main():
    home, library = sys.argv[1:3]
    header, handle, leave, table = LIBRARIES[library]
    have = set(re.findall(r"DET_CALL\((\w+)", open(table).read()))
    rows = dict(functions(f"{home}/include/{header}", handle, leave))
    if "--check" in sys.argv:
        known = set(re.findall(r"DET_ROUTINE\((\w+)", open(sys.argv[-1]).read()))
        for name in sorted(set(rows) - known - have):
            print(f"routines: {name} is new in {header}: tools/routines.py")
        return 0
    print("/* DET_ROUTINE(symbol, since, number of arguments): routines without a choice of algorithm. Made by tools/routines.py")
    print(f" * from {header}; since: 1000 * major + 100 * minor of the first CUDA with it. */")
    for name, n in rows.items():
        if name not in have:
            since = next(v for pattern, v in SINCE[library] if re.search(pattern, name))
            print(f"DET_ROUTINE({name + ',':42} {since:5}, {n:2})")
    return 0


sys.exit(main())
