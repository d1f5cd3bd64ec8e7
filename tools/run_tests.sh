#!/usr/bin/env bash
# Runs every test program given, collects TAP, and ends with one line `N passed, N failed, N skipped`.
# usage: run_tests.sh OUT_DIR PROGRAM...   A Criterion binary writes TAP by --tap; a script prints TAP itself.
# A program that dies, times out or runs no test counts as one failure.
set -u
out=$1
shift
mkdir -p "$out"
passed=0 failed=0 skipped=0
limit=${TEST_TIMEOUT:-900}
export DETSHIM_CACHE=off # no test depends on what an earlier run left; tests of the cache name a folder
for program in "$@"; do
    name=$(basename "$program")
    tap=$out/$name.tap
    log=$out/$name.log
    start=$(date +%s)
    if [ "${name##*.}" = sh ]; then
        timeout -k 10 "$limit" "$program" >"$tap" 2>"$log" </dev/null
    else
        rm -f "$tap"
        timeout -k 10 "$limit" "$program" --tap="$tap" >"$log" 2>&1 </dev/null
    fi
    status=$?
    [ -f "$tap" ] || : >"$tap"
    skip=$(grep -cE '^ok .*# SKIP' "$tap")
    ok=$(($(grep -cE '^ok ' "$tap") - skip))
    bad=$(grep -cE '^not ok ' "$tap")
    if [ "$bad" = 0 ] && { [ "$status" != 0 ] || [ $((ok + skip)) = 0 ]; }; then bad=1; fi
    if [ "$bad" != 0 ]; then
        grep -E -A12 '^not ok' "$tap" | head -60
        tail -15 "$log"
        echo "FAILED $name (status $status, see $tap $log)"
    fi
    printf '%-34s %4d passed %3d failed %3d skipped %5ds\n' "$name" "$ok" "$bad" "$skip" $(($(date +%s) - start))
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
done
grep -hE '^ok .*# SKIP' "$out"/*.tap | sed 's/^ok[ -]*/skipped: /' | sort | uniq -c | head -40
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
