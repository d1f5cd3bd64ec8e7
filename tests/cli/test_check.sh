#!/usr/bin/env bash
# detshim check: verdicts and exit codes.
# shellcheck source=tests/cli/common.sh disable=SC2016 # single quotes: the child shell expands
. "$(dirname "$0")/common.sh"
export DETSHIM_LIBRARY=$scratch/lib/libdetshim.so

try "$detshim" check -n 1 true
is "one run compares nothing" 2 "err~*-n takes 2 to 100*"
try "$detshim" check -n 2 /no/such
is "a program that cannot start is trouble" 2 "err~*cannot run*"
try "$detshim" check -n 3 -- sh -c 'echo noise $$; echo result loss=0x1p-3; echo result hash=abcd'
is "equal results are the same, other output does not decide" 0 \
    "out~*plain runs: identical; under detshim: identical (3 runs each)*2 result values, 10 bytes per run; standard output differs (does not decide)*"
try "$detshim" check -n 2 --stdout -- sh -c 'echo noise $$; echo result loss=1'
is "with --stdout it decides" 1 "out~*under detshim: DIFFER*"
try "$detshim" check -n 2 --stdout -- echo words
is "with --stdout no result line is needed" 0
try "$detshim" check -n 2 -- sh -c 'echo result pid=$$'
is "differing results differ" 1 "out~*VERDICT    plain runs: DIFFER; under detshim: DIFFER*"
try "$detshim" check -n 2 -- sh -c '[ "${DETSHIM_LEVEL:-}" = observe ] && echo result a=$$ || echo result a=1'
is "only the preloaded runs decide" 0 "out~*plain runs: DIFFER; under detshim: identical*"
try "$detshim" check --as-is -n 2 -- sh -c '[ "${DETSHIM_LEVEL:-}" = observe ] && echo result a=$$ || echo result a=1'
is "--as-is speaks of the plain runs" 1 "out~*VERDICT    DIFFER as is*"
LD_PRELOAD=$DETSHIM_LIBRARY try "$detshim" check --as-is --bare -n 2 -- sh -c 'echo "result a=${LD_PRELOAD:-none}${DETSHIM_LEVEL:-}."'
is "bare runs are bare under an exported LD_PRELOAD" 0 "out~*a=none.*"
DETSHIM_LEVEL=off try "$detshim" check -n 2 -- sh -c 'echo "result a=$DETSHIM_LEVEL${DETSHIM_TRACE:-}"'
is "plain runs are observed, the others get the level that was set" 0 "out~*a=observedigests*a=observedigests*a=offdigests*a=offdigests*"
DETSHIM_LIBRARY=/no/such try "$detshim" check --as-is --bare -n 2 -- echo result a=1
is "bare runs need no library" 0
DETSHIM_LIBRARY=/no/such try "$detshim" check --as-is -n 2 -- echo result a=1
is "observed runs do" 125
try "$detshim" check -n 2 -- true
is "nothing compared is trouble, not the same" 2 "out~*NO VERDICT*nothing to compare*"
try "$detshim" check -n 2 -- echo result without value
is "a result line needs NAME=VALUE" 2
try "$detshim" check -n 2 -- sh -c 'echo result a=1; echo last words >&2; exit 5'
is "failing runs prove nothing" 2 "out~*a run failed (exit 5)*" "err~*last words*"
try "$detshim" check -n 2 -- sh -c 'echo result a=1; kill -9 $$'
is "nor do killed ones" 2 "out~*killed by signal 9 (SIGKILL)*"
try "$detshim" check -n 2 -- sh -c "echo x >>$scratch/count; for i in \$(cat $scratch/count); do echo result \$i=1; done"
is "another set of results is not comparable" 3 "out~*NOT COMPARABLE*"
export STAND_IN=exact:grad:3,uncovered:racy:1
try "$detshim" check -n 2 --seed 7 -- /bin/echo result a=1
is "the ledger's exceptions are shown" 0 "out~*seed 7*ledger     run_to_run except: racy; records of the runs identical*"
try "$detshim" check -n 2 --strict -- /bin/echo result a=1
is "strict ends with 4" 4 "out~*ended by strict mode*"
STAND_IN=exact:grad:3 try "$detshim" check -n 2 --strict -- /bin/echo result a=1
is "strict and covered is the same" 0 "out~*ledger     run_to_run; records*"
STAND_IN=exact:grad:3 try "$detshim" check -n 2 -- sh -c 'echo result a=1'
is "a process without its last record leaves no promise" 0 "out~*ledger     no promise*"
unset STAND_IN
try "$detshim" check -n 2 -- echo result a=1
is "no GPU work is said" 0 "out~*no GPU work was seen*"
DET_SEED=x try "$detshim" check -n 2 true
is "bad settings are refused" 125

# The real library on the software GPU, each run with the next schedule; the program prints nothing.
export DETSHIM_LIBRARY=$B/libdetshim.so LD_LIBRARY_PATH=$B/softgpu DETSHIM_CACHE=off
program() { # program N WAY: sets the first seed
    echo "$1" >"$scratch/seed"
    echo "read -r n <$scratch/seed; echo \$((n + 1)) >$scratch/seed; SOFTGPU_SEED=\$n exec $B/preload/cuda_copies $2 >/dev/null"
}
try "$detshim" check -n 3 -- sh -c "$(program 1 async)"
is "copies to the host are compared where nothing is printed" 0 \
    "out~*plain runs: DIFFER; under detshim: identical*0 result values*2 copies to the host, 64 bytes per run*ledger     run_to_run; records of the runs identical*"
try "$detshim" check --as-is -n 3 -- sh -c "$(program 1 async)"
is "--as-is compares them, too, and names the first that differs" 1 \
    "out~*DIFFER as is*copies     runs 1 and 2: first difference at copy 1 of thread 1 in cuda_copies (cuMemcpyDtoHAsync_v2, 32 bytes), after 'sum'*"
DETSHIM_SKIP_KERNELS=sum try "$detshim" check -n 3 -- sh -c "$(program 1 threads)"
is "without the rewriting they differ under the library" 1 "out~*under detshim: DIFFER*15 copies to the host*"
try "$detshim" check -n 2 -- sh -c "$(program 1 capture)"
is "zero copies compared is trouble, and the reason is shown" 2 \
    "out~*NO VERDICT*0 copies to the host, 0 bytes per run; 1 more could not be compared (part of a graph)*no copy to the host was seen*"
try "$detshim" check -n 2 -- sh -c "read -r n <$scratch/seed; echo \$((n + 1)) >$scratch/seed; for i in \$(seq \$((n % 2 + 1))); do SOFTGPU_SEED=\$n $B/preload/cuda_copies flat >/dev/null; done"
is "another number of copies is not comparable, if all others agree" 3 "out~*under detshim: NOT COMPARABLE*other copies from copy 1*"
finish
