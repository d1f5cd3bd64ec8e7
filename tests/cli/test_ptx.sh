#!/usr/bin/env bash
# detshim ptx: every kind of file, the rule of which PTX speaks, and what the real assembler says to the output.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
CUDA_HOME=${CUDA_HOME:-$(sed -n 's/^CUDA_HOME := //p' "$B/setup.mk")}
nvcc=$CUDA_HOME/bin/nvcc
cd "$scratch" || exit 1
cat >add.cu <<'CU'
__global__ void add(float *a, const float *x)
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
    atomicAdd(a, x[threadIdx.x]);
#else
    *a = 1;
#endif
}
__global__ void relu(float *a) { a[threadIdx.x] = fmaxf(a[threadIdx.x], 0.f); }
__global__ void used(float *a, float *old) { old[threadIdx.x] = atomicAdd(a, 1.f); }
#ifdef WHOLE
int main() { return 0; }
#endif
CU
"$nvcc" -arch=sm_90 -ptx -o add.ptx add.cu &
"$nvcc" -arch=sm_90 -cubin -o add.cubin add.cu &
"$nvcc" -gencode arch=compute_80,code=compute_80 -gencode arch=compute_90,code=sm_90 -fatbin -o branches.fatbin add.cu &
wait
"$nvcc" -arch=sm_90 -DWHOLE -o program add.cu &
"$nvcc" -arch=sm_90 -shared -Xcompiler -fPIC -o library.so add.cu &
wait
kernel() { grep "\"kernel\":\"_Z[0-9]*$1" <<<"$out"; } # the lines of one kernel

for file in add.ptx program library.so; do
    try "$detshim" ptx --classify "$file"
    out_all=$out
    out=$(kernel add)
    is "$file: a dead atomicAdd is rewritten" 0 'out~*"class":"exact","reason":"","atomics":[[]{"line":*"type":"f32"*"action":"rewritten"*'
    out=$(out=$out_all; kernel relu)
    is "$file: relu is ordered" 0 'out~*"class":"ordered","reason":"","atomics":[[][]]}'
    out=$(out=$out_all; kernel used)
    is "$file: a used result is uncovered, with the reason" 0 'out~*"class":"uncovered","reason":"?*"action":"left"*'
done
try "$detshim" ptx --classify add.cubin
is "machine code: kernels by name, unknown" 0 'out~*"kernel":"_Z3addPfPKf","class":"unknown","reason":"machine code only (sm_90)*'
try "$detshim" ptx --classify branches.fatbin
out=$(grep '"arch":"sm_90"' <<<"$out")
is "PTX of another architecture does not speak for machine code" 0 'out~*"class":"unknown","reason":"PTX of another architecture*'
result "$([ "$(grep -c '"class":"unknown"' <<<"$out")" = 3 ]; echo $?)" "for none of its kernels"
try "$detshim" ptx --classify --arch sm_90 branches.fatbin
result "$(grep -qE '"class":"(ordered|exact)"' <<<"$out"; echo $((1 - $?)))" "nor with --arch"
try "$detshim" ptx --classify --arch sm_80 branches.fatbin
is "on sm_80 the PTX is what the driver compiles" 0 'out~*"arch":"compute_80"*"class":"ordered"*'
try "$detshim" ptx --classify --arch sm_75 branches.fatbin
is "nothing runs on sm_75" 1 "out=" "err~*image 0: ?*"
try "$detshim" ptx --arch 9x add.ptx
is "bad --arch" 2 "err~*--arch takes*"

for sm in 90 100 120; do
    "$detshim" ptx add.ptx >twin.ptx 2>err; status=$?
    "$CUDA_HOME/bin/ptxas" -arch=sm_$sm -o twin.cubin twin.ptx >err 2>&1; result $? "twin is taken by ptxas for sm_$sm"
done
out=$(grep -c 'atom.*add.*f32\|red.*add.*f32' twin.ptx)
is "the original instruction stays for zeros, Inf and NaN" 0 "out~[1-9]*"
try "$detshim" ptx --identity add.ptx
is "identity twin holds every kernel" 0 "out~*_Z3addPfPKf*_Z4reluPf*"

printf '.version 8.0\n.target sm_90\n.address_size 64\n.visible .entry k() { ret; }\n' >plain.ptx
try "$detshim" ptx plain.ptx
is "nothing to rewrite" 1 "out=" "err~*none needs or allows rewriting*"
for file in /no/such /etc /etc/passwd; do
    try "$detshim" ptx --classify "$file"
    is "not device code: $file" 2 "out=" "err~detshim: cannot read *"
done
try "$detshim" ptx /bin/true
is "a program without device code" 1 "err~*no device code in '/bin/true'*"
try "$detshim" ptx
is "no file" 2 "err~*no file given*"
good=0
for n in 1 10 50 100 200 500; do
    head -c "$n" branches.fatbin >cut.fatbin
    head -c $((n * 7)) program >cut.elf
    for file in cut.fatbin cut.elf; do
        timeout 10 "$detshim" ptx --classify "$file" >/dev/null 2>&1
        [ $? -le 2 ] || good=1
    done
done
result $good "truncated files end with a plain status"
result "$("$detshim" ptx -c program | python3 -c 'import json,sys; [json.loads(l) for l in sys.stdin]'; echo $?)" "every line is JSON"
finish
