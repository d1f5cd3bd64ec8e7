#!/usr/bin/env bash
# detshim diff: where two logs of one program part; exit codes; files that are not what they should be.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/cli/logs.sh
. tests/cli/logs.sh
a=$scratch/a.jsonl b=$scratch/b.jsonl

# log FILE: a whole log around the records of standard input
log() {
    {
        head_of 0 1 run_to_run train
        kernel step exact ''
        cat
        tail_of
    } >"$1"
}

{ copy 1 1 10; copy 1 2 11; copy 1 3 12; } | log "$a"
{ copy 1 1 10; copy 1 2 11; copy 1 3 12; } | log "$b"
try "$detshim" diff "$a" "$b"
is "equal logs are identical" 0 "out=identical: 3 copies, 96 bytes; 3 other records"
{ copy 1 1 10; copy 1 2 99; copy 1 3 98; } | log "$b"
try "$detshim" diff "$a" "$b"
is "the first that differs is named, with what ran before it" 1 \
    "out~DIFFER at copy 2 of thread 1: *line 5: *digest 000000000000000b*digest 0000000000000063*launches 11 to 20 of this thread, the last of them step; the copy before them agrees*step is exact*suspects none: every launch was covered*2 of 3 copies differ, on 1 thread*"
{ copy 1 3 12; copy 1 1 10; copy 1 2 11; } | log "$b"
try "$detshim" diff "$a" "$b"
is "the order in the file does not matter" 0 "out~identical: 3 copies*"
{ copy 1 1 10; copy 1 2 11 64; copy 1 3 99; } | log "$b"
try "$detshim" diff "$a" "$b"
is "a thread that goes another way is named there, not later" 1 "out~DIFFER at copy 2 of thread 1*32 bytes*64 bytes*"
{ copy 1 1 10; copy 1 2 11; } | log "$b"
try "$detshim" diff "$a" "$b"
is "a missing copy is a difference" 1 "out~DIFFER at copy 3*B        no such copy: this thread made no more*"
{ copy 1 1 10; copy 1 2 11; copy 1 3 12 32 31; } | log "$b"
try "$detshim" diff "$a" "$b"
is "equal bytes after other launches are equal" 0

# Threads race for their numbers.
{ copy 1 1 10; copy 2 1 20; copy 2 2 21; copy 3 1 30; copy 3 2 31; } | log "$a"
{ copy 1 1 10; copy 3 1 20; copy 3 2 21; copy 2 1 30; copy 2 2 31; } | log "$b"
try "$detshim" diff "$a" "$b"
is "threads are paired by what they copied" 0 "out~identical: 5 copies*"
{ copy 1 1 10; copy 3 1 20; copy 3 2 21; copy 2 1 30; copy 2 2 32; } | log "$b"
try "$detshim" diff "$a" "$b"
is "and still tell a difference" 1 "out~DIFFER at copy*"

# After a kill.
{ copy 1 1 10; copy 1 2 11; copy 1 3 12; } | log "$a"
{ head_of 0 1 run_to_run train; kernel step exact ''; copy 1 2 11; copy 1 1 10; } >"$b"
try "$detshim" diff "$a" "$b"
is "a log without its end is compared as far as it goes" 0 \
    "out~identical as far as both logs go: 2 copies, 64 bytes*B has no end: its process was killed*"
printf '{"v":1,"t":"copy","thr' >>"$b"
try "$detshim" diff "$b" "$a"
is "a torn last line is none" 0 "out~identical as far as both logs go: 2 copies*A has no end*"
copy 1 3 99 >"$scratch/more"
{ head_of 0 1 run_to_run train; copy 1 1 10; copy 1 2 11; cat "$scratch/more"; } >"$b"
try "$detshim" diff "$a" "$b"
is "a difference before the kill is one" 1 "out~DIFFER at copy 3*"

# Other records.
{ copy 1 1 10; kernel other uncovered 'a reason'; } | log "$a"
{ copy 1 1 10; } | log "$b"
try "$detshim" diff "$a" "$b"
is "other records differ after all copies agree" 1 "out~DIFFER in other records; all copies agree*A only   line 5: *other*"
log "$a" </dev/null
log "$b" </dev/null
try "$detshim" diff "$a" "$b"
is "that no result was compared is said" 0 "out~identical: 0 copies*no result was compared*"
cat "$a" "$a" >"$b"
try "$detshim" diff "$a" "$b"
is "the newest run of a file counts" 0

