#!/usr/bin/env bash
# Every P1 row (a call that is pinned, chosen, replaced or refused) of the vendor libraries is called by a random sweep, or sweeps.txt says
# why not. The loader tells which functions a program really bound to the shim; sweeps.txt is what docs/COVERAGE.md shows.
# usage: test_vendor_sweeps.sh [--write]: writes the lists of calls anew
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/preload/loader/tap.sh
B=$(realpath "${B:-build}")
cuda=${CUDA_HOME:-/usr/local/cuda}
table=tests/preload/sweeps.txt
out=$B/sweeps
mkdir -p "$out"
printf '%s\n' '#define DET_TABLE(family) @t family' '#define DET_ROUTINE(symbol, since, n)' '#define DET_CALL(symbol, since, how) @c symbol how' \
    '#include "shim/loader/calls.def"' | gcc -E -P -I. -x c - | tr '@' '\n' |
    awk '$1 == "t" { family = $2 } $1 == "c" && $3 != "WATCH" { print family, $2 }' |
    awk '$1 ~ /^(CUBLAS|CUBLASLT|CUDNN|CURAND|CUSPARSE|CUSOLVER|NCCL|CUSPARSELT|CUTENSOR)$/ { print $2 }' | sort -u >"$out/p1"
bound() { # program and arguments: names bound to the shim that are P1 rows
    # shellcheck disable=SC2086
    LD_DEBUG=bindings LD_LIBRARY_PATH=$B/doubles:$B/softgpu:$cuda/lib LD_PRELOAD=$B/libdetshim.so DETSHIM_LOG_LEVEL=off \
        DETSHIM_CACHE=off DOUBLES_SEED=1 $B/preload/$1 2>&1 >/dev/null |
        sed -nE "s/.*file [^ ]*preload\/[a-z_]+ .* to [^ ]*libdetshim\.so .*symbol .((cu|nccl|pnccl)[A-Za-z0-9_]+)'.*/\1/p" | sort -u | comm -12 - "$out/p1"
}
if [ "${1:-}" = --write ]; then
    while IFS='|' read -r command test _; do
        case $command in '#'* | - | '- '*) printf '%s\n' "$command${test:+|$test}" ;;
        *) printf '%s|%s| %s\n' "$command" "$test" "$(bound "$command" | tr '\n' ' ' | sed 's/ $//')" ;; esac
    done <"$table" >"$out/new" && cp "$out/new" "$table"
    exit
fi
same_calls() { diff <(tr ' ' '\n' <<<"$2" | grep . | sort) <(bound "$1"); }
while IFS='|' read -r command test calls; do
    case $command in '#'* | '- '*) continue ;; esac
    check "$command calls what the table says" same_calls "$command" "$calls"
    check "$command belongs to a test" grep -rqE "\b${test##*:}\b" "tests/preload/${test%%:*}.c"
done <"$table"
missing() {
    comm -23 "$out/p1" <(sed -E '/^#/d; s/^- ([^ ]+).*/\1/; s/.*\|//' "$table" | tr ' ' '\n' | sort -u) | sed 's/^/in no sweep: /'
}
none_missing() { ! missing | grep .; }
check "every P1 row is in a sweep, or has its reason" none_missing
echo "1..$n_checks"
