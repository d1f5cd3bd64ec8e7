#!/usr/bin/env bash
# On a real card: each training program five times plain and five times preloaded. TAP lines, then
# `N passed, N failed, N skipped`. Without a card everything is skipped, with the reason.
# usage: B=BUILD CUDA_HOME=TOOLKIT test_gpu.sh
set -u
# shellcheck source=tools/gpu_env.sh
. "$(dirname "$0")/gpu_env.sh"
out=$B/gpu
rm -rf "$out" && mkdir -p "$out"
passed=0 failed=0 skipped=0
programs="digits_mlp_static digits_mlp digits_nvrtc"

result() { # status, text
    if [ "$1" = 0 ]; then
        passed=$((passed + 1)) && echo "ok - $2"
    else
        failed=$((failed + 1)) && echo "not ok - $2"
    fi
}

hashes() { # program, kind, environment...: distinct weight hashes of five runs
    local program=$1 kind=$2
    shift 2
    for i in 1 2 3 4 5; do
        env LD_LIBRARY_PATH="$gpu_path" "$@" timeout 300 "$B/programs/$program" \
            >"$out/$program.$kind.$i.out" 2>"$out/$program.$kind.$i.err" || echo "failed$i"
        weights_of "$out/$program.$kind.$i.out"
    done | sort -u
}

if ! real_gpu; then
    for program in $programs; do
        for what in "plain runs differ" "preloaded runs match" "accuracy stays"; do
            echo "ok - $program: $what # SKIP no CUDA device: no working libcuda.so.1 here"
            skipped=$((skipped + 1))
        done
    done
    echo "0 passed, 0 failed, $skipped skipped"
    exit 0
fi
choose_gpu
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null
for program in $programs; do
    plain=$(hashes "$program" plain A=)
    preloaded=$(hashes "$program" preloaded LD_PRELOAD="$B/libdetshim.so" DETSHIM_CACHE="$out/cache")
    [ "$(echo "$plain" | grep -c '^[0-9a-f]*$')" -gt 1 ] && [ "${plain#*failed}" = "$plain" ]
    result $? "$program: plain runs differ ($(echo "$plain" | wc -l) of 5)"
    [ "$(echo "$preloaded" | grep -c .)" = 1 ] && [ "${preloaded#*failed}" = "$preloaded" ]
    result $? "$program: preloaded runs match ($(echo "$preloaded" | tr '\n' ' '))"
    awk '/^test accuracy/ && $3 >= 0.9 { n++ } END { exit n != 10 }' "$out/$program".*.out
    result $? "$program: accuracy stays at 90 % or more"
    grep -h '^detshim:' "$out/$program.preloaded.1.err" | head -8
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
