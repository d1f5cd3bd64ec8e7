#!/usr/bin/env bash
# Prints the linker's version script: what libdetshim.so exports, and nothing else. Anonymous on purpose: a named
# version node would not satisfy references to libcublas.so.13 and the like (notes/interposition.md section 3.1).
# Names: every DET_CALL row, our own few, and what folders add in shim/*/exports.txt, one name a line.
set -euo pipefail
cd "$(dirname "$0")/.."
rows=$(gcc -E -P -I. -x c - <<'C'
#define DET_CALL(symbol, since, how) row symbol
#include "shim/loader/calls.def"
C
)
{
    printf '%s\n' "$rows" | tr -s ' ' '\n' | grep -v '^row$' | grep . || true
    printf '%s\n' dlsym dlvsym dlopen detshim_version
    for file in shim/*/exports.txt; do
        if [ -e "$file" ]; then sed -E 's/#.*//; s/[[:space:]]+//g; /^$/d' "$file"; fi
    done
} | LC_ALL=C sort -u | awk 'BEGIN { print "{ global:" } { print "    " $0 ";" } END { print "  local: *;\n};" }'
