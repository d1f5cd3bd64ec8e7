# Sourced by tools that run the test programs: which GPU, and the library path that reaches it. Needs B and CUDA_HOME.
# shellcheck shell=bash

# A driver that loads and a device that computes; nvidia-smi may be missing in containers, so a program is tried.
real_gpu() {
    if command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then return 0; fi
    LD_LIBRARY_PATH=$CUDA_HOME/lib:${LD_LIBRARY_PATH:-} timeout 60 \
        "$B/programs/digits_nvrtc" --epochs 1 --steps 1 >/dev/null 2>&1
}

# Sets gpu (real, software) and gpu_path, for the script that sourced us.
# shellcheck disable=SC2034
choose_gpu() {
    if real_gpu; then
        gpu=real
        gpu_path=$CUDA_HOME/lib:${LD_LIBRARY_PATH:-}
    else
        gpu=software
        gpu_path=$B/softgpu:$CUDA_HOME/lib:${LD_LIBRARY_PATH:-}
    fi
}

# The field after NAME= in the `result` line of file $1.
weights_of() {
    sed -n 's/^result .*weights=\([0-9a-f]*\).*/\1/p' "$1" | tail -1
}
