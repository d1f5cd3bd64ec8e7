#!/usr/bin/env bash
# detshim report: one log, several ranks, logs without an end, files that are none.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/cli/logs.sh
. tests/cli/logs.sh
a=$scratch/a.jsonl b=$scratch/b.jsonl

changed() { printf '{"v":1,"t":"total","of":"override","call":"cudnnConvolutionBackwardFilter","rule":"%s","field":"algo","asked":0,"given":1,"action":"changed","n":%d}\n' "$@"; }
kept() { printf '{"v":1,"t":"total","of":"%s","call":"setenv","rule":null,"field":"NCCL_ALGO","asked":"%s","given":"%s","action":"%s","n":1}\n' "$1" "$2" "$2" "$1"; }
{
    head_of 0 2 run_to_run train
    copy 1 1 10
    total _ZN2at6kernelEv uncovered 'table full' 3
    total good exact '' 40
    changed cudnn.engine 5
    kept conflict Tree
    echo '{"v":1,"t":"total","of":"warn","msg":"something odd","n":2}'
    tail_of
} >"$a"
{
    head_of 1 2 run_to_run train
    copy 1 1 10
    total good exact '' 2
    total mystery unknown 'no PTX' 1
    changed cudnn.engine 7
    tail_of
} >"$b"
try "$detshim" report "$a" "$b"
is "ranks are added up" 0 \
    "out~logs       2 processes of several ranks of 'train'*settings   level run_to_run, seed 7*run_to_run except 4 launches and calls*copies     2 to the host, 64 bytes*exact      42*unknown    1*uncovered  3*"
is "what is uncovered or unknown stands there by name, with reason and rank" 0 \
    "out~*at::kernel 3x: table full \[rank 0\]*mystery 1x: no PTX \[rank 1\]*"
is "overrides stand under their rule's sentence" 0 "out~*cudnn.engine: engines with the nondeterminis*cudnnConvolutionBackwardFilter 12x algo 0 -> 1*"
is "conflicts and warnings are shown" 0 "out~*conflicts: your setting breaks the promise*NCCL_ALGO Tree*warnings*something odd 2x*"
first=$out
try "$detshim" report "$b" "$a"
result "$([ "$(cut -d, -f1 <<<"$out" | sort)" = "$(cut -d, -f1 <<<"$first" | sort)" ]; echo $?)" "the order of the files does not matter"
try "$detshim" report "$b"
is "one log of a rank" 0 "out~logs       1 process of several ranks of 'train'*mystery 1x: no PTX*"

{ head_of 0 1 run_to_run train; kernel step exact ''; kernel odd unknown 'no PTX'; } >"$b"
try "$detshim" report "$b"
is "a log without its end promises nothing" 0 \
    "out~*promise    none: 1 of 1 logs have no end*odd at least 1x: no PTX*step at least 1x*"
{ head_of 0 1 observe train; tail_of; } >"$b"
try "$detshim" report "$b"
is "observe promises nothing" 0 "out~*promise    none: nothing was changed at this level*"
{ head_of 0 1 run_to_run train; total good exact '' 1; tail_of; } >"$b"
try "$detshim" report "$b"
is "all covered is the promise" 0 "out~*promise    run_to_run, for what these processes did on the GPU*"
{ head_of 0 1 run_to_run train; total '\u001b[31mred\n' exact '' 1; tail_of; } >"$b"
try "$detshim" report "$b"
result "$(grep -q $'\033' <<<"$out"; echo $((1 - $?)))" "names cannot write to the terminal"

try "$detshim" report
is "no file is a mistake" 2 "err~*no log given*"
try "$detshim" report "$a" "$scratch/none"
is "a missing file is one line" 2 "out=" "err=detshim: '$scratch/none': cannot be read"
echo words >"$b"
try "$detshim" report "$b"
is "a file that is no log is one line" 2 "out=" "err=detshim: '$b': holds no run of detshim"

real "$a" 1 run_to_run lost
try "$detshim" report "$a"
is "a real log" 0 \
    "out~*of 'cuda_copies'*copies     1 to the host, 32 bytes; 3 without a digest*exact      1*sum 1x (atomics.exact)*"
finish
