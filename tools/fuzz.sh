#!/usr/bin/env bash
# Runs each libFuzzer program given for FUZZ_SECONDS (60) and fails on the first finding, which it keeps.
# usage: fuzz.sh BUILD PROGRAM...   Seeds: nvcc's outputs in BUILD/images and the PTX files of the tree.
set -u
build=$1
shift
seconds=${FUZZ_SECONDS:-60}
seeds=$build/fuzz/seeds
rm -rf "$seeds" && mkdir -p "$seeds"
find "$build/images" replacements tests -type f -size -64k \
    \( -name '*.fatbin' -o -name '*.cubin' -o -name '*.ptx' -o -name '*.o' \) 2>/dev/null | while read -r file; do
    cp "$file" "$seeds/$(echo "$file" | tr / _)"
done
failed=0
for program in "$@"; do
    name=$(basename "$program")
    corpus=$build/fuzz/corpus/$name
    found=$build/fuzz/found-$name-
    log=$build/fuzz/$name.log
    mkdir -p "$corpus"
    if "$program" -seed=1 -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2560 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="$found" "$corpus" "$seeds" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        printf '%-20s %10s inputs in %ss, no finding\n' "$name" "$runs" "$seconds"
    else
        failed=$((failed + 1))
        grep -E -m4 'ERROR|SUMMARY|Test unit written|libFuzzer' "$log"
        tail -3 "$log"
        echo "FOUND $name: see $log; repeat with $program FILE"
    fi
done
echo "$(($# - failed)) passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
