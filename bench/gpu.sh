#!/bin/sh
# Float atomics on a card, plain and preloaded: one JSON object per line, then a table of ratios on stderr.
# usage: gpu.sh BUILD [BENCH_ARGUMENT]...
set -eu
build=$(cd "$1" && pwd)
shift
if [ -z "${GPU_BENCH_ANYWAY:-}" ] && [ ! -e /dev/nvidiactl ] && [ ! -e /dev/dxg ]; then
    echo '{"bench":"gpu_atomics","skipped":"no NVIDIA device node"}'
    exit 0
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$build/bench/bench_gpu_atomics" "$@" >"$out/plain"
LD_PRELOAD=$build/libdetshim.so "$build/bench/bench_gpu_atomics" "$@" >"$out/preloaded"
sed 's/^{/{"mode":"plain",/' "$out/plain"
sed 's/^{/{"mode":"preloaded",/' "$out/preloaded"
paste -d '\n' "$out/plain" "$out/preloaded" | python3 -c '
import json, sys
rows = [json.loads(line) for line in sys.stdin]
for plain, ours in zip(rows[::2], rows[1::2]):
    if "us" in plain:
        print("%-24s %-6s %10.1f us plain %10.1f us preloaded  %.2fx" % (plain["pattern"], plain["type"],
              plain["us"], ours["us"], ours["us"] / plain["us"]), file=sys.stderr)
'
