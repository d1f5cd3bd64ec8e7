#!/usr/bin/env bash
# detshim run: transcripts.
# shellcheck source=tests/cli/common.sh disable=SC2016 # single quotes: the child shell expands
. "$(dirname "$0")/common.sh"
library=$scratch/lib/libdetshim.so

try "$detshim"
is "no command shows the usage" 2 "err~usage: detshim COMMAND*"
try "$detshim" --version
is "version" 0 "out~detshim [0-9]*.[0-9]*.[0-9]*"
try "$detshim" --help
is "help names every command" 0 "out~*run *check *ptx *doctor *env *"
try "$detshim" frobnicate
is "unknown command" 2 "err~*no command 'frobnicate'*"
try "$detshim" run --help
is "help of run" 0 "out~*--dry-run*--strict*"

DETSHIM_LIBRARY=/no/such.so try "$detshim" run true
is "missing library is refused" 125 "err~*cannot read DETSHIM_LIBRARY*"
mkdir "$scratch/a b" && cp "$library" "$scratch/a b/"
DETSHIM_LIBRARY="$scratch/a b/libdetshim.so" try "$detshim" run true
is "path with a blank is refused" 125 "err~*a blank or a colon*"
mkdir "$scratch/tree" "$scratch/tree/bin" "$scratch/tree/lib"
cp "$detshim" "$scratch/tree/bin/" && cp "$library" "$scratch/tree/lib/"
try "$scratch/tree/bin/detshim" run --dry-run true
is "library is found in ../lib" 0 "out=env LD_PRELOAD=$scratch/tree/lib/libdetshim.so true"
cp "$library" "$scratch/tree/bin/"
try "$scratch/tree/bin/detshim" run --dry-run true
is "library beside the program comes first" 0 "out=env LD_PRELOAD=$scratch/tree/bin/libdetshim.so true"
export DETSHIM_LIBRARY=$library

try "$detshim" run -s 7 -l observe --strict=2 -o 'l/%p' -r -atomics.exact -q --dry-run -- echo "a b" "it's"
is "dry run shows every setting, quoted" 0 \
    "out=env LD_PRELOAD=$library DET_SEED=7 DETSHIM_LEVEL=observe DETSHIM_STRICT=2 DETSHIM_LOG=l/%p DETSHIM_RULES=-atomics.exact DETSHIM_QUIET=1 echo 'a b' 'it'\\''s'"
LD_PRELOAD=/lib/other.so:/old/libdetshim.so try "$detshim" run --dry-run true
is "ours goes first, others stay, an older one of ours goes" 0 "out=env LD_PRELOAD=$library:/lib/other.so true"
try "$detshim" run --dry-run ls --seed 3 -q
is "options after the command belong to the command" 0 "out=env LD_PRELOAD=$library ls --seed 3 -q"

try "$detshim" run
is "no program" 125 "err~*no command given*"
try "$detshim" run --seed abc true
is "bad seed is refused up front" 125 "err=detshim: DET_SEED: 'abc' is none of: 0 to 2^64-1, decimal or 0x hexadecimal; refused"
DETSHIM_STRIKT=1 DETSHIM_LEVEL=x try "$detshim" run true
is "every bad setting is named" 125 "err~*DETSHIM_LEVEL: 'x'*DETSHIM_STRIKT*DETSHIM_STRICT*"
try "$detshim" run --level gpu_to_gpu true
is "gpu_to_gpu: one line, runs" 0 "err=detshim: level gpu_to_gpu is not offered yet; running as run_to_run"
for pair in CUBLAS_WORKSPACE_CONFIG=:0:0 TF_DETERMINISTIC_OPS=0 NCCL_ALGO=Tree \
    XLA_FLAGS=--xla_gpu_deterministic_ops=false; do
    try env "$pair" "$detshim" run --strict true
    is "conflict under strict is refused: $pair" 125 "err~*${pair%%=*}*refused under DETSHIM_STRICT"
    try env "$pair" "$detshim" run true
    is "and not refused without strict: $pair" 0 "err="
done
try env CUBLAS_WORKSPACE_CONFIG=:16:8 NCCL_ALGO=^Tree "$detshim" run --strict true
is "settings that keep the promise are fine under strict" 0 "err="

try "$detshim" run -- sh -c 'exit 3'
is "exit status passes through" 3 "err="
try "$detshim" run /no/such/program
is "not found is 127" 127 "err~*cannot run '/no/such/program': No such file*"
try "$detshim" run /tmp
is "not executable is 126" 126 "err~*cannot run '/tmp': Permission denied"
try "$detshim" run -- /bin/echo hello
is "a program without GPU work says nothing" 0 "out=hello" "err="
try "$detshim" run -- sh -c 'kill -9 $$'
is "killed without GPU work: status only" 137 "err="

export STAND_IN=exact:grad:3,ordered:relu:5
try "$detshim" run --seed 7 -- /bin/true
is "summary of a covered program" 0 \
    "err~detshim: run_to_run (this process), seed 7: 3 exact, 5 ordered, 0 pinned, 0 vouched, 0 unknown, 0 uncovered*grad 3x*"
try "$detshim" run --quiet -- /bin/true
is "quiet" 0 "err="
try "$detshim" run -- sh -c 'kill -9 $$'
is "killed program: what is known, no promise" 137 \
    "err~detshim: incomplete, no promise: killed by signal 9 (SIGKILL)*1 exact, 1 ordered*"
try "$detshim" run --log "$scratch/log.%p" -- sh -c 'kill -TERM $$'
is "killed program with a log of its own" 143 "err~detshim: incomplete, no promise: killed by signal 15*"
try "$detshim" run -- sh -c '/bin/true; kill -9 $$'
is "a child that ended well is not called incomplete" 137 "err~*run_to_run (this process)*incomplete*"
result "$([ "$(grep -c incomplete <<<"$err")" = 1 ]; echo $?)" "only the killed one is"
STAND_IN=uncovered:racy:2 try "$detshim" run --strict -- /bin/echo result
is "strict ends with 4 before any output" 4 "out=" "err~*uncovered racy 2x: a reason*"
STAND_IN=unknown:dark:2 try "$detshim" run --strict -- bash -c "echo result"
is "strict 1 lets unknown pass" 0 "out=result" "err~*run_to_run except: dark*"
STAND_IN=unknown:dark:2 try "$detshim" run --strict=2 -- /bin/echo result
is "strict 2 does not" 4 "out="
STAND_IN=uncovered:racy:2 try "$detshim" run --level off -- /bin/echo result
is "level off is silent" 0 "out=result" "err="

unset STAND_IN
"$detshim" run -- sleep 30 & pid=$!
sleep 0.3; kill -TERM $pid; wait $pid; status=$?
result "$([ $status = 143 ]; echo $?)" "SIGTERM to run reaches the program"
( trap '' INT; "$detshim" run -- sleep 0.5 & pid=$!; sleep 0.2; kill -INT $pid; wait $pid ); status=$?
result "$([ $status = 0 ]; echo $?)" "an ignored signal stays ignored"
finish
