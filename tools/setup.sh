#!/usr/bin/env bash
# Everything a fresh Debian 12 machine lacks: build tools by apt, a CUDA Toolkit by PyPI wheels where
# CUDA_HOME names none. Called by make before anything else; writes the answers to $1 (a make fragment).
# Must not touch anything outside the build folder except by the package manager.
set -euo pipefail

out=$1
build=$(dirname "$out")
mkdir -p "$build"

apt_packages=(gcc g++ make libcriterion-dev uthash-dev libxxhash-dev liblz4-dev libzstd-dev
    libmpfr-dev libgmp-dev clang-14 clang-format clang-tidy shellcheck libclang-rt-14-dev python3
    python3-pip unzip file binutils git ca-certificates)
# Tests that need one of these skip with the reason where it cannot be had.
apt_for_tests=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user libjemalloc2 libtcmalloc-minimal4
    libfaketime scdoc)
# One wheel per toolkit piece; versions pinned together because nvcc checks that they agree.
cuda_wheels=(nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88
    nvidia-cuda-runtime==13.0.96 nvidia-cuda-nvrtc==13.0.88 nvidia-cuda-cccl==13.0.85
    nvidia-cublas==13.1.0.3 nvidia-cudnn-cu13==9.19.0.56 nvidia-curand==10.4.0.35
    nvidia-cusparse==12.6.3.3 nvidia-cusolver==12.0.4.66 nvidia-nccl-cu13==2.28.9
    nvidia-nvjitlink==13.0.88 nvidia-cuda-culibos==13.0.85 nvidia-cuda-profiler-api==13.0.85)

lacking() { # names of $@ that are not installed
    local package
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}
install() {
    echo "setup: installing $*"
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >>"$build/apt.log" 2>&1
}
root=()
[ "$(id -u)" = 0 ] || root=(sudo)
mapfile -t needed < <(lacking "${apt_packages[@]}")
mapfile -t wanted < <(lacking "${apt_for_tests[@]}")
if [ ${#needed[@]} -gt 0 ] || { [ ${#wanted[@]} -gt 0 ] && [ "$(id -u)" = 0 ]; }; then
    "${root[@]}" apt-get update -qq >"$build/apt.log" 2>&1 || true
fi
if [ ${#needed[@]} -gt 0 ]; then
    install "${needed[@]}" || { tail -20 "$build/apt.log" >&2; exit 1; }
fi
# Nobody is asked for a password for these.
if [ ${#wanted[@]} -gt 0 ] && [ "$(id -u)" = 0 ]; then
    install "${wanted[@]}" || echo "setup: without ${wanted[*]}: tests that need them skip, see $build/apt.log"
fi

# Join the wheels of the toolkit into one tree with the layout of an installed toolkit.
install_cuda() {
    local dir=$1 wheels=$1.wheels site
    echo "setup: no CUDA_HOME; fetching a toolkit from PyPI into $dir"
    rm -rf "$dir" "$wheels"
    mkdir -p "$dir" "$wheels"
    python3 -m pip download -q --no-deps --only-binary=:all: -d "$wheels" "${cuda_wheels[@]}"
    for wheel in "$wheels"/*.whl; do unzip -q -o "$wheel" -d "$wheels/site"; done
    for site in "$wheels"/site/nvidia/cu13 "$wheels"/site/nvidia/*/; do
        for part in bin include lib nvvm; do
            [ -d "$site/$part" ] && mkdir -p "$dir/$part" && cp -a "$site/$part/." "$dir/$part/"
        done
    done
    chmod +x "$dir"/bin/* "$dir"/nvvm/bin/* 2>/dev/null || true
    ln -sfn lib "$dir/lib64"
    for real in "$dir"/lib/lib*.so.*; do
        local plain=${real%%.so.*}.so
        [ -e "$plain" ] || ln -s "$(basename "$real")" "$plain"
    done
    rm -rf "$wheels"
}

cuda=${CUDA_HOME:-}
if [ -z "$cuda" ]; then
    for guess in /usr/local/cuda "$build/cuda"; do
        if [ -x "$guess/bin/nvcc" ] && [ -e "$guess/include/cuda.h" ]; then cuda=$guess && break; fi
    done
fi
if [ -z "$cuda" ]; then
    cuda=$build/cuda
    install_cuda "$cuda"
fi
"$cuda/bin/nvcc" --version >/dev/null || { echo "setup: no working nvcc in '$cuda'; set CUDA_HOME" >&2; exit 1; }
printf 'CUDA_HOME := %s\n' "$(realpath "$cuda")" >"$out"
