#!/usr/bin/env bash
# Runs every bench program given, appends its JSON lines to BUILD/bench/NAME.jsonl and prints them as a table.
# usage: B=BUILD CUDA_HOME=TOOLKIT bench.sh PROGRAM...
set -u
failed=0
row='%-16s %-44s %14s %14s %10s\n'
# shellcheck disable=SC2059 # the format is ours
printf "$row" bench case value control 'GB/s'
for program in "$@"; do
    name=$(basename "$program")
    lines=$B/bench/$name.jsonl
    fresh=$(mktemp)
    if ! LD_LIBRARY_PATH=$B/softgpu:$CUDA_HOME/lib timeout 300 "$program" >"$fresh" 2>"$B/bench/$name.err"; then
        echo "FAILED $name: $(tail -1 "$B/bench/$name.err")"
        failed=1
    fi
    cat "$fresh" >>"$lines"
    python3 - "$fresh" <<'PY'
import json, sys
for line in open(sys.argv[1]):
    r = json.loads(line)
    if "median_ns" in r:
        value, control = f"{r['median_ns']:.1f} ns", f"{r['control_ns']:.1f} ns" if r.get("control_ns") else "-"
    else:
        value, control = f"{r['value']:g} {r['unit']}", f"{r['control']:g}" if r.get("control") else "-"
    rate = f"{r['bytes'] / r['median_ns']:.3f}" if r.get("bytes") else ""
    print(f"{r['bench']:<16} {r['case']:<44} {value:>14} {control:>14} {rate:>10}")
PY
    rm -f "$fresh"
done
exit "$failed"