# Not comparable.
{ head_of 0 1 run_to_run other; tail_of; } >"$b"
try "$detshim" diff "$a" "$b"
is "another program is not comparable" 3 "out=NOT COMPARABLE: exe is 'train' in A and 'other' in B"
{ head_of 0 1 observe train; tail_of; } >"$b"
try "$detshim" diff "$a" "$b"
is "nor is another level" 3 "out=NOT COMPARABLE: level is 'run_to_run' in A and 'observe' in B"
{ head_of 1 2 run_to_run train; tail_of; } >"$b"
try "$detshim" diff "$a" "$b"
is "nor another rank" 3 "out~NOT COMPARABLE: rank is 0 in A and 1 in B"
head_of 0 1 run_to_run train | sed 's/"seed":7/"seed":null/' >"$b"
try "$detshim" diff "$a" "$b"
is "nor another seed" 3 "out=NOT COMPARABLE: seed is 7 in A and none in B"

# Trouble: one clear line.
broken() { # broken NAME TEXT: B is broken
    try "$detshim" diff "$a" "$b"
    is "$1" 2 "out=" "err~detshim: *$2*"
    result "$([ "$(wc -l <"$scratch/err")" = 1 ]; echo $?)" "$1: in one line"
}
rm -f "$b"
broken "a missing file" "cannot be read"
mkdir "$b"
broken "a folder" "cannot be read"
rmdir "$b"
: >"$b"
broken "an empty file" "holds no run of detshim"
head -c 4096 "$detshim" >"$b"
broken "a program" "holds no run of detshim"
{ head_of 0 1 run_to_run train; echo 'no record'; tail_of; } >"$b"
broken "a foreign line" "line 3: not a record of a log"
{ head_of 0 1 run_to_run train; echo '{"v":2,"t":"kernel"}'; } >"$b"
broken "a newer format" "line 3: not a record of this version"
{ head_of 0 1 run_to_run train; tail_of; copy 1 1 1; } >"$b"
broken "a record after the end" "line 5: a record after the last one"
{ head_of 0 1 run_to_run train; echo '{"v":1,"t":"copy","thread":1,"n":1,"digest":"12"}'; } >"$b"
broken "a copy that is none" "line 3: a copy without its thread, number or digest"
{ head_of 0 1 run_to_run train; printf '{"v":1,"t":"note","x":"\0"}\n'; } >"$b"
broken "a NUL byte" "line 3: not a record"
try "$detshim" diff "$a"
is "one file is not enough" 2 "err~*two logs are compared*"
{ head_of 0 1 run_to_run train; copy 1 1 10; printf '{"v":1,"t":"later","new":[1,{"k":2.5}]}\n'; tail_of; } >"$b"
try "$detshim" diff "$b" "$b"
is "unknown types and keys are skipped" 0

# Cut at every byte: a verdict or one clear line, never a crash.
{ copy 1 1 10; copy 2 1 11; kernel k unknown w; } | log "$a"
bad=0
size=$(wc -c <"$a")
for ((n = 0; n < size; n += 7)); do
    head -c "$n" "$a" >"$b"
    "$detshim" diff "$a" "$b" >"$scratch/out" 2>"$scratch/err"
    case $? in
    0) [ -s "$scratch/out" ] && [ ! -s "$scratch/err" ] || bad=$((bad + 1)) ;;
    2) [ "$(wc -l <"$scratch/err")" = 1 ] || bad=$((bad + 1)) ;;
    3) ;; # cut inside the settings
    *) bad=$((bad + 1)) ;;
    esac
done
result "$bad" "cut anywhere, a log gives a verdict or one line ($bad do not)"

# Real logs.
real "$a" 1 observe async
real "$b" 2 observe async
try "$detshim" diff "$a" "$b"
is "two plain schedules part at the first copy, after the racing kernel" 1 \
    "out~DIFFER at copy 1 of thread 1*sum, the only launch*sum is uncovered: would be rewritten*suspects sum (uncovered)*"
real "$a" 1 run_to_run threads
real "$b" 2 run_to_run threads
try "$detshim" diff "$a" "$b"
is "two preloaded ones are identical" 0 "out~identical: 15 copies, 480 bytes*"
finish
