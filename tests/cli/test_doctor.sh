#!/usr/bin/env bash
# detshim doctor: programs by kind, device code by card, linkage. Nothing it looks at is executed.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
CUDA_HOME=${CUDA_HOME:-$(sed -n 's/^CUDA_HOME := //p' "$B/setup.mk")}
cd "$scratch" || exit 1
cat >k.cu <<'CU'
__global__ void add(float *a) { atomicAdd(a, 1.5f); }
__global__ void relu(float *a) { a[threadIdx.x] = fmaxf(a[threadIdx.x], 0.f); }
__global__ void swap(float *a, float *b) { b[threadIdx.x] = atomicExch(a, 1.f); }
static __global__ void hidden(float *a) { atomicAdd(a, 2.f); }
void start(float *a) { hidden<<<1, 1>>>(a); }
#ifdef MAIN
#include <cstdio>
int main() { fclose(fopen("executed", "w")); relu<<<1, 1>>>(nullptr); return 0; }
#endif
CU
nvcc() { "$CUDA_HOME/bin/nvcc" "$@"; }
nvcc -arch=sm_90 -DMAIN -cudart shared -o shared_cudart k.cu &
nvcc -arch=sm_90 -DMAIN -o static_cudart k.cu &
wait
nvcc -gencode arch=compute_90,code=sm_90 -shared -Xcompiler -fPIC -o machine_only.so k.cu &
nvcc -gencode arch=compute_80,code=compute_80 -gencode arch=compute_90,code=sm_90 -fatbin -o branches.fatbin k.cu &
wait

try "$detshim" doctor --gpu sm_90 -- ./shared_cudart
is "kernels by class, the uncovered one by name" 1 "out~*dynamically linked program*__cudaRegisterFatBinary*uncovered  swap: *on sm_90 *2 exact, 1 ordered, 0 unknown, 1 uncovered*libcudart.so.13*RESULT       some*"
is "its PTX needs a driver" 1 "out~*its PTX [0-9]*.[0-9] needs a driver of CUDA *"
[ ! -e executed ]
result $? "the program was not executed"
try "$detshim" doctor ./static_cudart
is "static cudart is reached through the driver" 1 "out~*cudart is linked statically*on sm_80*on sm_90*on sm_100*on sm_120*"
try "$detshim" doctor --gpu 90 machine_only.so
is "machine code only: unknown, with the flag to add" 1 "out~*shared object*unknown    add: machine code only*code=compute_90*4 unknown*"
is "static kernels have local symbols and count" 1 "out~*hidden: machine code only*"
try "$detshim" doctor --gpu sm_90 branches.fatbin
is "PTX of another architecture does not speak" 1 "out~*PTX of another architecture*0 exact, 0 ordered, 4 unknown*"
try "$detshim" doctor --gpu sm_80 branches.fatbin
is "but for the card it is compiled on it does" 1 "out~*2 exact, 1 ordered, 0 unknown, 1 uncovered*"
try "$detshim" doctor --gpu sm_35 branches.fatbin
is "code for other cards only is not called covered" 0 "out~*no kernel was found*"
try "$detshim" doctor "$detshim"
is "static programs are beyond" 1 "out~*statically linked program*"
cp /bin/true suid && chmod u+s suid
try "$detshim" doctor suid
is "set-user-id programs are beyond" 1 "out~*set-user-id*"
printf '#!/bin/sh\necho executed >executed\n' >script && chmod +x script
try "$detshim" doctor -- ./script
is "scripts name their interpreter" 0 "out~*script for /bin/sh*/bin/sh*dynamically linked*no device code was seen*"
[ ! -e executed ]
result $? "the script was not executed"
printf '\177ELF\001\001\001' >elf32 && head -c 100 /dev/zero >>elf32
try "$detshim" doctor elf32
is "32-bit programs are beyond" 1 "out~*32-bit*"
LD_PRELOAD=/lib/other.so:/x/libdetshim.so try "$detshim" doctor script
is "other preloads are named" 0 "out~preload      /lib/other.so*/x/libdetshim.so: not the first*"
try "$detshim" doctor nosuch
is "missing file" 2 "out~*not found*"
try "$detshim" doctor
is "nothing given" 2 "err~*no command or file*"
good=0
for n in 64 100 700 5000 20000; do
    head -c $n shared_cudart >cut.so
    timeout 20 "$detshim" doctor cut.so >/dev/null 2>&1
    [ $? -le 2 ] || good=1
done
result $good "truncated programs end with a plain status"
finish
