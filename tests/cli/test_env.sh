#!/usr/bin/env bash
# detshim env and env --check.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
export DETSHIM_LIBRARY=$scratch/lib/libdetshim.so

try "$detshim" env
is "defaults" 0 "out~DET_SEED *unset *default*DETSHIM_LEVEL *run_to_run *default*LD_PRELOAD   unset*"
DET_SEED=7 DETSHIM_STRICT=1 LD_PRELOAD=/x/libdetshim.so try "$detshim" env
is "values from the environment" 0 "out~DET_SEED *7 *environment*DETSHIM_STRICT *1 *environment*LD_PRELOAD   /x/libdetshim.so"
DET_SEED=abc try "$detshim" env
is "a bad value: what is used, and what the environment says" 1 "out~DET_SEED *unset *default, because the environment says 'abc' is none of*"
DETSHIM_LOGS=1 try "$detshim" env
is "unknown names" 1 "out~*unknown      'DETSHIM_LOGS': no such setting; the nearest is DETSHIM_LOG*"
RANK=3 WORLD_SIZE=8 SLURM_JOB_ID=99 try "$detshim" env
is "rank and job" 0 "out~*rank         3 of 8*job          99*"
CUBLAS_WORKSPACE_CONFIG=x try "$detshim" env
is "conflicts" 1 "out~*conflict     CUBLAS_WORKSPACE_CONFIG=x: *"
try "$detshim" env true
is "a command needs --check" 2 "err~*needs --check*"
try "$detshim" env --check
is "--check needs a command" 2 "err~*needs a command*"

try "$detshim" env --check -- sh -c 'ls / >/dev/null; ls /tmp >/dev/null; (sleep 0.1 &); exit 3'
is "every process mapped the library" 0 "out~*mapped        2 x */ls*RESULT       every process mapped the library; exit 3"
try "$detshim" env --check -- sh -c 'env -i ls / >/dev/null; true'
is "a cleared environment is found out" 1 "out~*NOT mapped    1 x */ls*some processes ran without the library*"
try "$detshim" env --check -- sh -c "$detshim --version >/dev/null; true"
is "a static program is found out" 1 "out~*NOT mapped    1 x $detshim*"
try "$detshim" env --check -- sh -c 'kill -TERM $$'
is "a killed program" 0 "out~*killed by signal 15*"
try "$detshim" env --check -- python3 -c 'import threading
for i in range(8): threading.Thread(target=sum, args=([],)).start()'
[ "$(grep -c 'python' <<<"$out")" = 1 ]
result $? "threads are not processes"
try "$detshim" env --check /no/such
is "cannot run" 127 "out=" "err~*cannot run '/no/such'*"
finish
