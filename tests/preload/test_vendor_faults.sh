#!/usr/bin/env bash
# Every wrapped call of nine libraries, from the tables, against libraries of stubs (no vendor code, no double): the program sees each
# status as the library gave it, with NULL in every place, and survives a success with NULL; under a capture no wrapper allocates, waits,
# copies or launches by itself; a call the loaded library lacks looks absent.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/preload/loader/tap.sh
B=$(realpath "${B:-build}")
out=$B/faults
here=tests/preload/faults
mkdir -p "$out"
cc="${CC:-gcc} -std=gnu11 -O1 -g -Wall -Wextra -fPIC -fvisibility=hidden"
# shellcheck disable=SC2086
$cc -Wno-cast-function-type -o "$out/faults" $here/faults.c -ldl || exit 1
# shellcheck disable=SC2086
$cc -shared -Wl,-soname,libcuda.so.1 -o "$out/libcuda.so.1" $here/driver.c || exit 1

printf '%s\n' '#define DET_TABLE(family) table family' '#define DET_CALL(symbol, since, how) row symbol' '#include "shim/loader/calls.def"' |
    gcc -E -P -I. -x c - | tr -s ' \n' '\n' | awk '$1 == "table" || $1 == "row" { kind = $1; next } kind == "table" { family = $1 } kind == "row" { print family, $1 }' >"$out/rows"
[ -s "$out/rows" ] || exit 1

stubs() { # file, soname, names on standard input
    { echo '#include "tests/preload/faults/stub.h"'; sed -E 's/.*/STUB(&)/; s/STUB\((cudnnGetConvolutionBackward.*Size)/STUB_SIZE(\1/'; } >"$1.c"
    # shellcheck disable=SC2086
    $cc -I. -shared -Wl,-soname,"$2" -o "$1" "$1.c"
}
faults() { # preload, library, what, names, more environment
    local preload=$1 library=$2 what=$3 names=$4
    shift 4
    env LD_LIBRARY_PATH="$out" LD_PRELOAD="$preload" DETSHIM_LOG_LEVEL=off "$@" "$out/faults" "$library" "$what" <"$names"
}
same_statuses() { # family, library: null arguments, each status
    faults "" "$2" null "$out/$1.names" >"$out/$1.plain" 2>&1
    faults "$B/libdetshim.so" "$2" null "$out/$1.names" >"$out/$1.shim" 2>&1
    ! grep -E "missing|died|!" "$out/$1.plain" && [ "$(wc -l <"$out/$1.plain")" = "$(wc -l <"$out/$1.names")" ] &&
        diff "$out/$1.plain" "$out/$1.shim"
}
# A call that is answered without the library (a finder) shows 0; a refusal in the vendor's words would show its status.
valid_arguments() { # family, library, capturing
    faults "$B/libdetshim.so" "$2" valid "$out/$1.names" ${3:+FAULTS_CAPTURING=1} >"$out/$1.valid$3" 2>&1
    ! grep -vE '^[A-Za-z0-9_]+ 0 forbidden=' "$out/$1.valid$3" && [ "$(wc -l <"$out/$1.valid$3")" = "$(wc -l <"$out/$1.names")" ]
}
nothing_in_capture() { valid_arguments "$1" "$2" capturing && ! grep -v "forbidden=0" "$out/$1.validcapturing"; }
all_found() { ! faults "$B/libdetshim.so" "$2" found "$out/$1.names" | grep -v ' 1 1$'; }
# A library that has every other call: the others are absent, however they are asked for.
half_absent() {
    awk 'NR % 2' "$out/$1.names" >"$out/$1.half"
    mkdir -p "$out/half"
    stubs "$out/half/$2" "$2" <"$out/$1.half" || return 1
    LD_LIBRARY_PATH="$out/half" LD_PRELOAD="$B/libdetshim.so" DETSHIM_LOG_LEVEL=off "$out/faults" "$2" found <"$out/$1.names" >"$out/$1.found"
    ! awk 'NR % 2 ? $2 != 1 || $3 != 1 : $2 != 0 || $3 != 0' "$out/$1.found" | grep .
}
while read -r family library; do
    awk -v f="$family" '$1 == f { print $2 }' "$out/rows" >"$out/$family.names"
    n=$(wc -l <"$out/$family.names")
    stubs "$out/$library" "$library" <"$out/$family.names" || exit 1
    [ -z "${ONLY_BUILD:-}" ] || continue
    check "$family: $n calls with NULL arguments hand on each of 47 statuses" same_statuses "$family" "$library"
    check "$family: $n calls with valid addresses succeed" valid_arguments "$family" "$library" ""
    check "$family: $n calls in a capture allocate, wait, copy and launch nothing" nothing_in_capture "$family" "$library"
    if [ "$family" = CUDNN ]; then
        check "CUDNN: outside a capture workspace of ours is allocated (the control)" grep -q "^cudnnConvolutionBackwardFilter.*cuMemAlloc_v2" "$out/CUDNN.valid"
    fi
    check "$family: $n calls of a library that has them are found" all_found "$family" "$library"
    check "$family: calls that the library lacks look absent" half_absent "$family" "$library"
done <<'LIST'
CUBLAS libcublas.so.13
CUBLASLT libcublasLt.so.13
CUDNN libcudnn.so.9
CURAND libcurand.so.10
CUSPARSE libcusparse.so.12
CUSOLVER libcusolver.so.12
NCCL libnccl.so.2
CUSPARSELT libcusparseLt.so.0
CUTENSOR libcutensor.so.2
LIST
[ -n "${ONLY_BUILD:-}" ] || echo "1..$n_checks"
