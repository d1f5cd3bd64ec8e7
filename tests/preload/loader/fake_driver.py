#!/usr/bin/env python3
"""Prints C of a fake libcuda.so.1: every driver function returns a number of its own, cuGetProcAddress keeps the documented
contract. Its table is read from the headers here, not from the shim's generated one, and its names from the toolkit's own
stub library, so that one misreading cannot hide in both. fake_symbol(number) tells which ABI answered.

usage: fake_driver.py CUDA_HOME [--aliases]   --aliases: cuGetProcAddress answers with other addresses than the exports have
"""
import collections
import os
import re
import subprocess
import sys


def main():
    home = sys.argv[1]
    aliases = "--aliases" in sys.argv
    text = open(os.path.join(home, "include", "cudaTypedefs.h"), encoding="utf-8").read()
    abis = collections.defaultdict(set)
    for name in re.findall(r"PFN_(\w+_v\d+(?:_pt[sd][zs])?)\)\(", text):
        base, version, twin = re.fullmatch(r"(\w+?)_v(\d+)(_pt[sd][zs])?", name).groups()
        abis[base].add((int(version), twin or ""))
    exports = set()
    rows = []
    for base, versions in sorted(abis.items()):
        legacy = sorted(v for v, twin in versions if not twin)
        for version, twin in versions:
            order = len([v for v in legacy if v <= version])
            rows.append((base, version, twin, base + (f"_v{order}" if order > 1 else "") + twin))
    rows.append(("cuGraphInstantiate", 12000, "", "cuGraphInstantiateWithFlags"))
    stub = os.path.join(home, "lib", "stubs", "libcuda.so")
    if os.path.exists(stub):
        listing = subprocess.run(["nm", "-D", "--defined-only", stub], capture_output=True, text=True, check=True).stdout
        exports = {line.split()[-1] for line in listing.splitlines() if line.split()[-1].startswith("cu")}
    exports |= {row[3] for row in rows}
    own = {"cuGetProcAddress", "cuGetProcAddress_v2", "cuGetExportTable", "cuDriverGetVersion"}
    print("#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>")
    print("int fake_version = 13000;\nlong fake_calls;\nstatic void note(const char *name)\n{")
    print('    fake_calls++;\n    if (getenv("FAKE_TRACE"))\n        fprintf(stderr, "fake %s\\n", name);\n}')
    ids = {}
    for number, symbol in enumerate(sorted(exports - own)):
        ids[symbol] = 100000 + number
        print(f'long {symbol}(void);\nlong {symbol}(void)\n{{\n    note("{symbol}");\n    return {ids[symbol]};\n}}')
        if aliases:
            print(f"static long alias_{symbol}(void)\n{{\n    note(\"{symbol}\");\n    return {ids[symbol]};\n}}")
    print("const char *fake_symbol(long id);\nconst char *fake_symbol(long id)\n{\n    switch (id) {")
    for symbol, number in sorted(ids.items()):
        print(f'    case {number}: return "{symbol}";')
    print("    default: return 0;\n    }\n}")
    print(f"""
int cuDriverGetVersion(int *v);
int cuDriverGetVersion(int *v) {{ note("cuDriverGetVersion"); *v = fake_version; return 0; }}
int cuGetExportTable(const void **t, const void *u);
int cuGetExportTable(const void **t, const void *u) {{ (void)u; note("cuGetExportTable"); *t = 0; return 1; }}
int cuGetProcAddress(const char *name, void **out, int version, uint64_t flags);
int cuGetProcAddress_v2(const char *name, void **out, int version, uint64_t flags, int *status);
struct row {{ const char *base; int version; int twin; void *at; }};
static const struct row rows[] = {{""")
    for base, version, twin, symbol in rows:
        at = symbol if symbol in own or not aliases else "alias_" + symbol
        print(f'    {{ "{base}", {version}, {1 if twin else 0}, (void *){at} }},')
    print("""};
int cuGetProcAddress_v2(const char *name, void **out, int version, uint64_t flags, int *status)
{
    note("cuGetProcAddress");
    if (!out || !name || version > fake_version)
        return 1;
    *out = 0;
    const struct row *best = 0;
    for (int twin = (flags & 2) ? 1 : 0; twin >= 0 && !best; twin--)
        for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
            if (rows[i].twin == twin && rows[i].version <= version && !strcmp(rows[i].base, name) &&
                (!best || rows[i].version > best->version))
                best = &rows[i];
    if (best)
        *out = best->at;
    if (status)
        *status = best ? 0 : 1;
    return 0;
}
int cuGetProcAddress(const char *name, void **out, int version, uint64_t flags)
{
    return cuGetProcAddress_v2(name, out, version, flags, 0);
}""")


if __name__ == "__main__":
    main()
