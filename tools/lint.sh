#!/usr/bin/env bash
# Every rule a program can check. One line per finding, status 1 when there is any. LINT="layering format" picks parts.
# Judged: layering, export list and symbols, the driver's table, one row per wrapped call and one test per row, warnings, clang-tidy, shell.
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
parts=${LINT:-layering symbols driver rows tests length format shell warnings tidy}
jobs=${JOBS:-$(nproc)}
findings=$(mktemp)
trap 'rm -f "$findings"' EXIT

rows() { # every wrapped call: symbol
    gcc -E -P -I. -x c - <<'C' | tr -s ' ' '\n' | grep -vx row | grep .
#define DET_CALL(symbol, since, how) row symbol
#include "shim/loader/calls.def"
C
}

check_layering() { python3 tools/layering.py; }

# The ABIs of driver functions as the toolkit's headers have them: a new CUDA version shows up as a list of names.
check_driver() {
    local library home=${CUDA_HOME:-$(sed -n 's/^CUDA_HOME := //p' "$B/setup.mk")}
    if [ ! -e "$home/include/cudaTypedefs.h" ]; then
        echo "driver: no cudaTypedefs.h below '$home'"
        return
    fi
    python3 tools/driver_versions.py "$home" --check shim/loader/driver_versions.def 2>&1 | sed 's/^/driver: /'
    for library in cublas cusolver; do # routines of a newer header that the tables lack
        python3 tools/routines.py "$home" "$library" --check "shim/$library/${library}_routines.def" 2>&1 | sed 's/^/driver: /'
    done
}

check_symbols() { tools/check_symbols.sh "$B/libdetshim.so"; }

# A row without a function does not link. A function without a row would be made local by the linker's version script and
# never be called: every symbol our objects offer must be in that script.
check_rows() {
    local declared
    declared=$(sed -nE 's/^ +([A-Za-z_0-9]+);$/\1/p' "$B/exports.map" | sort)
    find "$B/obj/shim" -name '*.o' -exec readelf -sW {} + | awk '$4 == "FUNC" && $5 == "GLOBAL" && $6 == "DEFAULT" && $7 != "UND" { print $8 }' |
        sort -u | comm -23 - <(echo "$declared") | sed 's/^/rows: exported function without a row in any table: /'
    rows | sort | uniq -d | sed 's/^/rows: more than one row for /'
}

# Every row is named in a test. The per-thread and 64-bit twins of a call are stamped from its body: its name counts. Routines that
# are stamped by the hundred are called one by one, from the tables, by tests/preload/test_vendor_faults.sh.
check_tests() {
    local named
    named=$({ git ls-files tests | xargs grep -ohaE '\b[A-Za-z_][A-Za-z0-9_]+'; sed -nE 's/^DET_ROUTINE\(([A-Za-z0-9_]+),.*/\1/p' shim/*/*_routines.def; } | sort -u)
    rows | sort -u | while read -r call; do
        grep -qxF -e "$call" -e "${call%_ptsz}" -e "${call%_ptds}" -e "${call%_64}" -e "${call/#pnccl/nccl}" <<<"$named" ||
            echo "tests: no test names the wrapped call $call"
    done
}

check_length() {
    git ls-files '*.c' '*.h' '*.cu' | xargs wc -l | awk '$2 != "total" && $1 > 600 { print "length: " $2 ": " $1 " lines, over 600: look for the seam" }'
}

check_format() {
    git ls-files '*.c' '*.h' '*.cu' | xargs -P "$jobs" -n 20 clang-format --dry-run -Werror 2>&1 | grep -E 'error' | sed -E 's/^([^:]+:[0-9]+).*/format: \1: run make format/' | sort -u -t: -k2,2
}

check_shell() {
    git ls-files | while read -r file; do
        if [ -f "$file" ] && head -c 60 "$file" | grep -qaE '^#!.*\b(bash|sh)\b'; then echo "$file"; fi
    done | xargs shellcheck -x -f gcc | sed 's/^/shell: /'
}

check_warnings() {
    local log=$B/werror.log
    make -s -j"$jobs" B="$B/werror" WERROR=-Werror V=0 all >"$log" 2>&1 || grep -E 'error|warning' "$log" | sed 's/^/warnings: /'
}

# clang-tidy takes seconds per file, so a file that passed is not looked at again until its text after preprocessing changes.
tidy_one() {
    local file=$1 flags hash stamp
    flags=(-std=c11 -D_GNU_SOURCE -I. -Iinclude -isystem "$CUDA_HOME/include")
    stamp=$B/tidy/${file//\//_}
    hash=$({ cat .clang-tidy; gcc "${flags[@]}" -E "$file" 2>/dev/null; } | sha256sum)
    [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ] && return
    if clang-tidy --quiet "$file" -- "${flags[@]}" >"$stamp.log" 2>&1; then
        echo "$hash" >"$stamp"
    else
        grep -E 'warning|error' "$stamp.log" | grep -v 'warnings treated as errors' | sed "s#^$PWD/##; s/^/tidy: /"
    fi
}
check_tidy() {
    mkdir -p "$B/tidy"
    CUDA_HOME=${CUDA_HOME:-$(sed -n 's/^CUDA_HOME := //p' "$B/setup.mk")}
    export B CUDA_HOME
    export -f tidy_one
    git ls-files 'shim/*.c' 'cli/*.c' 'replacements/*.c' | xargs -P "$jobs" -I{} bash -c 'tidy_one {}'
}

for part in $parts; do
    start=$(date +%s)
    before=$(wc -l <"$findings")
    "check_$part" >>"$findings"
    printf '  lint     %-10s %4d findings %4ds\n' "$part" $(($(wc -l <"$findings") - before)) $(($(date +%s) - start))
done
cat "$findings"
[ ! -s "$findings" ]
