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
try "$detshim" check -n 2 -- sh -c '[ -n "${LD_PRELOAD:-}" ] && echo result a=1 || echo result a=$$'
is "only the preloaded runs decide" 0 "out~*plain runs: DIFFER; under detshim: identical*"
try "$detshim" check --as-is -n 2 -- sh -c '[ -n "${LD_PRELOAD:-}" ] && echo result a=1 || echo result a=$$'
is "--as-is speaks of the plain runs" 1 "out~*VERDICT    DIFFER as is*"
LD_PRELOAD=$DETSHIM_LIBRARY try "$detshim" check --as-is -n 2 -- sh -c 'echo "result a=${LD_PRELOAD:-none}"'
is "plain runs are plain under an exported LD_PRELOAD" 0 "out~*a=none*"
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
finish
