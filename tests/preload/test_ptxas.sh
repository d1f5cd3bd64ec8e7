#!/usr/bin/env bash
# detshim ptxas: the cubin keeps its untouched kernel, gains an ordered one, and is known when it is loaded. The real ptxas
# compiles; the software GPU runs the PTX that the cubin was made from in its place.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${B:-$root/build}
CUDA_HOME=${CUDA_HOME:-$(sed -n 's/^CUDA_HOME := //p' "$build/setup.mk")}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export TMPDIR=$tmp/own DETSHIM_PTXAS=$tmp/real
mkdir -p "$TMPDIR"
n=0 bad=0
say() {
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2" && bad=1; fi
}
cat >"$tmp/k.cu" <<'CU'
__device__ float bias;
extern "C" __global__ void add_all(float *to, const float *from, int n)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        atomicAdd(to + i % 2, from[i] + bias);
}
extern "C" __global__ void twice(float *a) { a[threadIdx.x] *= 2; }
CU
# The real one, which also keeps what it was given.
cat >"$tmp/real" <<SH
#!/bin/sh
for word; do case \$word in *.ptx) cp "\$word" "$tmp/given.ptx" ;; esac; done
exec "$CUDA_HOME/bin/ptxas" "\$@"
SH
chmod +x "$tmp/real"
ptxas=$build/detshim-ptxas
"$CUDA_HOME/bin/nvcc" -arch=sm_90 -ptx -o "$tmp/k.ptx" "$tmp/k.cu" && "$tmp/real" -arch=sm_90 "$tmp/k.ptx" -o "$tmp/plain.cubin"
"$ptxas" -v -arch=sm_90 "$tmp/k.ptx" -o "$tmp/both.cubin" >"$tmp/out" 2>"$tmp/err"
say $? "compiles"
names() { readelf -sW "$1" 2>/dev/null | awk '$4 == "FUNC" { print $NF }' | sort | tr '\n' ' '; }
# shellcheck disable=SC2016 # $detshim is part of a symbol's name
[ "$(names "$tmp/plain.cubin")" = "add_all twice " ] && [ "$(names "$tmp/both.cubin")" = 'add_all add_all$detshim twice ' ]
say $? "one entry more, for the kernel that adds"
grep -q "Compiling entry function 'add_all' " "$tmp/err"
say $? "what the real one says is shown"
# The bytes of a section: name, file.
section() {
    local at
    at=$(readelf -SW "$2" 2>/dev/null | tr -d '[]' | awk -v name="$1" '$2 == name { print $5, $6 }')
    dd if="$2" bs=1 skip=$((0x${at% *})) count=$((0x${at#* })) 2>/dev/null
}
# add_all reads the address of `bias` from a table that holds the mark's address, too: its slot there is one byte of the code.
for kernel in "twice 0" "add_all 1"; do
    [ -n "$(section ".text.${kernel% *}" "$tmp/plain.cubin" | head -c 16 | od -An -tx1)" ] &&
        [ "$(cmp -l <(section ".text.${kernel% *}" "$tmp/plain.cubin") <(section ".text.${kernel% *}" "$tmp/both.cubin") | wc -l)" -le "${kernel#* }" ]
    say $? "machine code of ${kernel% *} is what the real ptxas makes"
done
"$ptxas" --version >"$tmp/ours" && "$tmp/real" --version >"$tmp/theirs"
[ "$(diff "$tmp/theirs" "$tmp/ours" | grep -c '^[<>]')" = 1 ] && ! tail -1 "$tmp/ours" | grep -q release
say $? "the version differs by one line"
echo "no ptx" >"$tmp/bad.ptx"
"$tmp/real" -arch=sm_90 "$tmp/bad.ptx" -o "$tmp/x" >"$tmp/theirs" 2>&1
wanted=$?
"$ptxas" -arch=sm_90 "$tmp/bad.ptx" -o "$tmp/x" >"$tmp/ours" 2>&1
[ $? = $wanted ] && cmp -s "$tmp/ours" "$tmp/theirs"
say $? "bad input: status and words of the real one"
DETSHIM_LEVEL=off "$ptxas" -arch=sm_90 "$tmp/k.ptx" -o "$tmp/off.cubin"
[ "$(names "$tmp/off.cubin")" = "add_all twice " ]
say $? "off adds nothing"
"$ptxas" -arch=sm_90 "$tmp/k.ptx" -o "$tmp/both.cubin"
run() { # run PRELOAD SEED
    LD_PRELOAD=$1 DETSHIM_LOG=$tmp/log DETSHIM_LOG_LEVEL=override SOFTGPU_CUBIN=$tmp/given.ptx \
        "$root/tests/softgpu/run" --seed "$2" -- "$build/preload/load_image" "$tmp/both.cubin" 2>/dev/null
}
[ "$(run "" 1)" != "$(run "" 2)" ] || [ "$(run "" 2)" != "$(run "" 3)" ]
say $? "without us the cubin runs its untouched kernel: schedules differ"
one=$(run "$build/libdetshim.so" 1)
[[ $one == result* ]] && [ "$one" = "$(run "$build/libdetshim.so" 2)" ] && [ "$one" = "$(run "$build/libdetshim.so" 3)" ]
say $? "under us it repeats: $one"
grep -q '"add_all".*"exact"\|exact.*add_all' "$tmp"/log*
say $? "the ledger calls the kernel exact"
# The ordered kernel of the cubin itself is what runs: hide it and a compiler is needed again.
# shellcheck disable=SC2016 # $detshim is part of a symbol's name
sed 's/add_all$detshim/add_all_hidden/' "$tmp/given.ptx" >"$tmp/hidden.ptx"
cp "$tmp/hidden.ptx" "$tmp/given.ptx"
hidden=$(run "$build/libdetshim.so" 1)
[ "$hidden" = "$one" ]
say $? "an entry that is missing is compiled again"
[ -z "$(ls -A "$TMPDIR")" ]
say $? "no scratch file is left behind"
echo "1..$n"
exit $bad
