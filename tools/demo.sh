#!/usr/bin/env bash
# Training programs that know nothing of detshim: three plain runs, three under LD_PRELOAD, in one table each.
# usage: B=BUILD CUDA_HOME=TOOLKIT demo.sh [program arguments...]
# Status 1 when plain runs do not differ (nothing would be proven) or preloaded ones do.
set -euo pipefail
# shellcheck source=tools/gpu_env.sh
. "$(dirname "$0")/gpu_env.sh"
out=$B/demo
rm -rf "$out" && mkdir -p "$out"
choose_gpu
failed=0

# One run: prints its row, leaves weights and schedule in $out/weights.KIND and $out/schedules.
run_once() {
    local program=$1 kind=$2 i=$3 base=$out/$1.$2.$3 start end schedule=- weights accuracy preload=()
    shift 3
    [ "$kind" = plain ] || preload=(LD_PRELOAD="$B/libdetshim.so" DETSHIM_CACHE="$out/cache")
    start=$(date +%s%N)
    if ! env LD_LIBRARY_PATH="$gpu_path" SOFTGPU_REPORT="$base.report" "${preload[@]}" timeout 120 "$B/programs/$program" "$@" \
        >"$base.out" 2>"$base.err"; then
        printf '  %-12s failed: %s\n' "$kind $i" "$(head -1 "$base.err")"
        failed=1
        return
    fi
    end=$(date +%s%N)
    [ ! -s "$base.report" ] || schedule=$(sed -n 's/.*"schedule":"\([0-9a-f]*\)".*/\1/p' "$base.report")
    weights=$(weights_of "$base.out")
    accuracy=$(sed -n 's/^test accuracy \([0-9.]*\).*/\1/p' "$base.out")
    printf '  %-12s %-17s %-17s %7s %%  %5d ms\n' "$kind $i" "$schedule" "$weights" \
        "$(awk "BEGIN { printf \"%.2f\", 100 * $accuracy }")" $(((end - start) / 1000000))
    echo "$weights" >>"$out/$program.weights.$kind"
    echo "$schedule" >>"$out/$program.schedules"
}

distinct() {
    sort -u "$1" 2>/dev/null | wc -l
}

show_program() {
    local program=$1 what=$2 plain preloaded schedules
    shift 2
    echo
    echo "$program: $what"
    printf '  %-12s %-17s %-17s %9s %9s\n' run schedule weights accuracy time
    for kind in plain preloaded; do
        for i in 1 2 3; do run_once "$program" $kind $i "$@"; done
    done
    plain=$(distinct "$out/$program.weights.plain")
    preloaded=$(distinct "$out/$program.weights.preloaded")
    schedules=$(distinct "$out/$program.schedules")
    [ "$gpu" = software ] || schedules=-
    printf '  different weights: %s of 3 plain, %s of 3 preloaded; different schedules: %s of 6\n' \
        "$plain" "$preloaded" "$schedules"
    [ "$plain" = 3 ] && [ "$preloaded" = 1 ] && { [ "$schedules" = - ] || [ "$schedules" = 6 ]; } || failed=1
    sed -n '/^detshim:/{s/^/  /;p}' "$out/$program.preloaded.1.err" 2>/dev/null | cut -c1-150 | head -8
}

if [ "$gpu" = real ]; then
    echo "On this machine's GPU: the hardware schedules as it likes, so no schedule hash is shown."
    show_program digits_mlp_static "plain nvcc, its default static runtime" "$@"
else
    echo "On the software GPU: every run draws a new random schedule of blocks and warps."
fi
show_program digits_mlp "plain nvcc -cudart shared" "$@"
libraries="cuDNN and cuBLAS"
if [ "$gpu" = software ]; then
    gpu_path=$B/doubles:$gpu_path libraries="$libraries, here our doubles of them: real results, in random order unless asked for the documented one"
fi
show_program digits_nvrtc "driver API, kernels compiled at run time by NVRTC" "$@"
if LD_LIBRARY_PATH=$gpu_path ldd "$B/programs/digits_cnn" | grep -q 'not found'; then
    printf '\ndigits_cnn: left out, cuDNN or cuBLAS is not installed\n'
else
    show_program digits_cnn "$libraries" "$@"
fi
echo
if [ "$failed" = 0 ]; then
    echo "demo: plain runs differ, preloaded runs are equal bit for bit"
else
    echo "demo: FAILED, see $out"
fi
exit "$failed"
