#!/usr/bin/env bash
# Real NVIDIA libraries without a device, through the shim: cuDNN, cuBLAS, NCCL, a cuRAND host generator, an NVRTC compile, and
# cudart's search for the driver in four generations (rows 3, 4, 5 of notes/interposition.md section 8). CUDA 13 is the toolkit;
# CUDA 12 and 11 wheels come from PyPI into the build folder. Both generations also run in one process.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/preload/loader/tap.sh
B=$(realpath "${B:-build}")
cuda=${CUDA_HOME:-/usr/local/cuda}
out=$B/loader
tests/preload/loader/build.sh "$out" "$B/libdetpure.a" "$cuda" || exit 1
wheels() { # folder, wheels...: unpacked into build/wheels/FOLDER, once; status 1 when not reachable
    local folder=$B/wheels/$1
    shift
    [ -e "$folder/done" ] && return 0
    mkdir -p "$folder/whl" &&
        python3 -m pip download -q --no-deps --only-binary=:all: -d "$folder/whl" "$@" >"$folder/log" 2>&1 &&
        for wheel in "$folder"/whl/*.whl; do unzip -q -o "$wheel" -d "$folder"; done &&
        rm -rf "$folder/whl" && touch "$folder/done"
}
run() { # preload, command...
    local preload=$1
    shift
    (cd "$out" && timeout 300 env LD_LIBRARY_PATH="$out/driver:$cuda/lib" LD_PRELOAD="$preload" "$@")
}
# same WATCH-COUNT-PATTERN COMMAND...: the same results plain, under the product and under the watch build; there also counted
# shellcheck disable=SC2001
same() {
    local counted=$1 plain product watched
    shift
    plain=$(run "" "$@" 2>&1) || { echo "plain: $plain"; return 1; }
    product=$(run "$B/libdetshim.so" "$@" 2>"$out/product.err") || { echo "product: $product $(cat "$out/product.err")"; return 1; }
    watched=$(run "$out/libwatch.so" "$@" 2>&1) || { echo "watch: $watched"; return 1; }
    printf '%s\n' "plain $plain" "product $product" "watch $watched"
    [ "$(sed 's/ counted=.*//' <<<"$plain")" = "$(sed 's/ counted=.*//' <<<"$product")" ] &&
        [ "$(sed 's/ counted=.*//' <<<"$plain")" = "$(sed 's/ counted=.*//' <<<"$watched")" ] &&
        grep -q "failures=0" <<<"$plain" && [ "$(grep -c "counted=[1-9]" <<<"$watched")" = "$counted" ]
}
L=$cuda/lib
mkdir -p "$out/driver" && ln -sf ../libcuda.so.1 "$out/driver/libcuda.so.1"
for row in "cudnn libcudnn.so.9" "cublas13 libcublas.so.13" "nccl libnccl.so.2" "curand libcurand.so.10" "nvrtc13 libnvrtc.so.13"; do
    # shellcheck disable=SC2086
    set -- $row
    if [ -e "$L/$2" ]; then
        check "CUDA 13: $1" same 1 ./vendor "$1" "$L"
    else
        skip "CUDA 13: $1" "$2 is not in $L"
    fi
done
if [ -e "$L/libcudnn.so.9" ]; then
    inhibited() {
        gives "$(run "" ./vendor cudnn "$L" | sed -n 's/counted=.*/counted=2/p')" run "" /lib64/ld-linux-x86-64.so.2 --inhibit-cache \
            --preload "$out/libwatch.so" ./vendor cudnn "$L"
    }
    check "cuDNN finds its parts without the loader cache" inhibited
fi
twelve=$B/wheels/12/nvidia
if wheels 12 nvidia-cublas-cu12==12.1.3.1 nvidia-cuda-nvrtc-cu12==12.4.127 nvidia-cuda-runtime-cu12==12.4.127; then
    check "CUDA 12: cublas" same 1 ./vendor cublas12 "$twelve/cublas/lib"
    check "CUDA 12: nvrtc" same 1 ./vendor nvrtc12 "$twelve/cuda_nvrtc/lib"
    check "CUDA 12 and 13 in one process: cublas" same 2 ./vendor cublas12 "$twelve/cublas/lib" cublas13 "$L"
    check "CUDA 13 and 12 in one process: cublas" same 2 ./vendor cublas13 "$L" cublas12 "$twelve/cublas/lib"
    check "both in one process: nvrtc" same 2 ./vendor nvrtc12 "$twelve/cuda_nvrtc/lib" nvrtc13 "$L"
else
    skip "CUDA 12 libraries" "wheels not reachable: $(tail -1 "$B/wheels/12/log")"
fi
# Row 5: every look-up of the real runtime passes through us; the fake driver answers, up to cudart's own check of the driver.
# shellcheck disable=SC2001
looks() { # library, least number of driver calls, counted cuInit
    local text
    text=$(run "$out/libwatch.so" ./cudart "$1") || return 1
    echo "$text"
    [ "$(sed -n 's/.* calls=\([0-9]*\) .*/\1/p' <<<"$text")" -ge "$2" ] && grep -q " init=[1-9]" <<<"$text" &&
        [ "$(sed 's/ init=.*//' <<<"$text")" = "$(run "" ./cudart "$1" | sed 's/ init=.*//')" ]
}
check "cudart 13 looks the driver up through us" looks "$L/libcudart.so.13" 400
[ -e "$twelve/cuda_runtime/lib/libcudart.so.12" ] &&
    check "cudart 12.4 looks the driver up through us" looks "$twelve/cuda_runtime/lib/libcudart.so.12" 400
if wheels 11.8 nvidia-cuda-runtime-cu11==11.8.89; then
    check "cudart 11.8 looks the driver up through us" looks "$B/wheels/11.8/nvidia/cuda_runtime/lib/libcudart.so.11.0" 300
else
    skip "cudart 11.8" "wheel not reachable"
fi
# nvcc's default: the runtime linked into the program itself.
static_cudart() {
    gcc -w -O1 -o "$out/cudart_static" tests/preload/loader/static_cudart.c -I"$cuda/include" "$L/libcudart_static.a" -ldl -lpthread \
        -lrt || return 1
    gives "result init=1 plain=same" run "$out/libwatch.so" ./cudart_static
}
if [ -e "$L/libcudart_static.a" ]; then
    check "static cudart looks the driver up through us" static_cudart
else
    skip "static cudart" "no libcudart_static.a"
fi
echo "1..$n_checks"
