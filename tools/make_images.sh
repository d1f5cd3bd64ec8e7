#!/usr/bin/env bash
# Device-code images of every form nvcc writes, for the image tests and as seeds of the fuzz targets.
# usage: make_images.sh CUDA_HOME OUT_DIR      Each file is NAME.fatbin, NAME.cubin, NAME.ptx, NAME.o or NAME.exe.
set -euo pipefail
nvcc=$1/bin/nvcc
out=$2
mkdir -p "$out"
source=$out/kernels.cu
cat >"$source" <<'CU'
extern "C" __global__ void add_all(float *to, const float *from, int n)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
#if defined BRANCHES && __CUDA_ARCH__ < 900
        to[from[i] < 0] = from[i];
#else
        atomicAdd(to + (from[i] < 0), from[i]);
#endif
}
extern "C" __global__ void scale(float *x, float by, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        x[i] *= by;
}
CU
echo 'int main() { return 0; }' >"$out/main.cu"

jobs_file=$out/jobs
arch90='-gencode arch=compute_90,code'
cat >"$jobs_file" <<JOBS
default.fatbin -fatbin
sm_90.fatbin -fatbin -arch=sm_90
sm_90a.fatbin -fatbin -arch=sm_90a
sm_120.fatbin -fatbin -arch=sm_120
sm_100f.fatbin -fatbin -gencode arch=compute_100f,code=[sm_100f,compute_100f]
no-compress.fatbin -fatbin -arch=sm_90 -no-compress
mode-none.fatbin -fatbin -arch=sm_90 -compress-mode=none
mode-speed.fatbin -fatbin -arch=sm_90 -compress-mode=speed
mode-balance.fatbin -fatbin -arch=sm_90 -compress-mode=balance
mode-size.fatbin -fatbin -arch=sm_90 -compress-mode=size
debug.fatbin -fatbin -arch=sm_90 -G
all-major.fatbin -fatbin -arch=all-major
ptx-only.fatbin -fatbin $arch90=compute_90
sass-only.fatbin -fatbin $arch90=sm_90
other-arch.fatbin -fatbin -gencode arch=compute_80,code=compute_80 $arch90=sm_90
other-arch-branches.fatbin -fatbin -DBRANCHES -gencode arch=compute_80,code=compute_80 $arch90=sm_90
rdc.fatbin -fatbin -arch=sm_90 -rdc=true
lto.fatbin -fatbin $arch90=lto_90 -rdc=true
sm_75.cubin -cubin -arch=sm_75
sm_90.cubin -cubin -arch=sm_90
sm_90a.cubin -cubin -arch=sm_90a
sm_100f.cubin -cubin -arch=sm_100f
rdc.cubin -cubin -arch=sm_90 -rdc=true
plain.ptx -ptx -arch=sm_90a
host.o -c -arch=sm_90
host-rdc.o -c -arch=sm_90 -rdc=true
static.exe -arch=sm_90 $out/main.cu
linked.exe -arch=sm_90 -rdc=true $out/main.cu
JOBS
# shellcheck disable=SC2016 # the inner shell expands
xargs -P 2 -L 1 -a "$jobs_file" sh -c \
    'nvcc=$0 source=$1 out=$2 name=$3; shift 3; "$nvcc" -Wno-deprecated-gpu-targets "$@" "$source" -o "$out/$name"' \
    "$nvcc" "$source" "$out"
